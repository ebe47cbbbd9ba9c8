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
"""Recommended plans that another plan overtook; issue "audits", item 5."""

import datetime
from unittest import mock

from watcher import objects
from watcher.decision_engine.followup import overtaken
from watcher.objects import events
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.followup import cases

MOMENT = datetime.datetime(2030, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)


def at(minutes):
    return MOMENT + datetime.timedelta(minutes=minutes)


class TestOvertakenPlans(cases.FollowUpTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine',
                    supersede_overtaken='overlapping')
        self.plans = overtaken.OvertakenPlans()
        self.heard = []
        listener = mock.Mock(on_update=lambda obj, old: self.heard.append(
            (obj.uuid, old, obj.state)))
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)
        patcher = mock.patch.object(
            overtaken.timeutils, 'utcnow',
            lambda: self.now.replace(tzinfo=None))
        patcher.start()
        self.addCleanup(patcher.stop)
        self.now = at(6)

    def recommended(self, *actions, minutes=0, **fields):
        return self.make_plan(*actions, **{'created_at': at(minutes),
                                           **fields})

    def ended(self, *actions, minutes=5, state='SUCCEEDED', **run):
        """A plan that ran and ended so many minutes after the moment."""
        plan = self.make_plan(
            *({'state': 'SUCCEEDED', **action} for action in actions),
            state=state, created_at=at(-60))
        objects.PlanRun.set(self.context, plan.id, **{
            'started_at': at(-1), 'finished_at': at(minutes), **run})
        return plan

    def check(self, *plans):
        """Have the engine look; the states of plans."""
        self.heard.clear()
        self.plans.check()
        return [factories.reread(plan).state for plan in plans]

    def other_move(self, server, source, destination):
        action = self.move(server)
        action['input_parameters'].update(
            source_node=source, destination_node=destination)
        return action

    def test_plans_about_the_same_things(self):
        on_hosts, same_server, elsewhere, service = (
            self.recommended(action) for action in (
                self.other_move('x', 'host-B', 'host-C'),
                self.other_move('a', 'host-C', 'host-D'),
                self.other_move('x', 'host-C', 'host-D'),
                self.disable('A')))
        other = self.ended(self.move('a'))
        self.assertEqual(
            ['SUPERSEDED', 'SUPERSEDED', 'RECOMMENDED', 'SUPERSEDED'],
            self.check(on_hosts, same_server, elsewhere, service))
        self.assertEqual(
            f'Overtaken by the action plan {other.uuid}, which has changed '
            f'host-B since this plan was made',
            factories.reread(on_hosts).status_message)
        self.assertIn(models.uuid('a'),
                      factories.reread(same_server).status_message)
        self.assertIn((on_hosts.uuid, 'RECOMMENDED', 'SUPERSEDED'),
                      self.heard)
        self.assertEqual(3, len(self.heard))

    def test_by_default_nothing_is_read(self):
        self.config(group='watcher_decision_engine',
                    supersede_overtaken='off')
        plan = self.recommended(self.move('a'))
        self.ended(self.move('a'))
        with mock.patch.object(objects.ActionPlan, 'list_columns') as listed:
            self.assertEqual(['RECOMMENDED'], self.check(plan))
        listed.assert_not_called()
        self.config(group='watcher_decision_engine',
                    supersede_overtaken='overlapping')
        self.assertEqual(['SUPERSEDED'], self.check(plan))

    def test_all_plans(self):
        self.config(group='watcher_decision_engine',
                    supersede_overtaken='all')
        plan = self.recommended(self.other_move('x', 'host-C', 'host-D'))
        self.ended({'action_type': 'nop', 'input_parameters': {}})
        self.ended({**self.move('a'), 'state': 'SKIPPED'})
        # Nothing was changed yet.
        self.assertEqual(['RECOMMENDED'], self.check(plan))
        other = self.ended(self.move('a'))
        self.assertEqual(['SUPERSEDED'], self.check(plan))
        self.assertEqual(
            f'Overtaken by the action plan {other.uuid}, which has changed '
            f'the cloud since this plan was made',
            factories.reread(plan).status_message)

    def test_whatever_became_of_the_other_plan(self):
        for state, done, expected in (
                ('FAILED', 'FAILED', 'SUPERSEDED'),
                ('CANCELLED', 'SUCCEEDED', 'SUPERSEDED'),
                ('CANCELLED', 'CANCELLED', 'RECOMMENDED'),
                ('SUCCEEDED', 'SKIPPED', 'RECOMMENDED'),
                # It goes on.
                ('ONGOING', 'SUCCEEDED', 'RECOMMENDED')):
            plan = self.recommended(self.move('a'))
            other = self.ended({**self.move('a'), 'state': done},
                               state=state)
            self.assertEqual((state, done, [expected]),
                             (state, done, self.check(plan)))
            other.soft_delete()
            factories.reread(plan).soft_delete()

    def test_only_what_came_before(self):
        before, same_second, after = (
            self.recommended(self.move('a'), minutes=minutes)
            for minutes in (4, 5, 6))
        self.ended(self.move('a'),
                   finished_at=at(5).replace(microsecond=400000))
        self.assertEqual(['SUPERSEDED', 'RECOMMENDED', 'RECOMMENDED'],
                         self.check(before, same_second, after))

    def test_not_by_what_it_undoes_or_tries_again(self):
        first = self.ended(self.move('a'))
        undo, again = (self.recommended(self.move('a')) for _number in 'ab')
        for plan, kind in ((undo, 'rollback'), (again, 'retry')):
            objects.PlanRun.set(self.context, plan.id, kind=kind,
                                source_plan_id=first.id)
        self.assertEqual(['RECOMMENDED'] * 2, self.check(undo, again))
        self.ended(self.move('b'), minutes=6)
        self.assertEqual(['SUPERSEDED'] * 2, self.check(undo, again))

    def test_not_what_somebody_has_started(self):
        waiting = self.recommended(self.move('a'), state='PENDING')
        by_message = self.recommended(self.move('a'), hostname='applier-1')
        self.ended(self.move('a'))
        self.assertEqual(['PENDING', 'RECOMMENDED'],
                         self.check(waiting, by_message))

    def test_the_end_of_a_plan_of_a_dead_applier(self):
        """Nobody knows when it ended, but that it did."""
        plan = self.recommended(self.move('a'))
        other = self.ended(self.move('a'), finished_at=None)
        objects.ActionPlan.dbapi.update_action_plan(
            other.uuid, {'updated_at': at(7).replace(tzinfo=None)})
        self.assertEqual(['SUPERSEDED'], self.check(plan))

    def test_another_engine_goes_on(self):
        """The one that saw the end of the plan need not be there."""
        plan = self.recommended(self.move('a'))
        self.assertEqual(['RECOMMENDED'], self.check(plan))
        self.ended(self.move('a'))
        self.now = at(24 * 60)
        self.plans = overtaken.OvertakenPlans()
        self.assertEqual(['SUPERSEDED'], self.check(plan))

    def test_a_plan_that_is_seen_late(self):
        self.ended(self.move('a'), minutes=5)
        self.recommended(self.other_move('x', 'host-C', 'host-D'))
        self.now = at(6)
        self.check()
        # It took some time to store it.
        late = self.recommended(self.move('a'), minutes=4)
        self.now = at(7)
        self.assertEqual(['SUPERSEDED'], self.check(late))

    def test_a_clock_that_is_set_back(self):
        plan = self.recommended(self.move('a'))
        self.now = at(600)
        self.assertEqual(['RECOMMENDED'], self.check(plan))
        self.ended(self.move('a'), minutes=30)
        self.now = at(31)
        self.assertEqual(['SUPERSEDED'], self.check(plan))

    def test_ended_plans_are_read_for_a_while_only(self):
        self.now = at(60)
        self.recommended(self.other_move('x', 'host-C', 'host-D'))
        self.ended(self.move('a'))
        read = mock.Mock(wraps=self.plans._ended.read)
        with mock.patch.object(self.plans._ended, 'read', read):
            self.check()
            self.check()
            self.assertEqual(1, read.call_count)
            late = self.ended(self.move('b'), minutes=58)
            self.check()
            self.assertEqual([mock.call(plan_ids=[late.id])],
                             read.call_args_list[1:])

    def test_plans_of_others(self):
        """Of an unknown action anything may be a name, but not "fast"."""
        def action(host, speed):
            return {'action_type': 'defragment', 'parents': [],
                    'input_parameters': {'hosts': [host], 'speed': speed}}
        same_speed, same_host = (self.recommended(action(host, 'fast'))
                                 for host in ('host-Z', 'host-A'))
        self.ended(action('host-Y', 'fast'), self.move('a'))
        self.assertEqual(['RECOMMENDED', 'SUPERSEDED'],
                         self.check(same_speed, same_host))

    def test_a_race_with_the_user(self):
        plan = self.recommended(self.move('a'))
        self.ended(self.move('a'))
        real = overtaken._give_up

        def start_first(context, waiting, other, what):
            objects.ActionPlan.get_by_uuid(
                context, plan.uuid, eager=True).transition('PENDING')
            real(context, waiting, other, what)
        with mock.patch.object(overtaken, '_give_up', start_first):
            self.assertEqual(['PENDING'], self.check(plan))
