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
"""Audits that repeat while loads go up and down."""

import collections
import datetime
import statistics

from oslo_utils import fixture as utils_fixture
from oslo_utils import timeutils

from watcher import objects
from watcher.common import utils
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.strategies import workload_balance
from watcher.decision_engine.strategy.strategies import workload_stabilization
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base
from watcher.tests.unit.decision_engine.strategy import properties

START = datetime.datetime(2027, 1, 2, 12, 0, tzinfo=datetime.UTC)
INTERVAL = datetime.timedelta(minutes=5)
RUNS = 8

STRATEGIES = (
    (workload_balance.WorkloadBalance, {'threshold': 40}),
    (workload_stabilization.WorkloadStabilization,
     {'host_choice': 'fullsearch'}))


class TestAlternatingLoad(base.DatabaseTestCase):
    """Field report test 28, and row 53 of part 2.5."""

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(utils_fixture.TimeFixture(START))
        self.plan = self.records.action_plan()

    def loads(self, model, hot):
        """One host is busy, the other one is not."""
        source = metrics.FakeDataSource()
        servers = {}
        for uuid in model.get_all_instances():
            busy = model.get_node_by_instance_uuid(uuid).hostname == hot
            servers[uuid] = 90 if busy else 10
        source.set('instance_cpu_usage', servers)
        source.set('host_cpu_usage', {
            uuid: 60 if node.hostname == hot else 10
            for uuid, node in model.get_all_compute_nodes().items()})
        return source

    def moves(self, cls, parameters):
        """Count the moves of each server while the load goes to and fro."""
        model = models.cloud({models.node(host): [
            models.instance(f'{host}{number}', vcpus=4)
            for number in range(3)] for host in 'AB'})
        counts = collections.Counter()
        for run in range(RUNS):
            strategy = cls(utils.Struct(datasources=None))
            strategy._compute_model = model
            given = dict(parameters)
            utils.StrictDefaultValidatingDraft4Validator(
                cls.get_schema()).validate(given)
            strategy.input_parameters.update(given)
            strategy._datasource_backend = self.loads(
                model, ('host-A', 'host-B')[run % 2])
            solution = strategy.execute()
            properties.carry_out(solution, model)
            self.record(solution)
            counts.update(action['input_parameters']['resource_name']
                          for action in solution.actions)
            self.clock.advance_time_delta(INTERVAL)
        return counts

    def record(self, solution):
        for action in solution.actions:
            self.records.action(
                action_type=action['action_type'], state='SUCCEEDED',
                action_plan_id=self.plan.id,
                updated_at=timeutils.utcnow(with_timezone=True),
                input_parameters=action['input_parameters'])

    def test_no_server_moves_twice_before_it_has_settled(self):
        for cls, parameters in STRATEGIES:
            for seconds, again in ((0, True), (3600, False)):
                settings.Settings.of_strategy(cls.get_name())
                self.config('watcher_strategies', min_residence=seconds)
                counts = self.moves(cls, parameters)
                self.assertEqual((cls, again),
                                 (cls, max(counts.values()) > 1), counts)


class TestLatePeriods(base.DatabaseTestCase):
    """Metrics of hosts that still contain the time before the last plan."""

    PERIOD = 600

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(utils_fixture.TimeFixture(START))
        self.plan = self.records.action_plan()
        # Each host is as busy as its servers, and was so for a long time.
        self.model = models.cloud({
            models.node('A', vcpus=40): [
                models.instance(f'a{number}', vcpus=4)
                for number in range(6)],
            models.node('B', vcpus=40): [], models.node('C', vcpus=40): []})
        self.history = [self.busy()] * 10

    def busy(self):
        return {uuid: 10.0 * len(self.model.get_node_instances(node))
                for uuid, node in
                self.model.get_all_compute_nodes().items()}

    def source(self):
        source = metrics.FakeDataSource()
        source.set('instance_cpu_usage', dict.fromkeys(
            self.model.get_all_instances(), 100.0))
        source.set('host_cpu_usage', {
            uuid: statistics.mean(loads[uuid] for loads in self.history)
            for uuid in self.history[0]})
        return source

    def run_audit(self):
        cls = workload_stabilization.WorkloadStabilization
        settings.Settings.of_strategy(cls.get_name())
        strategy = cls(utils.Struct(datasources=None))
        strategy._compute_model = self.model
        given = {'host_choice': 'fullsearch', 'rounds': 2,
                 'metrics': ['instance_cpu_usage'],
                 'instance_metrics': {'instance_cpu_usage':
                                      'host_cpu_usage'},
                 'periods': {'instance': self.PERIOD,
                             'compute_node': self.PERIOD}}
        utils.StrictDefaultValidatingDraft4Validator(
            cls.get_schema()).validate(given)
        strategy.input_parameters.update(given)
        strategy._datasource_backend = self.source()
        solution = strategy.execute()
        properties.carry_out(solution, self.model)
        now = timeutils.utcnow()
        for action in solution.actions:
            done = self.records.action(
                action_type=action['action_type'], state='SUCCEEDED',
                action_plan_id=self.plan.id, updated_at=now,
                input_parameters=action['input_parameters'])
            objects.ActionRun.set(self.context, done.id, started_at=now,
                                  finished_at=now)
        return len(solution.actions)

    def runs(self):
        """Run once a minute; metrics are averaged over ten."""
        counts = []
        for _run in range(12):
            counts.append(self.run_audit())
            self.history = [*self.history[1:], self.busy()]
            self.clock.advance_time_seconds(60)
        return counts

    def test_they_are_waited_for(self):
        self.config('watcher_strategies', settle_metrics=True)
        counts = self.runs()
        self.assertTrue(counts[0])
        self.assertEqual([0] * 11, counts[1:])
        self.assertEqual([10.0, 20.0, 30.0], sorted(self.busy().values()))

    def test_by_default_they_are_not(self):
        self.assertTrue(any(self.runs()[1:10]))
