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
"""Plans over a simulated cloud."""

from oslo_utils import uuidutils

from watcher import objects
from watcher.applier import manager as applier_manager
from watcher.common import context as watcher_context
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import database
from watcher.tests.fixtures import services

#: The cloud: three hosts, of which the first has three servers.
_SMALL = {'hosts': 3, 'placement': {
    'compute-1': 3, 'compute-2': 0, 'compute-3': 0}}

FINAL = ('SUCCEEDED', 'FAILED', 'CANCELLED')


class OverCloud(base.TestCase):
    """An audit that is done, and a cloud to be changed.

    :cvar spec: size and shape of the cloud, where it differs
    """

    db_engine = database.SQLITE
    transport = services.FAKE

    timing = None
    spec: dict = {}

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            timing=self.timing, **{**_SMALL, **self.spec}))
        self.service = self.useFixture(services.Configured(
            self.db_engine, self.transport, cloud=self.cloud,
            overrides=self.overrides()))
        self.context = watcher_context.make_context(is_admin=True)
        self._store_audit()
        self.servers = self.cloud.servers_of('compute-1')

    def overrides(self):
        """Options of the service that differ."""
        return {'DEFAULT': {'host': 'applier-1'}}

    def _store_audit(self):
        goal = objects.Goal(
            self.context, name='unclassified', display_name='Unclassified',
            efficacy_specification=[])
        goal.create()
        strategy = objects.Strategy(
            self.context, name='actuator', display_name='Actuator',
            goal_id=goal.id, parameters_spec={})
        strategy.create()
        self.audit = objects.Audit(
            self.context, name='audit-1', audit_type='ONESHOT',
            state='SUCCEEDED', goal_id=goal.id, strategy_id=strategy.id,
            parameters={}, scope=[], auto_trigger=False, force=False)
        self.audit.create()

    def start_plan(self, *specs):
        """Start a plan of (type, parameters); each waits for the last."""
        uuids = [uuidutils.generate_uuid() for _spec in specs]
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id,
             'strategy_id': self.audit.strategy_id, 'state': 'PENDING',
             'global_efficacy': []},
            [{'uuid': uuid, 'action_type': kind, 'state': 'PENDING',
              'input_parameters': parameters,
              'parents': uuids[number - 1:number] if number else []}
             for number, (uuid, (kind, parameters)) in enumerate(
                 zip(uuids, specs, strict=True))])
        self.launch(plan)
        return plan

    def launch(self, plan):
        """Tell somebody about the plan; nobody needs to be told."""

    def finish(self, plan, timeout=services.PATIENCE):
        def final():
            found = objects.ActionPlan.get_by_uuid(self.context, plan.uuid)
            return found if found.state in FINAL else None
        return services.wait_until(final, timeout, 'the end of the plan')

    def run_plan(self, *specs):
        """Run a plan; returns it and its actions."""
        plan = self.finish(self.start_plan(*specs))
        return plan, self.actions_of(plan)

    def actions_of(self, plan):
        return objects.Action.list(
            self.context, filters={'action_plan_uuid': plan.uuid},
            sort_key='id', sort_dir='asc')

    def migrate(self, server, destination='compute-2', kind='live',
                source='compute-1'):
        parameters = {'resource_id': server, 'migration_type': kind,
                      'source_node': source}
        if destination is not None:
            parameters['destination_node'] = destination
        return 'migrate', parameters

    def server(self, uuid):
        return self.cloud.state.servers[uuid]


class ApplierOverCloud(OverCloud):
    """With an applier in this process."""

    def setUp(self):
        super().setUp()
        self.manager = self.start_applier()

    def start_applier(self):
        manager = applier_manager.ApplierManager()
        manager.pre_start()
        manager.start()
        self.addCleanup(manager.stop, 3)
        return manager

    def launch(self, plan):
        self.manager.accept(self.context, plan.uuid)


class ActionTestCase(ApplierOverCloud):
    """Judges plans of single actions."""

    def assertSucceeds(self, *specs):
        plan, actions = self.run_plan(*specs)
        self.assertEqual(
            ('SUCCEEDED', ['SUCCEEDED'] * len(specs)),
            (plan.state, [action.state for action in actions]),
            [action.status_message for action in actions])

    def assertFails(self, spec, *words):
        plan, (action,) = self.run_plan(spec)
        self.assertEqual(['FAILED', 'FAILED'], [plan.state, action.state])
        for word in words:
            self.assertIn(word, action.status_message)

    def assertSkipped(self, spec, *words):
        plan, (action,) = self.run_plan(spec)
        self.assertEqual(['SUCCEEDED', 'SKIPPED'],
                         [plan.state, action.state])
        self.assertEqual('One or more actions were skipped.',
                         plan.status_message)
        for word in ('Action was skipped automatically: ', *words):
            self.assertIn(word, action.status_message)
