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
"""Traits, which Placement knows of hosts."""

from collections.abc import Iterable

from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common.filters import base

_IMPLIED = 'implied'


class TraitsFilter(base.FlavorFilter):
    """Sends servers only to hosts with the traits that they require.

    Those that flavors name, and those that Nova concludes from other extra
    specs and from properties of images. A host has the traits of its parts.
    """

    def is_known(self) -> bool:
        """Tell whether traits could be read."""
        return self.state.facts.traits is not None

    def read(self, wishes: scheduling.Wishes) -> Iterable[tuple[str, str]]:
        """Return traits, each required or forbidden."""
        request = wishes.request(1)
        for kind, traits in ((requests.REQUIRED, request.required),
                             (_IMPLIED, request.implied),
                             (requests.FORBIDDEN, request.forbidden)):
            for trait in sorted(traits):
                yield trait, kind

    def why_not_wanted(self, wanted: tuple, host: int) -> str | None:
        """Return which trait the host lacks or has."""
        record = self.state.hosts[host]
        for trait, kind in wanted:
            # A trait that was never asked for: nobody is known to have it.
            having = self.state.facts.traits.get(trait, frozenset())
            if kind == _IMPLIED:
                # A Nova that does not know the trait does not ask for it.
                if not having:
                    continue
                kind = requests.REQUIRED
            required = kind == requests.REQUIRED
            if (record.uuid in having) != required:
                return (f'{trait} is {kind}, and {record.hostname} has '
                        f"{'not ' * required}that trait")
        return None
