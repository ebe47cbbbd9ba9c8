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
"""What has to hold for every answer, whatever was asked."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

from watcher.api import types
from watcher.api import versions
from watcher.tests.fuzz import requests
from watcher.tests.fuzz import world as worlds

STATUSES = frozenset((200, 201, 202, 204, 400, 401, 403, 404, 405, 406, 409,
                      413, 415))

#: Routes that have no version and, but for the first, are not ours.
UNVERSIONED = ('', '.json', 'healthcheck')

#: What only the inside of a Python service with a database could say.
INSIDE = re.compile('|'.join((
    r'Traceback', r'File "', r'\bline \d+, in\b', r'\.py\b', r'<class ',
    r' object at 0x', r'<function ', r'<built-in', r'<bound method',
    r'<watcher', r'\bwatcher\.(api|common|conf|db|objects|notifications)\b',
    r'sqlalchemy', r'sqlite3', r'pymysql', r'psycopg2', r'oslo_\w+',
    r'\bjsonschema\b', r'\bjsonpatch\b', r'\bjsonpointer\b', r'croniter',
    r'\bwsme\b', r'\bpecan\b', r'\bwebob\b', r'\[SQL:', r'\bsys\.',
    r'\[parameters:', r'SELECT \w+\.\w+', r'INSERT INTO \w+ \(',
    r'UPDATE \w+ SET', r'UNIQUE constraint', r'Duplicate entry',
    r'duplicate key', r'NoneType', r'has no attribute', r'is not iterable',
    r'unhashable', r'unexpected keyword', r'positional argument',
    r'\b(str|int|dict|list|tuple|bool|float) (object|indices)\b',
    r"'(str|int|dict|list|tuple|bool|float)'", r'codec can', r'recursion',
    r'maximum .* depth', r'\bKeyError|TypeError|ValueError|IndexError\b',
    r'AttributeError|OverflowError|\bException\b', r'datetime\.',
    r'OrderedDict', r'dict_keys', r'Ellipsis')))

TIME = re.compile(
    r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(\+00:00)?')

_CONTROL = re.compile(r'[\x00-\x08\x0a-\x1f\x7f]')

#: Type of a field -> what its values are in JSON.
JSON_TYPES: dict[type, Any] = {
    types.Text: (str, type(None)), types.UUID: (str, type(None)),
    types.Integer: int, types.Number: (int, float, type(None)),
    types.OptionalObject: (dict, type(None)), types.Boolean: bool,
    types.Object: dict, types.Array: list,
}


def _refuse(name):
    raise ValueError(f'{name} is no JSON')


def document_of(answer: worlds.Answer) -> Any:
    """Return what the answer says, read as strictly as JSON is.

    :raises ValueError:
    """
    return json.loads(answer.body.decode('ascii'), parse_constant=_refuse)


def check(world: worlds.World, request: requests.Request, sent: worlds.Sent,
          answer: worlds.Answer) -> Iterator[str]:
    """Yield what is wrong with the answer."""
    if answer.status >= 500:
        yield f'the status is {answer.status}'
    elif answer.status not in STATUSES:
        yield f'nobody expects the status {answer.status}'
    yield from (f'it logged: {text[-3000:]}' for text in world.errors())
    yield from _headers(sent, answer)
    if _is_foreign(sent, answer):
        return
    yield from _inside(sent, answer)
    yield from _permission(world, request, sent, answer)
    if sent.environ['REQUEST_METHOD'] == 'HEAD':
        if answer.body:
            yield 'HEAD got a body'
    elif answer.status >= 400:
        yield from _envelope(answer)
    else:
        yield from _success(request, sent, answer)
    yield from _changes(world, sent, answer)


def _path(sent):
    return sent.environ['PATH_INFO'].strip('/')


def _is_foreign(sent, answer):
    """Tell whether a middleware that is not ours made the answer."""
    return (sent.environ['REQUEST_METHOD'] == 'OPTIONS'
            or _path(sent) == 'healthcheck' or answer.status == 401)


# Headers -------------------------------------------------------------------

def _headers(sent, answer):
    for name, value in answer.headers:
        if not isinstance(value, str) or _CONTROL.search(name + value):
            yield f'the header {name!r} has the value {value!r}'
        elif 'x-evil' in name.lower():
            yield f'the caller has made the header {name!r}'
    names = [name.lower() for name, _value in answer.headers]
    for name in set(names):
        if names.count(name) > 1 and name not in ('set-cookie', 'vary'):
            yield f'the header {name} appears {names.count(name)} times'
    request_id = answer.header('X-OpenStack-Request-ID') or ''
    if not _is_request_id(request_id):
        yield f'the request id is {request_id!r}'
    if not _is_foreign(sent, answer):
        yield from _version_headers(sent, answer)


def _is_request_id(text):
    try:
        return text == f'req-{uuid.UUID(text.removeprefix("req-"))}'
    except ValueError:
        return False


def _version_headers(sent, answer):
    found = {name: answer.header(name) for name in (
        versions.MIN_HEADER, versions.MAX_HEADER, versions.HEADER)}
    try:
        path = _path(sent).encode('latin-1').decode()
    except UnicodeDecodeError:
        return
    if path in UNVERSIONED or '\0' in path or answer.status == 413:
        return
    if answer.status == 400 and found[versions.MIN_HEADER] is None:
        # The URL cannot be read: nothing below is asked.
        return
    wanted = {versions.MIN_HEADER: str(versions.MIN),
              versions.MAX_HEADER: str(versions.MAX),
              versions.HEADER: None}
    try:
        version = versions.negotiate(sent.header(versions.HEADER))
        wanted[versions.HEADER] = f'{versions.SERVICE_TYPE} {version}'
    except versions.VersionNotAcceptable:
        if answer.status != 406:
            yield 'a version that does not exist was accepted'
    if found != wanted:
        yield f'the version headers are {found}, not {wanted}'
    if versions.HEADER not in (answer.header('Vary') or ''):
        yield f'Vary is {answer.header("Vary")!r}'


# Bodies --------------------------------------------------------------------

def _inside(sent, answer):
    text = answer.body.decode('utf-8', 'replace')
    said = None
    for match in INSIDE.finditer(text):
        said = said if said is not None else sent.text()
        if match.group() not in said:
            start = max(0, match.start() - 60)
            yield f'it shows the inside: {text[start:match.end() + 60]}'
            return


def _envelope(answer):
    if answer.header('Content-Type') != 'application/json; charset=UTF-8' \
            and answer.header('Content-Type') != 'application/json':
        yield f'an error is {answer.header("Content-Type")}'
    try:
        outer = document_of(answer)
        inner = json.loads(outer['error_message'], parse_constant=_refuse)
    except (ValueError, TypeError, KeyError) as exc:
        yield f'the error has another form: {exc}'
        return
    if set(outer) != {'error_message'}:
        yield f'the error has the members {sorted(outer)}'
    fault = 'Server' if answer.status >= 500 else 'Client'
    if inner.get('faultcode') != fault or inner.get('debuginfo', 0):
        yield f'the fault is {inner}'
    if not isinstance(inner.get('faultstring'), str) or not (
            inner['faultstring'].strip()):
        yield f'the fault says {inner.get("faultstring")!r}'
    if set(inner) - {'faultcode', 'faultstring', 'debuginfo'} not in (
            set(), {'code', 'title', 'description'}):
        yield f'the fault has the members {sorted(inner)}'
    elif inner.get('code', answer.status) != answer.status:
        yield f'the fault names the code {inner["code"]}'
    if answer.status == 405 and not answer.header('Allow'):
        yield 'a 405 does not say what is allowed'


def _success(request, sent, answer):
    if answer.status in (202, 204):
        if answer.body or answer.header('Content-Type'):
            yield f'a {answer.status} has a body or its type'
        return
    if answer.header('Content-Type') not in (
            'application/json', 'application/json; charset=UTF-8'):
        yield f'the body is {answer.header("Content-Type")}'
    try:
        document = document_of(answer)
    except ValueError as exc:
        yield f'the body is no JSON in ASCII: {exc}'
        return
    if answer.status == 201:
        location = answer.header('Location') or ''
        if not location.endswith(f'/{document.get("uuid")}'):
            yield f'Location is {location!r}'
    method, _space, path = request.route.partition(' ')
    collection = path.partition('/')[0]
    resource = requests.resources().get(collection)
    if not hasattr(resource, 'fields') or isinstance(document, list):
        # The state of a strategy is a list of its requirements.
        return
    version = versions.negotiate(sent.header(versions.HEADER))
    if method == 'GET' and collection in document:
        summary = _path(sent).rstrip('/').endswith(collection)
        yield from _list(resource, document, summary, version)
    elif 'uuid' in document or resource.key in document:
        yield from _item(resource, document, False, version)
    else:
        yield f'the body has the members {sorted(document)[:20]}'


def _list(resource, document, summary, version):
    if set(document) - {resource.collection, 'next'}:
        yield f'the list has the members {sorted(document)}'
    for item in document[resource.collection]:
        yield from _item(resource, item, summary, version)


def _item(resource, item, summary, version):
    fields = {field.name: field for field in resource.fields
              if field.visible(version) and (field.summary or not summary)}
    if set(item) != {*fields, 'links'}:
        differing = set(item) ^ {*fields, 'links'}
        yield f'in version {version} these members differ: {differing}'
        return
    for name, field in fields.items():
        if not _fits(field.type, item[name]):
            yield f'{name} is {item[name]!r}'
    if [link.get('rel') for link in item['links']] != ['self', 'bookmark']:
        yield f'the links are {item["links"]}'


def _fits(datatype, value):
    if isinstance(datatype, types.Time):
        return value is None or bool(TIME.fullmatch(value))
    for cls in type(datatype).__mro__:
        if cls in JSON_TYPES:
            return isinstance(value, JSON_TYPES[cls])
    return True


# Effects -------------------------------------------------------------------

def _permission(world, request, sent, answer):
    """Who may not do anything gets nothing but what is public."""
    if answer.status >= 300:
        return
    segments = [part for part in _path(sent).split('/') if part]
    if not segments or segments == ['.json']:
        return
    if segments[0] == 'v1':
        segments = segments[1:]
    hooks_are_open = not worlds.CONF.api.enable_webhooks_auth
    if segments[:1] == ['webhooks'] and hooks_are_open:
        return
    if world.variant.authentication:
        yield 'it was answered without a token'
        return
    if not segments or segments == ['v1.json'] or request.route == 'GET v1':
        return
    roles = {role.strip().lower()
             for role in (sent.header('X-Roles') or '').split(',')}
    allowed = {'admin', 'administrator'}
    if segments[0] == 'webhooks':
        allowed.add('service')
    if not roles & allowed:
        yield f'it was answered to the roles {sorted(roles)}'


def _changes(world, sent, answer):
    if not world.has_changed():
        return
    if answer.status >= 400:
        yield 'a refused request has changed the database'
    if sent.environ['REQUEST_METHOD'] not in ('POST', 'PATCH', 'DELETE'):
        yield 'a reading request has changed the database'
