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
"""Plans of all kinds, and what the cloud was asked to do for them."""

import collections
import dataclasses
import itertools
import json
import re
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from oslo_utils import uuidutils

#: What changes a server so that doing it twice would be wrong. What follows
#: a move, such as its confirmation, belongs to it.
VERBS = ('os-migrateLive', 'migrate', 'resize', 'os-stop', 'os-start')
#: Where all servers are at first, and where they go.
SOURCE, FIRST, SECOND, THIRD = (f'compute-{n}' for n in range(1, 5))
#: Servers that the five shapes of plans need together.
_SERVERS_OF_SHAPES = 7

#: Somebody, what is done to them, and where they go.
Deed = tuple[str, str, str | None]


@dataclasses.dataclass
class Step:
    """One action of a plan.

    :ivar deed: what the cloud is asked to do; None: nothing
    :ivar after: the numbers of the steps before it
    """

    kind: str
    parameters: dict[str, Any]
    deed: Deed | None
    after: tuple[int, ...]
    uuid: str = dataclasses.field(default_factory=uuidutils.generate_uuid)


def cloud_for(plans: int) -> dict[str, Any]:
    """Return the specification of a cloud with room for so many plans."""
    return {'hosts': 4 + _shares(plans), 'flavor': 'm1.tiny',
            'placement': {SOURCE: _shares(plans) * _SERVERS_OF_SHAPES},
            'vcpus': 1000, 'memory_mb': 1 << 20, 'disk_gb': 100000}


def _shares(plans):
    return -(-plans // len(_SHAPES))


def make(plans: int, servers: list[str]) -> Iterator[list[Step]]:
    """Yield the steps of so many plans, each with servers of its own."""
    free = iter(servers)
    for number in range(plans):
        shape = _SHAPES[number % len(_SHAPES)]
        yield shape(lambda: next(free), f'compute-{number // 5 + 5}')


def _server(kind, server, verb, target=None, after=(), **parameters):
    return Step(kind, {'resource_id': server, **parameters},
                (server, verb, target), after)


def _move(server, kind, source, target, after=()):
    verb = 'os-migrateLive' if kind == 'live' else 'migrate'
    return _server('migrate', server, verb, target, after,
                   migration_type=kind, source_node=source,
                   destination_node=target)


def _service(host, status, after=()):
    return Step('change_nova_service_state',
                {'resource_id': host, 'resource_name': host,
                 'state': status}, (host, 'os-services', status), after)


def _nop(after=()):
    return Step('nop', {'message': 'nothing'}, None, after)


def _sleep(after=()):
    return Step('sleep', {'duration': 0.3}, None, after)


def _chain(take, spare):
    server = take()
    return [_move(server, 'live', SOURCE, FIRST),
            _move(server, 'cold', FIRST, SECOND, (0,)),
            _server('stop', server, 'os-stop', after=(1,))]


def _fan(take, spare):
    return [_nop(), *(_move(take(), 'live', SOURCE, FIRST, (0,))
                      for _number in range(3)), _sleep((1, 2, 3))]


def _enlarging(take, spare):
    return [_server('resize', take(), 'resize', flavor='m1.small'),
            _nop((0,))]


def _maintenance(take, spare):
    return [_service(spare, 'disabled'),
            _move(take(), 'cold', SOURCE, SECOND, (0,)),
            _service(spare, 'enabled', (1,))]


def _restart(take, spare):
    server = take()
    return [_server('stop', server, 'os-stop'),
            _server('start', server, 'os-start', after=(0,)),
            _move(server, 'live', SOURCE, THIRD, (1,))]


_SHAPES: tuple[Callable, ...] = (
    _chain, _fan, _enlarging, _maintenance, _restart)


class Ledger:
    """What a cloud has really been asked to do, and has accepted."""

    def __init__(self, cloud: Any) -> None:
        self._services = {host.service_uuid: host.name
                          for host in cloud.state.hosts.values()}
        self._lock = threading.Lock()
        self._accepted: collections.Counter[Deed] = collections.Counter()
        #: Called once with the next deed, before the cloud answers.
        self._trap: Callable[[Deed], None] | None = None
        cloud.cloud.requests.listeners.append(self._note)

    def count(self, deed: Deed) -> int:
        """How often it was accepted."""
        with self._lock:
            return self._accepted[deed]

    @property
    def deeds(self) -> list[Deed]:
        """All that were accepted, with repetitions."""
        with self._lock:
            return list(self._accepted.elements())

    def at_next(self, trap: Callable[[Deed], None]) -> None:
        """Call the function between the next request and its answer."""
        with self._lock:
            self._trap = trap

    def disarm(self) -> None:
        with self._lock:
            self._trap = None

    def _note(self, service, request, response):
        if service.type != 'compute' or response.status >= 300:
            return
        deed = self._deed_of(request)
        if deed is None:
            return
        with self._lock:
            self._accepted[deed] += 1
            trap, self._trap = self._trap, None
        if trap is not None:
            trap(deed)

    def _deed_of(self, request) -> Deed | None:
        found = re.search(r'/(servers|os-services)/([^/]+)(/action)?$',
                          request.path)
        if found is None or request.method not in ('POST', 'PUT'):
            return None
        body = json.loads(request.raw_body)
        if found[1] == 'os-services':
            return self._services[found[2]], found[1], body['status']
        verb = next(iter(body))
        if verb not in VERBS:
            return None
        return found[2], verb, (body[verb] or {}).get('host')


def verdicts(steps: list[Step], actions: dict[str, Any],
             ledger: Ledger) -> Iterator[str]:
    """Yield what is wrong with a plan that is over.

    :param actions: the stored actions by UUID
    """
    for number, step in enumerate(steps):
        action = actions[step.uuid]
        about = (f'{number} ({step.kind}, {action.state}, '
                 f'{action.status_message})')
        times = None if step.deed is None else ledger.count(step.deed)
        if times is not None and times > 1:
            yield f'{about} was done {times} times'
        if action.state == 'SUCCEEDED':
            if times == 0:
                yield f'{about} was never done'
        elif action.state != 'CANCELLED':
            yield f'{about} is in a wrong state'
        elif times and 'may still be running' not in (
                action.status_message or ''):
            yield f'{about} was done, and nobody is told'


def places(steps: list[Step], actions: dict[str, Any]
           ) -> dict[str, str]:
    """Return where servers have to be, as far as that is certain."""
    found: dict[str, str] = {}
    by_server = itertools.groupby(
        sorted((step for step in steps if step.kind == 'migrate'),
               key=lambda step: step.parameters['resource_id']),
        key=lambda step: step.parameters['resource_id'])
    for server, moves in by_server:
        for step in moves:
            if actions[step.uuid].state == 'SUCCEEDED':
                found[server] = step.parameters['destination_node']
            elif actions[step.uuid].status_message:
                # It may or may not have been begun.
                found.pop(server, None)
                break
    return found
