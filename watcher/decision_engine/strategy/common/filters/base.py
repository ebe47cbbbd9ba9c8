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
"""Base of the rules that a destination has to comply with."""

import abc
from collections.abc import Hashable
from collections.abc import Iterable

import numpy

from watcher.common.loader import loadable
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster


class DestinationFilter(loadable.Loadable, metaclass=abc.ABCMeta):
    """One rule about which servers may be on which hosts.

    It is built for one run of a strategy, prepared once, told every move,
    and asked very often: index in :meth:`prepare` what :meth:`why_not` then
    only looks up. A filter that forbids nothing for want of information is
    better than one that guesses.

    Register it as an entry point of the group
    ``watcher_destination_filters`` and name it in ``[watcher_strategies]
    destination_filters``.
    """

    #: The state that the filter was prepared for.
    state: cluster.ClusterState

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this filter."""
        return []

    def prepare(self, state: cluster.ClusterState) -> None:
        """Read what is needed; costs at most a pass over everything."""
        self.state = state

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow a move, also one that is taken back.

        :param source: NOWHERE if the server was on no host.
        :param destination: NOWHERE likewise.
        """

    @abc.abstractmethod
    def why_not(self, server: int, host: int) -> str | None:
        """Return in words why a server must not go to a host, else None.

        The server counts as not being where it is now.
        """
        raise NotImplementedError

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return for each host whether a server may go there.

        None stands for all hosts. Filters that are asked about big clouds
        should do better than this, which asks about each host.
        """
        return numpy.array([self.why_not(server, host) is None
                            for host in range(len(self.state.hosts))],
                           dtype=bool)

    def penalty(self, server: int) -> numpy.ndarray | None:
        """Return for each host how much the server had rather not go there.

        For rules that are wishes: less is better. None: it does not care.
        """
        return None


class FlavorFilter(DestinationFilter):
    """A rule about what flavors and images want of hosts.

    Each flavor is read once, and each set of wishes makes one mask.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Read flavors and make masks when they are asked for."""
        super().prepare(state)
        # Servers of one flavor share their wishes, so by identity.
        self._wanted: dict[int, tuple] = {}
        self._masks: dict[tuple, numpy.ndarray] = {}

    @abc.abstractmethod
    def is_known(self) -> bool:
        """Tell whether the model knows what hosts offer."""
        raise NotImplementedError

    @abc.abstractmethod
    def read(self, wishes: scheduling.Wishes) -> Iterable[Hashable]:
        """Return what a flavor and an image want."""
        raise NotImplementedError

    @abc.abstractmethod
    def why_not_wanted(self, wanted: tuple, host: int) -> str | None:
        """Return what of that a host does not offer, None if all."""
        raise NotImplementedError

    def _wanted_by(self, server):
        wishes = self.state.wishes(server)
        if not self.is_known() or not (wishes.extra_specs or wishes.image):
            return ()
        wanted = self._wanted.get(id(wishes))
        if wanted is None:
            wanted = self._wanted[id(wishes)] = tuple(
                self.read(wishes))
        return wanted

    def why_not(self, server: int, host: int) -> str | None:
        """Return what the host does not offer."""
        return self.why_not_wanted(self._wanted_by(server), host)

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that offer all that is wanted."""
        wanted = self._wanted_by(server)
        if not wanted:
            return None
        if wanted not in self._masks:
            self._masks[wanted] = numpy.array(
                [self.why_not_wanted(wanted, host) is None
                 for host in range(len(self.state.hosts))], dtype=bool)
        return self._masks[wanted]
