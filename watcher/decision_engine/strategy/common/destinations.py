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
"""Where a server may go: the destinations that strategies choose from.

::

    rules = destinations.DestinationRules(state, settings)
    hosts = numpy.flatnonzero(rules.mask(server))
    ...choose one...
    state.move(server, host)

The rules watch the state: after a move, or when one is taken back, they count
what has changed by themselves.
"""

from collections.abc import Iterable

import numpy

from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import limits
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common.filters import base


def load_filters(names: Iterable[str]) -> list[base.DestinationFilter]:
    """Build the filters with these names.

    :raises: LoadingError
    """
    loader = loading.DestinationFilterLoader()
    return [loader.load(name) for name in names]


class DestinationRules:
    """All that decides whether a server may go to a host.

    That are: the state of the compute service, room, the filters, the limits
    of the plan. A host that is down or that anybody has disabled takes
    nothing, unless the plan itself enables it (:meth:`open`).

    :param state: what the servers are moved in.
    :param options: the shared options; the defaults if left out.
    :param filters: used instead of those that the options name.
    """

    def __init__(self, state: cluster.ClusterState,
                 options: settings.Settings | None = None,
                 filters: Iterable[base.DestinationFilter] | None = None):
        options = options or settings.Settings()
        self.state = state
        if filters is None:
            filters = load_filters(options.destination_filters)
        self.filters = list(filters)
        for rule in self.filters:
            rule.prepare(state)
            state.watch(rule.moved)
        self.limits = limits.Limits(state, options)
        self._closed: dict[int, str] = {}
        for number, host in enumerate(state.hosts):
            problem = feasibility.why_no_destination(host)
            if problem:
                self._closed[number] = problem
        self._open = numpy.ones(len(state.hosts), dtype=bool)
        self._open[list(self._closed)] = False

    # Which hosts take servers at all --------------------------------------

    def open(self, host: int) -> None:
        """Let a host take servers: the plan enables it before."""
        self._closed.pop(host, None)
        self._open[host] = True

    def close(self, host: int, reason: str) -> None:
        """Let a host take no more servers, as it is to be emptied.

        :param reason: in words, with the host in it.
        """
        self._closed[host] = reason
        self._open[host] = False

    @property
    def open_hosts(self) -> numpy.ndarray:
        """For each host whether it takes servers at all; a copy."""
        return self._open.copy()

    def why_closed(self, host: int) -> str | None:
        """Return why a host takes no servers at all, None if it does."""
        return self._closed.get(host)

    # Where one server may go ----------------------------------------------

    def why_not(self, server: int, host: int) -> str | None:
        """Return in words why a server may not go to a host, else None."""
        name, problem = self._refusal(server, host)
        return problem if name else None

    def allows(self, server: int, host: int) -> bool:
        """Tell whether a server may go to a host."""
        return self._refusal(server, host)[0] is None

    def _refusal(self, server, host):
        """Return what refuses, and why."""
        state = self.state
        if state.host_of[server] == host:
            return 'place', f'it is on {state.hosts[host].hostname} already'
        problem = self._closed.get(host)
        if problem:
            return 'compute_status', problem
        if not state.fits(server, host):
            return 'capacity', state.why_not_fit(server, host)
        for rule in self.filters:
            problem = rule.why_not(server, host)
            if problem:
                return type(rule).__name__, problem
        problem = self.limits.why_not(server, host)
        if problem:
            return 'limits', problem
        return None, None

    def why_not_stay(self, server: int) -> str | None:
        """Return which filter forbids the host that a server is on.

        That is so when somebody has forced it there, or when rules have
        changed since. Room and the state of the host do not count.
        """
        host = int(self.state.host_of[server])
        if host == cluster.NOWHERE:
            return None
        return self.why_not_suitable(server, host)

    def why_not_suitable(self, server: int, host: int) -> str | None:
        """Return which filter forbids a host, whatever its state and room.
        """
        for rule in self.filters:
            problem = rule.why_not(server, host)
            if problem:
                return problem
        return None

    def mask(self, server: int) -> numpy.ndarray:
        """Return for each host whether a server may go there.

        The host that it is on is none.
        """
        mask = self.state.fit_mask(server)
        mask &= self._open
        home = self.state.host_of[server]
        if home != cluster.NOWHERE:
            mask[home] = False
        for rule in (*self.filters, self.limits):
            allowed = rule.mask(server)
            if allowed is not None:
                mask &= allowed
        return mask

    def select(self, server: int,
               hosts: Iterable[int] | None = None) -> list[int]:
        """Return the hosts that a server may go to, in the given order.

        :param hosts: where to look; all hosts in the order of the model if
            left out.
        """
        mask = self.mask(server)
        if hosts is None:
            return numpy.flatnonzero(mask).tolist()
        return [host for host in hosts if mask[host]]

    def likely(self, server: int) -> int:
        """Return the host that Nova may choose: one with much memory free.

        NOWHERE when there is none, at least not inside the scope.
        """
        hosts = numpy.flatnonzero(self.mask(server))
        if not len(hosts):
            return cluster.NOWHERE
        return int(hosts[numpy.argmax(
            self.state.free[hosts, cluster.MEMORY])])

    def ruled_out(self, server: int,
                  hosts: Iterable[int]) -> dict[str, str]:
        """Return by name why hosts were ruled out, for an explanation.

        In general words, so that hosts refused alike form a group; hosts
        that are allowed are left out. One array operation for each rule.
        """
        state = self.state
        refusals = [
            ('it is down or disabled, or the plan empties it', self._open),
            ('it has too little room', state.fit_mask(server))]
        refusals += [(f'refused by {type(rule).__name__}', mask)
                     for rule in self.filters
                     if (mask := rule.mask(server)) is not None]
        limit = self.limits.mask(server)
        if limit is not None:
            refusals.append(('a limit of the plan is reached', limit))
        found = {}
        for host in hosts:
            because = next((text for text, mask in refusals
                            if not mask[host]), None)
            if because:
                found[state.hosts[host].hostname] = because
        return found

    def penalty(self, server: int) -> numpy.ndarray | None:
        """Return for each host how much a server had rather not go there.

        The soft rules of all filters, added up; less is better, 0 is
        indifferent. None: it does not care. Use it to choose among hosts
        that are equally good otherwise.
        """
        total = None
        for rule in self.filters:
            penalty = rule.penalty(server)
            if penalty is not None:
                total = penalty if total is None else total + penalty
        return total

    def why_nowhere(self, server: int, named: int = 3,
                    room: bool = True) -> str | None:
        """Return in words why there is no host for a server, None if so.

        Says for each kind of refusal how many hosts it concerns, and the
        first of them in full. One array operation for each rule.

        :param room: False leaves out of account how full hosts are.
        """
        state = self.state
        left = numpy.ones(len(state.hosts), dtype=bool)
        home = int(state.host_of[server])
        if home != cluster.NOWHERE:
            left[home] = False
        if not left.any():
            return 'there is no other host'
        refusals = []
        for allowed in self._masks(server, room):
            refused = numpy.flatnonzero(left & ~allowed)
            if len(refused):
                refusals.append((-len(refused), int(refused[0])))
                left &= allowed
        if left.any():
            return None
        texts = []
        for negative, host in sorted(refusals)[:named]:
            more = explanation.counted(-negative - 1, 'more host')
            texts.append(self._why_refused(server, host, room)
                         + (f' (and {more})' if negative < -1 else ''))
        return '; '.join(texts)

    def _why_refused(self, server, host, room):
        if room:
            return self._refusal(server, host)[1]
        return (self._closed.get(host)
                or self.why_not_suitable(server, host)
                or self.limits.why_not(server, host))

    def _masks(self, server, room=True):
        """Yield what each rule allows, in the order of :meth:`why_not`."""
        yield self._open
        if room:
            yield self.state.fit_mask(server)
        for rule in (*self.filters, self.limits):
            mask = rule.mask(server)
            if mask is not None:
                yield mask
