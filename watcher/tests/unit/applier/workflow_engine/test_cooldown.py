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
"""Servers that were moved a moment ago are left alone."""

import datetime

import fixtures
from oslo_utils import timeutils

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import cooldown
from watcher.tests.unit.applier.workflow_engine import engine_case


def claims_of(action):
    parameters = action.input_parameters
    if 'server' not in parameters:
        return None
    return action_base.Claims((parameters['server'],),
                              source=parameters.get('source', 'compute-1'))


def move(server, **parameters):
    return {'parameters': {'server': server, **parameters}}


class TestCooldown(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_applier', cooldown=600)
        self.hooks['claims'] = claims_of

    def make_done(self, *specs, age=60, state='SUCCEEDED', kind=None):
        """Store a plan whose actions have ended."""
        plan = self.make_plan(*({**spec, 'state': state} for spec in specs),
                              state='SUCCEEDED', name='done')
        ended = timeutils.utcnow() - datetime.timedelta(seconds=age)
        for action in self.actions(plan):
            objects.ActionRun.set(self.context, action.id, finished_at=ended)
        if kind:
            objects.PlanRun.set(self.context, plan.id, kind=kind)
        return plan

    def states_after(self, *specs, **values):
        """Run a plan and return the states of its actions."""
        self.plan = self.make_plan(*specs)
        if values:
            objects.PlanRun.set(self.context, self.plan.id, **values)
        self.run_engine(self.plan)
        return self.states(self.plan)

    def test_it_is_skipped_and_says_why(self):
        done = self.make_done(move('s1'))
        self.assertEqual(['SKIPPED', 'SUCCEEDED'],
                         self.states_after(move('s1'), move('s2')))
        earlier = self.actions(done)[0]
        self.assertRegex(
            self.actions(self.plan)[0].status_message,
            'Action was skipped automatically: Server s1 was moved at '
            f'.* UTC by action {earlier.uuid} of action plan {done.uuid}, '
            'and is left alone for 600 seconds')

    def test_after_that_time(self):
        self.make_done(move('s1'), age=601)
        self.assertEqual(['SUCCEEDED'], self.states_after(move('s1')))

    def test_by_default_there_is_none(self):
        self.config(group='watcher_applier', cooldown=0)
        self.make_done(move('s1'), age=0)
        self.assertEqual(['SUCCEEDED'], self.states_after(move('s1')))

    def test_what_failed_has_not_moved(self):
        self.make_done(move('s1'), state='FAILED')
        self.assertEqual(['SUCCEEDED'], self.states_after(move('s1')))

    def test_only_moves_count(self):
        self.make_done(move('s1', source=None))
        self.assertEqual(['SUCCEEDED'], self.states_after(move('s1')))
        self.make_done(move('s1'))
        self.assertEqual(['SUCCEEDED'],
                         self.states_after(move('s1', source=None)))

    def test_rollbacks_and_retries_are_exempt(self):
        self.make_done(move('s1'))
        for kind in ('rollback', 'retry'):
            self.assertEqual(['SUCCEEDED'],
                             self.states_after(move('s1'), kind=kind))

    def test_what_a_rollback_has_moved_is_left_alone(self):
        self.make_done(move('s1'), kind='rollback')
        self.assertEqual(['SKIPPED'], self.states_after(move('s1')))

    def test_a_plan_may_move_a_server_twice(self):
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED'], self.states_after(
            move('s1'), {**move('s1'), 'parents': [0]}))

    def test_strategies_have_times_of_their_own(self):
        for general, own, state in ((600, 0, 'SUCCEEDED'),
                                    (600, 59, 'SUCCEEDED'),
                                    (0, 600, 'SKIPPED')):
            self.config(group='watcher_applier', cooldown=general,
                        cooldown_of_strategies={'dummy': own})
            server = f'server-{general}-{own}'
            self.make_done(move(server))
            self.assertEqual([state], self.states_after(move(server)))

    def test_servers_leave_for_maintenance_in_any_case(self):
        self.assertEqual(0, cooldown.seconds_for('host_maintenance'))
        self.assertEqual(600, cooldown.seconds_for('dummy'))
        self.assertEqual(600, cooldown.seconds_for(None))

    def test_one_query_for_a_plan(self):
        looks = []
        dbapi = objects.ActionPlan.dbapi
        look = dbapi.list_actions_ended_since

        def count(*args):
            looks.append(args)
            return look(*args)

        self.make_done(move('s3'))
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.cooldown._FRESH', 3600))
        self.useFixture(fixtures.MockPatchObject(
            dbapi, 'list_actions_ended_since', count))
        self.assertEqual(
            ['SUCCEEDED'] * 2 + ['SKIPPED'] + ['SUCCEEDED'] * 5,
            self.states_after(*(move(f's{number}')
                                for number in range(1, 9))))
        self.assertEqual(1, len(looks))

    def test_what_others_moved_meanwhile_is_seen(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.cooldown._FRESH', 0))
        self.hooks['execute'] = lambda action: bool(
            action.input_parameters['server'] != 's1'
            or self.make_done(move('s2')))
        self.assertEqual(['SUCCEEDED', 'SKIPPED'], self.states_after(
            move('s1'), {**move('s2'), 'parents': [0]}))
