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
"""Every pair of states, against the written contract."""

from watcher.common import exception
from watcher.objects import states
from watcher.tests import base

AUDIT_USER = {
    ('PENDING', 'ONGOING'), ('PENDING', 'CANCELLED'), ('ONGOING', 'FAILED'),
    ('ONGOING', 'SUCCEEDED'), ('ONGOING', 'CANCELLED'),
    ('ONGOING', 'SUSPENDED'), ('SUSPENDED', 'ONGOING')}

AUDIT_SERVICE = AUDIT_USER | {
    ('PENDING', 'SUCCEEDED'), ('PENDING', 'FAILED'),
    ('SUCCEEDED', 'ONGOING'), ('SUSPENDED', 'FAILED'),
    ('SUSPENDED', 'CANCELLED'), ('FAILED', 'DELETED'),
    ('SUCCEEDED', 'DELETED'), ('CANCELLED', 'DELETED'),
    ('SUSPENDED', 'DELETED')}

PLAN_USER = {
    ('RECOMMENDED', 'PENDING'), ('RECOMMENDED', 'CANCELLED'),
    ('ONGOING', 'CANCELLING'), ('PENDING', 'CANCELLED')}

PLAN_SERVICE = PLAN_USER | {
    ('RECOMMENDED', 'SUCCEEDED'), ('RECOMMENDED', 'ONGOING'),
    ('RECOMMENDED', 'SUPERSEDED'), ('PENDING', 'ONGOING'),
    ('PENDING', 'FAILED'), ('CANCELLING', 'CANCELLED'),
    ('CANCELLING', 'FAILED'), ('ONGOING', 'SUCCEEDED'),
    ('ONGOING', 'FAILED'), ('ONGOING', 'CANCELLED')} | {
    (state, 'DELETED') for state in ('SUCCEEDED', 'RECOMMENDED', 'FAILED',
                                     'SUPERSEDED', 'CANCELLED')}

ACTION_USER = {('PENDING', 'SKIPPED')}

ACTION_SERVICE = ACTION_USER | {
    ('PENDING', 'FAILED'), ('PENDING', 'ONGOING'), ('PENDING', 'CANCELLED'),
    ('ONGOING', 'SUCCEEDED'), ('ONGOING', 'FAILED'),
    ('ONGOING', 'CANCELLED'), ('ONGOING', 'CANCELLING'),
    ('ONGOING', 'PENDING'),
    ('SUCCEEDED', 'FAILED'), ('CANCELLING', 'CANCELLED'),
    ('CANCELLING', 'SUCCEEDED'), ('CANCELLING', 'FAILED')} | {
    (state, 'DELETED') for state in states.ACTION.states
    if state != 'DELETED'}

CASES = (
    (states.AUDIT, states.AuditState, AUDIT_SERVICE, AUDIT_USER),
    (states.ACTION_PLAN, states.ActionPlanState, PLAN_SERVICE, PLAN_USER),
    (states.ACTION, states.ActionState, ACTION_SERVICE, ACTION_USER),
)


class TestStateMachines(base.TestCase):

    def test_states_are_the_declared_names(self):
        for machine, names, _service, _user in CASES:
            declared = {value for name, value in vars(names).items()
                        if not name.startswith('_')}
            self.assertEqual(declared, set(machine.states))
            self.assertIn(machine.initial, declared)
            self.assertLessEqual(machine.final, declared)
            self.assertTrue(all(len(name) <= 20 for name in declared))

    def test_every_pair(self):
        for machine, _names, service, user in CASES:
            for old in machine.states:
                for new in machine.states:
                    self.assertEqual((old, new) in service,
                                     machine.can(old, new),
                                     (machine.name, old, new))
                    self.assertEqual((old, new) in user,
                                     machine.user_can(old, new),
                                     (machine.name, old, new))

    def test_a_user_can_do_nothing_that_a_service_cannot(self):
        for machine, _names, service, user in CASES:
            self.assertLessEqual(user, service)
            self.assertEqual(user, {
                (old, new) for old, targets in machine.user.items()
                for new in targets})

    def test_deletable(self):
        for machine in (states.AUDIT, states.ACTION_PLAN):
            self.assertEqual(
                {old for old in machine.states
                 if machine.can(old, 'DELETED')}, machine.deletable)

    def test_final_states_lead_nowhere(self):
        for machine, *_others in CASES:
            for state in machine.final:
                self.assertLessEqual(
                    set(machine.transitions[state]),
                    {'DELETED', 'ONGOING', 'FAILED'}, state)

    def test_every_state_can_be_reached(self):
        for machine, *_others in CASES:
            reached, todo = set(), [machine.initial]
            while todo:
                state = todo.pop()
                if state not in reached:
                    reached.add(state)
                    todo += machine.transitions[state]
            self.assertEqual(set(machine.states), reached)

    def test_check_names_everything(self):
        error = self.assertRaises(
            exception.InvalidStateTransition, states.AUDIT.check,
            'SUCCEEDED', 'PENDING', 'some-uuid')
        for word in ('SUCCEEDED', 'PENDING', 'some-uuid', 'audit'):
            self.assertIn(word, str(error))
        states.AUDIT.check('PENDING', 'ONGOING')

    def test_row_without_a_state_may_take_any(self):
        self.assertTrue(states.ACTION_PLAN.can(None, 'RECOMMENDED'))
        self.assertFalse(states.ACTION_PLAN.can(None, 'NONSENSE'))
        self.assertFalse(states.ACTION_PLAN.user_can(None, 'PENDING'))

    def test_documentation(self):
        dot = states.AUDIT.to_dot()
        self.assertIn('"PENDING" -> "CANCELLED" [style=bold];', dot)
        self.assertIn('"FAILED" -> "DELETED";', dot)
        table = states.ACTION.to_rst()
        self.assertEqual(len(states.ACTION.states) + 1,
                         table.count('\n   * - '))
        self.assertIn('     - SKIPPED', table)

    def test_lists_beside_the_machines(self):
        self.assertEqual(
            {'CANCELLED', 'DELETED', 'FAILED', 'SUSPENDED'},
            set(states.AUDIT_INACTIVE))
        self.assertEqual({'CANCELLING', 'CANCELLED'},
                         set(states.ACTION_PLAN_CANCEL))
        self.assertEqual(['ONESHOT', 'CONTINUOUS', 'EVENT'],
                         [kind.value for kind in states.AuditType])
