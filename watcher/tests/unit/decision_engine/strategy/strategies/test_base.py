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

import datetime
import logging
from unittest import mock

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import level
from watcher.decision_engine.strategy.strategies import base as strategies
from watcher.tests import base
from watcher.tests.fixtures import models


class Recorded(strategies.DummyBaseStrategy):
    """Writes down which of its methods are called."""

    @classmethod
    def get_name(cls):
        return 'recorded'

    @classmethod
    def get_display_name(cls):
        return 'Recorded'

    get_translatable_display_name = get_display_name

    def __init__(self, config=None, osc=None):
        super().__init__(config or utils.Struct(), osc=osc)
        self.calls = []

    def pre_execute(self):
        self.calls.append('pre')

    def do_execute(self, audit=None):
        self.calls.append(('do', audit))

    def post_execute(self):
        self.calls.append('post')


class TestLifeCycle(base.TestCase):

    def test_order(self):
        strategy = Recorded()
        with mock.patch.object(
                strategy.solution, 'compute_global_efficacy',
                lambda: strategy.calls.append('efficacy')):
            solution = strategy.execute(audit='an audit')
        self.assertEqual(['pre', ('do', 'an audit'), 'post', 'efficacy'],
                         strategy.calls)
        self.assertIs(strategy.solution, solution)

    def test_method_without_the_audit_argument(self):
        class Old(Recorded):
            def do_execute(self):
                raise AssertionError('must not be reached')
        self.assertRaises(TypeError, Old().execute)

    def test_defaults(self):
        strategy = Recorded()
        self.assertEqual(
            ('recorded', 'Recorded', 'dummy', 'weight', {}, [],
             level.StrategyLevel.conservative),
            (strategy.name, strategy.display_name, strategy.goal.name,
             strategy.planner, strategy.input_parameters,
             strategy.solution.actions, strategy.strategy_level))

    def test_abstract(self):
        self.assertRaises(TypeError, strategies.UnclassifiedStrategy,
                          utils.Struct())

    def test_schema_is_empty_by_default(self):
        self.assertEqual({}, Recorded.get_schema())


class TestFamilies(base.TestCase):

    def test_goals_and_options(self):
        for cls, goal, with_options in (
                (strategies.DummyBaseStrategy, 'dummy', False),
                (strategies.UnclassifiedStrategy, 'unclassified', True),
                (strategies.ServerConsolidationBaseStrategy,
                 'server_consolidation', True),
                (strategies.ThermalOptimizationBaseStrategy,
                 'thermal_optimization', True),
                (strategies.WorkloadStabilizationBaseStrategy,
                 'workload_balancing', True),
                (strategies.NoisyNeighborBaseStrategy, 'noisy_neighbor',
                 True),
                (strategies.SavingEnergyBaseStrategy, 'saving_energy',
                 False),
                (strategies.ZoneMigrationBaseStrategy,
                 'hardware_maintenance', False),
                (strategies.HostMaintenanceBaseStrategy,
                 'cluster_maintaining', False)):
            self.assertEqual(goal, cls.get_goal_name())
            self.assertEqual(goal, cls.get_goal().name)
            self.assertEqual(
                ['datasources'] if with_options else [],
                [option.name for option in cls.get_config_opts()])

    def test_reasons(self):
        self.assertEqual(
            'watcher_disabled',
            strategies.ServerConsolidationBaseStrategy.REASON_FOR_DISABLE)
        self.assertEqual(
            'watcher_maintaining',
            strategies.HostMaintenanceBaseStrategy.REASON_FOR_MAINTAINING)


class TestModels(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud(
            {models.node('A'): [models.instance('a1')]})
        self.scopes = []

        def handler(audit_scope):
            self.scopes.append(audit_scope)
            return mock.Mock(get_scoped_model=lambda model: model)
        self.asked = []

        def get(this, name, osc=None):
            self.asked.append(name)
            return mock.Mock(
                get_latest_cluster_data_model=lambda: self.model,
                get_audit_scope_handler=handler)
        patcher = mock.patch.object(
            manager.CollectorManager, 'get_cluster_model_collector', get)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_read_once_with_the_scope(self):
        strategy = Recorded()
        strategy.audit_scope = [{'compute': []}]
        self.assertIs(self.model, strategy.compute_model)
        self.assertIs(self.model, strategy.compute_model)
        self.assertEqual([[{'compute': []}]], self.scopes)
        self.assertEqual(['compute'], self.asked)

    def test_each_model_has_its_collector(self):
        strategy = Recorded()
        self.assertTrue(strategy.storage_model)
        self.assertTrue(strategy.baremetal_model)
        self.assertEqual(['storage', 'baremetal'], self.asked)

    def test_no_model(self):
        self.model = None
        self.assertRaises(exception.ClusterStateNotDefined,
                          lambda: Recorded().compute_model)

    def test_incomplete_hosts(self):
        self.model.incomplete_nodes['uuid-9'] = 'host9: no inventory'
        strategy = Recorded()
        self.assertIs(self.model, strategy.compute_model)
        self.assertIn('uuid-9: host9: no inventory', self.logger.output)
        self.assertIn('uuid-9: host9: no inventory', strategy.caveats[0])
        self.config(group='collector', incomplete_hosts='refuse')
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            lambda: Recorded().compute_model)
        self.assertIn('host9: no inventory', str(error))

    def test_states_of_servers(self):
        strategy = Recorded()
        strategy.audit_scope = [{'compute': []}]
        found = [strategy.state_of_server(models.uuid(name))
                 for name in ('a1', 'gone')]
        self.assertEqual(['active', None], found)
        self.assertEqual((['compute'], []), (self.asked, self.scopes))

    def test_states_of_servers_without_a_model(self):
        self.model = None
        strategy = Recorded()
        for _time in range(2):
            self.assertIsNone(strategy.state_of_server(models.uuid('a1')))
        self.assertEqual(['compute'], self.asked)

    def test_caveats_of_all_models_are_kept(self):
        self.model.gaps = ('a gap',)
        strategy = Recorded()
        self.assertTrue(strategy.compute_model and strategy.storage_model)
        self.assertEqual(['a gap.', 'a gap.'], strategy.caveats)

    def test_older_than_the_interval(self):
        self.model.built_at = (datetime.datetime.now(datetime.UTC)
                               - datetime.timedelta(hours=1))
        strategy = Recorded()
        strategy.audit_interval = 60.0
        self.assertTrue(strategy.compute_model)
        self.assertIn('interval of 60 seconds', strategy.caveats[0])

    def test_stale_model(self):
        self.model = model_root.ModelRoot(stale=True)
        self.assertRaises(exception.ClusterStateStale,
                          lambda: Recorded().compute_model)

    def test_models_are_rendered_for_readers_only(self):
        """Field report 2.3 row 22."""
        for lowest, times in ((logging.INFO, 0), (logging.DEBUG, 1)):
            with mock.patch.object(
                    strategies.LOG, 'isEnabledFor',
                    lambda wanted, lowest=lowest: wanted >= lowest), (
                    mock.patch.object(model_root.ModelRoot, 'to_xml',
                                      return_value='')) as rendered:
                Recorded()._pre_execute()
            self.assertEqual(times, rendered.call_count)

    def test_assigned_model_is_used(self):
        strategy = Recorded()
        strategy._compute_model = self.model
        self.assertIs(self.model, strategy.compute_model)
        self.assertEqual([], self.asked)


class TestDatasource(base.TestCase):

    def test_no_metrics_declared(self):
        error = self.assertRaises(
            exception.InvalidParameter,
            lambda: Recorded().datasource_backend)
        self.assertIn('DATASOURCE_METRICS', str(error))

    def test_what_is_to_be_known_about_the_metrics_is_told(self):
        strategy = Recorded()
        strategy._datasource_backend = mock.Mock(caveats=['2 of 3 missing.'])
        strategy.execute()
        self.assertEqual(['2 of 3 missing.'], strategy.caveats)
        # A source of somebody else that tells nothing.
        strategy._datasource_backend = object()
        strategy.execute()
        self.assertEqual(['2 of 3 missing.'], strategy.caveats)

    def test_none_offers_the_metrics(self):
        class Measuring(Recorded):
            DATASOURCE_METRICS = ['host_cpu_usage']
        error = self.assertRaises(
            exception.MetricNotAvailable,
            lambda: Measuring().datasource_backend)
        self.assertIn('host_cpu_usage', str(error))

    def test_none_configured(self):
        class Measuring(Recorded):
            DATASOURCE_METRICS = ['host_cpu_usage']
        self.config(group='watcher_datasources', datasources=[])
        self.assertRaises(exception.NoDatasourceAvailable,
                          lambda: Measuring().datasource_backend)

    def test_two_ways_to_the_same_data(self):
        class Measuring(Recorded):
            DATASOURCE_METRICS = ['host_cpu_usage']
        strategy = Measuring(utils.Struct(
            datasources=['prometheus', 'aetos']))
        self.assertRaises(exception.DataSourceConfigConflict,
                          lambda: strategy.datasource_backend)

    def test_assigned_helper_is_used(self):
        # A helper of a third party that knows nothing of base classes.
        class Old:
            def statistic_aggregation(self, **kwargs):
                return 42

        class Measuring(Recorded):
            DATASOURCE_METRICS = ['host_cpu_usage']
        strategy = Measuring()
        strategy._datasource_backend = Old()
        self.assertEqual(
            42, strategy.datasource_backend.statistic_aggregation())


class TestHelpers(base.TestCase):

    def test_add_action_migrate(self):
        strategy = Recorded()
        strategy.add_action_migrate(
            models.instance('a1'), 'live', models.node('A'),
            models.node('B'), reason='because')
        action, = strategy.solution.actions
        self.assertEqual(
            {'action_type': 'migrate', 'input_parameters': {
                'migration_type': 'live', 'source_node': 'host-A',
                'destination_node': 'host-B', 'resource_name': 'vm-a1',
                'resource_id': models.uuid('a1')}}, action)
        self.assertEqual('because', action.reason)
        # 4 GB of memory and 20 GB of disk.
        self.assertEqual(24.0, action.explanation.cost)

    def test_cost_that_a_strategy_knows_better(self):
        strategy = Recorded()
        strategy.add_action_migrate(
            models.instance('a1'), 'live', models.node('A'),
            reason=explanation.Explanation('because', cost=4.0))
        action, = strategy.solution.actions
        self.assertEqual(4.0, action.explanation.cost)

    def test_solution_of_a_third_party(self):
        strategy = Recorded()
        strategy.solution = mock.Mock(spec_set=['add_action'])
        strategy.add_action_migrate(
            models.instance('a1'), 'cold', models.node('A'),
            models.node('B'))
        self.assertNotIn(
            'reason', strategy.solution.add_action.call_args.kwargs)

    def test_audit_tag(self):
        instances = [models.instance(str(number), metadata=metadata)
                     for number, metadata in enumerate((
                         {}, {'x': 'y'}, {'optimize': 'true'},
                         {'optimize': 'False'}, {'optimize': False}))]
        off = Recorded(utils.Struct(check_optimize_metadata=False))
        on = Recorded(utils.Struct(check_optimize_metadata=True))
        self.assertEqual(instances,
                         off.filter_instances_by_audit_tag(instances))
        self.assertEqual(instances[:3],
                         on.filter_instances_by_audit_tag(instances))
