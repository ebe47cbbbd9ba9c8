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
"""A distribution of a third party, installed beside the service."""

import pathlib
import sys
import textwrap

import fixtures

from watcher import objects
from watcher.common import exception
from watcher.conf import opts
from watcher.decision_engine import sync
from watcher.decision_engine.audit import oneshot
from watcher.decision_engine.loading import default
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories

PLUGINS = """
    import json

    from oslo_config import cfg

    from watcher import objects
    from watcher.common import utils
    from watcher.decision_engine.goal import base as goal_base
    from watcher.decision_engine.goal.efficacy import specs
    from watcher.decision_engine.planner import base as planner_base
    from watcher.decision_engine.planner import weight
    from watcher.decision_engine.scoring import base as scoring_base
    from watcher.decision_engine.scoring import scoring_factory
    from watcher.decision_engine.strategy.strategies import base


    class G1(goal_base.Goal):
        @classmethod
        def get_name(cls):
            return 'g1'

        @classmethod
        def get_display_name(cls):
            return 'Goal one'

        get_translatable_display_name = get_display_name

        @classmethod
        def get_efficacy_specification(cls):
            return specs.Unclassified()

        @classmethod
        def get_config_opts(cls):
            return [cfg.StrOpt('colour', default='red')]


    class S1(base.BaseStrategy):
        @classmethod
        def get_name(cls):
            return 's1'

        @classmethod
        def get_display_name(cls):
            return 'Strategy one'

        get_translatable_display_name = get_display_name

        @classmethod
        def get_goal_name(cls):
            return 'g1'

        @classmethod
        def get_config_opts(cls):
            return super().get_config_opts() + [
                cfg.IntOpt('zz', default=7)]

        def pre_execute(self):
            pass

        def do_execute(self, audit=None):
            self.planner = 'p1'
            self.solution.add_action('nop', {'message': str(self.config.zz)})

        def post_execute(self):
            pass


    class OldConstructor(S1):
        def __init__(self, osc=None):
            super().__init__({}, osc=osc)


    class P1(weight.WeightPlanner):
        # Subclasses have their own defaults and options.
        action_weights = {'nop': 1}

        @classmethod
        def get_config_opts(cls):
            return super().get_config_opts() + [
                cfg.StrOpt('opt', default='d')]


    class Packing(base.ServerConsolidationBaseStrategy):
        # Uses what the guide for strategies names, and nothing else.

        @classmethod
        def get_name(cls):
            return 'packing'

        @classmethod
        def get_display_name(cls):
            return 'Packing'

        get_translatable_display_name = get_display_name

        @classmethod
        def get_schema(cls):
            return {'properties': {
                'most': {'type': 'integer', 'default': 3}}}

        @classmethod
        def get_config_opts(cls):
            # A name that the service has for something else.
            return [cfg.StrOpt('max_migrations', default='as many as you can')]

        def pre_execute(self):
            self._pre_execute()

        def do_execute(self, audit=None):
            self.planner = 'rows'
            model = self.compute_model
            source, target = sorted(
                model.get_all_compute_nodes().values(),
                key=lambda node: len(model.get_node_instances(node)))
            for instance in model.get_node_instances(source):
                free = model.get_node_free_resources(target)
                if (len(self.solution.actions) < self.input_parameters.most
                        and instance['state'] == 'active'
                        and instance.vcpus <= free['vcpu']
                        and model.migrate_instance(
                            instance, source, target)):
                    self.add_action_migrate(
                        instance, 'live', source, target)
            grade, = json.loads(scoring_factory.get_scoring_engine(
                'grade').calculate_score(json.dumps(
                    [len(self.solution.actions)])))
            self.solution.add_action('nop', {'message': grade})
            self.solution.actions.append(
                {'action_type': 'sleep', 'input_parameters': None})
            self.solution.model = model

        def post_execute(self):
            self.solution.set_efficacy_indicators(
                compute_nodes_count=2, released_compute_nodes_count=1,
                instance_migrations_count=len(self.solution.actions) - 2)


    class Rows(planner_base.BasePlanner):
        # Stores everything itself, one action after the other.

        def schedule(self, context, audit_uuid, solution):
            strategy = objects.Strategy.get_by_name(
                context, solution.strategy.name)
            plan = objects.ActionPlan(
                context, uuid=utils.generate_uuid(), audit_id=audit_uuid,
                strategy_id=strategy.id,
                state=objects.action_plan.State.RECOMMENDED,
                global_efficacy=solution.global_efficacy)
            plan.create()
            for indicator in solution.efficacy_indicators:
                objects.EfficacyIndicator(
                    context, uuid=utils.generate_uuid(),
                    action_plan_id=plan.id, name=indicator.name,
                    description=indicator.description,
                    unit=indicator.unit, value=indicator.value).create()
            parents = []
            for record in solution.actions:
                action = objects.Action(
                    context, uuid=utils.generate_uuid(),
                    action_plan_id=plan.id,
                    action_type=record['action_type'],
                    input_parameters=record['input_parameters'] or {},
                    state=objects.action.State.PENDING, parents=parents)
                action.create()
                parents = [action.uuid]
            return plan


    class Grade(scoring_base.ScoringEngine):
        def get_name(self):
            return 'grade'

        def get_description(self):
            return 'Grades numbers'

        def get_metainfo(self):
            return ''

        def calculate_score(self, features):
            return json.dumps(['%d moves' % number for number
                               in json.loads(features)])
"""

ENTRY_POINTS = """
    [watcher_goals]
    g1 = watcher_third_party:G1

    [watcher_strategies]
    s1 = watcher_third_party:S1
    old = watcher_third_party:OldConstructor
    missing = watcher_third_party:NoSuchClass
    packing = watcher_third_party:Packing

    [watcher_planners]
    p1 = watcher_third_party:P1
    rows = watcher_third_party:Rows

    [watcher_scoring_engines]
    grade = watcher_third_party:Grade
"""

CONFIGURATION = """
    [watcher_strategies.s1]
    zz = 9
    datasources = gnocchi

    [watcher_planners.p1]
    opt = v

    [watcher_planners.weight]
    weights = migrate:5,nop:100

    [watcher_goals.g1]
    colour = blue
"""


class TestThirdParty(base.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.write('watcher_third_party.py', PLUGINS)
        self.write('third_party-1.0.dist-info/METADATA',
                   'Metadata-Version: 2.1\nName: third-party\nVersion: 1.0')
        self.write('third_party-1.0.dist-info/entry_points.txt',
                   ENTRY_POINTS)
        self.useFixture(fixtures.PythonPathEntry(str(self.directory)))
        self.addCleanup(sys.modules.pop, 'watcher_third_party', None)
        # Found once for each process otherwise.
        self.useFixture(fixtures.MonkeyPatch(
            'stevedore.ExtensionManager.ENTRY_POINT_CACHE', {}))
        self.conf.conf([], default_config_files=[
            self.write('watcher.conf', CONFIGURATION)],
            default_config_dirs=[])

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return str(path)

    def test_strategy_gets_its_options(self):
        strategy = default.DefaultStrategyLoader().load('s1')
        self.assertEqual({'datasources': ['gnocchi'], 'zz': 9},
                         strategy.config)

    def test_planner_gets_its_options(self):
        self.assertEqual(
            'v', default.DefaultPlannerLoader().load('p1').config.opt)

    def test_goal_gets_its_options(self):
        self.assertEqual(
            'blue', default.DefaultGoalLoader().load('g1').config.colour)

    def test_dictionary_option_replaces_the_default_with_texts(self):
        config = default.DefaultPlannerLoader().load('weight').config
        self.assertEqual({'migrate': '5', 'nop': '100'}, config.weights)
        self.assertEqual(9, len(config.parallelization))

    def test_options_are_listed_but_not_those_of_goals(self):
        groups = [str(group) for group, _options in opts.list_opts()]
        self.assertIn('watcher_strategies.s1', groups)
        self.assertIn('watcher_planners.p1', groups)
        self.assertNotIn('watcher_goals.g1', groups)

    def test_what_cannot_be_loaded(self):
        loader = default.DefaultStrategyLoader()
        for name in ('old', 'missing', 'unknown'):
            self.assertRaises(exception.LoadingError, loader.load, name,
                              osc=None)
        self.assertNotIn('missing', loader.list_available())

    def test_audit(self):
        self.useFixture(database.Database())
        self.config(notification_level='')
        sync.sync()
        context = factories.context()
        audit = factories.audit(objects.Goal.get_by_name(context, 'g1'))
        # Both s1 and old serve the goal; old comes first and cannot be
        # built, so the audit names its strategy.
        audit.strategy_id = objects.Strategy.get_by_name(context, 's1').id
        audit.save()
        oneshot.OneShotAuditHandler().execute(
            context, objects.Audit.get_by_uuid(context, audit.uuid,
                                               eager=True))
        self.assertEqual('SUCCEEDED', factories.reread(audit).state)
        action, = objects.Action.list(context)
        self.assertEqual({'message': '9'}, action.input_parameters)

    def packed(self, **cloud):
        """Run the audit of a plug-in; return plan and actions."""
        self.useFixture(database.Database())
        self.config(notification_level='')
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.decision_engine.scoring.scoring_factory._registry',
            None))
        model = models.cloud({
            models.node(host): [models.instance(name) for name in servers]
            for host, servers in cloud.items()})
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.decision_engine.strategy.strategies.base.BaseStrategy.'
            '_scoped_model', lambda strategy, name: model))
        sync.sync()
        context = factories.context()
        audit = factories.audit(
            objects.Goal.get_by_name(context, 'server_consolidation'))
        audit.strategy_id = objects.Strategy.get_by_name(
            context, 'packing').id
        audit.save()
        oneshot.OneShotAuditHandler().execute(
            context, objects.Audit.get_by_uuid(context, audit.uuid,
                                               eager=True))
        self.assertEqual('SUCCEEDED', factories.reread(audit).state)
        plan, = objects.ActionPlan.list(context)
        return plan, objects.Action.list(context)

    def test_strategy_planner_and_scoring_engine(self):
        plan, actions = self.packed(A=['a1', 'a2'], B=['b1', 'b2', 'b3'])
        self.assertEqual(
            ['migrate', 'migrate', 'nop', 'sleep'],
            [action.action_type for action in actions])
        self.assertEqual({'message': '2 moves'}, actions[2].input_parameters)
        self.assertEqual(
            [[], *[[action.uuid] for action in actions[:3]]],
            [action.parents for action in actions])
        self.assertEqual([50.0], [
            figure['value'] for figure in plan.global_efficacy])
