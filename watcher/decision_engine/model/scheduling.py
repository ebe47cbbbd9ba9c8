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
"""What the scheduler of Nova looks at beside capacity.

A compute model carries these facts so that strategies can rule out what the
scheduler would refuse, without a request for each question. All records are
immutable and shared by all views of a model.
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from watcher.decision_engine.model import requests

CONF = cfg.CONF

#: Properties of images that say something about hosts start like this.
IMAGE_PREFIXES = ('hw_', 'img_hv_', 'os_')

AFFINITY = 'affinity'
ANTI_AFFINITY = 'anti-affinity'
SOFT_AFFINITY = 'soft-affinity'
SOFT_ANTI_AFFINITY = 'soft-anti-affinity'


@dataclasses.dataclass(frozen=True, slots=True)
class ServerGroup:
    """Servers that want to be together or apart.

    :param policy: one of the four policies of Nova.
    :param members: uuids of the servers.
    :param max_per_host: how many of them one host may have with the policy
        anti-affinity.
    """

    id: str
    name: str
    policy: str
    members: tuple[str, ...]
    max_per_host: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Units:
    """In which amounts a host gives a resource class to one server.

    :param least, most: the smallest and the greatest amount.
    :param step: amounts are multiples of it.
    """

    least: int = 1
    most: float = math.inf
    step: int = 1

    def why_not(self, amount: float) -> str | None:
        """Return in words why it gives no such amount, None if it does."""
        if amount < self.least:
            return f'at least {self.least:g}'
        if amount > self.most:
            return f'at most {self.most:g}'
        if amount % self.step:
            return f'multiples of {self.step:g}'
        return None


#: A host has nothing of the class.
NONE_OF_IT = Units(most=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What a part of a host, or a shared provider, still has of a class.

    :param provider: uuid of the resource provider.
    :param free: what nobody has taken, after reserved amounts and ratio.
    :param traits: all traits of the provider.
    """

    provider: str
    free: float
    traits: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What a server asks of its host, beside room.

    Many servers share one object, so do not change what is in it.

    :param extra_specs: those of its flavor.
    :param pinned_az: the availability zone that it has to stay in; empty
        for none, None when nobody knows.
    :param tags: what its owner has tagged it with.
    :param image: the properties of its image that concern hosts; empty if
        not known.
    """

    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pinned_az: str | None = ''
    tags: tuple[str, ...] = ()
    image: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __bool__(self):
        return (bool(self.extra_specs or self.tags or self.image)
                or self.pinned_az != '')

    def request(self, vcpus: float) -> requests.Request:
        """Return what these wishes make Nova ask for.

        :param vcpus: those of the flavor.
        """
        return requests.request_of(self.extra_specs, self.image, vcpus,
                                   CONF.compute_model.pci_aliases)


#: The wishes of servers of which no others are known.
NO_WISHES = Wishes()


def offers_by_host(found: Iterable[Any]) -> dict[str, tuple[Offer, ...]]:
    """Return by uuid of the host what its parts offer, and who it shares.

    :param found: what Placement says, see :class:`.placement_helper.Offer`.
    """
    by_host: dict[str, list[Offer]] = {}
    for one in found:
        for host in one.hosts:
            # What the host itself offers stands in its inventories.
            if host != one.provider:
                by_host.setdefault(host, []).append(
                    Offer(one.provider, one.free, one.traits))
    return {host: tuple(sorted(parts, key=lambda part: part.provider))
            for host, parts in by_host.items()}


def dedicated_cpus(facts: Any, uuid: str) -> float:
    """Return how many CPUs a host dedicates to servers beside its others.

    :param facts: a model, or what has its attributes.
    """
    count = ((getattr(facts, 'inventories', None) or {})
             .get(requests.PCPU, {}).get(uuid, 0))
    if count and facts.units.get('VCPU', {}).get(uuid) == NONE_OF_IT:
        # It has no others: its capacity is the dedicated ones.
        return 0
    return count


def image_wishes(properties: Mapping[str, Any] | None) -> dict[str, str]:
    """Return those properties of an image that say something about hosts.
    """
    return {key: str(value) for key, value in (properties or {}).items()
            if key.startswith(IMAGE_PREFIXES)}


class Register:
    """Gives equal wishes one object.

    A cloud has many servers but few flavors; so do wishes.
    """

    def __init__(self):
        self._known: dict[tuple, Wishes] = {}
        # For each pair of extra specs and image what they ask for.
        self._requests: dict[tuple, requests.Request] = {}

    def wishes(self, extra_specs: Mapping[str, str],
               pinned_az: str | None, tags: tuple[str, ...],
               image: Mapping[str, str] | None = None) -> Wishes:
        """Return the object for these wishes."""
        asked = (tuple(sorted(extra_specs.items())),
                 tuple(sorted((image or {}).items())))
        key = (asked, pinned_az, tags)
        try:
            return self._known[key]
        except KeyError:
            made = Wishes(dict(extra_specs), pinned_az, tags,
                          dict(image or {}))
        if asked not in self._requests:
            # How many vCPUs it has changes amounts only.
            self._requests[asked] = made.request(1)
        return self._known.setdefault(key, made)

    def traits(self) -> list[str]:
        """Return all traits that any of these wishes is about."""
        return sorted({trait for request in self._requests.values()
                       for trait in request.traits})

    def classes(self) -> list[str]:
        """Return all further resource classes that are asked for."""
        return sorted({name for request in self._requests.values()
                       for name in request.resources})
