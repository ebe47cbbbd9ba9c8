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
"""Tests of how the model learns what binds servers to hosts."""

from watcher.common import exception
from watcher.common.nova import records
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.collector import rules
from watcher.tests import base
from watcher.tests.fixtures import models

SPECS = {'trait:CUSTOM_X': 'required', 'hw:cpu_policy': 'dedicated'}
A, B = models.uuid('a'), models.uuid('b')


class FakeService:
    """Nova and Placement; what is an exception is raised."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def _say(self, question):
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def get_server_groups(self, call):
        return self._say('groups')

    def get_providers_with_trait(self, trait):
        return self._say(trait)


def record(**fields):
    return {'flavor': {'extra_specs': SPECS}, 'tags': ['keep'],
            'pinned_availability_zone': 'north', **fields}


class TestRulesReader(base.TestCase):

    def setUp(self):
        super().setUp()
        self.before = model_root.ModelRoot()
        self.model = models.cloud({models.node('A'): [
            models.instance('a'), models.instance('b')]})
        self.reader = rules.RulesReader(
            self.model, self.before, lambda func, *args: func(*args))

    def test_wishes(self):
        self.reader.note(A, record())
        self.reader.note(B, record())
        self.assertEqual(scheduling.Wishes(SPECS, 'north', ('keep',)),
                         self.model.get_wishes(A))
        self.assertIs(self.model.get_wishes(A), self.model.get_wishes(B))

    def test_nova_that_does_not_tell_where_servers_are_pinned(self):
        old = record()
        del old['pinned_availability_zone']
        self.reader.note(A, old)
        self.assertFalse(self.model.pinned_zones_known)
        self.reader.note(A, record(pinned_availability_zone=None))
        self.assertTrue(self.model.pinned_zones_known)

    def test_no_wishes_take_no_room(self):
        self.reader.note(A, record(
            flavor={}, tags=None, pinned_availability_zone=None))
        self.assertEqual({}, self.model.all_wishes())

    def test_wishes_from_before(self):
        self.before.add_instance(models.instance('a'))
        self.before.set_wishes(A, scheduling.Wishes(tags=('t',)))
        self.reader.keep(A)
        self.reader.keep(B)
        self.assertEqual({A: scheduling.Wishes(tags=('t',))},
                         self.model.all_wishes())

    def test_nothing_before(self):
        rules.RulesReader(self.model, None, None).keep(A)
        self.assertEqual({}, self.model.all_wishes())

    def test_traits_that_are_asked_for_cost_one_request_each(self):
        self.reader.note(A, record())
        self.reader.note(B, record(tags=[]))
        placement = FakeService(frozenset(('host',)))
        self.reader.read_traits(placement)
        self.assertEqual(['CUSTOM_X'], placement.asked)
        self.assertEqual({'CUSTOM_X': {'host'}}, self.model.traits)

    def test_nobody_asks_for_traits(self):
        placement = FakeService(frozenset())
        self.reader.read_traits(placement)
        self.assertEqual(([], {}), (placement.asked, self.model.traits))

    def test_groups(self):
        self.reader.read_groups(FakeService([
            records.ServerGroup('g', 'web', 'anti-affinity', (A, B), 2),
            records.ServerGroup('h', 'empty', 'affinity', ())]))
        self.assertEqual((scheduling.ServerGroup(
            'g', 'web', 'anti-affinity', (A, B), 2),),
            self.model.server_groups)

    def test_what_cannot_be_read_stays_as_it_was(self):
        known = scheduling.ServerGroup('g', 'web', 'affinity', (A,))
        self.before.server_groups = (known,)
        self.before.traits = {'CUSTOM_X': frozenset()}
        self.reader.note(A, record())
        self.reader.read_groups(FakeService(
            exception.NovaClientError(reason='HTTP 503')))
        self.reader.read_traits(FakeService(
            exception.PlacementClientError(reason='HTTP 503')))
        self.assertEqual((known,), self.model.server_groups)
        self.assertEqual({'CUSTOM_X': frozenset()}, self.model.traits)
        self.assertEqual((), self.model.gaps)

    def test_what_was_never_read_is_a_gap(self):
        self.reader.note(A, record())
        self.reader.read_groups(FakeService(
            exception.NovaClientError(reason='HTTP 403')))
        self.reader.read_traits(FakeService(
            exception.PlacementClientError(reason='HTTP 503')))
        self.assertIsNone(self.model.server_groups)
        self.assertEqual(2, len(self.model.gaps))
        self.assertIn('the server groups are not known', self.model.gaps[0])
        self.assertIn('the traits of the hosts are not known',
                      self.model.gaps[1])


class TestWishesOfAModel(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({models.node('A'): [models.instance('a')],
                                   models.node('B'): []})
        self.model.set_wishes(A, scheduling.Wishes(tags=('t',)))

    def test_views_have_their_own(self):
        view = self.model.copy()
        view.set_wishes(A, scheduling.NO_WISHES)
        self.assertEqual(('t',), self.model.get_wishes(A).tags)
        self.assertEqual(scheduling.NO_WISHES, view.get_wishes(A))

    def test_they_go_with_the_server(self):
        view = self.model.copy()
        view.remove_instance(A)
        self.assertEqual({}, view.all_wishes())
        self.model.remove_nodes([models.uuid('A')])
        self.assertEqual({}, self.model.all_wishes())

    def test_unknown_server(self):
        self.assertRaises(exception.InstanceNotFound, self.model.set_wishes,
                          B, scheduling.Wishes(tags=('t',)))
