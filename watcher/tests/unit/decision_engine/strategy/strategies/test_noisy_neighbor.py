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
"""The worked example, and what went wrong before."""

import itertools
import warnings

from watcher.common import utils
from watcher.decision_engine.strategy.strategies import noisy_neighbor
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import properties

CACHE = noisy_neighbor.CACHE


class ByPeriod(metrics.FakeDataSource):
    """Knows means over a span and over twice as long."""

    def __init__(self, values):
        super().__init__()
        self._values = values

    def _statistic_aggregation_batch(self, resources, resource_type,
                                     meter_name, period, aggregate,
                                     granularity):
        self.set(meter_name, {
            models.uuid(name): now if period == 100 else (now + before) / 2
            for name, (now, before) in self._values.items()})
        return super()._statistic_aggregation_batch(
            resources, resource_type, meter_name, period, aggregate,
            granularity)


def make():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return noisy_neighbor.NoisyNeighbor(
            utils.Struct({'datasources': None}))


def prepare(cloud, values, **parameters):
    """Return the strategy, ready to run.

    :param values: what servers use now and have used before.
    """
    found = make()
    found._compute_model = models.cloud(cloud)
    utils.StrictDefaultValidatingDraft4Validator(
        found.get_schema()).validate(parameters)
    found.input_parameters.update(parameters)
    found._datasource_backend = ByPeriod(values)
    return found


def run(cloud, values, **parameters):
    return prepare(cloud, values, **parameters).execute()


def brief(solution):
    return [(action['input_parameters']['resource_name'],
             action['input_parameters']['source_node'],
             action['input_parameters']['destination_node'])
            for action in solution.actions]


def server(name, priority=None, **fields):
    metadata = {} if priority is None else {'watcher-priority': priority}
    return models.instance(name, metadata=metadata, **fields)


def hosts(**servers):
    return {models.node(name): found for name, found in servers.items()}


#: a1 is disturbed, a3 disturbs.
VALUES = {'a1': (40, 80), 'a2': (50, 48), 'a3': (90, 40)}


class TestWorkedExample(base.TestCase):

    def cloud(self, **fields):
        return {models.node('A'): [
            server('a1', '1'), server('a3', '5', vcpus=4),
            server('a2', '8')],
            models.node('B', **fields): [server('b1')],
            models.node('C', vcpus=4): [server('c1')]}

    def test_plan(self):
        solution = run(self.cloud(), VALUES)
        self.assertEqual([{
            'action_type': 'migrate',
            'input_parameters': {
                'resource_id': models.uuid('a3'), 'migration_type': 'live',
                # Names: with UUIDs the action would be skipped.
                'source_node': 'host-A', 'destination_node': 'host-B',
                'resource_name': 'vm-a3'}}], solution.actions)
        self.assertIsNone(solution.global_efficacy)

    def test_what_was_before_is_no_forecast(self):
        why = run(self.cloud(), VALUES).actions[0].explanation
        self.assertEqual(
            [(f'vm-a3 ({models.uuid("a3")})', 90, None, 54),
             (f'vm-a1 ({models.uuid("a1")})', 40, None, 52)],
            [(m.of, m.before, m.after, m.limit) for m in why.measures])

    def test_two_questions(self):
        strategy = prepare(self.cloud(), VALUES)
        strategy.execute()
        self.assertEqual([('batch', CACHE, 5)] * 2,
                         strategy.datasource_backend.questions)

    def test_why(self):
        solution = run(self.cloud(vcpus=4), VALUES)
        self.assertEqual([], solution.actions)
        self.assertEqual('no_destination', solution.explanation.code)
        self.assertIn('host-B has too little vCPU',
                      solution.explanation.reason)

    def test_threshold(self):
        solution = run(self.cloud(), VALUES, cache_threshold=50)
        self.assertEqual([], solution.actions)
        self.assertEqual('quiet', solution.explanation.code)

    def test_it_says_that_it_is_deprecated(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter('always')
            noisy_neighbor.NoisyNeighbor(utils.Struct())
        self.assertIn(DeprecationWarning,
                      [warning.category for warning in told])


class TestFlaws(base.TestCase):

    def cloud(self, *servers, **others):
        return hosts(A=list(servers), B=[server('b1')], **others)

    def test_priorities_are_numbers(self):
        """As text, 10 would be more important than 2."""
        solution = run(self.cloud(server('a3', '10'), server('a1', '2')),
                       VALUES)
        self.assertEqual([('vm-a3', 'host-A', 'host-B')], brief(solution))

    def test_without_a_priority(self):
        for given, plan in ((('4', None), True), (('6', None), False),
                            (('4', 'high'), True), (('4', 'nan'), True)):
            victim, noisy = given
            solution = run(
                self.cloud(server('a1', victim), server('a3', noisy)),
                VALUES)
            self.assertEqual(plan, bool(solution.actions), given)

    def test_the_most_important_victim_comes_first(self):
        cloud = self.cloud(server('a1', '3'), server('a3', '9'),
                           C=[server('c1', '1'), server('c3', '9')])
        solution = run(cloud, {**VALUES, 'c1': (40, 80), 'c3': (90, 40)})
        self.assertEqual([('vm-c3', 'host-C', 'host-B')], brief(solution))

    def test_the_next_one_if_the_first_cannot_be_moved(self):
        cloud = self.cloud(
            server('a1', '3'), server('a3', '9'),
            C=[server('c1', '1'),
               server('c3', '9', watcher_exclude=True)])
        solution = run(cloud, {**VALUES, 'c1': (40, 80), 'c3': (90, 40)})
        self.assertEqual([('vm-a3', 'host-A', 'host-B')], brief(solution))

    def test_disabled_hosts_take_nothing(self):
        cloud = {models.node('A'): [server('a1', '1'), server('a3', '9')],
                 models.node('B', status='disabled'): [],
                 models.node('C', state='down'): [],
                 models.node('D'): []}
        self.assertEqual([('vm-a3', 'host-A', 'host-D')],
                         brief(run(cloud, VALUES)))


class TestAgain(base.TestCase):
    """Field report test 27: the same values, the next run."""

    CLOUD = {'A': [server('a1', '1'), server('a3', '9')],
             'B': [server('b1', '2')], 'C': [server('c1', '9')]}

    def runs(self, **values):
        model = models.cloud(hosts(**self.CLOUD))
        while True:
            strategy = prepare({}, {**VALUES, **values})
            strategy._compute_model = model
            solution = strategy.execute()
            yield solution
            properties.carry_out(solution, model)

    def test_nothing_is_left_to_do(self):
        first, second = itertools.islice(self.runs(), 2)
        self.assertEqual([('vm-a3', 'host-A', 'host-B')], brief(first))
        self.assertEqual(([], 'quiet'),
                         (second.actions, second.explanation.code))

    def test_nobody_is_moved_to_the_next_victim(self):
        # It came back with the next run but one, for ever.
        for loss in ({'b1': (40, 80)}, {'b1': (40, 80), 'c1': (60, 60)}):
            first, second = itertools.islice(self.runs(**loss), 2)
            self.assertEqual([('vm-a3', 'host-A', 'host-C')], brief(first))
            self.assertEqual([], second.actions)

    def test_victims_everywhere(self):
        first = next(self.runs(b1=(40, 80), c1=(40, 80)))
        self.assertEqual(([], 'no_destination'),
                         (first.actions, first.explanation.code))
        self.assertIn('as important or more, uses less of the cache than '
                      'before (and 1 more host refuses it)',
                      first.explanation.reason)


class TestUnknown(base.TestCase):

    def cloud(self):
        return hosts(A=[server('a1', '1'), server('a3', '9')],
                     B=[server('b1'), server('b2')], C=[])

    def test_no_value_is_no_better_destination(self):
        known = {**VALUES, 'b1': (5, 5), 'b2': (5, 5)}
        self.assertEqual([('vm-a3', 'host-A', 'host-B')],
                         brief(run(self.cloud(), known)))
        self.assertEqual([('vm-a3', 'host-A', 'host-C')],
                         brief(run(self.cloud(), VALUES)))

    def test_nothing_is_known(self):
        solution = run(self.cloud(), {})
        self.assertEqual([], solution.actions)
        self.assertEqual('no_metrics', solution.explanation.code)

    def test_no_servers(self):
        solution = run(hosts(A=[], B=[]), {})
        self.assertEqual([], solution.actions)


class TestProperties(metric_properties.MetricProperties, base.TestCase):
    STRATEGY = noisy_neighbor.NoisyNeighbor

    def prepare(self, strategy, model, seed):
        """Give values that differ between the two spans."""
        source, again = (self.loads(model, seed + shift)
                         for shift in (0, 1000))
        ask = again.statistic_aggregation_batch

        def by_period(resources, kind, metric, period, *rest, **how):
            return (ask if period == 200 else source_ask)(
                resources, kind, metric, period, *rest, **how)

        source_ask = source.statistic_aggregation_batch
        source.statistic_aggregation_batch = by_period
        strategy._datasource_backend = source

    def test_repeated_runs_come_to_an_end(self):
        """Field report test 27."""
        for seed in self.SEEDS:
            model = self.cloud(seed)
            for _run in range(self.SERVERS + 1):
                solution = self.make(model, seed).execute()
                if not solution.actions:
                    break
                properties.carry_out(solution, model)
            self.assertEqual([], solution.actions)
