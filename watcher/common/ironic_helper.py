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
"""What Watcher asks of Ironic.

Nodes are read in pages of 1000 and decoded straight from JSON. Reading is
repeated after connection errors. Setting a power state is repeated as well,
also while the node is locked by other work of Ironic: asking twice for the
same state does no harm.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

from watcher._i18n import _
from watcher.common import exception
from watcher.common import rest_helper
from watcher.common import utils
from watcher.common import waiting

#: Newest microversion whose answers this module understands; the first one
#: that tells why Ironic itself put a node into maintenance. Ironic's own
#: maximum applies where it is older.
NODES = (1, 42)

#: Power states of Ironic.
POWER_ON = 'power on'
POWER_OFF = 'power off'
#: Whether a node runs, by its power state; others are not known.
IS_ON = {POWER_ON: True, 'rebooting': True, 'soft rebooting': True,
         'soft reboot': True, POWER_OFF: False, 'soft power off': False}

#: What Ironic is asked for, and which state that shall lead to.
TARGETS = {
    'on': (POWER_ON, POWER_ON), POWER_ON: (POWER_ON, POWER_ON),
    'off': (POWER_OFF, POWER_OFF), POWER_OFF: (POWER_OFF, POWER_OFF),
    'soft power off': ('soft power off', POWER_OFF)}

#: Seconds that a change of power may take, and between two looks.
POWER_LIMIT = 600.0
POWER_INTERVAL = 10.0
#: How often a node must be seen with nothing going on before the change
#: counts as given up by Ironic, which begins it a moment after it answered.
IDLE_LOOKS = 3

#: Ironic's refusals that go away: the node is locked, all workers are busy.
_BUSY = (409, 503)

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


@dataclasses.dataclass(frozen=True, slots=True)
class IronicNode:
    """A bare metal node as Ironic shows it.

    :param power_state: None until Ironic has asked the hardware.
    :param target_power_state: what Ironic is changing it to right now.
    :param fault: why Ironic itself put the node into maintenance, for
        instance ``power failure``.
    """

    uuid: str
    name: str | None
    power_state: str | None
    target_power_state: str | None
    provision_state: str | None
    maintenance: bool
    maintenance_reason: str | None
    fault: str | None
    last_error: str | None
    instance_uuid: str | None
    extra: dict[str, Any]

    @property
    def compute_node_id(self) -> str | None:
        """The uuid of the hypervisor that runs on this node.

        The operator notes it in the node's ``extra``.
        """
        return self.extra.get('compute_node_id')

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'IronicNode':
        """Read one element of ``nodes``.

        :raises: InvalidUUID
        """
        uuid = utils.check_uuid(record['uuid'])
        extra = record.get('extra')
        return cls(
            uuid=uuid, name=record.get('name'),
            power_state=record.get('power_state'),
            target_power_state=record.get('target_power_state'),
            provision_state=record.get('provision_state'),
            maintenance=bool(record.get('maintenance')),
            maintenance_reason=record.get('maintenance_reason'),
            fault=record.get('fault'), last_error=record.get('last_error'),
            instance_uuid=record.get('instance_uuid'),
            extra=extra if isinstance(extra, dict) else {})


def _condition(node: IronicNode) -> str:
    """Describe a node's state for a message."""
    text = _('power state %s') % (node.power_state or _('unknown'))
    if node.target_power_state:
        text += _(', on the way to %s') % node.target_power_state
    if node.last_error:
        text += _(', last error: %s') % node.last_error
    return text


class IronicHelper(rest_helper.RestHelper):
    """Reads nodes and switches their power.

    Cheap to make: all helpers of a process share connections.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often a request is repeated after a connection
        error; default is ``[ironic] http_retries``.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """

    GROUP = 'ironic'
    ERROR = exception.IronicClientError
    MARKER = 'uuid'

    # Reading --------------------------------------------------------------

    def get_ironic_node_list(self) -> list[IronicNode]:
        """Return all nodes with all that Ironic tells about them.

        :raises: IronicClientError
        """
        return [IronicNode.from_api(record) for page in self.node_pages()
                for record in page]

    def node_pages(self, call: Callable | None = None) -> rest_helper.Pages:
        """Yield pages of nodes as Ironic sends them.

        :param call: makes each request instead of calling it directly, to
            repeat single pages.
        :raises: IronicClientError
        """
        return self._pages('/nodes/detail', 'nodes', NODES, call=call)

    @staticmethod
    def _has_more(body, key):
        # Ironic may give fewer than it was asked for.
        return bool(body.get('next'))

    def get_ironic_node_by_uuid(self, node_uuid: str) -> IronicNode:
        """Return a node as it is now.

        :raises: IronicNodeNotFound, IronicClientError
        """
        return IronicNode.from_api(self._read(
            f'/nodes/{node_uuid}', NODES,
            missing=exception.IronicNodeNotFound(uuid=node_uuid)))

    # Power ----------------------------------------------------------------

    def set_node_power_state(
            self, node_uuid: str, state: str,
            should_stop: StopCheck | None = None, *,
            limit: float = POWER_LIMIT,
            interval: float = POWER_INTERVAL) -> Outcome:
        """Have Ironic switch a node on or off, and wait for the end.

        :param state: ``on`` or ``off``, or as Ironic says ``power on``,
            ``power off`` or ``soft power off``.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :param limit: longest time to wait in seconds.
        :param interval: seconds between two looks.
        :raises: Invalid for another state, IronicNodeNotFound,
            IronicClientError when Ironic refuses or cannot be reached.
        """
        target, wanted = self._target(state)
        before = self.get_ironic_node_by_uuid(node_uuid)
        if (before.power_state == wanted
                and before.target_power_state is None):
            return Outcome(True, _('node %(node)s was in the state '
                                   '%(state)s already') % {
                                       'node': node_uuid, 'state': wanted})
        try:
            self._switch(node_uuid, target, should_stop)
        except waiting.Interrupted:
            return Outcome(False, _(
                'Watcher gave up switching node %s, which is busy with other '
                'work') % node_uuid, interrupted=True)
        return self._follow(before, wanted, limit, interval, should_stop)

    def wait_for_power_state(
            self, node_uuid: str, state: str,
            should_stop: StopCheck | None = None, *,
            limit: float = POWER_LIMIT,
            interval: float = POWER_INTERVAL) -> Outcome:
        """Wait until a change of power that was asked for has ended.

        Parameters and errors as for :meth:`set_node_power_state`.
        """
        _target, wanted = self._target(state)
        return self._follow(self.get_ironic_node_by_uuid(node_uuid), wanted,
                            limit, interval, should_stop)

    @staticmethod
    def _target(state):
        found = TARGETS.get(state)
        if found is None:
            raise exception.Invalid(
                _("'%(state)s' is no power state to ask for; known are "
                  '%(known)s') % {'state': state,
                                  'known': ', '.join(TARGETS)})
        return found

    def _switch(self, node_uuid, target, should_stop):
        """PUT a power state; Ironic answers at once and works on."""
        for attempt in itertools.count():
            try:
                self._send(
                    'PUT', f'/nodes/{node_uuid}/states/power', NODES,
                    exception.IronicNodeNotFound(uuid=node_uuid),
                    json={'target': target})
                return
            except exception.IronicClientError as exc:
                if (attempt >= self._http_retries
                        or not (exc.kwargs.get('connection_error')
                                or exc.kwargs.get('http_status') in _BUSY)):
                    raise
                self._pause(exc, attempt, should_stop)

    def _follow(self, before, wanted, limit, interval, should_stop):
        """Look at a node until its power state is the wanted one."""
        try:
            return waiting.follow(
                before, lambda: self._glance(before.uuid), _Judge(wanted),
                limit, interval, should_stop)
        except exception.IronicNodeNotFound:
            return Outcome(False, _('node %s was deleted meanwhile')
                           % before.uuid)
        except waiting.Interrupted as exc:
            return Outcome(False, _(
                'Watcher stopped waiting for node %(node)s, which Ironic '
                'goes on switching (%(condition)s)') % {
                    'node': before.uuid, 'condition': _condition(exc.last)},
                interrupted=True)
        except waiting.TooLong as exc:
            return Outcome(False, _(
                'node %(node)s is not in the state %(wanted)s after '
                '%(limit)d seconds (%(condition)s)') % {
                    'node': before.uuid, 'wanted': wanted, 'limit': limit,
                    'condition': _condition(exc.last)})

    def _glance(self, node_uuid):
        """Return the node, or None while Ironic does not answer."""
        return self._peek(f'node {node_uuid}',
                          lambda: self.get_ironic_node_by_uuid(node_uuid))


class _Judge:
    """Decides whether the power of a node has been switched."""

    def __init__(self, wanted):
        self._wanted = wanted
        self._begun = False
        self._idle = 0

    def __call__(self, node):
        if node.target_power_state is not None:
            self._begun = True
            return None
        if node.power_state == self._wanted:
            return Outcome(True)
        self._idle += 1
        if not self._begun and self._idle < IDLE_LOOKS:
            return None
        return Outcome(False, _(
            'Ironic could not bring node %(node)s into the state %(wanted)s '
            '(%(condition)s)') % {'node': node.uuid, 'wanted': self._wanted,
                                  'condition': _condition(node)})
