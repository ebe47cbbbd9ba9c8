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
"""RPC: the cluster data model as a list."""

import oslo_messaging as messaging
from oslo_log import log

from watcher import objects
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.model.collector import manager

LOG = log.getLogger(__name__)


class DataModelEndpoint:
    """Shows what strategies see."""

    target = messaging.Target(version='1.0')

    def __init__(self):
        self._collectors = manager.CollectorManager()
        self._loader = default.ClusterDataModelCollectorLoader()

    def get_data_model_info(self, context, data_model_type: str = 'compute',
                            audit: str | None = None) -> dict:
        """Return ``{'context': [...]}``, one mapping for each server.

        :param audit: UUID, id or name of the audit whose scope counts.
        :raises: DataModelTypeNotFound, InvalidIdentity for an unknown audit.
        """
        scope = _scope_of(context, audit) if audit else []
        if data_model_type not in self._loader.list_available():
            raise exception.DataModelTypeNotFound(
                data_model_type=data_model_type)
        collector = self._collectors.get_cluster_model_collector(
            data_model_type)
        handler = collector.get_audit_scope_handler(audit_scope=scope)
        model = handler.get_scoped_model(
            collector.get_latest_cluster_data_model())
        return {'context': model.to_list() if model else []}


def _scope_of(context, audit: str) -> list:
    try:
        if utils.is_uuid_like(audit) or utils.is_int_like(audit):
            return objects.Audit.get(context, audit).scope or []
        return objects.Audit.get_by_name(context, audit).scope or []
    except exception.AuditNotFound:
        raise exception.InvalidIdentity(identity=audit) from None
