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
"""Tests of the test that every strategy has to pass."""

from watcher.decision_engine.strategy.strategies import base as strategies
from watcher.tests import base
from watcher.tests.fixtures import referee
from watcher.tests.unit.decision_engine.strategy import properties


class FirstFit(strategies.UnclassifiedStrategy):
    """Moves some servers to the first host that the rules allow."""

    obeys = True

    @classmethod
    def get_name(cls):
        return 'first_fit'

    @classmethod
    def get_display_name(cls):
        return 'First fit'

    @classmethod
    def get_translatable_display_name(cls):
        return 'First fit'

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        state = self.found_state()
        rules = self.rules_for(state)
        asked = self.eligibility_for(state)
        for server in range(0, len(state.servers), 3):
            hosts = rules.select(server)
            kind = asked.migration_type(server)
            if self.obeys and (not kind or asked.why_not_touch(server)):
                continue
            if hosts or not self.obeys:
                self.plan(state, server, kind or 'live',
                          hosts[0] if hosts else 0)

    def plan(self, state, server, kind, host):
        source = state.node(int(state.host_of[server]))
        state.move(server, host)
        self.add_action_migrate(state.instance(server), kind, source,
                                state.node(host), reason='a test')

    def post_execute(self):
        """There are no indicators."""


class Careless(FirstFit):
    """Neither asks about servers nor about hosts."""

    obeys = False

    @classmethod
    def get_name(cls):
        return 'careless'


class TestObedient(properties.StrategyProperties, base.TestCase):
    STRATEGY = FirstFit


class TestCareless(base.TestCase):
    """Each property has to notice a strategy that does not have it."""

    NAMES = ('test_actions_pass_their_preconditions',
             'test_no_prefix_of_a_plan_breaks_a_rule',
             'test_excluded_servers_are_left_alone',
             'test_hosts_disabled_by_others_are_neither_used_nor_enabled')

    def test_is_noticed(self):
        class Tested(properties.StrategyProperties, base.TestCase):
            STRATEGY = Careless

        for name in self.NAMES:
            result = Tested(name).run()
            self.assertFalse(result.wasSuccessful(), name)

    def test_is_noticed_by_the_referee(self):
        found = set()

        class Watched(properties.StrategyProperties, base.TestCase):
            STRATEGY = Careless

            def watch(self):
                for model, _strategy, solution in self.runs():
                    judge = referee.Referee(model)
                    for action in solution.actions:
                        found.update(judge.begin(action))
                        judge.end(action)

        self.assertTrue(Watched('watch').run().wasSuccessful())
        for about in ('is down', 'left alone', 'takes no servers', 'lacks',
                      'already', 'has members', 'is not on', 'kept for',
                      'no SSD', 'is not in', 'not fast', 'no VGPU',
                      'it is error'):
            self.assertTrue(any(about in reason for reason in found), about)

    def test_moving_twice_is_noticed(self):
        class Twice(FirstFit):
            def plan(self, state, server, kind, host):
                for target in (host, (host + 1) % len(state.hosts)):
                    super().plan(state, server, kind, target)

        class Tested(properties.StrategyProperties, base.TestCase):
            STRATEGY = Twice

        self.assertFalse(Tested(
            'test_every_server_moves_once_at_most').run().wasSuccessful())

    def test_chance_is_noticed(self):
        class Fickle(FirstFit):
            runs = 0

            def do_execute(self, audit=None):
                Fickle.runs += 1
                if Fickle.runs % 2:
                    super().do_execute()

        class Tested(properties.StrategyProperties, base.TestCase):
            STRATEGY = Fickle

        self.assertFalse(Tested(
            'test_same_input_same_plan').run().wasSuccessful())

    def test_harm_is_noticed(self):
        class Harmful(FirstFit):
            def plan_measures(self):
                found = self.found_state().host_of
                return {'moved': lambda state: float(
                    (state.host_of != found).sum())}

        class Tested(properties.StrategyProperties, base.TestCase):
            STRATEGY = Harmful

        self.assertFalse(Tested(
            'test_plans_do_not_make_things_worse').run().wasSuccessful())

    def test_schemas_that_check_nothing_are_noticed(self):
        for schema, name in (
                ({'type': 'number', 'minimun': 0},
                 'test_schema_has_known_keywords_only'),
                ({'description': 'anything'},
                 'test_every_parameter_refuses_something')):
            class Lax(FirstFit):
                @classmethod
                def get_schema(cls, schema=schema):
                    return {'properties': {'limit': schema}}

            class Tested(properties.StrategyProperties, base.TestCase):
                STRATEGY = Lax

            self.assertFalse(Tested(name).run().wasSuccessful())

    def test_silence_is_noticed(self):
        class Silent(FirstFit):
            def plan(self, state, server, kind, host):
                self.solution.add_action('nop', {'message': str(server)})

        class Tested(properties.StrategyProperties, base.TestCase):
            STRATEGY = Silent

        self.assertFalse(Tested(
            'test_actions_tell_their_reasons').run().wasSuccessful())
