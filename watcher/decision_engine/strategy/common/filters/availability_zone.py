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
"""Availability zones."""

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base


class AvailabilityZoneFilter(base.DestinationFilter):
    """Keeps servers in the availability zone that they are bound to.

    Nova tells that from its microversion 2.96 on, and not in notifications.
    A server of which it is not known may be bound to the zone that it is
    in, so it stays there.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Number the zones of all hosts."""
        super().prepare(state)
        zones = state.facts.zones
        self._zones = None
        if zones is not None:
            self._zones = [zones.get(host.hostname) for host in state.hosts]
            self._masks: dict[str, numpy.ndarray] = {}

    def _bound_to(self, server):
        """Return a zone or None, and whether it is known."""
        if self._zones is None:
            return None, True
        if self.state.facts.pinned_zones_known:
            zone = self.state.wishes(server).pinned_az
            if zone is not None:
                return zone or None, True
        home = int(self.state.initial_host_of[server])
        return (None if home == cluster.NOWHERE else self._zones[home],
                False)

    def why_not(self, server: int, host: int) -> str | None:
        """Return in which zone the host is not."""
        zone, known = self._bound_to(server)
        if zone is None or self._zones[host] == zone:
            return None
        return (f"it {'is' if known else 'may be'} bound to the "
                f'availability zone {zone}, and '
                f'{self.state.hosts[host].hostname} is in '
                f'{self._zones[host]}')

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts of the zone."""
        zone, _known = self._bound_to(server)
        if zone is None:
            return None
        if zone not in self._masks:
            self._masks[zone] = numpy.array(
                [known == zone for known in self._zones], dtype=bool)
        return self._masks[zone]
