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
"""What the requests meet: an application over a database full of things.

The application is called as a WSGI server would call it, without a network.
"""

import dataclasses
import io
import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib import parse

import fixtures
import sqlalchemy as sa

from watcher import conf
from watcher.api import app
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import states
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import database
from watcher.tests.fuzz import requests
from watcher.tests.fuzz.values import Nested
from watcher.tests.fuzz.values import Ref

CONF = conf.CONF

_CHANGE = re.compile(r'\s*(INSERT|UPDATE|DELETE|REPLACE)\b', re.IGNORECASE)
_VALUE = re.compile(
    r':\s*("[^"\\]*"|-?\d+(\.\d+)?|true|false|null)')

#: A schema with what a schema can do: depth, patterns, alternatives.
DEEP_SPEC = {
    'type': 'object',
    'required': ['para1'],
    'properties': {
        'para1': {'type': 'number', 'minimum': 1},
        'para2': {'oneOf': [{'type': 'string', 'pattern': '^[a-z]*$'},
                            {'type': 'null'}]},
        'nested': {'type': 'object', 'default': {}, 'properties': {
            'deep': {'type': 'integer', 'default': 7},
            'list': {'type': 'array', 'items': {'type': 'integer'},
                     'uniqueItems': True}}},
    },
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """How the service is configured.

    :ivar prefix: where it is mounted
    """

    name: str
    options: Mapping[tuple[str | None, str], Any] = dataclasses.field(
        default_factory=dict)
    authentication: bool = False
    prefix: str = ''


VARIANTS = (
    Variant('plain'),
    Variant('mounted, behind a proxy', prefix='/infra-optim', options={
        ('oslo_middleware', 'enable_proxy_headers_parsing'): True,
        ('cors', 'allowed_origin'): ['http://dashboard']}),
    Variant('plain'),
    Variant('small pages', options={('api', 'max_limit'): 3}),
    Variant('plain'),
    Variant('no limits, open webhooks', options={
        ('api', 'max_limit'): 0, ('api', 'enable_webhooks_auth'): False}),
    Variant('tokens are checked', authentication=True, options={
        ('keystone_authtoken', 'www_authenticate_uri'): 'http://keystone'}),
)


@dataclasses.dataclass
class Answer:
    """What came back.

    :ivar headers: pairs as the application gave them
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of this name."""
        for found, value in self.headers:
            if found.lower() == name.lower():
                return value
        return None


@dataclasses.dataclass
class Sent:
    """A request in the form that went to the application."""

    environ: dict[str, Any]
    body: bytes

    @property
    def url(self) -> str:
        query = self.environ['QUERY_STRING']
        return self.environ['RAW_URI'] + (f'?{query}' if query else '')

    def header(self, name: str) -> str | None:
        key = name.upper().replace('-', '_')
        return self.environ.get(f'HTTP_{key}')

    def text(self) -> str:
        """Return all that was sent, also decoded as the service does."""
        found = [value for name, value in self.environ.items()
                 if isinstance(value, str)]
        found.append(parse.unquote_plus(self.environ['QUERY_STRING']))
        found.append(self.environ['PATH_INFO'].encode('latin-1').decode(
            'utf-8', 'replace'))
        found.append(self.body.decode('utf-8', 'replace'))
        return '\n'.join(found)


class _Errors(logging.Handler):
    """Keeps what is logged as an error, or with a traceback."""

    def __init__(self):
        super().__init__(logging.NOTSET)
        self.found = []

    def emit(self, record):
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(self.format(record))


class World(fixtures.Fixture):
    """The application, a filled database, and eyes on what changes.

    :ivar app: the WSGI application
    :ivar rows: table -> its rows, as of the last look
    """

    def __init__(self, engine: str = database.SQLITE,
                 variant: Variant = VARIANTS[0]):
        super().__init__()
        self.engine = engine
        self.variant = variant
        self.rows: dict[str, list[tuple]] = {}
        self.items: dict[str, list[dict[str, Any]]] = {}
        self._changed = False
        self._errors = _Errors()

    def _setUp(self):
        # The world before this one has forgotten what was parsed.
        CONF([], project='watcher', default_config_files=[],
             default_config_dirs=[])
        self.api = self.useFixture(api_fixture.Api(
            self.engine, authentication=self.variant.authentication))
        # Only now the options of the middleware are known.
        for (group, name), value in self.variant.options.items():
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.clear_override, name, group)
        self.app = app.setup_app(CONF)
        fill(self.api.records)
        self._tables = {
            collection: getattr(models, resource.model).__table__
            for collection, resource in requests.resources().items()
            if hasattr(resource, 'fields')}
        engine = session.get_engine()
        sa.event.listen(engine, 'before_cursor_execute', self._watch)
        self.addCleanup(sa.event.remove, engine, 'before_cursor_execute',
                        self._watch)
        logging.getLogger().addHandler(self._errors)
        self.addCleanup(logging.getLogger().removeHandler, self._errors)
        self.look()

    # What changes ---------------------------------------------------------

    def _watch(self, connection, cursor, statement, *_others):
        if _CHANGE.match(statement):
            self._changed = True

    def look(self) -> None:
        """Read all rows."""
        with session.get_engine().connect() as connection:
            self.rows = {
                table.name: [tuple(row) for row in connection.execute(
                    sa.select(table).order_by(*table.primary_key))]
                for table in models.Base.metadata.sorted_tables}
        for collection, table in self._tables.items():
            columns = [column.name for column in table.columns]
            self.items[collection] = [
                dict(zip(columns, row, strict=True))
                for row in self.rows[table.name]]
        self._changed = False

    def has_changed(self) -> bool:
        """Look, and tell whether a row differs from before."""
        if not self._changed:
            return False
        before = self.rows
        self.look()
        return before != self.rows

    def errors(self) -> list[str]:
        """Return what was logged as an error since the last call."""
        found, self._errors.found = self._errors.found, []
        return found

    # Requests -------------------------------------------------------------

    def resolve(self, value: Any) -> Any:
        """Return the value with everything in it that exists now."""
        if isinstance(value, Ref):
            items = self.items.get(value.collection)
            if not items:
                return ''
            item = items[value.number % len(items)]
            found = item.get(value.attribute)
            if found is None:
                found = item.get('uuid') or item['id']
            return str(found)
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.resolve(item) for item in value)
        if isinstance(value, dict):
            return {name: self.resolve(item) for name, item in value.items()}
        return value

    def write(self, request: requests.Request) -> Sent:
        """Return the request as a WSGI server would hand it over."""
        path = '/' + '/'.join(
            _segment(self.resolve(part)) for part in request.segments)
        body = self._body(request.body)
        environ = {
            'REQUEST_METHOD': request.method,
            'SCRIPT_NAME': self.variant.prefix,
            'PATH_INFO': parse.unquote_to_bytes(path).decode('latin-1'),
            'RAW_URI': path,
            'QUERY_STRING': self._query(request.query),
            'SERVER_NAME': '127.0.0.1', 'SERVER_PORT': '9322',
            'HTTP_HOST': '127.0.0.1:9322',
            'SERVER_PROTOCOL': 'HTTP/1.1', 'REMOTE_ADDR': '127.0.0.1',
            'CONTENT_LENGTH': str(len(body)),
            'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
            'wsgi.input': io.BytesIO(body), 'wsgi.errors': io.StringIO(),
            'wsgi.multithread': True, 'wsgi.multiprocess': True,
            'wsgi.run_once': False,
        }
        seen = set()
        for name, value in request.headers:
            if self.variant.authentication and 'Token' in name:
                # There is nobody here who could say what it is worth.
                continue
            key = name.upper().replace('-', '_')
            if key != 'CONTENT_TYPE':
                key = f'HTTP_{key}'
            text = requests.unfold(value)
            environ[key] = (f'{environ[key]},{text}' if key in seen else text)
            seen.add(key)
        for key in seen:
            environ[key] = environ[key].encode(
                'utf-8', 'surrogatepass').decode('latin-1') if any(
                    ord(letter) > 255 for letter in environ[key]
                ) else environ[key]
        return Sent(environ, body)

    def _query(self, query):
        if isinstance(query, bytes):
            return query.decode('latin-1')
        return '&'.join(
            f'{_quoted(self.resolve(name))}={_quoted(self.resolve(value))}'
            for name, value in query)

    def _body(self, body):
        if body is None:
            return b''
        if isinstance(body, bytes):
            return body
        return spoil(write_json(self.resolve(body.value)), body.damage)

    def call(self, sent: Sent) -> Answer:
        """Hand the request over and return the whole answer."""
        started = []

        def start_response(status, headers, exc_info=None):
            started[:] = [status, headers]
            return parts.append

        parts: list[bytes] = []
        result = self.app(sent.environ, start_response)
        try:
            parts.extend(result)
        finally:
            close = getattr(result, 'close', None)
            if close is not None:
                close()
        status, headers = started
        return Answer(int(status.split()[0]), list(headers), b''.join(parts))


#: Servers take no longer URLs.
_LONGEST = 16_000


def _quoted(value):
    text = requests.unfold(value)[:_LONGEST]
    return parse.quote_plus(text.encode('utf-8', 'surrogatepass'))


def _segment(part):
    if isinstance(part, bytes):
        return part.decode('latin-1')
    if isinstance(part, tuple):
        # An identifier and something behind it, as it is.
        return ''.join(
            text if text.startswith('%') else _quoted_path(text)
            for text in part)
    return _quoted_path(requests.unfold(part))


def _quoted_path(text):
    return parse.quote(text[:_LONGEST].encode('utf-8', 'surrogatepass'),
                       safe='')


def write_json(value: Any) -> str:
    """Return the value as JSON, however deep it is."""
    deep: list[Nested] = []

    def shorten(item):
        if isinstance(item, Nested):
            deep.append(item)
            return f'@deep {len(deep) - 1}@'
        if isinstance(item, list):
            return [shorten(part) for part in item]
        if isinstance(item, dict):
            return {requests.unfold(name): shorten(part)
                    for name, part in item.items()}
        return requests.unfold(item)

    text = json.dumps(shorten(value))
    for number, item in enumerate(deep):
        start, end = ('{"a": ', '}') if item.is_object else ('[', ']')
        text = text.replace(f'"@deep {number}@"',
                            start * item.depth + '1' + end * item.depth)
    return text


def _replace(text, value):
    return _VALUE.sub(lambda match: f': {value}', text, count=1)


def spoil(text: str, damage: str) -> bytes:
    """Return the JSON text with this damage done."""
    half = len(text) // 2
    if damage in _REPLACED:
        return _replace(text, _REPLACED[damage]).encode()
    raw = text.encode()
    return {
        'cut': raw[:half],
        'bom': b'\xef\xbb\xbf' + raw,
        'utf-16': text.encode('utf-16'),
        'latin-1': text.replace('a', '\xe9').encode('latin-1'),
        'invalid utf-8': raw[:half] + b'\xc3\x28\xff' + raw[half:],
        'nul': raw[:half] + b'\0' + raw[half:],
        'trailing': raw + b' x',
        'twice': raw[:-1] + b', ' + raw[1:],
        'comment': b'/* */' + raw,
        'quotes': raw.replace(b'"', b"'"),
        'empty': b'',
        'spaces': b' \r\n\t' * 300 + raw,
        'brackets': b'[' + raw + b']',
    }.get(damage, raw)


#: Damage that replaces one value.
_REPLACED = {
    'nan': 'NaN', 'infinity': '-Infinity', 'huge number': '1e999',
    'long number': '9' * 5000, 'surrogate': '"\\ud83d"',
}


# Content -------------------------------------------------------------------

def fill(records: api_fixture.Records) -> None:
    """Fill the database with things of every kind in every state."""
    goals = [records.goal(name) for name in (
        'dummy', "o'neill 50% {0}", '審査 😀', 'detail')]
    without_spec = records.strategy(goals[0], 'basic', parameters_spec={})
    simple = records.strategy(goals[0], 'dummy')
    deep = records.strategy(goals[1], 'deep.json', parameters_spec=DEEP_SPEC)
    lonely = records.strategy(goals[2], 'İstanbul')
    pairs = ((goals[0], without_spec), (goals[0], simple), (goals[1], deep),
             (goals[2], lonely), (goals[3], None))
    for number, (goal, strategy) in enumerate(pairs):
        records.template(goal, strategy, name=f'template-{number}')
    records.template(goals[0], simple, name='with parameters',
                     default_parameters={'para1': 2})
    _fill_audits(records, pairs)
    _fill_plans(records, goals[0], simple)
    for name in ('dummy_scorer', 'é'):
        records.scoring_engine(name)
    for host in ('controller', 'compute-é'):
        records.service(host=host)
    records.service('watcher-decision-engine')
    records.description()
    # Something deleted of what can be deleted, and what leaned on it.
    records.template(goals[0], name='gone').soft_delete()
    gone = records.goal('gone')
    records.audit(gone, records.strategy(gone, 'gone'), name='orphan')
    gone.soft_delete()


def _fill_audits(records, pairs):
    kinds = [kind.value for kind in states.AuditType]
    for number, state in enumerate(states.AUDIT.states * len(kinds)):
        if state == states.AuditState.DELETED:
            continue
        kind = kinds[number % len(kinds)]
        goal, strategy = pairs[number % len(pairs)]
        records.audit(
            goal, strategy, name=f'audit-{number}', audit_type=kind,
            state=state, parameters={'para1': 3} if strategy else {},
            interval='60' if kind == 'CONTINUOUS' else None)


def _fill_plans(records, goal, strategy):
    audit = records.audit(goal, strategy, name='planned', state='SUCCEEDED')
    for state in states.ACTION_PLAN.states:
        if state == states.ActionPlanState.DELETED:
            continue
        plan = records.plan(audit, strategy, actions=3, state=state)
        for action, new in zip(
                records.actions(plan)[1:],
                (states.ActionState.ONGOING, states.ActionState.SKIPPED),
                strict=True):
            action.state = new
            action.save()
    for _ in range(4):
        records.plan(audit, strategy, actions=2)
    records.plan(audit, strategy, actions=1).soft_delete()
