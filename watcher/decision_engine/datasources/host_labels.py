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
"""Which label value stands for which host.

Exporters and Nova need not spell a host alike: one says ``c1``, the other
``c1.example.org``. A name is only taken for another where no doubt is left.
"""

from collections.abc import Iterable


class HostLabels:
    """The values of the host label that Prometheus knows."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = frozenset(values)
        self._by_short: dict[str, set[str]] = {}
        for value in self._values:
            self._by_short.setdefault(_short(value), set()).add(value)

    def __len__(self) -> int:
        return len(self._values)

    def find(self, hostname: str) -> str | None:
        """Return the label value of a host, None if there is none.

        An exact match wins. Else a short name stands for a full one and the
        other way round, but only if no second value has the same short name.
        Two full names never match.
        """
        if hostname in self._values:
            return hostname
        alike = self._by_short.get(_short(hostname), ())
        if len(alike) != 1:
            return None
        value = next(iter(alike))
        return None if '.' in value and '.' in hostname else value

    def why_not(self, hostname: str) -> str:
        """Say why :meth:`find` found nothing."""
        alike = sorted(self._by_short.get(_short(hostname), ()))
        if not alike:
            return 'no exporter has this name'
        return f'its name could mean {" or ".join(alike)}'


def _short(name: str) -> str:
    return name.partition('.')[0]
