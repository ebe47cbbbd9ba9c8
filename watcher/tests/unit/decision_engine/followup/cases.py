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
"""A database with plans, and a cloud to hold them against."""

from unittest import mock

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.decision_engine.model.collector import manager
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories


class FollowUpTestCase(base.TestCase):
    """The servers a and b are on A, nothing is on B."""

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.config(notification_level='')
        self.context = watcher_context.admin_context()
        self.goal = factories.goal('workload_balancing')
        self.strategy = factories.strategy(self.goal, 'workload_balance')
        self.audit = factories.audit(
            self.goal, self.strategy, state='SUCCEEDED',
            parameters={'metrics': 'instance_cpu_usage', 'threshold': 25.0})
        self.model = models.cloud({
            models.node('A'): [models.instance('a'), models.instance('b')],
            models.node('B'): []})
        self.failure = None
        collector = mock.Mock(
            age_limit=None, last_failure=None,
            get_latest_cluster_data_model=self._read,
            get_audit_scope_handler=lambda audit_scope: mock.Mock(
                get_scoped_model=lambda model: model))
        patcher = mock.patch.object(
            manager.CollectorManager, 'get_cluster_model_collector',
            lambda this, name, osc=None: collector)
        patcher.start()
        self.addCleanup(patcher.stop)

    def _read(self, max_age=None):
        if self.failure:
            raise exception.ClusterDataModelCollectionError(
                self.failure, cdm='compute')
        return self.model.copy()

    def migrate(self, server):
        """Have a server moved from A to B."""
        self.model.migrate_instance(
            self.model.get_instance_by_uuid(models.uuid(server)),
            self.model.get_node_by_name('host-A'),
            self.model.get_node_by_name('host-B'))

    @staticmethod
    def move(server, **fields):
        """An action that moves a server from A to B."""
        return {'action_type': 'migrate', 'parents': [], **fields,
                'input_parameters': {
                    'resource_id': models.uuid(server),
                    'resource_name': f'vm-{server}',
                    'migration_type': 'live', 'source_node': 'host-A',
                    'destination_node': 'host-B'}}

    @staticmethod
    def disable(host, **fields):
        """An action that disables a host."""
        return {'action_type': 'change_nova_service_state', 'parents': [],
                **fields, 'input_parameters': {
                    'resource_id': models.uuid(host),
                    'resource_name': f'host-{host}', 'state': 'disabled',
                    'disabled_reason': 'watcher_disabled'}}

    def make_plan(self, *actions, indicators=(), **fields):
        return objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id, 'strategy_id': self.strategy.id,
             'state': 'RECOMMENDED', **fields}, actions, indicators)
