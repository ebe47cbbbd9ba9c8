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

import datetime
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import rows
from watcher.decision_engine.model.collector import manager

CONF = cfg.CONF

LOG = log.getLogger(__name__)


class DataModelEndpoint:
    """Shows what strategies see."""

    # 1.1: described
    target = messaging.Target(version='1.1')

    def __init__(self):
        self._collectors = manager.CollectorManager()
        self._loader = default.ClusterDataModelCollectorLoader()

    def get_data_model_info(self, context, data_model_type: str = 'compute',
                            audit: str | None = None,
                            described: bool = False) -> dict:
        """Return ``{'context': [...]}``, one mapping for each server.

        :param audit: UUID, id or name of the audit whose scope counts.
        :param described: also tell in each mapping how fresh it is, and in
            ``model`` about the model as a whole.
        :raises: DataModelTypeNotFound, InvalidIdentity for an unknown audit,
            ClusterDataModelCollectionError; DataModelNotFound when it is to
            be described and the cloud has nothing to make it of.
        """
        scope = _scope_of(context, audit) if audit else []
        if data_model_type not in self._loader.list_available():
            raise exception.DataModelTypeNotFound(
                data_model_type=data_model_type)
        if described:
            self._require_service(data_model_type)
        collector = self._collectors.get_cluster_model_collector(
            data_model_type)
        handler = collector.get_audit_scope_handler(audit_scope=scope)
        model = handler.get_scoped_model(
            collector.get_latest_cluster_data_model())
        if described:
            return _described(model, data_model_type)
        return {'context': model.to_list() if model else []}

    def _require_service(self, data_model_type):
        missing = self._collectors.missing_service(data_model_type)
        if missing is not None:
            raise exception.DataModelNotFound(
                data_model_type=data_model_type,
                reason=_('the cloud has no %s service.') % missing)


def _described(model: Any, data_model_type: str) -> dict:
    """Return the rows of a model, and what is known about itself.

    :raises: DataModelNotFound for the model of a plug-in that has no rows.
    """
    known = {'type': data_model_type, 'engine': CONF.host}
    if not model:
        return {'context': [], 'model': known}
    if not isinstance(model, cluster.ClusterModel):
        raise exception.DataModelNotFound(
            data_model_type=data_model_type,
            reason=_('its plug-in cannot show it.'))
    with model.lock:
        now = datetime.datetime.now(datetime.UTC)
        reasons = model.incomplete_nodes
        known.update(
            version=model.version, built_at=rows.text(model.built_at),
            age=rows.age(model.built_at, now), changes=model.changes,
            changed_at=rows.text(model.changed_at),
            absent=[{'node': key, 'name': name, 'reason': reasons.get(key)}
                    for key, name in sorted(model.absent.items())],
            gaps=list(model.gaps))
        return {'context': model.to_list(with_freshness=True),
                'model': known}


def _scope_of(context, audit: str) -> list:
    try:
        if utils.is_uuid_like(audit) or utils.is_int_like(audit):
            return objects.Audit.get(context, audit).scope or []
        return objects.Audit.get_by_name(context, audit).scope or []
    except exception.AuditNotFound:
        raise exception.InvalidIdentity(identity=audit) from None
