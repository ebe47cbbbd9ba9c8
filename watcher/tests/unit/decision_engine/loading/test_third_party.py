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
from watcher.tests.unit.decision_engine import factories

PLUGINS = """
    from oslo_config import cfg

    from watcher.decision_engine.goal import base as goal_base
    from watcher.decision_engine.goal.efficacy import specs
    from watcher.decision_engine.planner import weight
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
"""

ENTRY_POINTS = """
    [watcher_goals]
    g1 = watcher_third_party:G1

    [watcher_strategies]
    s1 = watcher_third_party:S1
    old = watcher_third_party:OldConstructor
    missing = watcher_third_party:NoSuchClass

    [watcher_planners]
    p1 = watcher_third_party:P1
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
