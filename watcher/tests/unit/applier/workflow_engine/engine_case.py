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
"""What the tests of the workflow engine share."""

from watcher import objects
from watcher.applier.loading import default as loading
from watcher.applier.workflow_engine import default
from watcher.common import utils
from watcher.tests.unit.applier import harness


class EngineTestCase(harness.ApplierTestCase):

    def make_engine(self, max_workers=2, needs=None, **rules):
        return default.DefaultWorkFlowEngine(
            utils.Struct(max_workers=max_workers,
                         action_execution_rule=rules,
                         dependency_rule=needs or {}),
            context=self.context, applier_manager=self.manager)

    def run_engine(self, plan, **kwargs):
        if self.read(plan).state == 'PENDING':
            self.set_state(plan, 'ONGOING', hostname=harness.HOST)
        engine = self.make_engine(**kwargs)
        engine.execute(self.actions(plan))
        return engine

    def set_engine_option(self, **values):
        """Set options of the engine that plans are run with."""
        loader = loading.DefaultWorkFlowEngineLoader()
        loader.load('taskflow')
        self.config(group=loader.get_entry_name('taskflow'), **values)

    def number_of(self, action):
        return action.input_parameters['number']

    def make_graph(self, parents, wishes=None, name='plan1'):
        """Store a plan.

        :param parents: of each action, the positions of its parents
        :param wishes: position -> position of a parent -> need
        """
        plan = self.make_plan(*(
            {'parameters': {'number': number}, 'parents': before}
            for number, before in enumerate(parents)), name=name)
        actions = self.actions(plan)
        for number, needs in (wishes or {}).items():
            objects.ActionRun.set(
                self.context, actions[number].id,
                needs={actions[parent].uuid: need
                       for parent, need in needs.items()})
        return plan

    def runs(self, plan):
        """Return what is stored of the runs of the actions, in order."""
        actions = self.actions(plan)
        known = objects.ActionRun.of_actions(
            [action.id for action in actions])
        return [known.get(action.id) for action in actions]
