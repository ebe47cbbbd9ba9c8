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
"""Reads what compute hosts offer, or falls back on what they offered last.

Capacities hardly ever change. So a host that Placement does not answer for
keeps the ones that were read last, with their age: better than to lose the
host, and far better than figures without reservations and overcommit.
"""

import dataclasses
import datetime
import threading
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import placement_helper
from watcher.decision_engine.model.collector import last_known

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: So many hosts in a row that cannot be read, whatever is tried, make every
#: further one be asked for once only: Placement as a whole is in trouble.
GIVE_UP_AFTER = 8

#: A host can be used when one of each of these is known of it.
NEEDED = (('VCPU', 'PCPU'), ('MEMORY_MB',))


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What is known about the inventories of one host.

    :ivar inventories: by resource class; None when nothing is known.
    :ivar problem: why it could not be read now; None when it was.
    :ivar read_at: when it was read.
    """

    inventories: placement_helper.Inventories | None
    problem: str | None
    read_at: datetime.datetime | None


def read(helper: placement_helper.PlacementHelper, uuids: Collection[str],
         known: last_known.LastKnown, call: Callable[..., Any],
         now: datetime.datetime) -> dict[str, Reading]:
    """Return what is known about each of these hosts.

    :param known: what was read before; learns what is read now.
    :param call: calls a function until it succeeds or trying is in vain.
    :raises: PlacementClientError when nothing is known of any of them,
        AuthorizationFailure
    """
    found, missing = _ask(helper, uuids, call)
    readings = {}
    for uuid in uuids:
        if uuid in found:
            readings[uuid] = _usable(uuid, found[uuid], known, now)
        else:
            inventories, read_at = known.get(uuid) or (None, None)
            readings[uuid] = Reading(inventories, missing[uuid], read_at)
    _report(readings)
    return readings


def _ask(helper, uuids, call):
    try:
        return helper.get_all_inventories(
            uuids,
            workers=max(1, CONF.watcher_decision_engine.max_general_workers),
            timeout=CONF.collector.compute_resources_collector_timeout,
            call=_Patience(call))
    except exception.PlacementClientError as exc:
        return {}, dict.fromkeys(uuids, str(exc))


def _usable(uuid, inventories, known, now):
    """Judge an answer of Placement: it is the truth, whatever it says."""
    lacking = [names[0] for names in NEEDED
               if not any(name in inventories for name in names)]
    if not lacking:
        known.note(uuid, inventories, now)
        return Reading(inventories, None, now)
    known.forget(uuid)
    if inventories:
        problem = _('Placement has no inventory of %s') % ', '.join(lacking)
    else:
        problem = _('Placement does not know it')
    return Reading(None, problem, None)


def _report(readings):
    unread = [reading.problem for reading in readings.values()
              if reading.problem is not None]
    if not unread:
        return
    if not any(reading.inventories for reading in readings.values()):
        raise exception.PlacementClientError(
            reason=_('it has no inventory of any of the %(count)d compute '
                     'nodes; the first: %(reason)s') % {
                         'count': len(readings), 'reason': unread[0]})
    stand_ins = [reading.read_at for reading in readings.values()
                 if reading.problem is not None and reading.inventories]
    if stand_ins:
        LOG.warning('Placement does not tell the inventories of %(count)d '
                    'compute nodes. Those that were read last are used, the '
                    'oldest from %(oldest)s; the first problem: %(reason)s',
                    {'count': len(stand_ins), 'oldest': min(stand_ins),
                     'reason': unread[0]})


class _Patience:
    """Repeats requests as long as that helps now and then.

    Without it a Placement that answers 503 to everything would cost all
    tries for each host.
    """

    def __init__(self, call):
        self._call = call
        self._lock = threading.Lock()
        self._in_vain = 0

    def __call__(self, function, uuid):
        try:
            if self._in_vain < GIVE_UP_AFTER:
                answer = self._call(function, uuid)
            else:
                answer = function(uuid)
        except exception.PlacementClientError:
            with self._lock:
                self._in_vain += 1
            raise
        with self._lock:
            self._in_vain = 0
        return answer
