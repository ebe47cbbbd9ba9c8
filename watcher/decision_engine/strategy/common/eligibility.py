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
"""Which servers a strategy may touch, and how they can be moved.

The same for all strategies: what is excluded by the scope, what its owner
keeps from being moved, what is locked, what has moved just now, and which
kind of migration Nova and our own actions accept in which state.
"""

import re
from collections.abc import Callable

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settings

LIVE = feasibility.MIGRATE_LIVE
COLD = feasibility.MIGRATE_COLD
STOP = 'stop'

#: States in which a server can be treated so.
STATES = {
    LIVE: feasibility.LIVE_MIGRATABLE,
    COLD: feasibility.COLD_MIGRATABLE,
    STOP: frozenset((feasibility.ACTIVE,)),
}

#: The reason with which hosts are disabled that are to be switched off.
SAVING_ENERGY = 'watcher_saving_energy'

#: Reasons with which we disable hosts because nothing is on them. Only such
#: hosts may be enabled again by a plan; one under maintenance stays so.
OUR_REASONS = frozenset((
    'watcher_disabled', 'Watcher node resource consolidation strategy',
    SAVING_ENERGY))

#: A blocker that is about emulated TPMs.
_TPM = re.compile('hw[:_]tpm_')

Question = Callable[[int], str | None]


def why_not_enable(host: feasibility.Host) -> str | None:
    """Return why a plan must not enable a host by itself, None if it may.

    Only what was disabled by ourselves is enabled again: somebody else had
    his reasons.
    """
    if not host.up:
        return f'the compute service of {host.hostname} is {host.state}'
    if host.enabled or host.disabled_reason in OUR_REASONS:
        return None
    return (f'{host.hostname} was disabled by somebody else '
            f'({host.disabled_reason or "no reason given"})')


class Eligibility:
    """Answers what may be done with the servers of a state.

    :param state: the servers; where they are at first counts.
    :param options: the shared options; the defaults if left out.
    :param recently: returns why a server has to stay because of what was
        done with it lately, see :mod:`.stability`.
    """

    def __init__(self, state: cluster.ClusterState,
                 options: settings.Settings | None = None,
                 recently: Question | None = None):
        self._state = state
        self._options = options or settings.Settings()
        self._recently = recently

    def why_not_touch(self, server: int) -> str | None:
        """Return why a server must be left alone, None if it need not be.
        """
        record = self._state.servers[server]
        problem = feasibility.why_not_touch(record)
        if problem:
            return problem
        problem = self._opted_out(server, record)
        if problem:
            return f'its owner keeps it from being moved ({problem})'
        if record.locked and self._options.locked_servers == settings.KEEP:
            return 'it is locked'
        return self._recently(server) if self._recently else None

    def _opted_out(self, server, record):
        options = self._options
        if record.project.replace('-', '') in options.opt_out_projects:
            return f'project {record.project}'
        if options.opt_out_metadata and self._state.model is not None:
            found = settings.match(options.opt_out_metadata,
                                   self._state.instance(server).metadata)
            if found:
                return f'metadata {found}'
        wishes = self._state.wishes(server)
        for tag in wishes.tags:
            if tag in options.opt_out_tags:
                return f'tag {tag}'
        found = settings.match(options.opt_out_extra_specs,
                               wishes.extra_specs)
        return found and f'extra spec {found} of its flavor'

    def why_not_move(self, server: int, kind: str = LIVE) -> str | None:
        """Return why a server cannot or must not be treated so.

        :param kind: ``live``, ``cold``, or ``stop``.
        """
        return self.why_not_touch(server) or self.why_unable(server, kind)

    def why_unable(self, server: int, kind: str) -> str | None:
        """Return why Nova would refuse to do it, whether or not it may be.
        """
        record = self._state.servers[server]
        home = int(self._state.initial_host_of[server])
        if home == cluster.NOWHERE:
            return 'it is on no host'
        source = self._state.hosts[home]
        if not source.up:
            return (f'the compute service of its host {source.hostname} is '
                    f'{source.state}')
        if record.state not in STATES[kind]:
            what = 'stopped' if kind == STOP else f'migrated {kind}'
            return f'it is {record.state} and so cannot be {what}'
        if kind == LIVE:
            return self.why_not_live(server)
        return self.why_never(server) if kind == COLD else None

    def why_never(self, server: int) -> str | None:
        """Return why Nova migrates a server in no way, if that is so."""
        found = self._find(server, self._options.migration_blockers)
        return found and f'servers with {found} cannot be migrated'

    def _find(self, server, blockers):
        wishes = self._state.wishes(server)
        return (settings.match(blockers, wishes.extra_specs)
                or settings.match(blockers, wishes.image))

    def why_not_live(self, server: int) -> str | None:
        """Return why a server can never be migrated live, if that is so.
        """
        problem = self.why_never(server)
        if problem:
            return problem
        found = self._find(server, self._options.live_migration_blockers)
        if found and _TPM.match(found) and self._state.wishes(
                server).extra_specs.get('hw:tpm_secret_security') == 'host':
            # Hosts may pass on their secrets, unlike those of users.
            return None
        return found and f'servers with {found} cannot be migrated live'

    def migration_type(self, server: int, live: bool = True,
                       cold: bool = True) -> str | None:
        """Return how a server can be moved; None: not at all, now.

        Live, if that is possible. Cold what does not run anyway; what runs
        only if ``live`` is false, since its users notice.

        :param live: whether live migration is wanted.
        :param cold: whether cold migration is wanted.
        """
        if live and self.why_unable(server, LIVE) is None:
            return LIVE
        running = (self._state.servers[server].state
                   in feasibility.LIVE_MIGRATABLE)
        if cold and not (live and running) and self.why_unable(
                server, COLD) is None:
            return COLD
        return None

    def movable(self, servers: list[int], live: bool = True,
                cold: bool = True) -> list[tuple[int, str]]:
        """Return those servers that may and can be moved, with the way.
        """
        found = []
        for server in servers:
            kind = self.migration_type(server, live, cold)
            if kind is not None and self.why_not_touch(server) is None:
                found.append((server, kind))
        return found
