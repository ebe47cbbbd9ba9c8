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
"""Servers that need more than room, from the audit to executed plans."""

import dataclasses

from oslo_utils import uuidutils

from watcher.sandbox.cloud import state as cloud_state
from watcher.tests.functional.decision_engine import test_audits


class TestParts(test_audits.AuditTestCase):
    """Hosts 1, 3 and 4 have a virtual GPU each, that of the last is taken.

    Nova refuses all hosts but the third.
    """

    spec = {'hosts': 4, 'placement': {'compute-1': 2, 'compute-4': 1},
            'flavor': 'm1.small'}

    def setUp(self):
        super().setUp()
        self.server = self.cloud.servers_of('compute-1')[0]
        state = self.cloud.state
        with state.lock:
            for name in ('compute-1', 'compute-3', 'compute-4'):
                state.add_part(cloud_state.Part(
                    uuidutils.generate_uuid(), f'{name}-gpu',
                    {'VGPU': cloud_state.Inventory(total=1)},
                    state.hosts[name], traits={'CUSTOM_BIG'}))
            for uuid in (self.server, self.cloud.servers_of('compute-4')[0]):
                self.give(state.servers[uuid], {
                    'resources1:VGPU': '1', 'trait1:CUSTOM_BIG': 'required'})

    def give(self, server, specs):
        """Have a server be of a flavor that asks for a GPU."""
        server.flavor = dataclasses.replace(
            server.flavor, extra_specs=specs)
        self.cloud.state.claim(server.allocations, server.host, {'VGPU': 1})
        self.cloud.state.touch(server)

    def test_who_needs_a_part_goes_where_one_is_free(self):
        audit = self.maintenance()
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.execute(self.watcher.plan_of(audit))
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual('compute-3', self.cloud.host_of(self.server))
        state = self.cloud.state
        self.assertEqual({'VGPU': 1}, state.parts['compute-3-gpu'].used)
        self.assertEqual({'VGPU': 0}, state.parts['compute-1-gpu'].used)

    def test_nowhere_to_go(self):
        state = self.cloud.state
        with state.lock:
            state.parts['compute-3-gpu'].inventory['VGPU'].reserved = 1
        audit = self.maintenance()
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        self.assertNotIn(self.server, [
            action.input_parameters.get('resource_id')
            for action in self.watcher.actions_of(plan)])
        self.assertIn('stays on compute-1: no part of compute-3 has 1 VGPU '
                      'with CUSTOM_BIG free', self.logger.output)


class TestLook(test_audits.AuditTestCase):
    """Placement knows of somebody whom Nova does not list."""

    spec = {'hosts': 2, 'placement': {'compute-1': 1}, 'flavor': 'm1.small'}
    overrides = {'watcher_strategies': {'plan_check_placement': True}}

    def test_what_destinations_have_free_now(self):
        host = self.cloud.state.hosts['compute-2']
        for taken, moved in ((0, 1), (64000, 0)):
            with self.cloud.state.lock:
                host.used['MEMORY_MB'] = taken
            audit = self.maintenance(backup_node='compute-2')
            self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
            actions = self.watcher.actions_of(self.watcher.plan_of(audit))
            self.assertEqual(moved, [action.action_type for action
                                     in actions].count('migrate'))
        self.assertIn('compute-2 has too little memory: 2048 MB needed, '
                      '1024 MB free', self.logger.output)
