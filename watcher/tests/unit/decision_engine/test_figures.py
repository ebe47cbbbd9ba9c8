# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

from unittest import mock

from watcher.decision_engine import figures
from watcher.decision_engine.messaging import notification_listener
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.objects.test_figures import values


class Collector:
    """As much of a collector as is looked at."""

    def __init__(self, model=None, took=None):
        self.current_model = model
        self.took = took


class TestModels(base.TestCase):

    def figures(self, **collectors):
        return values(figures.ModelFigures(lambda: collectors).collect())

    def test_a_model(self):
        model = models.cloud({models.node('one'): [], models.node('two'): []})
        model.built_at = None
        model.incomplete_nodes[models.node('one').uuid] = 'why'
        told = self.figures(compute=Collector(model, 2.5))
        self.assertEqual(1, told['watcher_model_usable', 'compute'])
        self.assertEqual(2.5, told['watcher_model_build_seconds', 'compute'])
        self.assertEqual(2, told['watcher_model_elements', 'compute',
                                 'nodes'])
        self.assertEqual(0, told['watcher_model_elements', 'compute',
                                 'instances'])
        self.assertNotIn(('watcher_model_age_seconds', 'compute'), told)

    def test_not_read_yet(self):
        self.assertEqual({('watcher_model_usable', 'compute'): 0},
                         self.figures(compute=Collector()))

    def test_a_model_of_a_third_party(self):
        self.assertEqual({('watcher_model_usable', 'theirs'): 1},
                         self.figures(theirs=Collector(object())))


class TestNotifications(base.TestCase):

    def test_what_arrived(self):
        told = notification_listener.Statistics()
        told.listening = ('nova.versioned_notifications',)
        told.note('applied', 'neutron', {})
        self.assertEqual({
            ('watcher_notifications_total', 'applied'): 1,
            ('watcher_notifications_total', 'ignored'): 0,
            ('watcher_notifications_total', 'failed'): 0,
            ('watcher_notifications_topics',): 1,
        }, values(figures.NotificationFigures(told).collect()))

    def test_delay(self):
        told = notification_listener.Statistics()
        told.note('ignored', 'nova-compute:host',
                  {'timestamp': '2026-01-01 00:00:00.000000'})
        collected = values(figures.NotificationFigures(told).collect())
        self.assertLess(0, collected['watcher_notification_lag_seconds',])
        self.assertLessEqual(0, collected['watcher_nova_silence_seconds',])


class TestEngine(base.TestCase):

    def test_a_scrape_asks_nobody_for_the_collectors(self):
        engine = mock.Mock(lease=None)
        engine.models.collectors = {}
        collectors = figures.collectors_of(engine)
        told = [metric.name for collector in collectors[1:]
                for metric in collector.collect()]
        self.assertIn('watcher_model_age_seconds', told)
        self.assertNotIn('watcher_lease_valid', told)

    def ready(self, **models_by_name):
        engine = mock.Mock()
        engine.models.collectors = {
            name: Collector(model) for name, model in models_by_name.items()}
        return figures.checks_of(engine)['models']()

    def test_ready_with_a_model_of_the_hosts(self):
        model = models.cloud({models.node('one'): []})
        model.incomplete_nodes['uuid'] = 'why'
        found = self.ready(compute=model, storage=None)
        self.assertTrue(found.ok)
        self.assertEqual(
            {'usable': True, 'incomplete_hosts': 1, 'age': round(
                model.age, 1) if model.age is not None else None},
            found.facts['compute'])
        self.assertEqual({'usable': False}, found.facts['storage'])

    def test_not_ready_without_one(self):
        self.assertFalse(self.ready(compute=None, storage=object()).ok)
        # Not known yet, which models there are.
        self.assertFalse(self.ready().ok)

    def test_ready_without_such_a_collector(self):
        self.assertTrue(self.ready(theirs=object()).ok)

    def test_the_lease_counts(self):
        for lease, ok in ((None, True), (mock.Mock(valid=True), True),
                          (mock.Mock(valid=False), False)):
            checks = figures.checks_of(mock.Mock(lease=lease))
            self.assertEqual(ok, checks['lease']().ok)
        self.assertEqual({'bus', 'database', 'lease', 'models'},
                         set(checks))
