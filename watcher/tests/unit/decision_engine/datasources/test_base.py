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
"""What every data source inherits."""

import functools
import threading

import requests
from keystoneauth1 import exceptions as ka_exceptions

from watcher.common import exception
from watcher.decision_engine import threading as de_threading
from watcher.decision_engine.datasources import base as datasource
from watcher.decision_engine.datasources import parallel
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.fixtures import ports


class Single(datasource.DataSourceBase):
    """A third party's source that knows single values only."""

    NAME = 'single'
    METRIC_MAP = {'instance_cpu_usage': 'cpu'}

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.asked = []

    def _statistic_aggregation(self, resource=None, resource_type=None,
                               meter_name=None, period=300,
                               aggregate='mean', granularity=300):
        self.asked.append(resource.uuid)
        value = self.values.get(resource.name)
        if isinstance(value, Exception):
            raise value
        return value


class Old(datasource.DataSourceBase):
    """Written before there was a cache; calls no constructor."""

    def __init__(self):
        self.asked = 0

    def statistic_aggregation(self, resource=None, resource_type=None,
                              meter_name=None, period=300,
                              aggregate='mean', granularity=300):
        self.asked += 1
        return 5.0


def servers(*names):
    return [models.instance(name) for name in names]


class TestDefaultBatch(base.TestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(de_threading.DecisionEngineThreadPool.reset)

    def read(self, source, resources):
        return source.statistic_aggregation_batch(
            resources, 'instance', 'instance_cpu_usage')

    def test_values_of_the_single_calls(self):
        source = Single({'vm-a': 0.0, 'vm-b': 20.0})
        wanted = servers('a', 'b', 'c')
        found = self.read(source, wanted)
        self.assertEqual(
            [source.statistic_aggregation(
                server, 'instance', 'instance_cpu_usage')
             for server in wanted],
            [found.get(server.uuid) for server in wanted])
        self.assertEqual(2 / 3, found.coverage)
        # The single questions were answered from the cache, gaps included.
        self.assertEqual(3, len(source.asked))

    def test_what_is_in_the_cache_is_not_asked_again(self):
        source = Single({'vm-a': 1.0, 'vm-b': 2.0})
        one, two = servers('a', 'b')
        source.inject_metric(one.uuid, 'instance_cpu_usage', 'mean', 300,
                             77.0, simulated=True)
        found = self.read(source, [one, two])
        self.assertEqual(77.0, found.get(one.uuid))
        self.assertEqual([two.uuid], source.asked)

    def test_what_a_simulation_puts_in_counts_for_one_question_only(self):
        source = Single({'vm-a': 1.0})
        [one] = servers('a')
        source.inject_metric(one.uuid, 'instance_cpu_usage', 'max', 300,
                             0.0, simulated=True)
        for question, value in (({'aggregate': 'max'}, 0.0), ({}, 1.0),
                                ({'aggregate': 'max', 'period': 60}, 1.0)):
            self.assertEqual(value, source.statistic_aggregation(
                one, 'instance', 'instance_cpu_usage', **question))
            self.assertEqual(value, source.statistic_aggregation_batch(
                [one], 'instance', 'instance_cpu_usage',
                **question).get(one.uuid))
        self.assertEqual(2, len(source.asked))

    def test_one_broken_resource_spares_the_others(self):
        source = Single({'vm-a': AttributeError('no label'), 'vm-b': 2.0})
        one, two = servers('a', 'b')
        found = self.read(source, [one, two])
        self.assertEqual('no instance_cpu_usage: no label',
                         found.why_not(one.uuid))
        self.assertEqual(2.0, found.get(two.uuid))

    def test_an_outage_is_no_gap(self):
        source = Single({'vm-a': 1.0, 'vm-b': exception.DataSourceQueryFailed(
            datasource='single', where='there', asked='that',
            answer='nothing')})
        error = self.assertRaises(
            exception.DataSourceQueryFailed, self.read, source,
            servers('b', 'a'))
        self.assertEqual('single at there did not answer that: nothing',
                         str(error))

    def test_a_source_older_than_the_cache(self):
        source = Old()
        found = self.read(source, servers('a', 'b'))
        self.assertEqual(2, len(found.values()))
        self.assertEqual(2, source.asked)
        source.inject_metric('r', 'm', 'mean', 300, 1.0)
        self.assertEqual(1.0, source.metric_cache.get('r', 'm'))

    def test_summaries_tell_what_was_read(self):
        source = Single({'vm-a': 1.0})
        self.read(source, servers('a', 'b'))
        self.assertEqual([0.5], [facts['coverage']
                                 for facts in source.summaries])

    def test_caveats_tell_what_was_lacking(self):
        source = metrics.FakeDataSource()
        a, b = servers('a', 'b')
        source.set('instance_cpu_usage', {a: 1.0, b: 0.0})
        self.read(source, [a, b])
        self.assertEqual([], source.caveats)
        source.passed_over = {'gnocchi': 'it does not answer.'}
        source.set('instance_cpu_usage', {b: 1.0}, stale=True)
        self.read(source, [a, b, *servers('c')])
        self.assertEqual(
            ['Metrics were read from fake, because gnocchi: it does not '
             'answer.',
             '2 of 3 instances had no usable instance_cpu_usage (1 missing, '
             '1 outdated).'], source.caveats)

    def test_too_few_values_end_the_audit_if_the_operator_says_so(self):
        self.config(group='watcher_datasources', min_coverage=60.0)
        source = Single({'vm-a': 1.0})
        error = self.assertRaises(
            exception.MetricCoverageTooLow, self.read, source,
            servers('a', 'b'))
        self.assertIn('1 of 2 resources', str(error))
        self.assertIn('60.0 %', str(error))

    def test_too_few_values_are_said_in_the_log(self):
        self.read(Single({}), servers('a'))
        self.assertIn('0 of 1 resources', self.logger.output)


class TestAge(base.TestCase):

    def test_limit_of_age(self):
        self.config(group='watcher_datasources', stale_after=100)
        source = metrics.FakeDataSource()
        source.set('host_cpu_usage', {'new': 1.0}, age=100)
        source.set('host_cpu_usage', {'old': 1.0}, age=100.1)
        source.set('host_cpu_usage', {'gone': 1.0}, stale=True)
        hosts = [models.node(name, uuid=name)
                 for name in ('new', 'old', 'gone')]
        found = source.statistic_aggregation_batch(
            hosts, 'compute_node', 'host_cpu_usage')
        self.assertEqual({'new': 1.0}, found.values())
        self.assertEqual(('old', 'gone'), found.stale)

    def test_without_limit_only_the_source_calls_values_outdated(self):
        self.config(group='watcher_datasources', stale_after=0)
        source = metrics.FakeDataSource()
        source.set('host_cpu_usage', {'old': 1.0}, age=1e6)
        source.set('host_cpu_usage', {'gone': 1.0}, stale=True)
        found = source.statistic_aggregation_batch(
            [models.node(name, uuid=name) for name in ('old', 'gone')],
            'compute_node', 'host_cpu_usage')
        self.assertEqual(('gone',), found.stale)


class TestSingleValues(base.TestCase):

    def test_no_value_is_remembered_and_zero_is_one(self):
        source = Single({'vm-a': 0.0})
        for server in servers('a', 'b') * 2:
            source.get_instance_cpu_usage(server)
        self.assertEqual(2, len(source.asked))

    def test_without_uuid_nothing_is_kept(self):
        class Thing:
            name = 'vm-a'
            uuid = None
        source = Single({'vm-a': 4.0})
        for _ in range(2):
            self.assertEqual(4.0, source.statistic_aggregation(
                Thing(), 'instance', 'instance_cpu_usage'))
        self.assertEqual(2, len(source.asked))

    def test_the_map_of_one_object_is_its_own(self):
        one, two = Single({}), Single({})
        one.METRIC_MAP['instance_cpu_usage'] = None
        self.assertEqual('cpu', two.METRIC_MAP['instance_cpu_usage'])


class TestQueryRetry(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_datasources', query_max_retries=6,
                    query_interval=2)
        self.waits = []
        self.now = 0.0
        self.source = datasource.DataSourceBase()
        self.source._retrying()._sleep = self.waits.append
        self.source._retrying()._clock = lambda: self.now
        self.calls = 0

    def failing(self, times, error=OSError):
        def call(*args):
            self.calls += 1
            if self.calls <= times:
                raise error('refused')
            return 'answer'
        return call

    def test_answer_after_some_tries(self):
        self.assertEqual('answer',
                         self.source.query_retry(self.failing(2), 'x'))
        self.assertEqual([2, 4], self.waits)

    def test_waits_grow_to_a_limit_and_none_follows_the_last_try(self):
        self.config(group='watcher_datasources', query_max_retries=7)
        self.assertRaises(exception.DataSourceQueryFailed,
                          self.source.query_retry, self.failing(99))
        self.assertEqual(7, self.calls)
        self.assertEqual([2, 4, 8, 16, 16, 16], self.waits)

    def test_failure_is_an_error_with_all_facts(self):
        error = self.assertRaises(
            exception.DataSourceQueryFailed, self.source.ask,
            self.failing(99), asked='up{}', where='http://prom:9090')
        self.assertIn('http://prom:9090 did not answer up{}: refused '
                      '(after 6 tries)', str(error))

    def test_a_source_that_hangs_is_not_asked_for_ever(self):
        def hang():
            self.calls += 1
            self.now += 60.0
            raise OSError('timed out')
        error = self.assertRaises(
            exception.DataSourceQueryFailed, self.source.ask, hang,
            asked='up{}', where='http://prom:9090')
        self.assertEqual(2, self.calls)
        self.assertEqual([2], self.waits)
        self.assertIn('timed out (after 2 tries)', str(error))

    def test_a_refused_connection_in_few_words(self):
        url = f'http://127.0.0.1:{ports.free_port()}'

        def through_keystone():
            try:
                requests.get(url, timeout=base.PATIENCE)
            except requests.ConnectionError as exc:
                raise ka_exceptions.ConnectFailure(f'Unable: {exc}')
        for ask in (functools.partial(requests.get, url,
                                      timeout=base.PATIENCE),
                    through_keystone):
            self.source._retrying().forget_outage()
            error = self.assertRaises(
                exception.DataSourceQueryFailed, self.source.ask, ask,
                asked='up{}', where=url, attempts=1)
            self.assertIn('refused', str(error))
            self.assertNotIn('HTTPConnection', str(error))
            self.assertEqual(1, str(error).count(url))

    def test_ignored_means_nothing_there(self):
        self.assertIsNone(self.source.query_retry(
            self.failing(1, KeyError), ignored_exc=KeyError))
        self.assertEqual(1, self.calls)

    def test_hook_after_each_failure(self):
        seen = []
        self.source.query_retry_reset = seen.append
        self.source.query_retry(self.failing(2))
        self.assertEqual(['refused', 'refused'], list(map(str, seen)))

    def test_a_permanent_error_is_not_repeated(self):
        self.source._retrying()._is_permanent = (
            lambda error: isinstance(error, ValueError))
        self.assertRaises(exception.DataSourceQueryFailed,
                          self.source.query_retry,
                          self.failing(99, ValueError))
        self.assertEqual(1, self.calls)

    def test_a_dead_source_is_left_alone_for_a_while(self):
        for _ in range(3):
            self.assertRaises(exception.DataSourceQueryFailed,
                              self.source.query_retry, self.failing(99))
        self.assertEqual(6, self.calls)
        self.now = 60.0
        self.calls = 0
        self.assertEqual('answer',
                         self.source.query_retry(self.failing(1)))


class TestParallel(base.TestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(de_threading.DecisionEngineThreadPool.reset)
        de_threading.DecisionEngineThreadPool.reset()

    def test_results_in_order(self):
        self.assertEqual([n * n for n in range(500)],
                         parallel.run(lambda n: n * n, range(500)))

    def test_nothing(self):
        self.assertEqual([], parallel.run(str, []))

    def test_first_failure_ends_the_work(self):
        seen = []

        def fail(number):
            seen.append(number)
            raise KeyError(number)
        self.assertRaises(KeyError, parallel.run, fail, range(10000))
        self.assertLess(len(seen), 100)

    def test_ends_with_every_thread_of_the_pool_taken(self):
        pool = de_threading.DecisionEngineThreadPool()
        gate = threading.Event()
        self.addCleanup(gate.set)
        for _ in range(pool.size):
            pool.submit(gate.wait, base.PATIENCE)
        self.assertEqual(['0', '1', '2'], parallel.run(str, range(3)))
        self.assertFalse(gate.is_set())

    def test_several_threads_take_part(self):
        self.config(group='watcher_decision_engine', max_general_workers=2)
        meeting = threading.Barrier(2)
        parallel.run(lambda _: meeting.wait(base.PATIENCE), range(2))
        self.assertFalse(meeting.broken)
