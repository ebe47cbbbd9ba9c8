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
"""Whether a process can do its work: what Kubernetes and others probe.

Alive is a process that answers; it is restarted if it does not. Ready is one
whose needs are met. Databases and brokers that are away make no process less
alive: a restart brings nothing back.
"""

import dataclasses
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from oslo_log import log

from watcher.common import asking
from watcher.common import rpc

LOG = log.getLogger(__name__)

#: Seconds for all checks of a probe together.
PATIENCE = 2.0


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a check found.

    :ivar ok: whether all is well
    :ivar needed: whether the process can do without
    :ivar facts: for people; no secrets, nobody is asked for a password
    """

    ok: bool
    needed: bool = True
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the form of the answer."""
        return {'ok': self.ok, 'needed': self.needed, **self.facts}


class Health:
    """The checks of one process.

    :param checks: by name; each returns a finding. One that raises, or takes
        too long, tells that something is wrong which is needed.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Finding]]) -> None:
        self._questions = {
            name: asking.Question(f'check-{name}', check)
            for name, check in checks.items()}
        # What was wrong at the last probe: said once, not at each.
        self._wrong: frozenset[str] = frozenset()

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the process is ready, and all that was found."""
        until = time.monotonic() + PATIENCE
        asked = {name: question.begin()
                 for name, question in self._questions.items()}
        found = {name: self._finding(name, pending, until)
                 for name, pending in asked.items()}
        self._note(found)
        ready = all(finding.ok for finding in found.values()
                    if finding.needed)
        return ready, {'ready': ready, 'checks': {
            name: finding.as_dict() for name, finding in found.items()}}

    @staticmethod
    def _finding(name, pending, until) -> Finding:
        try:
            return asking.answer_of(pending, until - time.monotonic())
        except Exception as exc:
            LOG.debug('The check %(name)s failed', {'name': name},
                      exc_info=True)
            return Finding(False, facts={'reason': type(exc).__name__})

    def _note(self, found: Mapping[str, Finding]) -> None:
        wrong = frozenset(name for name, finding in found.items()
                          if finding.needed and not finding.ok)
        before, self._wrong = self._wrong, wrong
        for name in sorted(wrong - before):
            LOG.warning('Not ready for work: the check of %(name)s found '
                        '%(facts)s',
                        {'name': name, 'facts': dict(found[name].facts)})
        for name in sorted(before - wrong):
            LOG.info('The check of %s finds nothing wrong any more', name)


#: Looking up the names of brokers may hang, whatever timeout is given.
_BROKER = asking.Question('ask-broker',
                          lambda: rpc.bus_reachable(PATIENCE / 2))


def bus() -> Finding:
    """Look whether a broker takes connections; work goes on without.

    It does not hang: what does is taken for something that is needed.
    """
    try:
        found = _BROKER.answer(PATIENCE / 2)
    except TimeoutError:
        found = False
    return Finding(found, needed=False)
