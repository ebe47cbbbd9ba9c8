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
"""Sends requests, checks every answer, and counts.

Nothing is raised when a check fails: the run goes on, so that it always
consists of the same requests, and ends with a list of what was found.
"""

import collections
import contextlib
import dataclasses
import time
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.internal.conjecture import providers

from watcher.tests.fuzz import checks
from watcher.tests.fuzz import requests
from watcher.tests.fuzz import world as worlds

#: Seconds after which an answer counts as "hangs".
HANGING = 300

#: Most characters of a text that a failure shows.
SHOWN = 1500


@dataclasses.dataclass(frozen=True)
class Failure:
    """Something that must not be.

    :ivar seed: of the run; with it the same requests come again
    :ivar number: of the request in that run
    """

    seed: int
    number: int
    problem: str
    request: str
    answer: str

    def __str__(self) -> str:
        return (f'{self.problem}\n  seed {self.seed}, request {self.number}:'
                f'\n{self.request}\n  answered:\n{self.answer}\n')


@dataclasses.dataclass
class Report:
    """What came of the requests."""

    statuses: collections.Counter = dataclasses.field(
        default_factory=collections.Counter)
    routes: dict[str, collections.Counter] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(
            collections.Counter))
    failures: list[Failure] = dataclasses.field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def server_errors(self) -> int:
        """Return how many answers were a failure of the service.

        501 and 505 are what the HTTP server says about other HTTP.
        """
        return sum(count for status, count in self.statuses.items()
                   if status >= 500 and status not in (501, 505))

    def add(self, other: 'Report') -> None:
        """Take over what another run has found."""
        self.statuses.update(other.statuses)
        for route, counter in other.routes.items():
            self.routes[route].update(counter)
        self.failures.extend(other.failures)

    def summary(self) -> str:
        """Return the numbers as a table."""
        known = sorted(self.statuses)
        width = max(map(len, self.routes), default=0)
        lines = [' ' * width + ''.join(f'{status:>7}' for status in known)]
        for route, counter in sorted(self.routes.items()):
            lines.append(route.ljust(width) + ''.join(
                f'{counter[status] or "":>7}' for status in known))
        lines.append('all'.ljust(width) + ''.join(
            f'{self.statuses[status]:>7}' for status in known))
        return '\n'.join(lines)


class Session:
    """Sends requests to one world.

    :param seed: told with failures
    """

    #: What is generated.
    generate = staticmethod(requests.all_requests)

    def __init__(self, world: worlds.World, seed: int = 0):
        self.world = world
        self.seed = seed
        self.report = Report()

    def send(self, request: requests.Request) -> None:
        """Send a request, and look at what it has written."""
        sent, answer = self._send(request)
        if answer is None or not self._wrote(request, answer):
            return
        document = checks.document_of(answer)
        self._read_back(request, sent, document)

    def _wrote(self, request, answer):
        return (answer.status in (200, 201)
                and request.method in ('POST', 'PATCH')
                and '/start' not in request.route)

    def _send(self, request, **environ):
        sent = self.world.write(request)
        sent.environ.update(environ)
        started = time.monotonic()
        try:
            answer = self.world.call(sent)
        except Exception as exc:
            self.report.statuses[599] += 1
            self.report.routes[request.route][599] += 1
            self._fail(f'it raised {exc!r}', sent, None)
            return sent, None
        if time.monotonic() - started > HANGING:
            self._fail('it hangs', sent, answer)
        self.report.statuses[answer.status] += 1
        self.report.routes[request.route][answer.status] += 1
        for problem in checks.check(self.world, request, sent, answer):
            self._fail(problem, sent, answer)
        return sent, answer

    def _read_back(self, request, sent, written):
        """What was written has to be there, and to look the same."""
        resource = requests.resources()[request.route.split()[1].split(
            '/')[0]]
        get = requests.Request(
            f'GET {resource.collection}/<item>', 'GET',
            ('v1', resource.collection, str(written[resource.key])))
        kept = {name: value for name, value in sent.environ.items()
                if name.startswith('HTTP_')}
        read, answer = self._send(get, **kept)
        if answer is None:
            return
        if answer.status != 200:
            self._fail('what was written cannot be read', read, answer)
        elif checks.document_of(answer) != written:
            self._fail(f'what was written is another thing: {written}',
                       read, answer)

    def _fail(self, problem, sent, answer):
        self.report.failures.append(Failure(
            seed=self.seed, number=self.report.requests, problem=problem,
            request=_show_request(sent),
            answer=_show_answer(answer) if answer else ''))


def _cut(text):
    return text if len(text) <= SHOWN else f'{text[:SHOWN]}... ({len(text)})'


def _show_request(sent):
    headers = {name: value for name, value in sent.environ.items()
               if name.startswith(('HTTP_', 'CONTENT_'))}
    return _cut(f'{sent.environ["REQUEST_METHOD"]} {sent.url}') + '\n' + _cut(
        f'{headers}') + '\n' + _cut(f'{sent.body!r}')


def _show_answer(answer: Any) -> str:
    return f'{answer.status} {answer.headers}\n' + _cut(
        answer.body.decode('utf-8', 'backslashreplace'))


def _settings(sequences):
    return hypothesis.settings(
        max_examples=sequences, deadline=None, database=None,
        phases=(hypothesis.Phase.generate,),
        suppress_health_check=list(hypothesis.HealthCheck))


@contextlib.contextmanager
def _steady():
    """Let Hypothesis do what we want it for, and nothing else.

    It mixes in constants that it finds in loaded modules: these would make
    the requests depend on which tests ran before. And it plays most
    sequences again with one half copied over the other.
    """
    with (mock.patch.object(providers.HypothesisProvider,
                            '_maybe_draw_constant', _nothing),
          mock.patch.object(engine.ConjectureRunner,
                            'generate_mutations_from', _nothing)):
        yield


def _nothing(*_args, **_kwargs):
    return None


def run(session: Session, sequences: int, length: int = 12) -> Report:
    """Play sequences of requests and return what came of them.

    The seed of the session decides on all requests.

    :param sequences: how many
    :param length: most requests of one sequence
    """
    @hypothesis.seed(session.seed)
    @_settings(sequences)
    @hypothesis.given(st.lists(session.generate(), min_size=1,
                               max_size=length))
    def play(sequence):
        for request in sequence:
            session.send(request)

    with _steady():
        play()
    return session.report
