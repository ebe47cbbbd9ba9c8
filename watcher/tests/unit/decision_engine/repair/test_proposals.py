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
"""What is wanted of a plan that is to be undone or repeated."""

import random
import types

import hypothesis
from hypothesis import strategies as st

from watcher.decision_engine.repair import retry
from watcher.decision_engine.repair import rollback
from watcher.decision_engine.repair import steps as repair_steps
from watcher.tests import base

RELAXED = hypothesis.settings(deadline=None, derandomize=True,
                              max_examples=60)


def run(inverse=None, started=True):
    return types.SimpleNamespace(
        inverse=inverse, started_at='then' if started else None, before={},
        remote={})


def step(uuid, *parents, state='SUCCEEDED', inverse=True, started=True,
         **parameters):
    """A step whose inverse is called after it."""
    if inverse is True:
        inverse = {'action_type': 'nop',
                   'input_parameters': {'message': f'not {uuid}'}}
    return repair_steps.Step(
        uuid, 'nop', {'message': uuid, **parameters}, state, parents,
        run=run(inverse, started))


def shown(draft):
    """What each wish does, and what it waits for."""
    return [(wish['input_parameters']['message'],
             sorted(other['input_parameters']['message']
                    for other in wish.after)) for wish in draft.wishes]


class TestRollback(base.TestCase):

    def test_opposite_order(self):
        draft = rollback.propose([
            step('a'), step('b', 'a'), step('c', 'a'), step('d', 'b', 'c')])
        self.assertEqual(
            [('not d', []), ('not c', ['not d']), ('not b', ['not d']),
             ('not a', ['not b', 'not c'])], shown(draft))
        self.assertEqual({}, draft.left_out)

    def test_order_by_way_of_what_is_not_undone(self):
        draft = rollback.propose([
            step('a'), step('b', 'a', state='SKIPPED'),
            step('c', 'b', inverse={'irreversible': 'it is gone'}),
            step('d', 'c')])
        self.assertEqual([('not d', []), ('not a', ['not d'])],
                         shown(draft))
        self.assertEqual({'nop (c)': 'it is gone'}, draft.left_out)

    def test_children_may_be_stored_first(self):
        draft = rollback.propose([step('b', 'a'), step('a')])
        self.assertEqual([('not b', []), ('not a', ['not b'])],
                         shown(draft))

    def test_nothing_was_recorded(self):
        bare = repair_steps.Step('a', 'nop', {}, 'SUCCEEDED')
        for found in (bare, step('a', inverse=None)):
            draft = rollback.propose([found])
            self.assertEqual([], draft.wishes)
            self.assertEqual({'nop (a)': rollback.NOT_RECORDED},
                             draft.left_out)

    def test_only_what_was_done(self):
        steps = [step(state, state=state) for state in (
            'PENDING', 'SKIPPED', 'SUCCEEDED')]
        steps += [step(state, state=state, started=False)
                  for state in ('FAILED', 'CANCELLED')]
        steps.append(repair_steps.Step('x', 'nop', {}, 'FAILED'))
        self.assertEqual([('not SUCCEEDED', [])],
                         shown(rollback.propose(steps)))

    def test_what_failed_may_be_done_nevertheless(self):
        asked = []

        def infer(found):
            asked.append(found.uuid)
            return {'action_type': 'nop', 'input_parameters': {
                'message': 'perhaps'}} if found.uuid == 'b' else None

        draft = rollback.propose([
            step('a', state='FAILED'),
            step('b', state='FAILED', inverse=None),
            step('c', state='CANCELLED', inverse=None),
            step('d', state='FAILED', inverse={'irreversible': 'no'}),
            step('e')], infer)
        self.assertEqual([('not e', True), ('perhaps', False),
                          ('not a', False)],
                         [(wish['input_parameters']['message'], wish.certain)
                          for wish in draft.wishes])
        self.assertEqual(['c', 'b'], asked)
        self.assertEqual({}, draft.left_out)

    def test_what_is_stored_is_not_changed(self):
        steps = [step('a')]
        wish, = rollback.propose(steps).wishes
        wish.parameters['message'] = 'x'
        self.assertEqual('not a', steps[0].run.inverse[
            'input_parameters']['message'])


class TestRetry(base.TestCase):

    def test_what_did_not_succeed(self):
        draft = retry.propose([
            step('a', state='SUCCEEDED'), step('b', 'a', state='FAILED'),
            step('c', 'b', state='CANCELLED'), step('d', state='SKIPPED'),
            step('e', 'c', 'd', state='PENDING'),
            step('f', 'd', state='FAILED')])
        self.assertEqual([('b', []), ('c', ['b']), ('e', ['c']), ('f', [])],
                         shown(draft))

    def test_order_by_way_of_what_succeeded(self):
        draft = retry.propose([
            step('a', state='FAILED'), step('b', 'a'),
            step('c', 'b', state='FAILED')])
        self.assertEqual([('a', []), ('c', ['a'])], shown(draft))


class TestProperties(base.TestCase):

    @staticmethod
    def plan(seed):
        """Steps that wait for earlier ones, stored in any order."""
        chance = random.Random(seed)
        names = [f's{number}' for number in range(chance.randrange(1, 12))]
        found = [step(name, *chance.sample(names[:number], chance.randrange(
                     number + 1)),
                     state=chance.choice(('SUCCEEDED', 'FAILED', 'SKIPPED',
                                          'CANCELLED')))
                 for number, name in enumerate(names)]
        chance.shuffle(found)
        return found

    @staticmethod
    def ancestors(steps):
        by_uuid = {found.uuid: found for found in steps}

        def look(uuid):
            return {uuid}.union(*map(look, by_uuid[uuid].parents))
        return {uuid: look(uuid) - {uuid} for uuid in by_uuid}

    @staticmethod
    def waits(draft):
        """All that each wish waits for, also by way of others."""
        found = {}

        def look(wish):
            uuid = wish.step.uuid
            if uuid not in found:
                found[uuid] = {other.step.uuid for other in wish.after}.union(
                    *map(look, wish.after))
            return found[uuid]
        for wish in draft.wishes:
            look(wish)
        return found

    @RELAXED
    @hypothesis.given(st.integers(0, 10 ** 6))
    def test_every_order_is_kept(self, seed):
        steps = self.plan(seed)
        before = self.ancestors(steps)
        undone, again = rollback.propose(steps), retry.propose(steps)
        kept = {wish.step.uuid for wish in undone.wishes}
        for uuid, others in self.waits(undone).items():
            self.assertEqual({name for name in kept if uuid in before[name]},
                             others)
        kept = {wish.step.uuid for wish in again.wishes}
        for uuid, others in self.waits(again).items():
            self.assertEqual(before[uuid] & kept, others)
        for draft in (undone, again):
            seen = set()
            for wish in draft.wishes:
                self.assertLessEqual(
                    {other.step.uuid for other in wish.after}, seen)
                seen.add(wish.step.uuid)
