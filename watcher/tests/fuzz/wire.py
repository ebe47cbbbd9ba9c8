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
"""The same requests, and spoiled ones, through a socket to the real server.

What does not get past the HTTP server is its own to answer, in its own words;
it must neither fail nor stop answering others.
"""

import contextlib
import dataclasses
import io
import socket
from http import client
from typing import Any

from hypothesis import strategies as st

from watcher import conf
from watcher.common import wsgi_server
from watcher.tests.fuzz import checks
from watcher.tests.fuzz import driver
from watcher.tests.fuzz import requests
from watcher.tests.fuzz import world as worlds
from watcher.tests.fuzz.values import weighted

CONF = conf.CONF

#: Seconds of silence after which the server counts as stuck.
STUCK = 120

#: What the server says about HTTP that it cannot read.
OF_SERVER = frozenset((400, 405, 408, 411, 413, 414, 417, 431, 501, 505))

#: How a request is spoiled on its way.
DAMAGES = (
    'chunked', 'chunked badly', 'chunked and length', 'chunked forever',
    'length too big', 'length too small', 'length negative', 'length text',
    'length twice', 'length plus', 'no host', 'two hosts', 'line feeds',
    'carriage returns', 'no colon', 'nul', 'folded', 'long line',
    'many headers', 'blank name', 'empty name', 'http/0.9', 'http/1.0',
    'http/2.0', 'http/9', 'no version', 'absolute', 'other absolute', 'star',
    'no slash', 'blanks', 'preface', 'tls', 'noise', 'expect', 'pipelined',
    'cut', 'cut in body', 'empty lines', 'unicode name')


@dataclasses.dataclass(frozen=True)
class Wired:
    """A request and what happens to it on the way; '' for nothing."""

    request: requests.Request
    damage: str


def _requests() -> st.SearchStrategy[Wired]:
    return st.builds(
        Wired, requests.all_requests(),
        weighted((1, st.just('')), (1, st.sampled_from(DAMAGES))))


class Session(driver.Session):
    """Sends requests through sockets.

    :param port: where the server listens
    """

    generate = staticmethod(_requests)

    def __init__(self, world: worlds.World, seed: int, port: int):
        super().__init__(world, seed)
        self.port = port

    def send(self, wired: Any) -> None:
        """Send a request, look at all answers, and see who still lives."""
        sent = self.world.write(wired.request)
        route = wired.damage or wired.request.route
        raw = spoil(_lines(sent), sent.body, wired.damage)
        try:
            answers = exchange(self.port, raw)
        except (OSError, client.HTTPException, ValueError) as exc:
            self._count(route, 0)
            self._fail(f'{wired.damage}: there is no answer: {exc!r}', sent,
                       None)
            return
        if not answers:
            # The server has hung up, which it may do.
            self._count(route, 0)
        for answer in answers:
            self._count(route, answer.status)
            for problem in self._problems(wired, sent, answer):
                self._fail(f'{wired.damage}: {problem}', sent, answer)

    def _count(self, route, status):
        self.report.statuses[status] += 1
        self.report.routes[route][status] += 1

    def _problems(self, wired, sent, answer):
        if answer.header('X-OpenStack-Request-ID') is None:
            # The server itself has answered.
            yield from (f'it logged: {text[-3000:]}'
                        for text in self.world.errors())
            if answer.status not in OF_SERVER:
                yield f'the server answers {answer.status}'
            if b'Traceback' in answer.body:
                yield 'the server shows a traceback'
            self.world.has_changed()
        elif wired.damage:
            yield from self._of_damaged(answer)
        else:
            yield from checks.check(self.world, wired.request, sent, answer)

    def _of_damaged(self, answer):
        # Another request has arrived than the one that was written.
        yield from (f'it logged: {text[-3000:]}'
                    for text in self.world.errors())
        if answer.status >= 500 or answer.status not in checks.STATUSES:
            yield f'the status is {answer.status}'
        if answer.status >= 400 and answer.body:
            checks.document_of(answer)
        if self.world.has_changed() and answer.status >= 400:
            yield 'a refused request has changed the database'


@contextlib.contextmanager
def serving(world: worlds.World):
    """Run the HTTP server; the value is its port."""
    server = wsgi_server.WSGIServer(world.app)
    server.start()
    try:
        yield server.port
    finally:
        server.stop(0)


def alive(port: int) -> bool:
    """Tell whether the server answers a good request."""
    answers = exchange(port, b'GET / HTTP/1.1\r\nHost: a\r\n'
                             b'Connection: close\r\n\r\n')
    return [answer.status for answer in answers] == [200]


# Writing -------------------------------------------------------------------

def _lines(sent):
    """Return the request line and the headers, without their ends."""
    environ = sent.environ
    target = sent.url.encode('latin-1', 'replace')
    for blank in (b' ', b'\r', b'\n', b'#'):
        target = target.replace(blank, b'%%%02x' % blank[0])
    method = environ['REQUEST_METHOD'].encode('latin-1', 'replace') or b'GET'
    lines = [method + b' ' + target + b' HTTP/1.1']
    for name, value in environ.items():
        if name.startswith('HTTP_'):
            lines.append(_header(name.removeprefix('HTTP_'), value))
        elif name == 'CONTENT_TYPE':
            lines.append(_header(name, value))
    if sent.body:
        lines.append(b'Content-Length: %d' % len(sent.body))
    lines.append(b'Connection: close')
    return lines


def _header(name, value):
    text = value.encode('latin-1', 'replace').replace(b'\r', b' ').replace(
        b'\n', b' ')
    return name.replace('_', '-').title().encode() + b': ' + text


def _chunked(body):
    return b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body) if body else (
        b'0\r\n\r\n')


def _without(lines, name):
    return [line for line in lines
            if not line.lower().startswith(name + b':')]


def _first(lines, old, new):
    return [lines[0].replace(old, new, 1), *lines[1:]]


def spoil(lines: list[bytes], body: bytes, damage: str) -> bytes:
    """Return the bytes of a request, spoiled as it is asked."""
    bare = _without(lines, b'content-length')
    te = b'Transfer-Encoding: chunked'
    added = {
        'length too big': b'Content-Length: %d' % (len(body) + 100),
        'length too small': b'Content-Length: %d' % (len(body) // 2),
        'length negative': b'Content-Length: -1',
        'length text': b'Content-Length: x',
        'length plus': b'Content-Length: +1_0',
        'length twice': b'Content-Length: 1\r\nContent-Length: 2',
        'two hosts': b'Host: b\r\nHost: c',
        'no colon': b'no colon here',
        'nul': b'X-A: a\0b',
        'folded': b'X-Roles: a\r\n  admin\r\n\tadmin',
        'long line': b'X-A: ' + b'a' * 70_000,
        'many headers': b'\r\n'.join(b'X-%d: a' % n for n in range(3000)),
        'blank name': b'X A : a', 'empty name': b': a',
        'unicode name': b'X-\xc3\xa9: \xff',
        'expect': b'Expect: 100-continue',
    }
    first = {
        'http/1.0': b'HTTP/1.0', 'http/2.0': b'HTTP/2.0', 'http/9': b'HTTP/9',
        'no version': b'', 'blanks': b'  HTTP/1.1  ',
    }
    written = body
    if damage in added:
        base = bare if damage.startswith('length') else lines
        lines = [*base, added[damage]]
    elif damage in first:
        lines = _first(lines, b'HTTP/1.1', first[damage])
    elif damage in ('chunked', 'chunked badly', 'chunked forever'):
        lines = [*bare, te]
        written = _chunked(body)
        if damage == 'chunked badly':
            written = b'zz\r\n' + written
        elif damage == 'chunked forever':
            written = b'fffffffff\r\n' + written
    elif damage == 'chunked and length':
        lines, written = [*bare, te, b'Content-Length: 3'], _chunked(body)
    elif damage == 'no host':
        lines = _without(lines, b'host')
    elif damage == 'absolute':
        lines = _first(lines, b' /', b' http://example.org/')
    elif damage == 'other absolute':
        lines = _first(lines, b' /', b' ftp://[::1/')
    elif damage == 'no slash':
        lines = _first(lines, b' /', b' ')
    elif damage == 'star':
        lines = [b'OPTIONS * HTTP/1.1', *lines[1:]]
    elif damage == 'http/0.9':
        return lines[0].partition(b' HTTP')[0] + b'\r\n'
    elif damage in _RAW:
        return _RAW[damage]
    return _joined(lines, written, damage)


#: What is no request at all.
_RAW = {
    'preface': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0',
    'tls': b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'\xab' * 200,
    'noise': bytes(range(256)) * 8 + b'\r\n\r\n',
}


def _joined(lines, body, damage):
    end = {'line feeds': b'\n', 'carriage returns': b'\r'}.get(
        damage, b'\r\n')
    raw = end.join([*lines, b'', b'']) + body
    if damage == 'cut':
        return raw[:len(raw) // 3]
    if damage == 'cut in body':
        return raw[:-max(1, len(body) // 2)]
    if damage == 'empty lines':
        return b'\r\n\r\n' + raw
    if damage == 'pipelined':
        return raw.replace(b'Connection: close', b'Connection: keep-alive',
                           1) + b'GET / HTTP/1.1\r\nHost: a\r\n\r\nnoise'
    return raw


# Reading -------------------------------------------------------------------

class _Heard:
    """What came back, for the parser of the standard library."""

    def __init__(self, raw):
        self.file = io.BytesIO(raw)

    def makefile(self, *_args, **_kwargs):
        return self.file


def exchange(port: int, raw: bytes) -> list[worlds.Answer]:
    """Send the bytes, hang up one way, and return all answers."""
    heard = b''
    with socket.create_connection(('127.0.0.1', port), STUCK) as sock:
        # A server that has heard enough may hang up.
        with contextlib.suppress(OSError):
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := sock.recv(65536):
                heard += part
    return _parse(heard, raw.partition(b' ')[0].decode('latin-1'))


def _parse(heard, method):
    answers = []
    while heard.startswith(b'HTTP/'):
        response = client.HTTPResponse(_Heard(heard), method=method)
        # What is read ahead must not be lost to the next answer.
        response.begin()
        body = response.read()
        answers.append(worlds.Answer(
            response.status, response.getheaders(), body))
        heard = _rest(heard, body)
    return answers


def _rest(heard, body):
    start = heard.find(body, heard.find(b'\r\n\r\n') + 4)
    return heard[start + len(body):]


__all__ = ('Session', 'alive', 'exchange', 'serving')
