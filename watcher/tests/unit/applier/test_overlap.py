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
"""Which plans overlap: what holds for all of them."""

import itertools

import hypothesis
from hypothesis import strategies as st

from watcher.applier import overlap
from watcher.applier.actions import base as action_base
from watcher.common import utils
from watcher.tests import base

#: The same examples each time, however busy the machine.
STEADY = hypothesis.settings(deadline=None, derandomize=True)

_hosts = st.sampled_from(['h1', 'h2', 'h3', None])
_claims = st.builds(
    action_base.Claims,
    subjects=st.sets(st.sampled_from('abcdefgh'), max_size=2).map(tuple),
    source=_hosts, destination=_hosts, opens=_hosts, closes=_hosts)
_plans = st.lists(st.lists(_claims, max_size=3), max_size=5)


def reach_of(claims, state='PENDING'):
    reach = overlap.Reach()
    for claim in claims:
        reach.add(overlap.Part.of('migrate', {}, claim), state)
    return reach


def overlaps(one, other):
    """The definition, as plainly as it can be said."""
    def used(claims):
        return {host for claim in claims for host in (
            claim.destination, claim.opens, claim.closes) if host}

    def closed(claims):
        return {claim.closes for claim in claims if claim.closes}

    return any(set(a.subjects) & set(b.subjects)
               for a, b in itertools.product(one, other)) or bool(
        used(one) & closed(other) or closed(one) & used(other))


class TestOverlap(base.TestCase):

    @STEADY
    @hypothesis.given(_plans, st.lists(_claims, max_size=3))
    def test_the_definition(self, plans, last):
        taken = overlap.Taken()
        for number, plan in enumerate(plans):
            taken.add(str(number), reach_of(plan))
        found = taken.obstacle(reach_of(last))
        disturbing = [str(number) for number, plan in enumerate(plans)
                      if overlaps(plan, last)]
        self.assertEqual(bool(disturbing), found is not None)
        if found is not None:
            self.assertIn(found.plan, disturbing)

    @STEADY
    @hypothesis.given(st.lists(_claims, max_size=3))
    def test_what_has_ended(self, claims):
        for state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED'):
            reach = reach_of(claims, state)
            self.assertEqual(({}, set()), (reach.subjects, reach.uses))
            gave_up = state in ('FAILED', 'CANCELLED')
            self.assertEqual(
                set() if gave_up else {
                    claim.closes for claim in claims if claim.closes},
                reach.closes)


class TestReader(base.TestCase):

    def setUp(self):
        super().setUp()
        self.fetched = []
        self.reader = overlap.Reader(self.fetch)

    def fetch(self, idents):
        self.fetched.append(list(idents))
        return {ident: {'resource_id': f'thing-{ident}'}
                for ident in idents}

    def rows(self, *idents, action_type='unheard_of'):
        return [utils.Struct(
            id=ident, plan_uuid=f'plan-{ident % 2}', state='PENDING',
            action_type=action_type) for ident in idents]

    def test_plans_are_told_apart(self):
        found = self.reader.read(self.rows(1, 2, 3))
        self.assertEqual(['plan-1', 'plan-0'], list(found))
        self.assertEqual({'thing-1', 'thing-3'},
                         set(found['plan-1'].subjects))

    def test_parameters_are_read_once(self):
        self.reader.begin()
        self.reader.read(self.rows(1, 2))
        self.reader.begin()
        self.reader.read(self.rows(1, 2, 3))
        self.reader.read(self.rows(1, 2, 3))
        self.assertEqual([[1, 2], [3]], self.fetched)

    def test_parameters_that_cannot_be_right(self):
        found = self.reader.read(self.rows(1, action_type='migrate'))
        self.assertEqual({'thing-1': 'server thing-1'},
                         found['plan-1'].subjects)

    def test_only_what_is_needed_is_kept(self):
        reader = self.reader
        for first in range(0, 30, 10):
            reader.begin()
            reader.read(self.rows(*range(first, first + 20)))
        self.assertEqual(set(range(20, 40)), set(reader._known))
        self.assertEqual(set(range(10, 30)), set(reader._former))
