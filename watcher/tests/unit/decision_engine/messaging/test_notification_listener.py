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

import time
from unittest import mock

from watcher.decision_engine.messaging import notification_listener
from watcher.decision_engine.model.notification import filtering
from watcher.tests import base


class TestDistributor(base.TestCase):

    def setUp(self):
        super().setUp()
        self.statistics = notification_listener.Statistics()

    def send(self, *endpoints, publisher='nova-compute:h1', **metadata):
        notification_listener.Distributor(endpoints, self.statistics).info(
            {}, publisher, 'event', {}, metadata)

    def endpoint(self, rule=None, **behaviour):
        made = mock.Mock(filter_rule=rule)
        made.info = mock.Mock(**behaviour)
        return made

    def counts(self):
        return (self.statistics.applied, self.statistics.ignored,
                self.statistics.failed)

    def test_filters(self):
        wanted = self.endpoint(
            filtering.NotificationFilter(publisher_id='nova-'))
        unwanted = self.endpoint(
            filtering.NotificationFilter(publisher_id='volume'))
        self.send(wanted, unwanted)
        wanted.info.assert_called_once_with(
            {}, 'nova-compute:h1', 'event', {}, {})
        unwanted.info.assert_not_called()
        self.send(unwanted)
        self.send(self.endpoint(return_value=False))
        self.assertEqual((1, 2, 0), self.counts())

    def test_an_error_hides_no_message_from_the_others(self):
        last = self.endpoint()
        self.send(self.endpoint(side_effect=ValueError('not understood')),
                  self.endpoint(side_effect=KeyError('bug')), last)
        last.info.assert_called_once()
        self.assertIn('not understood', self.logger.output)
        self.assertIn('bug', self.logger.output)

    def test_text(self):
        self.assertIn('listening to nothing; applied 0',
                      self.statistics.as_text())
        self.assertIn('never', self.statistics.as_text())
        self.send(self.endpoint(), timestamp='2020-01-01 00:00:00.000000')
        self.assertGreater(self.statistics.lag, 86400)
        self.assertNotIn('never', self.statistics.as_text())
        self.send(self.endpoint(), publisher='x', timestamp='tomorrow')


class TestTopics(base.TestCase):

    def test_what_others_use_by_default_is_listened_to(self):
        """Field report 1.5 line 74."""
        self.assertEqual(
            [('nova', 'versioned_notifications'),
             ('openstack', 'notifications')],
            [(target.exchange, target.topic) for target
             in notification_listener.targets(
                 self.conf.conf.watcher_decision_engine
                 .notification_topics)])

    def test_targets(self):
        self.assertEqual(
            [('nova', 'versioned'), ('a', 'b.c'), (None, 'plain')],
            [(target.exchange, target.topic) for target
             in notification_listener.targets(
                 ['nova.versioned', ' a.b.c', 'plain', ''])])


class TestListener(base.TestCase):

    def setUp(self):
        super().setUp()
        self.statistics = notification_listener.Statistics()
        self.useFixture(base.fixtures.MockPatchObject(
            notification_listener, 'STATISTICS', self.statistics))
        self.config(group='watcher_decision_engine',
                    notification_silence=60)
        self.listener = notification_listener.NotificationListener([object])

    def warnings(self):
        return self.logger.output.count('No notification of Nova')

    def test_silence_is_told_once(self):
        self.listener.watch_silence()
        self.assertEqual(0, self.warnings())
        self.listener._since = time.monotonic() - 61
        self.listener.watch_silence()
        self.listener.watch_silence()
        self.assertEqual(1, self.warnings())
        self.statistics.note('applied', 'nova-api:x', {})
        self.listener.watch_silence()
        self.statistics.nova_heard -= 61
        self.listener.watch_silence()
        self.assertEqual(2, self.warnings())

    def test_nothing_to_listen_to(self):
        self.config(group='watcher_decision_engine', notification_topics=[])
        self.listener.start()
        self.assertIn('notification_topics is empty', self.logger.output)
        notification_listener.NotificationListener([]).start()
        self.assertIn('no model wants any', self.logger.output)
        self.listener.stop(base.PATIENCE)
