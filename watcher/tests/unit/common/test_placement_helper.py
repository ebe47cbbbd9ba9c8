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

import threading
from unittest import mock

from oslo_context import context as oslo_context

from watcher.common import context
from watcher.common import exception
from watcher.common import placement_helper
from watcher.common import rest
from watcher.tests import base

INVENTORIES = {'inventories': {
    'VCPU': {'total': 16, 'reserved': 2, 'allocation_ratio': 4.0,
             'min_unit': 1, 'max_unit': 16, 'step_size': 1},
    'MEMORY_MB': {'total': 65536, 'reserved': 512}}}


class FakePlacement(rest.RestClient):
    """Answers by uuid; exceptions are raised."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.request_ids = set()

    def request(self, method, path, **kwargs):
        if kwargs.get('params'):
            uuid = kwargs['params']['required']
            assert kwargs['microversion'] == '1.18'
        else:
            uuid = path.split('/')[2]
        self.asked.append(uuid)
        current = oslo_context.get_current()
        self.request_ids.add(current and current.request_id)
        answer = self.answers.get(uuid, INVENTORIES)
        if callable(answer):
            return answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def refused(status):
    return rest.RequestFailed(f'HTTP {status}', status=status)


class TestPlacementHelper(base.TestCase):

    def helper(self, **answers):
        self.placement = FakePlacement(answers)
        return placement_helper.PlacementHelper(self.placement)

    def test_inventories(self):
        found = self.helper().get_inventories('a')
        self.assertEqual({'VCPU', 'MEMORY_MB'}, set(found))
        self.assertEqual(placement_helper.Inventory(
            total=16, reserved=2, min_unit=1, max_unit=16, step_size=1,
            allocation_ratio=4.0), found['VCPU'])

    def test_defaults_of_placement(self):
        memory = self.helper().get_inventories('a')['MEMORY_MB']
        self.assertEqual(1.0, memory.allocation_ratio)
        self.assertEqual(65536, memory.max_unit)

    def test_unknown_provider(self):
        self.assertIsNone(self.helper(a=refused(404)).get_inventories('a'))

    def test_failure_is_no_missing_inventory(self):
        error = self.assertRaises(
            exception.PlacementClientError,
            self.helper(a=refused(500)).get_inventories, 'a')
        self.assertIn('HTTP 500', str(error))

    def test_providers_with_a_trait(self):
        helper = self.helper(CUSTOM_X={'resource_providers': [
            {'uuid': 'a', 'root_provider_uuid': 'a'},
            {'uuid': 'part', 'root_provider_uuid': 'b'}, {'uuid': 'c'}]})
        self.assertEqual({'a', 'b', 'c'},
                         helper.get_providers_with_trait('CUSTOM_X'))

    def test_trait_that_placement_does_not_know(self):
        helper = self.helper(CUSTOM_X=refused(400))
        self.assertEqual(frozenset(),
                         helper.get_providers_with_trait('CUSTOM_X'))

    def test_a_failure_is_not_nobody(self):
        helper = self.helper(CUSTOM_X=refused(503))
        self.assertRaises(exception.PlacementClientError,
                          helper.get_providers_with_trait, 'CUSTOM_X')

    def test_many(self):
        uuids = [f'u{number}' for number in range(500)]
        found, missing = self.helper().get_all_inventories(uuids, workers=4)
        self.assertEqual(set(uuids), set(found))
        self.assertEqual({}, missing)
        self.assertEqual(500, len(self.placement.asked))

    def test_none(self):
        self.assertEqual(({}, {}), self.helper().get_all_inventories(
            [], workers=4))

    def test_repeated_uuids_are_asked_once(self):
        self.helper().get_all_inventories(['a', 'a'], workers=4)
        self.assertEqual(['a'], self.placement.asked)

    def test_some_have_none(self):
        found, missing = self.helper(
            b=refused(404), c=refused(500)).get_all_inventories(
                ['a', 'b', 'c'], workers=2)
        self.assertEqual({'a', 'b'}, set(found))
        self.assertEqual({}, found['b'])
        self.assertEqual({'c'}, set(missing))
        self.assertIn('HTTP 500', missing['c'])

    def test_workers_are_bounded(self):
        busy, most = set(), []
        lock = threading.Lock()
        all_three = threading.Barrier(3, timeout=base.PATIENCE)

        def answer():
            with lock:
                busy.add(threading.get_ident())
                most.append(len(busy))
            all_three.wait()
            with lock:
                busy.discard(threading.get_ident())
            return INVENTORIES
        uuids = [f'u{number}' for number in range(30)]
        self.helper(**dict.fromkeys(uuids, answer)).get_all_inventories(
            uuids, workers=3)
        self.assertEqual(3, max(most))

    def test_an_unreachable_service_ends_it_at_once(self):
        away = rest.RequestFailed('away', connection_error=True)
        uuids = [f'u{number}' for number in range(1000)]
        self.assertRaises(
            exception.PlacementClientError,
            self.helper(**dict.fromkeys(uuids, away)).get_all_inventories,
            uuids, workers=1)
        self.assertEqual(['u0'], self.placement.asked)

    def test_a_refused_login_ends_it_at_once(self):
        refusal = exception.AuthorizationFailure(client='x', reason='y')
        self.assertRaises(
            exception.AuthorizationFailure,
            self.helper(b=refusal).get_all_inventories, ['a', 'b'],
            workers=1)

    def test_nothing_comes_in_time(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def hang():
            release.wait(base.PATIENCE)
            return INVENTORIES
        error = self.assertRaises(
            exception.PlacementClientError,
            self.helper(a=hang).get_all_inventories, ['a'], workers=1,
            timeout=0.05)
        self.assertIn('no answer', str(error))

    def test_one_slow_provider_does_not_lose_the_others(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def hang():
            release.wait(base.PATIENCE)
            return INVENTORIES
        uuids = [f'u{number}' for number in range(50)]
        with mock.patch.object(placement_helper, 'STRAGGLERS', 0.05):
            found, missing = self.helper(u3=hang).get_all_inventories(
                uuids, workers=2, timeout=base.PATIENCE)
        self.assertEqual(set(uuids) - {'u3'}, set(found))
        self.assertEqual({'u3'}, set(missing))
        self.assertIn('no answer', missing['u3'])

    def test_what_came_before_the_connection_broke_is_kept(self):
        away = rest.RequestFailed('away', connection_error=True)
        found, missing = self.helper(b=away).get_all_inventories(
            ['a', 'b', 'c'], workers=1)
        self.assertEqual({'a'}, set(found))
        self.assertEqual({'b', 'c'}, set(missing))
        self.assertIn('away', missing['c'])

    def test_requests_go_through_the_given_call(self):
        called = []

        def call(function, uuid):
            called.append(uuid)
            return function(uuid)
        self.helper().get_all_inventories(['a', 'b'], workers=1, call=call)
        self.assertEqual(['a', 'b'], called)

    def test_workers_carry_the_request_id(self):
        wanted = context.make_context(is_admin=True)
        self.addCleanup(setattr, oslo_context._request_store, 'context',
                        None)
        self.helper().get_all_inventories(['a', 'b'], workers=2)
        self.assertEqual({wanted.request_id}, self.placement.request_ids)
