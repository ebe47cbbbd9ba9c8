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
"""Messages and builds of a model at the same time."""

import datetime
import threading
from unittest import mock

import fixtures

from watcher.decision_engine.model.collector import base as collector_base
from watcher.decision_engine.model.notification import base as endpoint_base
from watcher.tests import base
from watcher.tests.unit.decision_engine.model.collector import test_base


class Endpoint(endpoint_base.NotificationEndpoint):
    """Sets the reason why the host is disabled."""

    filter_rule = None

    def process_info(self, ctxt, publisher_id, event_type, payload,
                     metadata):
        model = self.cluster_data_model
        if model.seen('N', endpoint_base.sent_at(metadata)):
            model.get_node_by_uuid('N').disabled_reason = payload


class PartialEndpoint(Endpoint):
    """Sets the fields that a message names."""

    def process_info(self, ctxt, publisher_id, event_type, payload,
                     metadata):
        model = self.cluster_data_model
        if model.seen('N', endpoint_base.sent_at(metadata)):
            model.get_node_by_uuid('N').update(payload)


class OldEndpoint(Endpoint):
    """As plug-ins were written for older releases."""

    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        with self.collector.sync_lock:
            self.collector.cluster_data_model.get_node_by_uuid(
                'N').disabled_reason = payload


class TestNotified(test_base.CollectorTestCase):

    def setUp(self):
        super().setUp()
        # Not when this module is imported, minutes before.
        self.now = datetime.datetime.now(datetime.UTC)
        self.useFixture(fixtures.MockPatchObject(
            endpoint_base, 'SKEW', datetime.timedelta(hours=1)))
        self.endpoint = Endpoint(self.collector)

    def send(self, text, seconds=0.0, endpoint=None):
        when = self.now + datetime.timedelta(seconds=seconds)
        return (endpoint or self.endpoint).info(
            {}, 'p', 'e', text,
            {'timestamp': when.strftime('%Y-%m-%d %H:%M:%S.%f')})

    def reason(self):
        return self.collector.get_latest_cluster_data_model(
            ).get_node_by_uuid('N').get('disabled_reason', None)

    def during_a_build(self, *actions):
        """Call the actions while a model is being built."""
        self.collector.building.clear()
        self.collector.hold = threading.Event()
        self.addCleanup(self.collector.hold.set)
        worker = threading.Thread(target=self.collector.synchronize)
        worker.start()
        self.collector.building.wait(base.PATIENCE)
        for action in actions:
            action()
        self.collector.hold.set()
        worker.join(base.PATIENCE)
        self.collector.hold = None

    def test_ignored_without_a_model(self):
        self.assertFalse(self.send('one'))
        self.assertIsNone(self.collector.current_model)
        self.assertEqual(0, self.collector.builds)
        self.collector.set_cluster_data_model_as_stale()
        self.assertFalse(self.send('one'))

    def test_applied(self):
        self.collector.synchronize()
        self.assertTrue(self.send('one'))
        self.assertEqual('one', self.reason())
        self.assertIsNotNone(self.collector.told_ago)

    def test_old_plug_ins(self):
        self.collector.synchronize()
        self.send('old way', endpoint=OldEndpoint(self.collector))
        self.assertEqual('old way', self.reason())

    def test_a_message_during_the_first_build(self):
        self.during_a_build(lambda: self.assertTrue(self.send('one')))
        self.assertEqual('one', self.reason())

    def test_a_message_during_a_rebuild(self):
        self.collector.synchronize()
        self.during_a_build(
            lambda: self.send('one', 1), lambda: self.send('two', 2),
            # Readers see it at once, not after the build.
            lambda: self.assertEqual('two', self.reason()))
        self.assertEqual(2, self.collector.builds)
        self.assertEqual('two', self.reason())

    def test_messages_during_a_rebuild_out_of_order(self):
        self.collector.synchronize()
        self.during_a_build(
            lambda: self.send('two', 2), lambda: self.send('one', 1))
        self.assertEqual('two', self.reason())

    def test_messages_during_a_rebuild_that_tell_a_part_each(self):
        self.collector.synchronize()
        partial = PartialEndpoint(self.collector)
        self.during_a_build(
            lambda: self.send({'disabled_reason': 'one'}, 1, partial),
            lambda: self.send({'status': 'disabled'}, 2, partial))
        self.assertEqual('one', self.reason())
        self.assertEqual('disabled', self.collector.current_model
                         .get_node_by_uuid('N').status)

    def test_an_old_message_after_a_rebuild(self):
        self.collector.synchronize()
        self.send('new', -1)
        self.collector.synchronize()
        # Within the tolerance for clocks, but known to be older.
        self.send('older', -2)
        self.assertIsNone(self.reason())
        self.send('newer', 0)
        self.assertEqual('newer', self.reason())

    def test_far_too_old(self):
        self.collector.synchronize()
        self.send('old', -7200)
        self.assertIsNone(self.reason())

    def test_a_failed_rebuild_keeps_the_told_model_for_a_while(self):
        self.collector.synchronize()
        self.collector.error = ValueError('broken')
        self.during_a_build(lambda: self.send('one'))
        self.collector.freshness = None
        self.assertEqual('one', self.reason())
        self.assertIn('is kept', self.logger.output)
        self.config(group='collector', stale_after=0)
        self.collector.synchronize()
        self.assertFalse(self.collector.current_model)

    def test_nothing_is_kept_of_a_failed_build(self):
        self.collector.synchronize()
        self.collector.error = ValueError('broken')
        self.during_a_build(lambda: self.send('one'))
        self.collector.error = None
        self.assertIsNone(self.collector._journal)

    def test_a_message_that_fails_while_catching_up(self):
        self.collector.synchronize()
        calls = []

        def change():
            calls.append(self.collector.notified_model)
            if len(calls) == 2:
                raise ValueError('surprise')
        self.during_a_build(lambda: self.collector.deliver(change),
                            lambda: self.send('after'))
        self.assertEqual(2, len(calls))
        self.assertIsNot(calls[0], calls[1])
        self.assertEqual('after', self.reason())
        self.assertIn('surprise', self.logger.output)

    def test_too_many_messages(self):
        self.collector.freshness = 3600
        with mock.patch.object(collector_base, 'JOURNAL_LIMIT', 3):
            self.during_a_build(*[lambda: self.send('x')] * 5)
        self.assertIn('More than 3 messages', self.logger.output)
        self.collector.get_latest_cluster_data_model()
        self.assertEqual(2, self.collector.builds)

    def test_who_handles_a_message_does_not_build(self):
        self.collector.synchronize()
        self.collector.freshness = -1
        self.collector.deliver(
            self.collector.get_latest_cluster_data_model)
        self.assertEqual(1, self.collector.builds)
