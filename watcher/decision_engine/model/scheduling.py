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
import re
from collections.abc import Iterator
from collections.abc import Mapping

_TRAIT = re.compile('trait([^:]*):(.+)')
_RESOURCE = re.compile('resources([^:]*):(.+)')

REQUIRED, FORBIDDEN = 'required', 'forbidden'

#: Resource classes that the capacity of a host covers already.
ORDINARY = frozenset(('VCPU', 'MEMORY_MB', 'DISK_GB'))

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


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What a server asks of its host, beside room.

    Many servers share one object, so do not change what is in it.

    :param extra_specs: those of its flavor.
    :param pinned_az: the availability zone that it has to stay in; empty
        for none, None when nobody knows.
    :param tags: what its owner has tagged it with.
    """

    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pinned_az: str | None = ''
    tags: tuple[str, ...] = ()

    def __bool__(self):
        return bool(self.extra_specs or self.tags) or self.pinned_az != ''


#: The wishes of servers of which no others are known.
NO_WISHES = Wishes()


class Register:
    """Gives equal wishes one object.

    A cloud has many servers but few flavors; so do wishes.
    """

    def __init__(self):
        self._known: dict[tuple, Wishes] = {}

    def wishes(self, extra_specs: Mapping[str, str],
               pinned_az: str | None, tags: tuple[str, ...]) -> Wishes:
        """Return the object for these wishes."""
        key = (tuple(sorted(extra_specs.items())), pinned_az, tags)
        try:
            return self._known[key]
        except KeyError:
            made = Wishes(dict(extra_specs), pinned_az, tags)
            return self._known.setdefault(key, made)

    def traits(self) -> list[str]:
        """Return all traits that any of these wishes is about."""
        return sorted({trait for wishes in self._known.values()
                       for trait, _kind in traits_in(wishes.extra_specs)})


def traits_in(specs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the traits that extra specs require or forbid.

    A trait of a numbered group may be that of any part of the host; what is
    forbidden there does not concern the host as a whole.
    """
    for key, value in sorted(specs.items()):
        found = _TRAIT.fullmatch(key)
        if found and (value == REQUIRED
                      or value == FORBIDDEN and not found[1]):
            yield found[2], value


def resources_in(specs: Mapping[str, str], vcpus: float) -> dict[str, float]:
    """Return the further resources that a flavor asks for, by class."""
    wanted: dict[str, float] = {}
    for key, value in specs.items():
        found = _RESOURCE.fullmatch(key)
        if found and found[2] not in ORDINARY and str(value).isdigit():
            wanted[found[2]] = wanted.get(found[2], 0) + int(value)
    if specs.get('hw:cpu_policy') == 'dedicated':
        wanted['PCPU'] = wanted.get('PCPU', 0) or vcpus
    return {name: amount for name, amount in wanted.items() if amount}
