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
"""Which ONESHOT and EVENT audits need not be looked at now.

Those that wait for a plan that still runs, or for a window that is still
closed, and that nobody has changed since: they would only be told to wait,
again and again.
"""

import datetime
import threading
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from oslo_utils import timeutils

from watcher import objects
from watcher.common import context as watcher_context
from watcher.decision_engine.audit import obstacles
from watcher.decision_engine.audit import opening

# What may end a wait when a user changes it. The date alone does not tell:
# it may have whole seconds only. What is said about windows stands elsewhere.
_FIELDS = ('updated_at', 'force', 'scope')


def _seen(changed: Any, *others: Any) -> tuple[Any, ...]:
    # Dates may be naive or missing.
    return (changed and timeutils.normalize_time(changed), *others)


class _Entry(NamedTuple):
    """What an audit waits for, and what it was like when that was found.

    :ivar options: what the operator said about running plans
    """

    reason: obstacles.Obstacle | opening.Wait
    seen: tuple[Any, ...]
    options: tuple[str, ...]


class Blocked:
    """Remembers what this engine has found to wait.

    It only saves work: another engine, or this one after a restart, finds
    the same when it looks at the audits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def add(self, audit: 'objects.Audit',
            reason: obstacles.Obstacle | opening.Wait) -> None:
        """Remember what an audit waits for.

        :param audit: as it is stored now, as far as this engine knows
        """
        entry = _Entry(
            reason, _seen(*(getattr(audit, name) for name in _FIELDS)),
            obstacles.options())
        with self._lock:
            self._entries[audit.uuid] = entry

    def still(self, now: datetime.datetime
              ) -> tuple[set[str], datetime.datetime | None]:
        """Return the audits that still wait, and forget the others.

        :param now: naive, in UTC
        :returns: their UUIDs, and when the first of their windows opens
        """
        with self._lock:
            entries = dict(self._entries)
        if not entries:
            return set(), None
        context = watcher_context.admin_context()
        idents = _unchanged(context, entries)
        same = {uuid: entries[uuid] for uuid in idents}
        shut, opens = _behind_windows(same, idents, now)
        still = shut | _behind_plans(context, same)
        with self._lock:
            for uuid in entries.keys() - still:
                # Unless it was looked at meanwhile, and waits again.
                if self._entries.get(uuid) is entries[uuid]:
                    del self._entries[uuid]
        return still, opens


def _unchanged(context: Any, entries: Mapping[str, _Entry]) -> dict[str, int]:
    """Return the ids of the audits that nobody has changed."""
    found = objects.Audit.list_columns(
        context, ('id', 'uuid', *_FIELDS),
        filters={'uuid__in': list(entries)})
    return {uuid: ident for ident, uuid, *seen in zip(
        *(found[name] for name in ('id', 'uuid', *_FIELDS)), strict=True)
        if _seen(*seen) == entries[uuid].seen}


def _behind_plans(context: Any, entries: Mapping[str, _Entry]) -> set[str]:
    options = obstacles.options()
    plans = {uuid: entry.reason.plan for uuid, entry in entries.items()
             if isinstance(entry.reason, obstacles.Obstacle)
             and entry.options == options}
    running = obstacles.running_plans(context) if plans else ()
    return {uuid for uuid, plan in plans.items() if plan in running}


def _behind_windows(entries: Mapping[str, _Entry], idents: Mapping[str, int],
                    now: datetime.datetime
                    ) -> tuple[set[str], datetime.datetime | None]:
    waits = {uuid: entry.reason for uuid, entry in entries.items()
             if isinstance(entry.reason, opening.Wait)}
    if not waits:
        return set(), None
    options = opening.options()
    said = objects.AuditSchedule.of_audits(idents[uuid] for uuid in waits)
    still = {uuid for uuid, wait in waits.items()
             if wait.lasts(said.get(idents[uuid]), options, now)}
    return still, min((waits[uuid].opens for uuid in still
                       if waits[uuid].opens is not None), default=None)
