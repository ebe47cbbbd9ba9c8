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
"""Connections to the database that break while a plan runs."""

import fixtures
from oslo_db import exception as db_exc

from watcher import objects
from watcher.applier.workflow_engine import standing
from watcher.tests.unit.applier.workflow_engine import engine_case


class TestOutage(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.persistence._FIRST_PAUSE', 0.0))

    def break_once(self, owner, name):
        """Have the first call of a method find the connection broken."""
        working = getattr(owner, name)
        broken = []

        def call(*args, **kwargs):
            if not broken:
                broken.append(True)
                raise db_exc.DBConnectionError()
            return working(*args, **kwargs)
        self.useFixture(fixtures.MockPatchObject(owner, name, call))
        return broken

    def test_reading_earlier_runs(self):
        plan = self.make_graph([[], [0]])
        broken = self.break_once(objects.ActionRun, 'of_actions')
        self.run_engine(plan)
        self.assertTrue(broken)
        self.assertEqual(['SUCCEEDED'] * 2,
                         [action.state for action in self.actions(plan)])

    def test_reading_the_rules(self):
        plan = self.make_graph([[], [0]])
        broken = self.break_once(objects.ActionPlan, 'get_by_id')
        self.run_engine(plan, dummy='ANY')
        self.assertTrue(broken)
        self.assertEqual('SUCCEEDED', self.actions(plan)[0].state)

    def test_telling_a_pause(self):
        plan = self.make_graph([[]])
        self.set_state(plan, 'ONGOING')
        objects.PlanRun.set(self.context, plan.id, paused=True)
        broken = self.break_once(objects.ActionPlan, 'get_by_uuid')
        for told in (None, standing.PAUSED_MESSAGE):
            standing.tell(self.context, standing.read(plan.id))
            self.assertEqual(told, self.read(plan).status_message)
        self.assertTrue(broken)
