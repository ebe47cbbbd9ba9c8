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
"""Host aggregates: whom their metadata let in."""

from collections.abc import Iterator

import numpy

from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base
from watcher.decision_engine.strategy.common.filters import extra_specs

#: Scope of extra specs that are meant for aggregates.
SCOPE = 'aggregate_instance_extra_specs'

#: Metadata that name the only projects that may use a host. Keys may have a
#: suffix, since a value is limited to 255 characters.
TENANTS = 'filter_tenant_id'


def metadata_of_hosts(
        state: cluster.ClusterState) -> list[dict[str, set[str]]]:
    """Return all values of the aggregates of each host, by key.

    A value may be a list with commas.
    """
    by_name: dict[str, dict[str, set[str]]] = {}
    for aggregate in state.facts.aggregates or ():
        metadata = aggregate.metadata or {}
        values = {key: {part.strip() for part in str(value).split(',')}
                  for key, value in metadata.items()}
        for host in aggregate.hosts:
            known = by_name.setdefault(host, {})
            for key, parts in values.items():
                known.setdefault(key, set()).update(parts)
    return [by_name.get(host.hostname, {}) for host in state.hosts]


class AggregateExtraSpecsFilter(base.FlavorFilter):
    """Sends servers only to aggregates that match their flavors.

    Extra specs count that have the scope ``aggregate_instance_extra_specs``,
    and those without a scope whose name is a key of some aggregate.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Collect what the aggregates of all hosts say."""
        super().prepare(state)
        self._hosts = metadata_of_hosts(state)
        # Also of those that have no host in the scope of the audit.
        self._keys = {key for aggregate in state.facts.aggregates or ()
                      for key in aggregate.metadata or ()}

    def is_known(self) -> bool:
        """Tell whether aggregates could be read."""
        return self.state.facts.aggregates is not None

    def read(self, wishes: scheduling.Wishes
             ) -> Iterator[tuple[str, str]]:
        """Return keys of aggregates with what they have to match."""
        for key, value in sorted(wishes.extra_specs.items()):
            scope, colon, name = key.partition(':')
            if colon and scope == SCOPE:
                yield name, value
            elif not colon and key in self._keys:
                yield key, value

    def why_not_wanted(self, wanted: tuple, host: int) -> str | None:
        """Return which extra spec no aggregate of the host matches."""
        for key, value in wanted:
            if not any(extra_specs.match(given, value)
                       for given in self._hosts[host].get(key, ())):
                return (f'its flavor wants an aggregate with {key}={value}, '
                        f'and {self.state.hosts[host].hostname} is in none')
        return None


class AggregateImageFilter(base.FlavorFilter):
    """Keeps images away from aggregates that are meant for others.

    A host in aggregates whose metadata has the name of an image property
    takes only servers of images with one of these values, or without the
    property.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Collect what the aggregates of all hosts say."""
        super().prepare(state)
        self._hosts = metadata_of_hosts(state)

    def is_known(self) -> bool:
        """Tell whether aggregates could be read."""
        return self.state.facts.aggregates is not None

    def read(self, wishes: scheduling.Wishes
             ) -> Iterator[tuple[str, str]]:
        """Return the properties of the image."""
        return iter(sorted(wishes.image.items()))

    def why_not_wanted(self, wanted: tuple, host: int) -> str | None:
        """Return which property the aggregates of the host do not want."""
        metadata = self._hosts[host]
        for key, value in wanted:
            if key in metadata and value not in metadata[key]:
                return (f'{self.state.hosts[host].hostname} is kept for '
                        f"images with {key}={', '.join(sorted(metadata[key]))}"
                        f' and its image has {value}')
        return None


class IsolatedAggregatesFilter(base.DestinationFilter):
    """Keeps hosts for servers that require what is special about them.

    An aggregate with the metadata ``trait:NAME=required`` takes only servers
    whose flavors require this trait.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Collect which hosts are kept for which traits."""
        super().prepare(state)
        self._kept: dict[int, set[str]] = {}
        for host, metadata in enumerate(metadata_of_hosts(state)):
            traits = {key.partition(':')[2] for key, values
                      in metadata.items() if key.startswith('trait:')
                      and requests.REQUIRED in values}
            if traits:
                self._kept[host] = traits
        self._masks: dict[frozenset[str], numpy.ndarray] = {}

    def _required(self, server):
        return self.state.requests.get(server, requests.NOTHING).required

    def why_not(self, server: int, host: int) -> str | None:
        """Return for which trait a host is kept."""
        missing = self._kept.get(host, set()) - self._required(server)
        return (f'{self.state.hosts[host].hostname} is kept for servers that '
                f'require {min(missing)}') if missing else None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that are not kept for others."""
        if not self._kept:
            return None
        required = self._required(server)
        mask = self._masks.get(required)
        if mask is None:
            mask = numpy.ones(len(self.state.hosts), dtype=bool)
            mask[[host for host, kept in self._kept.items()
                  if kept - required]] = False
            self._masks[required] = mask
        return mask


class TenantIsolationFilter(base.DestinationFilter):
    """Keeps other projects away from hosts that are kept for some."""

    def prepare(self, state: cluster.ClusterState) -> None:
        """Collect which hosts are kept for which projects."""
        super().prepare(state)
        self._kept: dict[int, set[str]] = {}
        for host, metadata in enumerate(metadata_of_hosts(state)):
            projects = [values for key, values in metadata.items()
                        if key.startswith(TENANTS)]
            if projects:
                self._kept[host] = set().union(*projects)
        self._masks: dict[str, numpy.ndarray] = {}

    def why_not(self, server: int, host: int) -> str | None:
        """Return that the host is kept for others."""
        kept = self._kept.get(host)
        if kept is None or self.state.servers[server].project in kept:
            return None
        return (f'{self.state.hosts[host].hostname} is kept for other '
                'projects')

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that the project may use."""
        if not self._kept:
            return None
        project = self.state.servers[server].project
        if project not in self._masks:
            mask = numpy.ones(len(self.state.hosts), dtype=bool)
            mask[[host for host, kept in self._kept.items()
                  if project not in kept]] = False
            self._masks[project] = mask
        return self._masks[project]
