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
"""Tests of the look at Placement before a plan is stored."""

from watcher.common import exception
from watcher.common import placement_helper
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.solution import default
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import live_room
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import settings
from watcher.tests import base
from watcher.tests.fixtures import models


class FakePlacement:
    """Has inventories like :func:`.models.node`; usages are given."""

    def __init__(self, usages, offers=(), further=None):
        self.usages, self.offers = usages, offers
        self.further = further or {}
        self.asked = []

    def get_all_inventories(self, uuids, workers, timeout):
        self.asked.append(tuple(uuids))
        if isinstance(self.usages, Exception):
            raise self.usages
        return {uuid: {name: placement_helper.Inventory.from_api(
            {'total': total}) for name, total in {
                'VCPU': 16, 'MEMORY_MB': 32768, 'DISK_GB': 500,
                **self.further}.items()} for uuid in uuids}, {}

    def get_all_usages(self, uuids, workers, timeout):
        unread = {uuid: 'HTTP 500' for uuid in uuids
                  if self.usages.get(uuid) == 'unread'}
        return {uuid: self.usages.get(uuid, {}) for uuid in uuids
                if uuid not in unread}, unread

    def get_offers(self, name):
        self.asked.append(name)
        return self.offers


class TestLiveRoom(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node('A', vcpus=16, memory=32768, disk=500): [
                models.instance('a', vcpus=4, memory=1024, disk=10),
                models.instance('b', vcpus=4, memory=1024, disk=10)],
            models.node('B', vcpus=16, memory=32768, disk=500): [
                models.instance('c', vcpus=4, memory=1024, disk=10)],
            models.node('C'): []})
        self.solution = default.DefaultSolution(
            goal=None, strategy=None)

    def move(self, name, destination='host-B', source='host-A'):
        self.solution.add_action('migrate', {
            'migration_type': 'live', 'source_node': source,
            'destination_node': destination}, models.uuid(name))

    def check(self, placement):
        """Return who still moves."""
        state = cluster.ClusterState.from_model(self.model)
        plan_check.check(
            self.solution, live_room.refresh(
                self.solution, state, placement),
            settings.Settings(), {})
        return [action['input_parameters']['resource_id']
                for action in self.solution.actions]

    def uuids(self, *names):
        return [models.uuid(name) for name in names]

    def used(self, **amounts):
        return FakePlacement({models.uuid('B'): {
            'VCPU': 4, 'MEMORY_MB': 1024, 'DISK_GB': 10, **amounts}})

    def test_nothing_has_changed(self):
        self.move('a')
        self.move('b')
        placement = self.used()
        self.assertEqual(self.uuids('a', 'b'), self.check(placement))
        self.assertEqual([tuple(self.uuids('B'))], placement.asked)

    def test_somebody_came_meanwhile(self):
        for amounts in ({'VCPU': 12}, {'MEMORY_MB': 31000},
                        {'DISK_GB': 485}):
            self.solution.actions.clear()
            self.move('a')
            self.move('b')
            self.assertEqual(self.uuids('a'),
                             self.check(self.used(**amounts)))

    def test_less_in_use_is_no_more_room(self):
        self.move('a')
        state = cluster.ClusterState.from_model(self.model)
        made = live_room.refresh(self.solution, state,
                                 FakePlacement({models.uuid('B'): {}}))
        self.assertEqual(state.free.tolist(), made.free.tolist())

    def test_the_reason_is_kept(self):
        self.move('a')
        self.check(self.used(VCPU=14))
        self.assertIn('host-B has too little vCPU: 4 needed, 2 free',
                      str(self.solution.remarks))

    def test_further_classes(self):
        for name in 'abc':
            self.model.set_wishes(models.uuid(name), scheduling.Wishes(
                {'resources:CUSTOM_X': '1'}))
        self.model.inventories = {'CUSTOM_X': {
            models.uuid('A'): 3.0, models.uuid('B'): 3.0}}
        for used, moved in ((1, 'ab'), (2, 'a'), (3, '')):
            self.solution.actions.clear()
            self.move('a')
            self.move('b')
            placement = self.used(CUSTOM_X=used)
            placement.further = {'CUSTOM_X': 3}
            self.assertEqual(self.uuids(*moved), self.check(placement))

    def test_parts(self):
        self.model.set_wishes(models.uuid('a'), scheduling.Wishes(
            {'resources:VGPU': '1'}))
        self.model.offers = {'VGPU': {models.uuid('B'): (
            scheduling.Offer('b1', 1),)}}
        for free, moved in ((1, 'a'), (0, '')):
            self.solution.actions.clear()
            self.move('a')
            placement = self.used()
            placement.offers = [placement_helper.Offer(
                'b1', (models.uuid('B'),), free, frozenset())]
            self.assertEqual(self.uuids(*moved), self.check(placement))
            self.assertEqual('VGPU', placement.asked[-1])

    def test_cpus_that_are_shared_beside_dedicated_ones(self):
        self.model.inventories = {'PCPU': {models.uuid('B'): 8.0}}
        self.move('a')
        placement = self.used(VCPU=14)
        placement.further = {'PCPU': 8}
        self.assertEqual([], self.check(placement))

    def test_placement_cannot_be_asked(self):
        for placement in (FakePlacement(exception.PlacementClientError(
                reason='HTTP 503')),
                FakePlacement({models.uuid('B'): 'unread'})):
            self.solution.actions.clear()
            self.move('a')
            self.assertEqual(self.uuids('a'), self.check(placement))
            self.assertIn('Placement could not be asked',
                          str(self.solution.remarks))

    def test_nothing_to_ask(self):
        self.move('a', destination=None)
        self.move('b', destination='elsewhere')
        self.solution.add_action('nop', {}, None)
        placement = self.used()
        state = cluster.ClusterState.from_model(self.model)
        self.assertIs(state, live_room.refresh(
            self.solution, state, placement))
        self.assertEqual([], placement.asked)
