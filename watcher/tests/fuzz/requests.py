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
"""Requests, made from what the resources of the API declare.

Nothing here knows a resource by name: routes, members of bodies, paths of
patches, filters and sort keys come from the declarations in
``watcher.api.controllers``. A new resource or field is fuzzed without a
change here.
"""

import dataclasses
import functools
from typing import Any

from hypothesis import strategies as st

from watcher.api import versions
from watcher.api.controllers import query
from watcher.api.controllers import root
from watcher.tests.fuzz import values
from watcher.tests.fuzz.values import Nested
from watcher.tests.fuzz.values import Ref
from watcher.tests.fuzz.values import Repeat
from watcher.tests.fuzz.values import weighted


@dataclasses.dataclass(frozen=True)
class Json:
    """A body that is written as JSON.

    :ivar damage: how the written form is spoiled, '' for not at all
    """

    value: Any
    damage: str = ''


@dataclasses.dataclass(frozen=True)
class Request:
    """A request before the references in it are looked up.

    :ivar route: which kind of request it is, for statistics
    :ivar segments: of the path; quoted when sent, unless they are bytes
    :ivar query: pairs; quoted when sent, or bytes for the whole
    :ivar headers: pairs, may repeat
    """

    route: str
    method: str
    segments: tuple[Any, ...]
    query: Any = ()
    headers: tuple[tuple[str, Any], ...] = ()
    body: Json | bytes | None = None


METHODS = ('GET', 'POST', 'PATCH', 'DELETE')
OTHER_METHODS = ('PUT', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND',
                 'get', 'GÉT', 'X' * 100, '')

# Headers -------------------------------------------------------------------

_latin = st.text(st.characters(max_codepoint=0xff, exclude_characters='\r\n\0'
                               ), max_size=30)
_header_values = weighted(
    (3, _latin),
    (2, st.sampled_from(('', ' ', ',', ',,', ';', '=', '"', '*', '\x7f',
                         '\xff\xfe', 'a, b', '%s', "'", '\t', '{}'))),
    (1, st.builds(Repeat, st.sampled_from(('a', ',', 'a,', ';', '(')),
                  st.sampled_from((255, 4096, 16000)))))

_version_values = weighted(
    (24, st.sampled_from(values.VERSIONS)),
    (4, st.sampled_from((
        'latest', 'LATEST', '1', '2', '0', '1.', '.1', '1.99', '1.-1', '-1.0',
        '2.0', '1.2.3', '1.03', '1.0x', '１.７', '1.' + '9' * 5000,
        '9' * 5000, '1 .2', '1.²', '1.1_0', '+1.+2', '1.7,', 'None'))),
    (1, _latin)).map(lambda text: f'{versions.SERVICE_TYPE} {text}')

_any_version = weighted(
    (12, _version_values),
    (1, st.sampled_from(('1.4', 'infra-optim', 'compute 2.1',
                         'compute 2.1, infra-optim 1.4', ',',
                         'INFRA-OPTIM 1.5',
                         'infra-optim 1.4, infra-optim 1.5'))),
    (1, _header_values))

_roles = weighted(
    (40, st.just('admin')),
    (1, st.sampled_from(('', 'member', 'reader', 'service', 'Admin', 'ADMIN',
                         ' admin ,member', 'administrator', ',', 'admin;',
                         'é', "admin' OR '1", 'a' * 5000, 'role:admin'))))

#: Header -> what it may look like. Repeated ones reach us joined by commas.
EXTRA: dict[str, st.SearchStrategy] = {
    'X-Show-Deleted': st.sampled_from(
        ('True', 'true', '1', 'false', '0', '', 'x', 'no')),
    'Accept': weighted((3, st.sampled_from((
        '*/*', 'application/json', 'application/*', 'text/html', '', ',',
        'application/xml', 'text/xml;q=0.9, application/json;q=0.1', 'json',
        'application/json;q=0', '*/*;q=x', 'a/b;q=2', 'application/json;v=1',
        'application/vnd.openstack.watcher.v1+json'))), (1, _header_values)),
    'Accept-Encoding': st.sampled_from(('gzip', 'identity;q=0', '*;q=0')),
    'Accept-Language': st.sampled_from(('de', 'xx-XX', '*', ';;;', 'en;q=x')),
    'Accept-Charset': st.sampled_from(('utf-16', '*;q=0')),
    'Host': weighted((3, st.sampled_from((
        'api.example.org', 'host:99999', '[::1]:9322', '[::1', '', ':', 'a b',
        'evil"><script>', 'é', 'a/b', 'x' * 300, '%0d%0aX: 1', 'a@b', '..')
    )), (1, _header_values)),
    'Origin': weighted((3, st.sampled_from((
        'http://dashboard', 'https://evil', 'null', '', '*', 'http://é'))),
        (1, _header_values)),
    'Access-Control-Request-Method': st.sampled_from(
        ('GET', 'PATCH', '', 'x', 'get')),
    'Access-Control-Request-Headers': st.sampled_from(
        ('X-Auth-Token', '', ',', 'OpenStack-API-Version', 'é')),
    'Forwarded': st.sampled_from((
        'for=1.2.3.4;proto=https;host=a', 'proto=', 'host="', ';', ',', '=',
        'for', 'proto=https, for=x', 'by=é')),
    'X-Forwarded-Proto': st.sampled_from(
        ('https', 'javascript', '', 'é', 'a b')),
    'X-Forwarded-Host': st.sampled_from(('a', 'a, b', '', 'a b', 'é', '[::1')),
    'X-Forwarded-Port': st.sampled_from(('443', 'x', '', '-1', '99999999')),
    'X-Forwarded-For': st.sampled_from(('1.2.3.4', '1.2.3.4, ::1', 'x', '')),
    'X-Forwarded-Prefix': st.sampled_from(('/a', 'a', '', '//', '/é', '/%0a')),
    'X-Auth-Token': st.sampled_from(('token', '', 'é', 'x' * 9000)),
    'X-Service-Token': st.sampled_from(('token', '', 'é')),
    'X-User-Id': _header_values,
    'X-Project-Id': _header_values,
    'X-Domain-Id': _header_values,
    'X-Is-Admin-Project': _header_values,
    'X-Service-Roles': _header_values,
    'OpenStack-System-Scope': st.sampled_from(('all', '', 'x')),
    'X-OpenStack-Request-ID': weighted((2, st.sampled_from((
        'req-d00d1c93-0000-4000-8000-000000000001', 'req-', 'x', ''))),
        (1, _header_values)),
    'X-Roles': _header_values,
    'X-Identity-Status': st.sampled_from(('Confirmed', 'Invalid', '')),
    'Cookie': _header_values,
    'Range': st.sampled_from(('bytes=0-1', 'bytes=-1', 'x', 'bytes=5-1')),
    'If-Match': st.sampled_from(('*', '"x"', 'W/', '"')),
    'If-None-Match': st.sampled_from(('*', '"x"', '"')),
    'If-Modified-Since': st.sampled_from((
        'Sat, 21 Nov 2026 00:00:00 GMT', 'x', 'Sat, 99 Nov 99999 00:00:00')),
    'If-Unmodified-Since': st.sampled_from((
        'Thu, 01 Jan 1970 00:00:00 GMT', 'x')),
    'Expect': st.sampled_from(('100-continue', 'x')),
    'Authorization': st.sampled_from(('Basic !', 'Bearer', 'Digest a=,,', '')),
    'X-HTTP-Method-Override': st.sampled_from(('DELETE', 'x')),
    'Content-Encoding': st.sampled_from(('gzip', 'x')),
    'Transfer-Encoding': st.sampled_from(('gzip', 'x')),
    'User-Agent': _header_values,
    'Referer': _header_values,
    versions.HEADER: _any_version,
}

_extra_header = st.sampled_from(sorted(EXTRA)).flatmap(
    lambda name: st.tuples(st.just(name), EXTRA[name]))

_content_types = weighted(
    (40, st.just('application/json')),
    (2, st.sampled_from((
        'application/json; charset=utf-8', 'application/json;charset=utf-16',
        'application/json; charset=nope', 'text/javascript', '', ';', 'json',
        'application/xml', 'text/xml', 'text/plain', 'multipart/form-data',
        'multipart/form-data; boundary=x', 'application/octet-stream',
        'application/x-www-form-urlencoded', 'application/JSON', 'a/b/c',
        'application/json;' + ';' * 100, 'application/json; charset="'))),
    (1, _header_values))


@st.composite
def _headers(draw):
    found = [('X-Roles', draw(_roles)),
             (versions.HEADER, draw(_any_version))]
    if draw(st.integers(0, 9)) < 4:
        found.extend(draw(st.lists(_extra_header, min_size=1, max_size=3)))
    return found


headers = _headers()

# Paths and queries ---------------------------------------------------------

_suffixes = st.sampled_from(('', '', '', '', '', '', '', '', '', '.json',
                             '.xml', '/', '%2F', '%00', '?', '#', ';x=1'))

_raw_segments = st.sampled_from((
    b'%2e%2e', b'..', b'.', b'%2F', b'%ff', b'%c3', b'%ed%a0%80', b'%00',
    b'%', b'%zz', b'%0d%0aX-Evil:%201', b'\xff\xfe', b'\xc3\xa9', b'%25',
    b'%u0041', b'+', b';', b'a;b=c', b'~', b'*', b'%F0%9F%98%80', b'%EF%BB%BF'
))

odd_segments = weighted((3, values.nasty_texts), (2, _raw_segments),
                        (1, values.uuids), (1, st.sampled_from(
                            ('detail', 'state', 'start', 'v1', 'v2', ''))))


def _ident(collection):
    return weighted(
        (20, values.refs(collection, 'uuid', 'uuid', 'name', 'id')),
        (2, st.tuples(values.refs(collection, 'uuid', 'name'), _suffixes)),
        (1, values.uuids), (2, odd_segments))


_raw_queries = st.sampled_from((
    b'?', b'&', b'=', b'&&&', b'=&=', b'limit', b'limit=', b'limit=1;limit=2',
    b'%00=1', b'limit=%00', b'limit=%ff', b'limit=%', b'limit=1&limit=2',
    b'%ff', b'\xff=\xfe', b'sort_key=id%0d%0a', b'limit=%31', b'a[]=1',
    b'limit=%ef%bc%91', b'marker=%ed%a0%80', b'a' * 5000, b'&' * 2000,
    b'limit=' + b'9' * 5000, b'sort_dir=asc&sort_dir=desc', b'#', b'+'))


def _list_query(resource):
    """Return queries of a list, from its filters and sort keys."""
    known = collections()
    sort_keys = sorted(resource.sort_keys) + ['goal', 'links', 'Uuid', 'a.b']
    optional = {
        'limit': weighted((5, st.integers(1, 5).map(str)), (1, st.sampled_from(
            [str(number) for number in values.INTEGERS]
            + ['', ' 3 ', '3.0', 'x', '１', '1_0', '9' * 5000]))),
        'marker': weighted((9, values.refs(resource.collection, resource.key)),
                           (1, values.nasty_texts)),
        'sort_key': weighted((9, st.sampled_from(sort_keys)),
                             (1, values.nasty_texts)),
        'sort_dir': weighted((9, st.sampled_from(query.DIRECTIONS)),
                             (1, values.nasty_texts)),
    }
    for declared in resource.filters:
        optional[declared.name] = weighted(
            (6, values.reference(declared.name, known, values.names)),
            (1, values.uuids), (1, values.nasty_texts))
    return _some_pairs(optional)


@st.composite
def _some_pairs(draw, optional):
    names = draw(st.lists(st.sampled_from(sorted(optional)), max_size=4,
                          unique=True))
    pairs = [(name, draw(optional[name])) for name in names]
    if not draw(st.integers(0, 19)):
        pairs.append((draw(values.nasty_texts), draw(values.nasty_texts)))
    return tuple(pairs)


def _queries(declared):
    """Return declared queries, or odd ones now and then."""
    return weighted((15, declared), (1, _raw_queries))


_no_query = _queries(st.just(()))

# Bodies --------------------------------------------------------------------

#: How the written form of a good body is spoiled.
DAMAGES = ('cut', 'bom', 'utf-16', 'latin-1', 'invalid utf-8', 'nul',
           'trailing', 'nan', 'infinity', 'huge number', 'long number',
           'twice', 'comment', 'quotes', 'surrogate', 'empty', 'spaces',
           'brackets')

_damage = weighted((30, st.just('')), (1, st.sampled_from(DAMAGES)))

_raw_bodies = st.sampled_from((
    b'', b' ', b'null', b'[]', b'{}', b'0', b'""', b'"x"', b'true', b'{',
    b'[[[', b'\xff', b'\x00', b'\xef\xbb\xbf{}', b'{"a":1,"a":2}', b'NaN',
    b'[' * 100_000, b'{"a":' * 50_000, b'1' * 5000, b'-', b'1e999', b'[1e999]',
    b'"\\ud800"', b'{"\\u0000": 1}', b'{"name": "\\u0000"}', b'a=b',
    b'<?xml version="1.0"?><a/>', b'{}' + b' ' * 300_000,
    b' ' * (4 * 1024 * 1024 + 1), b'[,]', b'{"a"}'))


def bodies(good: st.SearchStrategy) -> st.SearchStrategy:
    """Return bodies: mostly good, some spoiled, some anything."""
    return weighted(
        (30, st.builds(Json, good, _damage)),
        (2, st.builds(Json, values.json_values, _damage)),
        (2, _raw_bodies), (1, st.binary(max_size=30)))


@st.composite
def _documents(draw, required, optional, others, recipes):
    """Return documents of a creation.

    :param recipes: documents that are accepted; what is drawn goes on top
    """
    document = {name: draw(strategy) for name, strategy in required.items()}
    most = 5
    if recipes and draw(st.integers(0, 3)):
        document |= draw(st.sampled_from(recipes))
        most = 2
    for name in draw(st.lists(st.sampled_from(sorted(optional)),
                              max_size=most, unique=True)):
        document[name] = draw(optional[name])
    change = draw(st.integers(0, 29))
    if change == 0 and document:
        del document[draw(st.sampled_from(sorted(document)))]
    elif change == 1:
        document[draw(st.sampled_from(others))] = draw(values.json_values)
    elif change == 2:
        document[draw(values.nasty_texts)] = draw(values.json_values)
    return document


def _creations(resource):
    known = collections()
    given = {field.name: values.field_values(field, known)
             for field in resource.fields if field.create}
    required = [field.name for field in resource.fields
                if field.create and field.create.name == 'REQUIRED']
    others = [field.name for field in resource.fields if not field.create]
    return _documents({name: given[name] for name in required},
                      {name: given[name] for name in given
                       if name not in required}, others,
                      values.RECIPES.get(resource.collection, ()))


_deeper = weighted((6, st.just('')), (1, st.sampled_from((
    '/0', '/-', '/1', '/para1', '/nested/deep', '/a-b',
    '/999999999999999999999', '/-1', '/00', '/', '//', '/a b', '/~0', '/~1',
    '/compute', '/0/compute', '/0/compute/0', '/é', '/١', '/²', '\n', '/_'))))


@st.composite
def _operations(draw, patchable, others, known):
    name = draw(weighted((12, st.sampled_from(sorted(patchable))),
                         (1, st.sampled_from(others))))
    path = f'/{name}{draw(_deeper)}'
    if name in patchable:
        value = draw(values.field_values(patchable[name], known))
    else:
        value = draw(values.json_values)
    operation = {
        'op': draw(weighted((12, st.sampled_from(('add', 'replace'))),
                            (3, st.just('remove')),
                            (1, st.sampled_from(('test', 'move', 'copy', '',
                                                 'ADD', None, 1, [], {}))))),
        'path': path, 'value': value}
    change = draw(st.integers(0, 39))
    if change == 0:
        del operation[draw(st.sampled_from(sorted(operation)))]
    elif change == 1:
        operation['path'] = draw(values.json_values)
    elif change == 2:
        operation[draw(values.nasty_texts)] = draw(values.json_values)
    elif change == 3:
        return draw(values.json_values)
    return operation


def _patches(resource):
    patchable = dict(resource.patchable)
    others = [field.name for field in resource.fields
              if field.name not in patchable]
    others += ['id', 'uuid', 'links', 'goal_id', 'strategy_id', 'type']
    return st.lists(_operations(patchable, others, collections()),
                    max_size=3)


# Routes --------------------------------------------------------------------

@functools.cache
def resources() -> dict[str, Any]:
    """Return all resources by their collection."""
    return root.Controller().v1.resources


def collections() -> dict[str, str]:
    """Return the collection of each resource that has stored items."""
    return {resource.name: collection
            for collection, resource in resources().items()
            if hasattr(resource, 'fields')}


@st.composite
def _requests(draw, route, method, segments, queries=_no_query, body=None):
    # Bookmark links lead below the root too.
    prefix = draw(weighted((12, st.just(('v1',))), (1, st.just(())), (
        1, st.sampled_from((('', 'v1'), ('v1', ''), ('V1',), ('v1', 'v1'))))))
    found = draw(headers)
    sent = None
    if body is not None or not draw(st.integers(0, 29)):
        sent = draw(body if body is not None else _raw_bodies)
        found.append(('Content-Type', draw(_content_types)))
    path = [draw(part) for part in segments]
    if not draw(st.integers(0, 29)):
        path.append(draw(odd_segments))
    return Request(route, method, (*prefix, *path), draw(queries),
                   tuple(found), sent)


def _resource_routes(name, resource):
    here, item = st.just(name), _ident(name)
    lists = _queries(_list_query(resource))
    yield 3, _requests(f'GET {name}', 'GET', (here,), lists)
    yield 3, _requests(f'GET {name}/detail', 'GET',
                       (here, st.just('detail')), lists)
    yield 3, _requests(f'GET {name}/<item>', 'GET', (here, item))
    methods = resource.methods()
    if 'POST' in methods:
        yield 9, _requests(f'POST {name}', 'POST', (here,),
                           body=bodies(_creations(resource)))
    if 'PATCH' in methods:
        yield 9, _requests(f'PATCH {name}/<item>', 'PATCH', (here, item),
                           body=bodies(_patches(resource)))
    if 'DELETE' in methods:
        yield 2, _requests(f'DELETE {name}/<item>', 'DELETE', (here, item))
    for method, last in resource.actions:
        body = bodies(st.just({})) if method == 'POST' else None
        yield 2, _requests(f'{method} {name}/<item>/{last}', method,
                           (here, item, st.just(last)), body=body)


def _other_routes(name, resource):
    """Routes of a resource without stored items of its own."""
    known = collections()
    parameters = getattr(resource, 'parameters', ())
    if parameters:
        given = {parameter: weighted(
            (3, values.reference(parameter, known, st.sampled_from(
                ('compute', 'compute', 'storage', 'baremetal', '')))),
            (1, values.nasty_texts)) for parameter in parameters}
        yield 2, _requests(f'GET {name}', 'GET', (st.just(name),),
                           _queries(_some_pairs(given)))
    else:
        yield 4, _requests(
            f'POST {name}/<item>', 'POST', (st.just(name), _ident('audits')),
            body=bodies(values.json_values))


@st.composite
def _anything(draw):
    """Return requests with any method for any path."""
    path = draw(st.lists(weighted(
        (2, st.sampled_from(sorted(resources()))),
        (1, values.refs('audits', 'uuid', 'name', 'id')),
        (2, odd_segments)), max_size=4))
    if draw(st.booleans()):
        path.insert(0, 'v1')
    method = draw(weighted((2, st.sampled_from(METHODS)),
                           (1, st.sampled_from(OTHER_METHODS))))
    found = [*draw(headers), ('Content-Type', draw(_content_types))]
    return Request('any', method, tuple(path), draw(_no_query), tuple(found),
                   draw(weighted((3, st.none()), (1, _raw_bodies))))


@functools.cache
def all_requests() -> st.SearchStrategy[Request]:
    """Return requests for everything that the API declares."""
    routes = [(8, _anything()),
              (1, _requests('GET /', 'GET', ()).map(
                  lambda found: dataclasses.replace(found, segments=()))),
              (1, _requests('GET v1', 'GET', ())),
              (1, _requests('GET healthcheck', 'GET', ()).map(
                  lambda found: dataclasses.replace(
                      found, segments=('healthcheck',))))]
    for name, resource in resources().items():
        if hasattr(resource, 'fields'):
            routes.extend(_resource_routes(name, resource))
        else:
            routes.extend(_other_routes(name, resource))
    return weighted(*routes)


# Writing -------------------------------------------------------------------

def unfold(value: Any) -> Any:
    """Return the value without the short forms of long ones."""
    if isinstance(value, Repeat):
        return value.text * value.count
    if isinstance(value, Nested):
        inner: Any = 1
        for _ in range(value.depth):
            inner = {'a': inner} if value.is_object else [inner]
        return inner
    if isinstance(value, list):
        return [unfold(item) for item in value]
    if isinstance(value, tuple):
        return ''.join(str(unfold(item)) for item in value)
    if isinstance(value, dict):
        return {unfold(name): unfold(item) for name, item in value.items()}
    return value


__all__ = ('Json', 'Ref', 'Request', 'all_requests', 'bodies', 'collections',
           'resources', 'unfold')
