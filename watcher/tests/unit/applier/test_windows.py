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
"""Plans that wait for their execution window, before and after they began."""

import dataclasses
import datetime
import threading
from unittest import mock

import fixtures
from oslo_db import exception as db_exc

from watcher import objects
from watcher.applier import claims
from watcher.applier import figures
from watcher.applier import takeover
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import rehearsal
from watcher.applier.workflow_engine import standing
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier import test_claims
from watcher.tests.unit.applier import window_case
from watcher.tests.unit.applier.workflow_engine import engine_case

NIGHT, WAITS, BEGUN = (window_case.NIGHT, window_case.WAITS,
                       window_case.BEGUN)
OPENING = datetime.datetime(2026, 6, 1, 22)


class TestQueue(window_case.WindowTestCase):
    """Plans that are not begun."""

    def setUp(self):
        super().setUp()
        self.queue = claims.Queue(dict, lambda: True)

    def claim(self):
        plan = self.queue.claim_next()
        return plan and plan.uuid

    def nightly(self, *specs, **values):
        audit = self.make_audit('nightly')
        self.set_windows(NIGHT, audit=audit)
        return self.plan_of(audit, *(specs or ({},)), **values)

    def test_it_is_not_claimed_and_says_so_once(self):
        plan = self.nightly()
        for _look in range(3):
            self.assertIsNone(self.claim())
        self.assertEqual(('PENDING', None, WAITS), self.shown(plan))
        self.assertEqual(['action_plan.update plan1 PENDING [-]'],
                         self.events('action_plan.update'))

    def test_several_appliers_say_it_once(self):
        plan = self.nightly()
        seen = self.queue._line(self.context)
        self.assertIsNone(self.claim())
        self.queue._open_ones(self.context, seen)
        self.assertEqual(WAITS, self.message(plan))
        self.assertEqual(['action_plan.update plan1 PENDING [-]'],
                         self.events('action_plan.update'))

    def test_it_is_claimed_at_the_opening(self):
        plan = self.nightly()
        self.assertIsNone(self.claim())
        self.assertEqual(OPENING, self.queue.closed.opens)
        self.clock.set('22:00')
        self.assertEqual(plan.uuid, self.claim())
        self.assertEqual(('ONGOING', harness.HOST, None), self.shown(plan))

    def test_those_that_wait_for_a_worker_do_not_name_the_window(self):
        plans = [self.nightly()]
        audit = objects.Audit.get_by_id(self.context, plans[0].audit_id)
        plans += [self.plan_of(audit, {}) for _number in range(2)]
        self.assertIsNone(self.claim())
        self.clock.set('22:00')
        self.assertEqual(plans[0].uuid, self.claim())
        self.assertEqual([None, None], list(map(self.message, plans[1:])))
        self.assertEqual([plan.uuid for plan in plans[1:]],
                         [self.claim(), self.claim()])

    def test_one_that_was_launched_without_being_pending(self):
        plan = self.nightly(state='RECOMMENDED', hostname=harness.HOST)
        self.assertIsNone(self.claim())
        self.assertEqual(('RECOMMENDED', harness.HOST, WAITS),
                         self.shown(plan))
        self.clock.set('22:00')
        self.assertEqual(plan.uuid, self.claim())

    def test_it_keeps_its_place_in_the_line(self):
        first = self.nightly()
        second = self.plan_of(objects.Audit.get_by_id(
            self.context, first.audit_id), {})
        self.assertIsNone(self.claim())
        self.clock.set('22:00')
        self.assertEqual([first.uuid, second.uuid],
                         [self.claim(), self.claim()])

    def test_it_is_in_nobodys_way(self):
        waiting = self.nightly(test_claims.move('a'))
        plan = self.make_plan(test_claims.move('a'), name='plan2')
        self.assertEqual(plan.uuid, self.claim())
        self.assertIsNone(self.claim())
        # Its window counts first, then the plan that runs.
        self.assertEqual(WAITS, self.message(waiting))
        self.clock.set('22:00')
        self.assertIsNone(self.claim())
        self.assertIn(f'Waits for action plan {plan.uuid}',
                      self.message(waiting))
        self.set_state(plan, 'SUCCEEDED')
        self.assertEqual(waiting.uuid, self.claim())

    def test_windows_that_are_changed_meanwhile(self):
        plan = self.nightly()
        audit = objects.Audit.get_by_id(self.context, plan.audit_id)
        self.assertIsNone(self.claim())
        self.set_windows('14:00-15:00', audit=audit)
        self.assertIsNone(self.claim())
        self.assertIn('2026-06-01 14:00:00 UTC', self.message(plan))
        self.set_windows(audit=audit)
        self.assertEqual(plan.uuid, self.claim())

    def test_one_that_is_paused_too(self):
        plan = self.nightly()
        objects.PlanRun.set(self.context, plan.id, paused=True)
        self.clock.set('22:00')
        self.assertIsNone(self.claim())
        objects.PlanRun.set(self.context, plan.id, paused=False)
        self.assertEqual(plan.uuid, self.claim())

    def test_one_that_is_too_old(self):
        plan = self.nightly(state='RECOMMENDED', hostname=harness.HOST)
        self.config(action_plan_expiry=1, group='watcher_decision_engine')
        self.assertIsNone(self.claim())
        self.assertEqual(WAITS, self.message(plan))
        with mock.patch('watcher.objects.action_plan.is_expired',
                        return_value=True):
            self.assertIsNone(self.claim())
        self.assertEqual('SUPERSEDED', self.read(plan).state)

    def test_others_do_not_wait_until_all_are_told(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.claims._TOLD', 2))
        audit = self.make_audit('nightly')
        self.set_windows(NIGHT, audit=audit)
        plans = [self.plan_of(audit, {}) for _number in range(5)]
        other = self.make_plan({})
        told = []
        for claimed in (other.uuid, None, None):
            self.assertEqual(claimed, self.claim())
            told.append(sum(self.message(plan) == WAITS for plan in plans))
        self.assertEqual([2, 4, 5], told)

    def test_the_first_of_several_openings(self):
        self.nightly()
        for number, window in enumerate(('13:00-14:00', '15:00-16:00')):
            audit = self.make_audit(f'audit-{window}')
            self.set_windows(window, audit=audit)
            self.plan_of(audit, {}, name=f'other{number}')
        self.assertIsNone(self.claim())
        self.assertEqual(datetime.datetime(2026, 6, 1, 13),
                         self.queue.closed.opens)


class TestDispatcher(window_case.WindowTestCase):
    """When it looks again."""

    def setUp(self):
        super().setUp()
        self.set_windows(NIGHT)
        self.config(reconcile_interval=10, group='watcher_applier')

    def seconds(self):
        return self.manager._seconds_to_rest()

    def test_at_the_opening(self):
        self.chain(1)
        self.look()
        self.assertEqual(10, self.seconds())
        self.clock.set('21:59:57')
        self.look()
        self.assertEqual(3, self.seconds())

    def test_clocks_that_differ_a_little(self):
        """It does not look all the time until the opening is there."""
        self.chain(1)
        self.clock.set('2026-06-01 21:59:59.990000')
        self.look()
        self.assertEqual(0.2, self.seconds())

    def test_as_always_when_nothing_waits(self):
        plan = self.chain(1)
        self.clock.set('21:59:57')
        self.look()
        self.set_state(plan, 'CANCELLED')
        self.look()
        self.assertEqual(10, self.seconds())

    def test_no_worker_is_free_at_the_opening(self):
        """Whose end wakes the dispatcher."""
        plan = self.chain(1)
        self.clock.set('21:59:59')
        self.look()
        self.clock.set('22:00:01')
        with mock.patch.object(self.manager, '_has_free_worker',
                               return_value=False):
            self.look()
        self.assertEqual(10, self.seconds())
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_the_real_thread_wakes_up_at_the_opening(self):
        plan = self.chain(1)
        self.config(reconcile_interval=3600, group='watcher_applier')
        self.clock.set('21:59:59')
        self.manager.pre_start()
        self.manager.start()
        self.wait_for(lambda: self.message(plan) == WAITS)
        self.clock.set('22:00')
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_a_changed_option_counts_at_once(self):
        self.set_windows()
        self.operators(NIGHT, windows_bind='all')
        self.config(reconcile_interval=3600, group='watcher_applier')
        plan = self.chain(1)
        self.manager.pre_start()
        self.manager.start()
        self.wait_for(lambda: self.message(plan) == WAITS)
        self.operators(windows_bind='all')
        self.manager.reset()
        self.wait_for_state(plan, 'SUCCEEDED')


class RunningTestCase(window_case.WindowTestCase,
                      engine_case.EngineTestCase):
    """A plan that is begun in the night, which ends meanwhile."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.admission.LOOK_INTERVAL', 0.02))
        self.set_engine_option(max_workers=4)
        self.set_windows(NIGHT)
        self.clock.set('2026-06-01 05:59')
        self.closes_in = 0

    def execute(self, action):
        super().execute(action)
        if len(self.executed) == self.closes_in + 1:
            self.clock.set('12:00')
        return True

    def rest(self, plan):
        """Run it until the window closes."""
        self.look()
        self.wait_for_rest(plan)

    def open(self, manager=None):
        self.clock.set('22:00')
        self.look(manager)


class TestRunning(RunningTestCase):

    def test_it_rests_and_goes_on(self):
        plan = self.chain(4)
        self.rest(plan)
        self.assertEqual(['SUCCEEDED'] + ['PENDING'] * 3, self.states(plan))
        for _look in range(3):
            self.look()
        self.assertEqual([], self.manager.running)
        self.assertEqual(BEGUN, self.message(plan))
        self.open()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(('SUCCEEDED', harness.HOST, None),
                         self.shown(plan))
        self.assertEqual([0, 1, 2, 3], self.executed)
        self.assertTrue(self.has_ended(plan))

    def test_the_rest_is_told_once(self):
        plan = self.chain(3)
        self.rest(plan)
        self.look()
        self.assertEqual(3, len(self.events('action_plan.update')))
        told = [message.payload['watcher_object.data'] for message
                in self.recorder.messages
                if message.event_type == 'action_plan.update']
        self.assertEqual([None, BEGUN, BEGUN],
                         [data['status_message'] for data in told])
        self.open()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.wait_for(lambda: not self.manager.running)
        self.assertEqual(1, len(self.events('execution.start plan1')))
        self.assertEqual(1, len(self.events('execution.end plan1')))

    def test_the_dispatcher_looks_at_the_opening(self):
        plan = self.chain(2)
        self.rest(plan)
        self.look()
        self.assertEqual(OPENING, self.manager._resting.closed.opens)
        self.clock.set('21:59:58')
        self.look()
        self.assertEqual(2, self.manager._seconds_to_rest())

    def test_it_occupies_no_worker(self):
        self.config(workers=1, group='watcher_applier')
        plan = self.chain(2)
        self.rest(plan)
        other = self.plan_of(self.make_audit(), {}, name='plan2')
        self.look()
        self.wait_for_state(other, 'SUCCEEDED')
        self.assertEqual(BEGUN, self.message(plan))

    def test_it_waits_for_a_worker(self):
        self.config(workers=1, group='watcher_applier')
        plan = self.chain(2)
        self.rest(plan)
        other = self.plan_of(self.make_audit(), {}, name='plan2')
        self.hooks['execute'] = gate = harness.Gate(self)
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.open()
        self.assertEqual(('ONGOING', None, BEGUN), self.shown(plan))
        gate.opened.set()
        self.wait_for_state(other, 'SUCCEEDED')
        self.wait_for(lambda: not self.manager.running)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_it_stands_in_the_way_of_plans_that_overlap(self):
        """Half of it is done."""
        plan = self.make_plan({}, test_claims.move('a', parents=[0]))
        self.rest(plan)
        other = self.plan_of(self.make_audit(), test_claims.move('a'),
                             name='plan2')
        self.look()
        self.assertIn(f'Waits for action plan {plan.uuid}',
                      self.message(other))

    def test_it_is_closed_before_the_first_action(self):
        plan = self.chain(2)
        queue = self.manager._queue
        claim_next = queue.claim_next

        def claim():
            claimed = claim_next()
            self.clock.set('12:00')
            return claimed
        with mock.patch.object(queue, 'claim_next', claim):
            self.rest(plan)
        self.assertEqual(['PENDING'] * 2, self.states(plan))
        self.closes_in = 10
        self.open()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_it_is_closed_while_an_action_is_checked(self):
        def check(action):
            if not checks:
                self.clock.set('12:00')
            checks.append(action)
        checks = []
        self.hooks['pre_condition'] = check
        plan = self.chain(1)
        self.rest(plan)
        self.assertEqual(['PENDING'], self.states(plan))
        self.assertEqual([], self.executed)
        self.clock.set('22:00')
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')
        # What was checked in the morning is checked again.
        self.assertEqual(2, len(checks))

    def test_it_closes_during_the_last_action(self):
        plan = self.chain(1)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertIsNone(self.message(plan))

    def test_windows_that_are_changed_meanwhile(self):
        plan = self.chain(2)
        self.rest(plan)
        self.set_windows('14:00-15:00')
        self.look()
        self.assertIn('2026-06-01 14:00:00 UTC', self.message(plan))
        self.set_windows()
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertIsNone(self.message(plan))

    def test_skipped_while_it_rests(self):
        plan = self.chain(3)
        self.rest(plan)
        self.actions(plan)[1].transition('SKIPPED')
        self.open()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual([0, 2], self.executed)

    def test_a_rehearsal_is_repeated_if_nothing_was_begun(self):
        self.config(check_before_start=True, group='watcher_applier')
        plan = self.chain(2)
        check, checked = rehearsal.check, []

        def note(engine, actions, max_workers):
            check(engine, actions, max_workers)
            checked.append(len(actions))
            if len(checked) == 1:
                self.clock.set('12:00')
        self.closes_in = 10
        with mock.patch.object(rehearsal, 'check', note):
            self.rest(plan)
            self.open()
            self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual([2, 2], checked)


class TestWhileActionsRun(RunningTestCase):
    """The window closes, and one action takes longer."""

    def setUp(self):
        super().setUp()
        self.gate = harness.Gate(self)

    def execute(self, action):
        number = action.input_parameters['number']
        self.executed.append(number)
        if number == 0:
            return self.gate(action)
        if number == 1:
            self.gate.entered.wait(base.PATIENCE)
            self.clock.set('12:00')
        return True

    def start(self):
        plan = self.make_plan(*(
            {'parameters': {'number': number}, 'parents': parents}
            for number, parents in enumerate([[], [], [1], [0]])))
        self.look()
        self.wait_for(lambda: self.message(plan) == BEGUN)
        return plan

    def test_it_runs_to_its_end(self):
        plan = self.start()
        self.assertEqual(('ONGOING', harness.HOST, BEGUN), self.shown(plan))
        self.assertCountEqual([0, 1], self.executed)
        self.gate.opened.set()
        self.wait_for_rest(plan)
        self.assertEqual(['SUCCEEDED'] * 2 + ['PENDING'] * 2,
                         self.states(plan))

    def test_the_window_opens_before_that(self):
        """Others go on at once."""
        plan = self.start()
        self.clock.set('22:00')
        self.wait_for(lambda: 2 in self.executed)
        self.wait_for(lambda: self.message(plan) is None)
        self.assertEqual('ONGOING', self.read(plan).state)
        self.gate.opened.set()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertIsNone(self.message(plan))

    def test_it_is_cancelled(self):
        plan = self.start()
        self.set_state(plan, 'CANCELLING')
        self.gate.opened.set()
        self.wait_for_state(plan, 'CANCELLED')
        self.assertEqual(['SUCCEEDED'] * 2 + ['CANCELLED'] * 2,
                         self.states(plan))
        self.assertIsNone(self.message(plan))

    def test_it_is_cancelled_when_it_is_about_to_rest(self):
        plan = self.start()
        last_moments = self.cancel_at_the_last_moment(plan)
        self.gate.opened.set()
        self.wait_for_state(plan, 'CANCELLED')
        self.wait_for(lambda: not self.manager.running)
        self.assertEqual(1, len(last_moments))
        self.assertEqual(1, len(self.events('cancel.start')))
        self.assertEqual(1, len(self.events('cancel.end')))

    def cancel_at_the_last_moment(self, plan):
        before, calls = objects.ActionPlan.swap, []

        def swap(found, where, *args, **values):
            if 'hostname' in values and values['hostname'] is None:
                calls.append(found)
                self.set_state(plan, 'CANCELLING')
            return before(found, where, *args, **values)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.ActionPlan.swap', swap))
        return calls

    def test_the_applier_stops(self):
        for option, state in (('cancel', 'CANCELLED'),
                              ('resume', 'ONGOING')):
            self.config(interrupted_plans=option, group='watcher_applier')
            self.clock.set('2026-06-01 05:59')
            self.executed.clear()
            self.gate.opened.clear()
            self.gate.entered.clear()
            manager = self.manager = self.make_manager()
            plan = self.start()
            manager.stop(0)
            self.gate.opened.set()
            self.wait_for(lambda manager=manager: not manager.running)
            self.assertEqual(state, self.read(plan).state)

    def test_a_pause_comes_first(self):
        plan = self.start()
        objects.PlanRun.set(self.context, plan.id, paused=True)
        self.wait_for(lambda: self.message(plan)
                      == standing.PAUSED_MESSAGE)
        self.gate.opened.set()
        self.wait_for(lambda: self.states(plan)[0] == 'SUCCEEDED')
        objects.PlanRun.set(self.context, plan.id, paused=False)
        self.wait_for_rest(plan)


class RestTestCase(RunningTestCase):
    """A plan that rests."""

    def setUp(self):
        super().setUp()
        self.plan = self.chain(3)
        self.rest(self.plan)

    def other_applier(self):
        self.config(host='applier-2')
        return self.make_manager()


class TestHandOver(RestTestCase):
    """Who goes on with it, or ends it."""

    def test_another_applier_goes_on(self):
        self.manager.stop(3)
        self.open(self.other_applier())
        self.wait_for_state(self.plan, 'SUCCEEDED')
        self.assertEqual('applier-2', self.read(self.plan).hostname)
        self.assertEqual([0, 1, 2], self.executed)

    def test_only_one_of_two_goes_on(self):
        self.clock.set('22:00')
        managers = [self.manager, self.make_manager()]
        self.config(host='applier-2')
        managers[1].pre_start()
        orphan, = managers[0]._find_orphans(self.context)
        orphan = dataclasses.replace(orphan, idle=True)
        ready = threading.Barrier(2)

        def go_on(manager):
            ready.wait(base.PATIENCE)
            manager._recover(orphan)
        threads = [threading.Thread(target=go_on, args=(manager,))
                   for manager in managers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(base.PATIENCE)
        self.wait_for_state(self.plan, 'SUCCEEDED')
        self.assertEqual([0, 1, 2], self.executed)

    def test_the_answer_of_the_database_is_lost(self):
        """It is ours then, and was not interrupted."""
        dbapi = objects.ActionPlan.dbapi
        run = dbapi.run_in_transaction
        broken = [db_exc.DBConnectionError()]

        def lose(function, *args, **kwargs):
            done = run(function, *args, **kwargs)
            if function is takeover.take and broken:
                raise broken.pop()
            return done

        with mock.patch.object(dbapi, 'run_in_transaction', lose):
            self.assertRaises(db_exc.DBConnectionError, self.open)
        self.assertEqual(('ONGOING', harness.HOST, None),
                         self.shown(self.plan))
        self.look()
        self.wait_for_state(self.plan, 'SUCCEEDED')
        self.assertEqual([0, 1, 2], self.executed)

    def test_it_is_cancelled(self):
        self.set_state(self.plan, 'CANCELLING')
        # By anybody, also by who has no worker for it.
        with mock.patch.object(self.manager, '_has_free_worker',
                               return_value=False):
            self.look()
        self.assertEqual(('CANCELLED', harness.HOST, None),
                         self.shown(self.plan))
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED'],
                         self.states(self.plan))
        self.assertTrue(self.has_ended(self.plan))
        self.assertEqual([
            'action_plan.cancel.start plan1 CANCELLING',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
            'action.update action3 CANCELLED [PENDING>CANCELLED]',
            'action_plan.update plan1 CANCELLED [CANCELLING>CANCELLED]',
            'action_plan.cancel.end plan1 CANCELLED',
        ], [event for event in self.events()
            if 'CANCELLING>' in event or 'cancel' in event
            or 'PENDING>CANCELLED' in event])


class TestAtRest(RestTestCase):
    """What happens to it."""

    def test_several_appliers_say_what_it_waits_for_once(self):
        objects.PlanRun.set(self.context, self.plan.id, paused=True)
        other = self.other_applier()
        before = len(self.events('action_plan.update'))
        seen = self.manager._find_orphans(self.context)
        for manager in (self.manager, other):
            list(manager._resting.leave_out(self.context, seen))
        self.assertEqual(standing.PAUSED_MESSAGE, self.message(self.plan))
        self.assertEqual(before + 1, len(self.events('action_plan.update')))

    def test_the_applier_stops(self):
        self.manager.stop(3)
        self.assertEqual(('ONGOING', None, BEGUN), self.shown(self.plan))

    def test_death_interrupts_nothing(self):
        """Whatever is to become of plans that are interrupted."""
        for option in ('cancel', 'resume'):
            self.config(interrupted_plans=option, group='watcher_applier')
            manager = self.make_manager()
            manager.pre_start()
            self.look(manager)
            self.assertEqual(('ONGOING', None, BEGUN),
                             self.shown(self.plan), option)

    def test_it_is_paused(self):
        objects.PlanRun.set(self.context, self.plan.id, paused=True)
        self.look()
        self.assertEqual(standing.PAUSED_MESSAGE, self.message(self.plan))
        self.open()
        # Nor does it occupy a worker then.
        self.assertEqual([], self.manager.running)
        self.assertEqual(('ONGOING', None, standing.PAUSED_MESSAGE),
                         self.shown(self.plan))
        objects.PlanRun.set(self.context, self.plan.id, paused=False)
        self.look()
        self.wait_for_state(self.plan, 'SUCCEEDED')
        self.assertIsNone(self.message(self.plan))

    def test_a_message_about_it_is_a_reason_to_look(self):
        with mock.patch.object(self.manager._dispatcher, 'wake') as wake:
            self.manager.accept(self.context, self.plan.uuid)
        wake.assert_called_once_with()

    def test_it_is_counted(self):
        self.look()
        over = self.make_audit('over')
        self.set_windows('2026-05-01', audit=over)
        self.plan_of(over, {})
        self.look()
        self.assertEqual({('ONGOING', 'later'): 1, ('PENDING', 'never'): 1},
                         self.manager.closed_plans)
        samples = {tuple(sample.labels.values()): sample.value
                   for metric in figures.RunFigures(self.manager).collect()
                   for sample in metric.samples}
        self.assertEqual({
            (): 0, ('PENDING', 'later'): 0, ('PENDING', 'never'): 1,
            ('ONGOING', 'later'): 1, ('ONGOING', 'never'): 0}, samples)

    def test_looks_do_not_read_the_plan(self):
        with mock.patch.object(objects.ActionPlan, 'get_by_uuid') as get:
            self.look()
        get.assert_not_called()

    def test_it_never_opens_again(self):
        self.set_windows('2026-05-01')
        self.look()
        self.assertIn('never opens again', self.message(self.plan))
        self.assertEqual(10, self.manager._seconds_to_rest())


class TestLeftByOthers(window_case.WindowTestCase):
    """Plans without an applier that do not rest."""

    def test_an_action_of_it_runs(self):
        plan = self.make_plan({'state': 'ONGOING'}, {}, state='ONGOING')
        objects.PlanRun.set(self.context, plan.id,
                            started_at=window_case.NOON)
        self.look()
        self.assertEqual('CANCELLED', self.read(plan).state)

    def test_one_that_no_applier_of_ours_began(self):
        plan = self.make_plan({'state': 'SUCCEEDED'}, {}, state='ONGOING')
        self.look()
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual([], self.executed)

    def test_actions_that_run_are_followed_outside_the_window(self):
        self.config(interrupted_plans='resume', group='watcher_applier')
        self.set_windows(NIGHT)
        self.hooks['recover'] = lambda action: action_base.Found(
            action_base.Fate.RUNNING)
        plan = self.make_plan({'state': 'ONGOING'}, {'parents': [0]},
                              state='ONGOING')
        objects.PlanRun.set(self.context, plan.id,
                            started_at=window_case.NOON)
        self.look()
        self.wait_for_rest(plan)
        self.assertEqual(['SUCCEEDED', 'PENDING'], self.states(plan))
