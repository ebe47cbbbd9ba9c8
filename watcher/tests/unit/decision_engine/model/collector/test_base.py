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

import threading
from unittest import mock

import fixtures

from watcher.common import exception
from watcher.common import slow
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import base as model_base
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import base as collector_base
from watcher.tests import base


class Collector(collector_base.BaseClusterDataModelCollector):
    """Builds a model with one host named after the number of the build."""

    name = 'test'
    notification_endpoints = ()

    def __init__(self, config, osc=None):
        super().__init__(config, osc)
        self.builds = 0
        self.error = None
        self.hold = None
        self.building = threading.Event()

    def get_audit_scope_handler(self, audit_scope):
        return None

    def execute(self):
        self.builds += 1
        self.building.set()
        if self.hold is not None:
            self.hold.wait(base.PATIENCE)
        if self.error is not None:
            raise self.error
        model = model_root.ModelRoot()
        model.add_node(element.ComputeNode(
            uuid='N', hostname=str(self.builds)))
        return model


class CollectorTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(
            loadable.LoadableSingletonMeta._instances.pop, Collector, None)
        self.collector = Collector(utils.Struct(period=3600))

    def build_seen(self, model):
        return int(model.get_node_by_uuid('N').hostname)


class TestSlowReading(CollectorTestCase):
    """What the log says of it while it lasts."""

    def setUp(self):
        super().setUp()
        self.config(api_query_max_retries=7, group='collector')
        self.lines = []
        self.told = threading.Event()
        self.useFixture(fixtures.MockPatchObject(
            collector_base.LOG, 'warning', self.note))

    def note(self, text, values):
        self.lines.append(text % values)
        self.told.set()

    def slow_after(self, seconds):
        self.useFixture(fixtures.MockPatchObject(
            collector_base, 'SLOW_AFTER', seconds))

    def test_names_what_it_waits_for_and_the_limits(self):
        self.slow_after(0)
        # The reading lasts until the log has told of it.
        self.collector.hold = self.told
        with slow.REQUESTS.note('Placement', 'GET /traits', 60):
            self.collector.get_latest_cluster_data_model()
        self.assertRegex(
            self.lines[0],
            r'^Reading the test model takes long: since [0-9:]{8} UTC\. The '
            r'request open for longest: Placement \(GET /traits\) for \d+ '
            r'seconds of 60 at most\. .*api_query_max_retries = 7')
        self.assertEqual(1, len(self.lines))

    def test_compares_with_the_last_reading(self):
        self.collector.get_latest_cluster_data_model()
        self.slow_after(0)
        self.collector._took = 0.0
        self.collector.hold = self.told
        self.collector.synchronize()
        self.assertIn('longer than the last one (0.0 seconds)',
                      self.lines[0])

    def test_who_waits_for_it_says_so_too(self):
        self.collector.hold = threading.Event()
        self.addCleanup(self.collector.hold.set)
        builder = threading.Thread(
            target=self.collector.get_latest_cluster_data_model)
        builder.start()
        self.addCleanup(builder.join)
        self.assertTrue(self.collector.building.wait(base.PATIENCE))
        self.slow_after(0)
        reader = threading.Thread(
            target=self.collector.get_latest_cluster_data_model)
        reader.start()
        self.addCleanup(reader.join)
        self.assertTrue(self.told.wait(base.PATIENCE))
        self.collector.hold.set()
        self.assertRegex(
            self.lines[0], 'Still waiting for the test model, which is '
            'being read for somebody else since [0-9:]{8} UTC')

    def test_usual_readings_are_silent(self):
        self.collector.get_latest_cluster_data_model()
        self.assertEqual([], self.lines)

    def test_large_clouds_have_their_own_measure(self):
        for took, expected in ((None, 10), (1, 10), (20, 40), (900, 60)):
            self.collector._took = took
            self.assertEqual(expected, self.collector._slow_after)


class TestCollector(CollectorTestCase):

    def test_one_object_for_each_class(self):
        self.assertIs(self.collector, Collector(None, osc=object()))

    def test_option(self):
        self.assertEqual([('period', 3600)], [
            (option.name, option.default)
            for option in Collector.get_config_opts()])

    def test_built_once_for_all_readers(self):
        models = [self.collector.get_latest_cluster_data_model()
                  for _ in range(3)]
        self.assertEqual(1, self.collector.builds)
        self.assertEqual(3, len(set(map(id, models))))

    def test_copies_belong_to_their_readers(self):
        one = self.collector.get_latest_cluster_data_model()
        one.get_node_by_uuid('N').hostname = 'changed'
        two = self.collector.get_latest_cluster_data_model()
        self.assertEqual(1, self.build_seen(two))
        self.assertEqual(
            1, self.build_seen(self.collector.cluster_data_model))

    def test_the_model_knows_when_it_was_read(self):
        model = self.collector.get_latest_cluster_data_model()
        self.assertLess(model.age, base.PATIENCE)

    def test_the_model_knows_its_number(self):
        seen = []
        for _ in range(2):
            self.collector.synchronize()
            seen.append(
                self.collector.get_latest_cluster_data_model().version)
        self.collector.error = ValueError('no answer')
        self.collector.synchronize()
        self.collector.error = None
        self.collector.synchronize()
        seen.append(self.collector.get_latest_cluster_data_model().version)
        self.assertEqual([1, 2, 3], seen)

    def test_readers_at_the_same_time_share_a_build(self):
        self.collector.hold = threading.Event()
        seen = []
        readers = [threading.Thread(target=lambda: seen.append(
            self.collector.get_latest_cluster_data_model()))
            for _ in range(4)]
        for reader in readers:
            reader.start()
        self.collector.building.wait(base.PATIENCE)
        self.collector.hold.set()
        for reader in readers:
            reader.join(base.PATIENCE)
        self.assertEqual(4, len(seen))
        self.assertEqual(1, self.collector.builds)

    def test_reading_goes_on_during_a_rebuild(self):
        self.collector.get_latest_cluster_data_model()
        self.collector.hold = threading.Event()
        self.collector.building.clear()
        worker = threading.Thread(target=self.collector.synchronize)
        worker.start()
        self.collector.building.wait(base.PATIENCE)
        self.assertEqual(1, self.build_seen(
            self.collector.get_latest_cluster_data_model()))
        self.collector.hold.set()
        worker.join(base.PATIENCE)
        self.assertEqual(2, self.build_seen(
            self.collector.get_latest_cluster_data_model()))

    def test_synchronize_replaces_the_model(self):
        self.collector.synchronize()
        self.collector.synchronize()
        self.assertEqual(
            2, self.build_seen(self.collector.cluster_data_model))

    def test_property_builds_and_can_be_set(self):
        self.assertIsNone(self.collector.current_model)
        self.assertEqual(
            1, self.build_seen(self.collector.cluster_data_model))
        self.collector.cluster_data_model = None
        self.assertIsNone(self.collector.current_model)

    def test_old_models_are_refreshed_for_audits(self):
        self.collector.freshness = 3600
        self.collector.get_latest_cluster_data_model()
        self.collector.get_latest_cluster_data_model()
        self.assertEqual(1, self.collector.builds)
        self.collector.freshness = -1
        self.assertEqual(2, self.build_seen(
            self.collector.get_latest_cluster_data_model()))
        self.assertEqual(2, self.build_seen(
            self.collector.get_latest_cluster_data_model(max_age=3600)))

    def test_nothing_to_build_yet(self):
        with mock.patch.object(self.collector, 'execute',
                               return_value=None):
            self.assertRaises(
                exception.ClusterStateNotDefined,
                self.collector.get_latest_cluster_data_model)

    def test_models_of_other_kinds_are_deep_copied(self):
        class Other(model_base.Model):
            def __init__(self):
                self.content = {'a': []}

            def to_xml(self):
                return ''

            to_string = to_xml
        made = Other()
        with mock.patch.object(self.collector, 'execute',
                               return_value=made):
            read = self.collector.get_latest_cluster_data_model()
        read.content['a'].append(1)
        self.assertEqual({'a': []}, made.content)


class TestFailures(CollectorTestCase):

    def fail(self):
        self.collector.error = exception.NovaClientError(reason='away')
        return self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)

    def test_the_reason_is_told(self):
        error = self.fail()
        self.assertEqual('test', error.kwargs['cdm'])
        self.assertIn('away', str(error))
        self.assertIsInstance(error.__cause__, exception.NovaClientError)

    def test_readers_after_a_failure_do_not_ask_at_once(self):
        self.fail()
        self.fail()
        self.assertEqual(1, self.collector.builds)

    def test_later_readers_try_again(self):
        self.fail()
        self.collector.error = None
        with mock.patch.object(collector_base, 'FAILURE_PAUSE', 0):
            self.assertEqual(2, self.build_seen(
                self.collector.get_latest_cluster_data_model()))

    def test_failed_synchronisation_makes_it_stale(self):
        self.config(group='collector', stale_after=0)
        self.collector.synchronize()
        self.collector.error = exception.NovaClientError(reason='away')
        self.collector.synchronize()
        self.assertFalse(self.collector.cluster_data_model)
        self.assertIn('away', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)

    def test_unexpected_errors_are_logged_with_their_traceback(self):
        self.collector.error = KeyError('bug')
        self.collector.synchronize()
        self.assertIn('Traceback', self.logger.output)

    def test_a_stale_model_is_rebuilt_on_demand(self):
        self.collector.synchronize()
        self.collector.set_cluster_data_model_as_stale()
        model = self.collector.get_latest_cluster_data_model()
        self.assertTrue(model)
        self.assertEqual(2, self.build_seen(model))

    def test_stale_and_not_to_be_rebuilt(self):
        self.collector.synchronize()
        self.collector.set_cluster_data_model_as_stale()
        self.fail()


class Builder(collector_base.BaseModelBuilder):

    def __init__(self):
        self.resets = []

    def execute(self, model_scope=None):
        raise NotImplementedError

    def call_retry_reset(self, exc):
        self.resets.append(exc)


class TestCallRetry(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config('collector', api_query_max_retries=3,
                    api_query_interval=7)
        patcher = mock.patch.object(collector_base.time, 'sleep')
        self.sleep = patcher.start()
        self.addCleanup(patcher.stop)
        self.builder = Builder()

    def test_arguments_and_result(self):
        self.assertEqual(5, self.builder.call_retry(int, '101', base=2))
        self.sleep.assert_not_called()

    def test_repeats(self):
        function = mock.Mock(side_effect=[KeyError('a'), KeyError('b'), 3])
        self.assertEqual(3, self.builder.call_retry(function))
        self.assertEqual([mock.call(7)] * 2, self.sleep.mock_calls)
        self.assertEqual(2, len(self.builder.resets))

    def test_a_service_that_is_away_is_warned_of_once(self):
        def fail(builder, error):
            builder.call_retry(mock.Mock(side_effect=[error, 3]))
        with mock.patch.object(collector_base.LOG, 'warning') as warning:
            for host in range(5):
                fail(self.builder,
                     exception.PlacementClientError(reason=f'host {host}'))
            self.assertEqual(1, warning.call_count)
            fail(self.builder, KeyError('another kind'))
            self.assertEqual(2, warning.call_count)
            fail(Builder(), KeyError('the next reading'))
            self.assertEqual(3, warning.call_count)

    def test_the_last_error_is_raised(self):
        errors = [KeyError(name) for name in 'abc']
        function = mock.Mock(side_effect=errors)
        raised = self.assertRaises(
            KeyError, self.builder.call_retry, function)
        self.assertIs(errors[2], raised)
        self.assertEqual(2, self.sleep.call_count)

    def test_what_cannot_go_away_is_not_repeated(self):
        for error in (
                exception.AuthorizationFailure(client='a', reason='b'),
                exception.NovaClientError(reason='x', http_status=403)):
            function = mock.Mock(side_effect=error)
            self.assertRaises(type(error), self.builder.call_retry,
                              function)
            self.assertEqual(1, function.call_count)

    def test_server_errors_are_repeated(self):
        function = mock.Mock(side_effect=exception.NovaClientError(
            reason='x', http_status=500))
        self.assertRaises(exception.NovaClientError,
                          self.builder.call_retry, function)
        self.assertEqual(3, function.call_count)

    def test_no_more_tries_when_time_is_over(self):
        """Field report 1.4 line 48."""
        now = iter((0.0, 59.0, 60.0))

        class Limited(Builder):
            time_limit = 60.0
        function = mock.Mock(side_effect=KeyError('slow'))
        with mock.patch.object(collector_base.time, 'monotonic',
                               lambda: next(now)):
            self.assertRaises(KeyError, Limited().call_retry, function)
        self.assertEqual(2, function.call_count)
