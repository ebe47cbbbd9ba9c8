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
"""Which of the waiting plans is claimed, and what becomes of the others."""

import datetime
import threading

import fixtures
import sqlalchemy as sa

from watcher import objects
from watcher.applier import claims
from watcher.db.sqlalchemy import session as db_session
from watcher.tests import base
from watcher.tests.unit.applier import harness

SERVERS = {name: f'{name}0000000-0000-4000-8000-000000000000'
           for name in 'abcdef'}


def move(server, source='compute-1', destination=None, **spec):
    parameters = {'resource_id': SERVERS[server], 'source_node': source,
                  'migration_type': 'live'}
    if destination:
        parameters['destination_node'] = destination
    return {'type': 'migrate', 'parameters': parameters, **spec}


def service(host, wanted, **spec):
    return {'type': 'change_nova_service_state', **spec,
            'parameters': {'resource_id': host, 'state': wanted}}


def switch(node, host, state):
    return {'type': 'change_node_power_state',
            'parameters': {'resource_id': node, 'resource_name': host,
                           'state': state}}


class ClaimsTestCase(harness.ApplierTestCase):

    def setUp(self):
        super().setUp()
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)
        self.queue = self.make_queue()

    def make_queue(self):
        return claims.Queue(dict, lambda: True)

    def claim(self, queue=None):
        """Claim a plan and return its UUID."""
        plan = (queue or self.queue).claim_next()
        return plan and plan.uuid

    def run_elsewhere(self, *specs):
        return self.make_plan(*specs, state='ONGOING',
                              hostname='applier-2', name='elsewhere')

    def message(self, plan):
        return self.read(plan).status_message

    def check_race(self):
        """Two appliers begin with different plans, which overlap."""
        plans = [self.make_plan(move('a')), self.make_plan(move('a'))]
        line = {plan.uuid: plan for plan in claims.Queue._line(self.context)}
        ready = threading.Barrier(2)
        claimed = []

        def run(order):
            queue = self.make_queue()
            queue._line = lambda context: [
                line[plans[number].uuid] for number in order]
            ready.wait(base.PATIENCE)
            claimed.append(self.claim(queue))

        appliers = [threading.Thread(target=run, args=(order,))
                    for order in ((0, 1), (1, 0))]
        for applier in appliers:
            applier.start()
        for applier in appliers:
            applier.join(base.PATIENCE)
        winner, loser = plans
        if self.read(winner).state != 'ONGOING':
            winner, loser = loser, winner
        self.assertEqual(['ONGOING', 'PENDING'],
                         [self.read(plan).state for plan in (winner, loser)])
        self.assertCountEqual([winner.uuid, None], claimed)
        self.assertIn(winner.uuid, self.message(loser))
        self.set_state(winner, 'SUCCEEDED')
        self.set_state(loser, 'CANCELLED')


class TestRace(ClaimsTestCase):

    def test_two_appliers(self):
        for _round in range(5):
            self.check_race()


class TestQueue(ClaimsTestCase):

    def test_a_plan_that_overlaps_waits_and_says_so(self):
        running = self.run_elsewhere(move('a'), move('b'))
        plan = self.make_plan(move('b'))
        self.assertIsNone(self.claim())
        self.assertEqual('PENDING', self.read(plan).state)
        self.assertEqual(
            f'Waits for action plan {running.uuid}: both change server '
            f'{SERVERS["b"]}.', self.message(plan))
        self.set_state(running, 'SUCCEEDED')
        self.assertEqual(plan.uuid, self.claim())
        self.assertIsNone(self.message(plan))

    def test_it_says_so_once(self):
        self.run_elsewhere(move('a'))
        self.make_plan(move('a'))
        for _look in range(3):
            self.assertIsNone(self.claim())
        self.assertEqual(['action_plan.update plan1 PENDING [-]'],
                         self.events('action_plan.update'))

    def test_names_are_shown(self):
        self.run_elsewhere(move('a'))
        spec = move('a')
        spec['parameters']['resource_name'] = 'web-1'
        plan = self.make_plan(spec)
        self.claim()
        self.assertIn(f'both change server web-1 ({SERVERS["a"]}).',
                      self.message(plan))

    def test_others_go_ahead(self):
        self.run_elsewhere(move('a'))
        self.make_plan(move('a'))
        disjoint = self.make_plan(move('b'))
        self.assertEqual(disjoint.uuid, self.claim())

    def test_none_starves_behind_many(self):
        self.run_elsewhere(move('a'))
        for _number in range(70):
            self.make_plan(move('a'))
        disjoint = self.make_plan(move('b'))
        self.assertEqual(disjoint.uuid, self.claim())

    def test_the_order_is_kept(self):
        running = self.run_elsewhere(move('a'))
        first = self.make_plan(move('a'), move('b'))
        second = self.make_plan(move('b'))
        self.assertIsNone(self.claim())
        self.assertIn(running.uuid, self.message(first))
        self.assertIn(first.uuid, self.message(second))
        self.set_state(running, 'SUCCEEDED')
        self.assertEqual(first.uuid, self.claim())
        self.assertIsNone(self.claim())

    def test_saying_so_costs_no_place_in_the_line(self):
        self.run_elsewhere(move('a'))
        plan = self.make_plan(move('a'))
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        plan.swap({}, updated_at=moment)
        self.assertIsNone(self.claim())
        self.assertIn('Waits', self.message(plan))
        self.assertEqual(moment, self.read(plan).updated_at)

    def test_what_is_done_is_in_nobodys_way(self):
        self.run_elsewhere(move('a', state='SUCCEEDED'), move('b'))
        plan = self.make_plan(move('a'))
        self.assertEqual(plan.uuid, self.claim())

    def test_what_is_skipped_overlaps_with_nothing(self):
        self.run_elsewhere(move('a'))
        plan = self.make_plan(move('a', state='SKIPPED'), move('b'))
        self.assertEqual(plan.uuid, self.claim())

    def test_plans_in_all_running_states(self):
        for values in ({'state': 'CANCELLING'}, {'hostname': None}):
            with self.subTest(**values):
                running = self.run_elsewhere(move('a'))
                if 'state' in values:
                    self.set_state(running, **values)
                else:
                    running.swap({}, **values)
                plan = self.make_plan(move('a'))
                self.assertIsNone(self.claim())
                self.set_state(running, 'CANCELLED')
                self.assertEqual(plan.uuid, self.claim())
                self.set_state(plan, 'SUCCEEDED')

    def test_a_plan_launched_without_being_pending(self):
        running = self.run_elsewhere(move('a'))
        plan = self.make_plan(move('a'), state='RECOMMENDED',
                              hostname=harness.HOST)
        self.assertIsNone(self.claim())
        self.assertIn(running.uuid, self.message(plan))
        self.assertEqual('RECOMMENDED', self.read(plan).state)

    def test_refuse(self):
        self.config(group='watcher_applier', overlapping_plans='refuse')
        running = self.run_elsewhere(move('a'))
        plan = self.make_plan(move('a'), move('b', state='SKIPPED'))
        self.assertIsNone(self.claim())
        message = (
            f'Action plan was not started because of action plan '
            f'{running.uuid}, which runs: both change server '
            f'{SERVERS["a"]}.')
        self.assertEqual(('CANCELLED', message),
                         (self.read(plan).state, self.message(plan)))
        self.assertEqual(
            [('CANCELLED', message), ('SKIPPED', None)],
            [(action.state, action.status_message)
             for action in self.actions(plan)])

    def test_refuse_only_because_of_what_runs(self):
        self.config(group='watcher_applier', overlapping_plans='refuse')
        first, second = (self.make_plan(move('a')) for _number in range(2))
        self.assertEqual(first.uuid, self.claim())
        self.assertEqual('PENDING', self.read(second).state)

    def test_allow(self):
        self.config(group='watcher_applier', overlapping_plans='allow')
        self.run_elsewhere(move('a'))
        plan = self.make_plan(move('a'))
        self.assertEqual(plan.uuid, self.claim())

    def test_an_unknown_type_of_action(self):
        self.run_elsewhere({'type': 'unheard_of',
                            'parameters': {'resource_id': 'thing'}})
        plan = self.make_plan({'type': 'unheard_of',
                               'parameters': {'resource_id': 'thing'}})
        self.assertIsNone(self.claim())
        self.assertIn('both change resource thing', self.message(plan))

    def test_as_many_queries_however_many_plans(self):
        def count(plan):
            statements = []

            def note(connection, cursor, statement, *rest):
                statements.append(statement)

            engine = db_session.get_engine()
            sa.event.listen(engine, 'before_cursor_execute', note)
            try:
                self.assertEqual(plan.uuid,
                                 self.claim(self.make_queue()))
            finally:
                sa.event.remove(engine, 'before_cursor_execute', note)
            return len(statements)

        count(self.make_plan(move('a')))
        few = count(self.make_plan(move('b')))
        for _number in range(10):
            self.run_elsewhere(move('c'), move('d'), move('e'))
        self.assertEqual(few, count(self.make_plan(move('f'))))


class TestHosts(ClaimsTestCase):

    def check_waits(self, running, waiting, reason):
        running = self.run_elsewhere(*running)
        plan = self.make_plan(*waiting)
        self.assertIsNone(self.claim())
        self.assertEqual(
            f'Waits for action plan {running.uuid}: {reason}.',
            self.message(plan))

    def check_goes_ahead(self, running, waiting):
        self.run_elsewhere(*running)
        plan = self.make_plan(*waiting)
        self.assertEqual(plan.uuid, self.claim())

    def test_to_a_host_that_is_being_emptied(self):
        self.check_waits(
            [service('compute-1', 'disabled', state='SUCCEEDED'),
             move('a', 'compute-1')],
            [move('b', 'compute-2', 'compute-1')],
            'it takes host compute-1 out of use')

    def test_a_host_that_is_being_emptied_is_enabled(self):
        self.check_waits(
            [service('compute-1', 'disabled', state='SKIPPED'),
             move('a', 'compute-1')],
            [service('compute-1', 'enabled')],
            'it takes host compute-1 out of use')

    def test_to_a_host_that_is_switched_off(self):
        self.check_waits(
            [switch('node-1', 'compute-1', 'off')],
            [move('b', 'compute-2', 'compute-1')],
            'it takes host compute-1 out of use')

    def test_a_host_that_servers_go_to_is_taken_out_of_use(self):
        self.check_waits(
            [move('a', 'compute-2', 'compute-1')],
            [service('compute-1', 'disabled'), move('b', 'compute-1')],
            'it needs host compute-1, which this plan takes out of use')

    def test_the_same_service(self):
        self.check_waits(
            [service('compute-1', 'enabled')],
            [service('compute-1', 'enabled')],
            'both change nova-compute on compute-1')

    def test_a_host_that_could_not_be_disabled(self):
        self.check_goes_ahead(
            [service('compute-1', 'disabled', state='FAILED'),
             move('a', 'compute-1')],
            [move('b', 'compute-2', 'compute-1')])

    def test_several_plans_share_hosts(self):
        self.check_goes_ahead(
            [move('a', 'compute-1', 'compute-2')],
            [move('b', 'compute-1', 'compute-2'),
             move('c', 'compute-2', 'compute-1')])

    def test_the_cloud_chooses(self):
        self.check_goes_ahead([service('compute-1', 'disabled')],
                              [move('a', 'compute-2')])

    def test_servers_arrived_before_the_host_is_taken_out_of_use(self):
        self.check_goes_ahead(
            [move('a', 'compute-2', 'compute-1', state='SUCCEEDED')],
            [service('compute-1', 'disabled')])


class TestPause(ClaimsTestCase):

    def pause(self, plan, paused=True):
        objects.PlanRun.set(self.context, plan.id, paused=paused)

    def test_a_waiting_plan(self):
        plan = self.make_plan(move('a'))
        self.pause(plan)
        self.assertIsNone(self.claim())
        self.pause(plan, False)
        self.assertEqual(plan.uuid, self.claim())

    def test_it_holds_up_nobody(self):
        self.pause(self.make_plan(move('a')))
        plan = self.make_plan(move('a'))
        self.assertEqual(plan.uuid, self.claim())

    def test_a_plan_paused_at_this_moment(self):
        plan = self.make_plan(move('a'))
        found = claims.Queue._line(self.context)
        self.pause(plan)
        with fixtures.MonkeyPatch('watcher.applier.claims.Queue._line',
                                  lambda *args: found):
            self.assertIsNone(self.claim())
        self.assertEqual('PENDING', self.read(plan).state)
        self.assertEqual([], self.events('update'))

    def test_a_plan_that_runs_keeps_what_it_reaches(self):
        self.pause(self.run_elsewhere(move('a')))
        self.make_plan(move('a'))
        self.assertIsNone(self.claim())


class TestExpiry(ClaimsTestCase):

    def make_old(self, hours, **values):
        plan = self.make_plan(move('a'), **values)
        made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(
            hours=hours)
        plan.swap({}, created_at=made)
        return plan

    def make_launched(self, hours):
        return self.make_old(hours, state='RECOMMENDED',
                             hostname=harness.HOST)

    def test_a_plan_launched_too_late_is_superseded(self):
        plan = self.make_launched(25)
        self.assertIsNone(self.claim())
        self.assertEqual('SUPERSEDED', self.read(plan).state)
        self.assertIn('older than 24 hours', self.message(plan))
        self.assertEqual(['PENDING'], self.states(plan))

    def test_a_plan_launched_in_time(self):
        plan = self.make_launched(23)
        self.assertEqual(plan.uuid, self.claim())

    def test_plans_may_never_expire(self):
        self.config(group='watcher_decision_engine', action_plan_expiry=0)
        plan = self.make_launched(1000)
        self.assertEqual(plan.uuid, self.claim())

    def test_a_plan_that_was_started_in_time_may_wait(self):
        plan = self.make_old(25)
        self.assertEqual(plan.uuid, self.claim())
