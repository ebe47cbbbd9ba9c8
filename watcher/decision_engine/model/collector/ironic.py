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
"""Builds the bare metal model from Ironic.

Nodes are read in pages of 1000 with all their details. One that Ironic does
not describe in a usable form is left out and named; it does not spoil the
rest.
"""

import datetime
from typing import Any

from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import ironic_helper
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import ironic_mapping
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import base
from watcher.decision_engine.model.notification import ironic as endpoints
from watcher.decision_engine.scope import baremetal as baremetal_scope
from watcher.decision_engine.scope import schemas

LOG = log.getLogger(__name__)

#: How many names a log line lists before it only counts.
MAX_NAMED = 20


class BaremetalClusterDataModelCollector(
        base.BaseClusterDataModelCollector):
    """Keeps the bare metal model."""

    name = 'baremetal'

    SCHEMA = schemas.BAREMETAL

    STALE_MODEL = model_root.BaremetalModelRoot(stale=True)

    # Ironic publishes no notifications unless its operator asks for it.
    freshness = 5.0

    MAX_AGE_HELP = """
Seconds that the bare metal model may be old when an audit asks for it. An
older one is read anew first; audits that start together share one reading.
Raise it when Ironic publishes notifications and Watcher receives them, or
when reading all nodes takes longer than you want audits to wait.
"""

    @property
    def notification_endpoints(self) -> list[endpoints.NodeNotification]:
        """Endpoints that keep the model up to date between builds."""
        return [endpoints.NodeNotification(self)]

    def get_audit_scope_handler(
            self, audit_scope: list | None,
    ) -> baremetal_scope.BaremetalScope:
        """Return the handler of an audit's scope."""
        return baremetal_scope.BaremetalScope(audit_scope, self.config)

    def execute(self) -> model_root.BaremetalModelRoot:
        """Read the whole bare metal service.

        :raises: IronicClientError, AuthorizationFailure
        """
        return BareMetalModelBuilder(self.osc).execute()


class BareMetalModelBuilder(base.BaseModelBuilder):
    """Reads Ironic once.

    :param osc: the :class:`~watcher.common.clients.OpenStackClients` to use.
    """

    def __init__(self, osc: Any = None):
        self.osc = osc
        # call_retry does what the helper would do, for all errors.
        self.set_up(ironic_helper.IronicHelper(osc=osc, http_retries=0))

    def set_up(self, ironic: ironic_helper.IronicHelper) -> None:
        """Begin an empty model that this helper describes."""
        self.ironic_helper = ironic
        self.model = model_root.BaremetalModelRoot()

    def call_retry_reset(self, exc: Exception) -> None:
        """Do nothing: the shared connection repairs itself."""

    def execute(self, model_scope: list | None = None,
                ) -> model_root.BaremetalModelRoot:
        """Build and return the model of all bare metal nodes.

        :param model_scope: not looked at; scopes are views of one model.
        :raises: IronicClientError, AuthorizationFailure
        """
        self.model.built_at = datetime.datetime.now(datetime.UTC)
        skipped = []
        for page in self.ironic_helper.node_pages(call=self.call_retry):
            for record in page:
                try:
                    self._add(record)
                except (KeyError, TypeError, ValueError,
                        exception.InvalidUUID) as exc:
                    skipped.append(f'{_name(record)} ({exc!r})')
        if skipped:
            LOG.warning('%(count)d bare metal nodes are left out of the '
                        'model because Ironic does not describe them '
                        'completely: %(named)s',
                        {'count': len(skipped), 'named': _named(skipped)})
            self.model.gaps += (_('Ironic does not describe %d nodes '
                                  'completely') % len(skipped),)
        self._sum_up()
        return self.model

    def _add(self, record):
        """Add a node; the pages are no snapshot, so it may come twice."""
        ironic_mapping.put(
            self.model, ironic_helper.IronicNode.from_api(record),
            self.model.built_at, clocks.BUILD)

    def _sum_up(self):
        nodes = self.model.get_all_ironic_nodes()
        apart = [uuid for uuid, node in nodes.items()
                 if not node.extra['compute_node_id']]
        LOG.info('Read %d bare metal nodes', len(nodes))
        if apart:
            LOG.info('%(apart)d of %(nodes)d bare metal nodes name no '
                     'compute_node_id in their extra and so belong to no '
                     'compute node',
                     {'apart': len(apart), 'nodes': len(nodes)})
        problems = [f'{uuid}: {reason}' for uuid, reason
                    in self.model.incomplete_nodes.items()]
        if problems:
            LOG.warning('The picture of %(count)d bare metal nodes is not '
                        'complete. %(named)s',
                        {'count': len(problems), 'named': _named(problems)})


def _name(record):
    return record.get('uuid') if isinstance(record, dict) else record


def _named(names):
    return '; '.join(names[:MAX_NAMED])
