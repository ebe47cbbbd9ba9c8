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
from importlib import metadata
from unittest import mock

from watcher import objects
from watcher.common import exception
from watcher.common.loader import loadable
from watcher.decision_engine import sync
from watcher.decision_engine.goal import base as goal_base
from watcher.decision_engine.goal.efficacy import base as efficacy_base
from watcher.decision_engine.goal.efficacy import indicators
from watcher.decision_engine.loading import default
from watcher.decision_engine.scoring import base as scoring_base
from watcher.decision_engine.strategy.strategies import base as strategies
from watcher.objects import events
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
PLAN = objects.action_plan.State

SCHEMA = {'properties': {'level': {'type': 'integer', 'default': 3}}}


def make_goal(name, display_name=None, with_indicator=False):
    class Specification(efficacy_base.EfficacySpecification):
        def get_indicators_specifications(self):
            return ((indicators.InstancesCount(),) if with_indicator
                    else ())

        def get_global_efficacy_indicator(self, indicators_map):
            return None

    class Goal(goal_base.Goal):
        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_display_name(cls):
            return display_name or name

        get_translatable_display_name = get_display_name

        @classmethod
        def get_efficacy_specification(cls):
            return Specification()

    return Goal


def make_strategy(name, goal_name, display_name=None, schema=None):
    class Strategy(strategies.DummyBaseStrategy):
        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_display_name(cls):
            return display_name or name

        get_translatable_display_name = get_display_name

        @classmethod
        def get_goal_name(cls):
            return goal_name

        @classmethod
        def get_schema(cls):
            return SCHEMA if schema is None else schema

        def pre_execute(self):
            raise NotImplementedError

        do_execute = post_execute = pre_execute

    return Strategy


def make_engine(name, description='text'):
    class Engine(scoring_base.ScoringEngine):
        def __init__(self, config=None):
            super().__init__(config)

        def get_name(self):
            return name

        def get_description(self):
            return description

        def get_metainfo(self):
            return ''

        def calculate_score(self, features):
            return features

    return Engine


class Broken(loadable.Loadable):
    """A plug-in that raises whatever it is asked."""

    @classmethod
    def get_config_opts(cls):
        raise RuntimeError('broken plug-in')

    get_name = get_schema = get_scoring_engine_list = get_config_opts


class SyncTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.context = factories.context()
        self.goals = {'G1': make_goal('G1'), 'G2': make_goal('G2')}
        self.strategies = {'S1': make_strategy('S1', 'G1'),
                           'S2': make_strategy('S2', 'G2')}
        self.engines = {'E1': make_engine('E1')}
        self.containers = {}
        # Names of entry points whose modules cannot be imported.
        self.unimportable = {}
        groups = {
            'watcher_goals': lambda: self.goals,
            'watcher_strategies': lambda: self.strategies,
            'watcher_scoring_engines': lambda: self.engines,
            'watcher_scoring_engine_containers': lambda: self.containers}
        for loader in (default.DefaultGoalLoader,
                       default.DefaultStrategyLoader,
                       default.DefaultScoringLoader,
                       default.DefaultScoringContainerLoader):
            self.patch_loader(loader, groups)
        self.patch(sync.metadata, 'entry_points', lambda group: [
            metadata.EntryPoint(name, 'no.such.module', group)
            for name in self.unimportable.get(group, ())])

    def patch_loader(self, loader, groups):
        self.patch(loader, 'list_available',
                   lambda this: dict(groups[this.namespace]()))
        self.patch(loader, 'load',
                   lambda this, name: groups[this.namespace]()[name]())

    def patch(self, owner, name, value):
        patcher = mock.patch.object(owner, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def sync(self):
        sync.Syncer(self.context).sync()

    def goal(self, name):
        return objects.Goal.get_by_name(self.context, name)

    def strategy(self, name):
        return objects.Strategy.get_by_name(self.context, name)

    def audit(self, state, strategy='S1', goal='G1', **fields):
        """Store an audit in this state."""
        return factories.audit(self.goal(goal),
                               strategy and self.strategy(strategy),
                               state=state, **fields)


class TestSync(SyncTestCase):

    def test_first_run_creates_everything(self):
        self.sync()
        self.assertEqual(['G1', 'G2'], [
            g.name for g in objects.Goal.list(self.context)])
        self.assertEqual([('S1', 'G1'), ('S2', 'G2')], [
            (s.name, s.goal.name)
            for s in objects.Strategy.list(self.context, eager=True)])
        self.assertEqual(SCHEMA, self.strategy('S1').parameters_spec)
        self.assertEqual(['E1'], [
            e.name for e in objects.ScoringEngine.list(self.context)])

    def rows(self):
        return [row.as_dict() for cls in (
            objects.Goal, objects.Strategy, objects.ScoringEngine,
            objects.AuditTemplate, objects.Audit, objects.ActionPlan)
            for row in cls.list(factories.watcher_context.admin_context(
                show_deleted=True))]

    def test_second_run_changes_nothing(self):
        self.sync()
        factories.template(self.goal('G1'), self.strategy('S1'))
        audit = self.audit(AUDIT.PENDING, parameters={'level': 1})
        factories.plan(audit, self.strategy('S1'))
        before = self.rows()
        heard = []
        listener = mock.Mock(on_update=lambda *args: heard.append(args))
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)
        self.sync()
        self.assertEqual(before, self.rows())
        self.assertEqual([], heard)

    def test_other_wording_keeps_ids_and_disturbs_nobody(self):
        self.sync()
        goal, strategy = self.goal('G1'), self.strategy('S1')
        engine, = objects.ScoringEngine.list(self.context)
        audits = {
            state: self.audit(state) for state in AUDIT_STATES}
        plans = [factories.plan(audits[AUDIT.SUCCEEDED], strategy, state)
                 for state in PLAN_STATES]
        template = factories.template(goal, strategy)
        self.goals['G1'] = make_goal('G1', 'New', with_indicator=True)
        self.strategies['S1'] = make_strategy('S1', 'G1', 'New')
        self.engines['E1'] = make_engine('E1', 'New')
        self.sync()
        after = self.goal('G1')
        self.assertEqual((goal.id, goal.uuid, 'New'),
                         (after.id, after.uuid, after.display_name))
        self.assertEqual(
            [{'name', 'description', 'unit', 'schema'}],
            [set(i) for i in after.efficacy_specification])
        after = self.strategy('S1')
        self.assertEqual((strategy.id, strategy.uuid, 'New'),
                         (after.id, after.uuid, after.display_name))
        after, = objects.ScoringEngine.list(self.context)
        self.assertEqual((engine.id, engine.uuid, 'New'),
                         (after.id, after.uuid, after.description))
        for state, audit in audits.items():
            self.assertEqual(state, factories.reread(audit).state)
        self.assertEqual(PLAN_STATES,
                         [factories.reread(plan).state for plan in plans])
        after = factories.reread(template)
        self.assertEqual((goal.id, strategy.id),
                         (after.goal_id, after.strategy_id))

    def test_key_order_of_a_schema_has_no_meaning(self):
        self.sync()
        before = self.strategy('S1').updated_at
        self.strategies['S1'] = make_strategy('S1', 'G1', schema={
            'properties': {'level': {'default': 3, 'type': 'integer'}}})
        self.sync()
        self.assertEqual(before, self.strategy('S1').updated_at)

    def test_strategy_moves_to_another_goal(self):
        self.sync()
        row = self.strategy('S1')
        self.strategies['S1'] = make_strategy('S1', 'G2')
        self.sync()
        after = self.strategy('S1')
        self.assertEqual((row.id, row.uuid, self.goal('G2').id),
                         (after.id, after.uuid, after.goal_id))


AUDIT_STATES = [AUDIT.PENDING, AUDIT.ONGOING, AUDIT.SUCCEEDED, AUDIT.FAILED,
                AUDIT.CANCELLED, AUDIT.SUSPENDED]
PLAN_STATES = [PLAN.RECOMMENDED, PLAN.PENDING, PLAN.ONGOING, PLAN.SUCCEEDED,
               PLAN.FAILED, PLAN.CANCELLING, PLAN.CANCELLED,
               PLAN.SUPERSEDED]


class TestChangedSchema(SyncTestCase):

    def setUp(self):
        super().setUp()
        self.sync()

    def change_schema(self):
        self.strategies['S1'] = make_strategy('S1', 'G1', schema={
            'properties': {'level': {'type': 'integer', 'maximum': 5,
                                     'default': 3}}})
        self.sync()

    def test_waiting_audit_that_no_longer_fits_is_cancelled(self):
        audits = {state: self.audit(state, parameters={'level': 9})
                  for state in AUDIT_STATES}
        continuous = self.audit(
            AUDIT.ONGOING, parameters={'level': 9}, interval='60',
            audit_type=factories.CONTINUOUS)
        uuid = self.strategy('S1').uuid
        self.change_schema()
        self.assertEqual(uuid, self.strategy('S1').uuid)
        for state, audit in audits.items():
            after = factories.reread(audit)
            if state in (AUDIT.PENDING, AUDIT.SUSPENDED):
                self.assertEqual(AUDIT.CANCELLED, after.state)
                self.assertIn('9 is greater than the maximum of 5',
                              after.status_message)
            else:
                self.assertEqual(state, after.state)
        self.assertEqual(AUDIT.CANCELLED,
                         factories.reread(continuous).state)

    def test_audits_that_still_fit_and_their_plans_stay(self):
        fits = self.audit(AUDIT.PENDING, parameters={'level': 4})
        empty = self.audit(AUDIT.PENDING, parameters={})
        done = self.audit(AUDIT.SUCCEEDED, parameters={'level': 9})
        plan = factories.plan(done, self.strategy('S1'))
        self.change_schema()
        self.assertEqual(AUDIT.PENDING, factories.reread(fits).state)
        self.assertEqual(AUDIT.PENDING, factories.reread(empty).state)
        self.assertEqual(PLAN.RECOMMENDED, factories.reread(plan).state)

    def test_parameter_that_is_gone(self):
        audit = self.audit(AUDIT.PENDING, parameters={'level': 4})
        self.strategies['S1'] = make_strategy('S1', 'G1', schema={
            'properties': {'other': {'type': 'integer'}}})
        self.sync()
        after = factories.reread(audit)
        self.assertEqual(AUDIT.CANCELLED, after.state)
        self.assertIn('level', after.status_message)


class TestRemoved(SyncTestCase):

    def setUp(self):
        super().setUp()
        self.sync()

    def test_strategy_is_gone(self):
        row = self.strategy('S1')
        template = factories.template(self.goal('G1'), row)
        audits = {state: self.audit(state) for state in AUDIT_STATES}
        other = self.audit(AUDIT.PENDING, strategy='S2', goal='G2')
        plans = {state: factories.plan(audits[AUDIT.SUCCEEDED], row, state)
                 for state in PLAN_STATES}
        del self.strategies['S1']
        self.sync()
        self.assertRaises(exception.StrategyNotFound, self.strategy, 'S1')
        self.assertIsNone(factories.reread(template).strategy_id)
        for state, audit in audits.items():
            after = factories.reread(audit)
            if state in (AUDIT.PENDING, AUDIT.SUSPENDED):
                self.assertEqual(AUDIT.CANCELLED, after.state)
                self.assertEqual('The strategy S1 is no longer installed',
                                 after.status_message)
            else:
                self.assertEqual((state, None),
                                 (after.state, after.status_message))
            self.assertEqual(row.id, after.strategy_id)
        for state, plan in plans.items():
            expected = (PLAN.CANCELLED if state in (
                PLAN.RECOMMENDED, PLAN.PENDING) else state)
            self.assertEqual(expected, factories.reread(plan).state)
        self.assertEqual(AUDIT.PENDING, factories.reread(other).state)

    def test_goal_and_its_strategy_are_gone(self):
        row = self.goal('G1')
        template = factories.template(row)
        pending = self.audit(AUDIT.PENDING, strategy=None)
        done = self.audit(AUDIT.SUCCEEDED)
        plan = factories.plan(done, self.strategy('S1'))
        del self.goals['G1']
        del self.strategies['S1']
        self.sync()
        self.assertRaises(exception.GoalNotFound, self.goal, 'G1')
        self.assertEqual(row.id, factories.reread(template).goal_id)
        after = factories.reread(pending)
        self.assertEqual((AUDIT.CANCELLED, row.id),
                         (after.state, after.goal_id))
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(done).state)
        self.assertEqual(PLAN.CANCELLED, factories.reread(plan).state)

    def test_plans_of_a_goal_that_is_gone(self):
        # The strategy stays, with another goal; the plan was made for the
        # goal that is gone.
        done = self.audit(AUDIT.SUCCEEDED)
        plan = factories.plan(done, self.strategy('S1'))
        self.strategies['S1'] = make_strategy('S1', 'G2')
        del self.goals['G1']
        self.sync()
        self.assertEqual('G2', objects.Strategy.get_by_name(
            self.context, 'S1', eager=True).goal.name)
        self.assertEqual(PLAN.CANCELLED, factories.reread(plan).state)

    def test_strategy_whose_goal_has_no_plugin(self):
        del self.goals['G1']
        self.sync()
        self.assertRaises(exception.GoalNotFound, self.goal, 'G1')
        self.assertRaises(exception.StrategyNotFound, self.strategy, 'S1')
        self.assertEqual('S2', self.strategy('S2').name)

    def test_scoring_engine_is_gone(self):
        self.engines.clear()
        self.sync()
        self.assertEqual([], objects.ScoringEngine.list(self.context))

    def test_name_comes_back(self):
        old = self.goal('G1')
        goal, strategy = self.goals.pop('G1'), self.strategies.pop('S1')
        self.sync()
        self.goals['G1'], self.strategies['S1'] = goal, strategy
        self.sync()
        self.assertNotEqual(old.uuid, self.goal('G1').uuid)
        self.assertEqual(self.goal('G1').id, self.strategy('S1').goal_id)


class TestFaultyPlugins(SyncTestCase):

    def setUp(self):
        super().setUp()
        self.sync()

    def test_broken_plugins_neither_stop_nor_lose_anything(self):
        audit = self.audit(AUDIT.PENDING)
        for group in (self.goals, self.strategies, self.engines):
            group['A0'] = Broken
        self.containers['A0'] = Broken
        self.goals['G1'] = self.strategies['S1'] = Broken
        self.engines['E1'] = Broken
        self.goals['Z'] = make_goal('Z')
        self.strategies['Z'] = make_strategy('Z', 'Z')
        self.engines['Z'] = make_engine('Z')
        self.sync()
        self.assertEqual('G1', self.goal('G1').name)
        self.assertEqual('S1', self.strategy('S1').name)
        self.assertEqual('Z', self.strategy('Z').name)
        self.assertEqual(['E1', 'Z'], [
            e.name for e in objects.ScoringEngine.list(self.context)])
        self.assertEqual(AUDIT.PENDING, factories.reread(audit).state)

    def test_plugin_that_cannot_be_imported_is_not_removed(self):
        audit = self.audit(AUDIT.PENDING)
        del self.strategies['S1'], self.goals['G1'], self.engines['E1']
        self.unimportable = {'watcher_strategies': ['S1'],
                             'watcher_goals': ['G1'],
                             'watcher_scoring_engines': ['E1']}
        self.sync()
        self.assertEqual('S1', self.strategy('S1').name)
        self.assertEqual('G1', self.goal('G1').name)
        self.assertEqual(1, len(objects.ScoringEngine.list(self.context)))
        self.assertEqual(AUDIT.PENDING, factories.reread(audit).state)

    def test_strategy_with_an_unknown_goal(self):
        self.strategies['Lost'] = make_strategy('Lost', 'nowhere')
        self.strategies['S3'] = make_strategy('S3', 'G1')
        self.sync()
        self.assertEqual('S3', self.strategy('S3').name)
        self.assertRaises(exception.StrategyNotFound, self.strategy, 'Lost')


class TestSeveralEngines(SyncTestCase):

    def test_starting_together(self):
        failures = []
        barrier = threading.Barrier(4)

        def start():
            barrier.wait()
            try:
                sync.Syncer(factories.context()).sync()
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        self.assertEqual(['G1', 'G2'], sorted(
            g.name for g in objects.Goal.list(self.context)))
        self.assertEqual(['S1', 'S2'], sorted(
            s.name for s in objects.Strategy.list(self.context)))

    def test_name_that_the_transaction_cannot_see(self):
        # MariaDB shows a transaction what was there at its first read.
        self.sync()
        before = objects.Strategy.get_by_name(self.context, 'S1')
        runs = []
        store = sync.Syncer._store_strategy
        read = objects.Strategy.get_by_name

        def count(this, installed, values):
            runs.append(installed.name)
            return store(this, installed, values)

        def snapshot(context, name, **kwargs):
            if runs == ['S1']:
                raise exception.StrategyNotFound(strategy=name)
            return read(context, name, **kwargs)

        self.patch(sync.Syncer, '_store_strategy', count)
        self.patch(objects.Strategy, 'get_by_name', snapshot)
        self.strategies['S1'] = make_strategy('S1', 'G1', 'New')
        self.sync()
        self.assertEqual(['S1', 'S1', 'S2'], runs)
        after = read(self.context, 'S1')
        self.assertEqual((before.uuid, 'New'), (after.uuid,
                                                after.display_name))

    def test_name_appears_between_look_and_insert(self):
        self.sync()
        goal = self.goal('G1')
        real = sync._by_name
        calls = []

        def too_early(context, cls, name):
            if not calls:
                calls.append(name)
                return None
            return real(context, cls, name)

        self.patch(sync, '_by_name', too_early)
        self.goals['G1'] = make_goal('G1', 'New')
        self.sync()
        after = self.goal('G1')
        self.assertEqual((goal.uuid, 'New'), (after.uuid,
                                              after.display_name))


class TestRealPlugins(base.TestCase):
    """What is installed with the service, against the contract."""

    GOALS = {
        'airflow_optimization': 'Airflow Optimization',
        'cluster_maintaining': 'Cluster Maintaining',
        'dummy': 'Dummy goal',
        'hardware_maintenance': 'Hardware Maintenance',
        'noisy_neighbor': 'Noisy Neighbor',
        'saving_energy': 'Saving Energy',
        'server_consolidation': 'Server Consolidation',
        'thermal_optimization': 'Thermal Optimization',
        'unclassified': 'Unclassified',
        'workload_balancing': 'Workload Balancing',
    }
    STRATEGIES = {
        'actuator': ('Actuator', 'unclassified'),
        'dummy': ('Dummy strategy', 'dummy'),
        'dummy_with_resize': ('Dummy strategy with resize', 'dummy'),
        'dummy_with_scorer': (
            'Dummy Strategy using sample Scoring Engines', 'dummy'),
        'host_maintenance': ('Host Maintenance Strategy',
                             'cluster_maintaining'),
    }
    INTEGERS = {
        'hardware_maintenance': [
            'live_migrate_instance_count',
            'planned_live_migrate_instance_count',
            'cold_migrate_instance_count',
            'planned_cold_migrate_instance_count',
            'volume_migrate_count', 'planned_volume_migrate_count',
            'volume_update_count', 'planned_volume_update_count'],
        'server_consolidation': [
            'compute_nodes_count', 'released_compute_nodes_count',
            'instance_migrations_count'],
        'workload_balancing': ['instance_migrations_count',
                               'instances_count'],
    }
    NUMBERS = {'workload_balancing': ['standard_deviation_after_audit',
                                      'standard_deviation_before_audit']}

    def test_what_is_stored(self):
        self.useFixture(database.Database())
        sync.sync()
        context = factories.context()
        goals = objects.Goal.list(context)
        self.assertEqual(
            self.GOALS, {g.name: g.display_name for g in goals})
        for goal in goals:
            self.assertEqual(
                [(name, None, '{"type": "integer", "minimum": 0}')
                 for name in self.INTEGERS.get(goal.name, ())]
                + [(name, None, '{"type": "number", "minimum": 0}')
                   for name in self.NUMBERS.get(goal.name, ())],
                [(i['name'], i['unit'], i['schema'])
                 for i in goal.efficacy_specification])
        stored = {s.name: (s.display_name, s.goal.name)
                  for s in objects.Strategy.list(context, eager=True)}
        for name, expected in self.STRATEGIES.items():
            self.assertEqual(expected, stored[name])
        self.assertEqual(
            {'dummy_scorer', 'dummy_min_scorer', 'dummy_max_scorer',
             'dummy_avg_scorer'},
            {e.name for e in objects.ScoringEngine.list(context)})
