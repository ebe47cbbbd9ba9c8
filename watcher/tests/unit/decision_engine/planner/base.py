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
"""What the tests of all planners share."""

from watcher import objects
from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import default
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories


def solution(*actions, goal=goals.Dummy, strategy='dummy'):
    """Make a solution of ``(type, name, more parameters)`` each."""
    found = default.DefaultSolution(
        goal=goal(utils.Struct()), strategy=utils.Struct(name=strategy))
    for action_type, name, *more in actions:
        parameters, resource = PARAMETERS[action_type](name)
        for values in more:
            parameters.update(values)
        found.add_action(action_type, parameters, resource_id=resource)
    return found


PARAMETERS = {
    'nop': lambda name: ({'message': name}, None),
    'sleep': lambda name: ({'duration': float(name)}, None),
    'migrate': lambda name: (
        {'migration_type': 'live', 'source_node': 'h1'}, models.uuid(name)),
    'resize': lambda name: ({'flavor': 'x2'}, models.uuid(name)),
    'stop': lambda name: ({}, models.uuid(name)),
    'change_nova_service_state': lambda name: (
        {'state': 'disabled', 'resource_name': name}, models.uuid(name)),
    'volume_migrate': lambda name: (
        {'migration_type': 'migrate', 'destination_node': 'pool-2'},
        models.uuid(name)),
    'change_node_power_state': lambda name: (
        {'state': 'off', 'resource_name': name}, models.uuid(name)),
    'turn_host_to_acpi_s3_state': lambda name: ({}, name),
    'foo': lambda name: ({}, None),
}


class Recorder:
    """Listens to announcements."""

    def __init__(self):
        self.heard = []

    def on_create(self, obj):
        self.heard.append(('create', obj.obj_name(), obj.get('state')))

    def on_update(self, obj, old_state):
        self.heard.append(('update', obj.obj_name(), old_state, obj.state))

    def on_delete(self, obj):
        self.heard.append(('delete', obj.obj_name()))


class PlannerTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.context = factories.context()
        self.goal = factories.goal()
        self.strategy = factories.strategy(self.goal)
        self.audit = factories.audit(self.goal, self.strategy)

    #: The planner to test.
    planner_class = None

    def planner(self, **config):
        return self.planner_class(utils.Struct(config))

    def schedule(self, found, **config):
        return self.planner(**config).schedule(
            self.context, self.audit.id, found)

    def graph(self, plan):
        """Return (what, positions of the parents) for each action."""
        actions = objects.Action.list(
            self.context, filters={'action_plan_id': plan.id})
        position = {action.uuid: i for i, action in enumerate(actions)}
        return [(self.short(action), [position[p] for p in action.parents])
                for action in actions]

    @staticmethod
    def short(action):
        given = action.input_parameters
        for name in ('i1', 'i2', 'i3', 'h1', 'h2', 'h3', 'A', 'B'):
            if given.get('resource_id') in (name, models.uuid(name)):
                return action.action_type, name
        return action.action_type, given.get('message',
                                             given.get('duration'))
