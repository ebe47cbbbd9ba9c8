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
"""Keystone v3: tokens, catalogue, and lists of what there is."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import secrets
import threading
from http import HTTPStatus
from typing import Any

from watcher.sandbox.cloud import web

REGION = 'RegionOne'
DOMAIN = {'id': 'default', 'name': 'Default'}

#: One password for all users: the sandbox has no secrets.
PASSWORD = 'sandbox'

TOKEN_LIFETIME = datetime.timedelta(hours=6)

#: Expired tokens are swept out when there are more than this.
SWEEP_ABOVE = 1000


def stable_id(kind: str, name: str) -> str:
    """The same id for the same thing in every sandbox."""
    return hashlib.sha256(
        ('%s:%s' % (kind, name)).encode()).hexdigest()[:32]


@dataclasses.dataclass(slots=True)
class Identity:
    """Who a token stands for, as the other services see it."""

    user_id: str
    project_id: str | None
    roles: frozenset[str]

    @property
    def is_admin(self) -> bool:
        return 'admin' in self.roles


@dataclasses.dataclass(slots=True)
class Token:
    body: dict[str, Any]
    identity: Identity
    expires: datetime.datetime


def _timestamp(moment: datetime.datetime) -> str:
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


class Keystone(web.Service):

    type = 'identity'
    name = 'keystone'
    prefix = '/identity'

    def __init__(self, projects: list[str]) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._catalog: list[dict[str, Any]] = []
        self.roles = {name: stable_id('role', name)
                      for name in ('admin', 'member', 'reader', 'service')}
        self.projects = {name: stable_id('project', name)
                         for name in ['admin', 'service', *projects]}
        self.users: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        #: (user name, project name) to the names of the roles.
        self.assignments: dict[tuple[str, str], frozenset[str]] = {}
        self.add_user('admin', {
            name: ['admin', 'member', 'reader'] for name in self.projects})
        self.add_user('watcher', {'service': ['admin', 'service']})
        for name in projects:
            self.add_user(name, {name: ['member', 'reader']})

    def add_user(self, name: str, roles: dict[str, list[str]],
                 password: str = PASSWORD) -> str:
        """Make a user with roles by project name; returns the id.

        Projects and roles that do not exist yet are made, too.
        """
        self.users[name] = stable_id('user', name)
        self.passwords[name] = password
        for project, names in roles.items():
            self.projects.setdefault(project, stable_id('project', project))
            self.assignments[name, project] = frozenset(names)
            for role in names:
                self.roles.setdefault(role, stable_id('role', role))
        return self.users[name]

    def add_endpoint(self, service_type: str, name: str, url: str) -> None:
        """Put a service into the catalogue, or move it."""
        endpoints = [
            {'id': stable_id('endpoint', service_type + interface),
             'interface': interface, 'region': REGION,
             'region_id': REGION, 'url': url}
            for interface in ('public', 'internal', 'admin')]
        entry = {'id': stable_id('service', service_type),
                 'type': service_type, 'name': name, 'endpoints': endpoints}
        with self._lock:
            self._catalog = [e for e in self._catalog
                             if e['type'] != service_type] + [entry]

    def identify(self, token_id: str | None) -> Identity | None:
        """Whose token this is; None when it is not valid."""
        token = self._tokens.get(token_id or '')
        if token is None or token.expires <= datetime.datetime.now(
                datetime.UTC):
            return None
        return token.identity

    def revoke_all(self) -> None:
        """Forget all tokens, as a Keystone whose keys were rotated."""
        with self._lock:
            self._tokens.clear()

    # The machinery.

    def authenticate(self, request: web.Request) -> None:
        request.identity = self.identify(request.header('X-Auth-Token'))
        if request.identity is None:
            raise self._unauthorized()

    def check_admin(self, request: web.Request, rule: str) -> None:
        if not request.identity.is_admin:
            raise web.HTTPError(
                403, 'You are not authorized to perform the requested '
                     'action: %s.' % rule)

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        title = HTTPStatus(error.status).phrase
        return web.json_response(
            {'error': {'code': error.status, 'message': error.message,
                       'title': title}}, error.status)

    def common_headers(self, request: web.Request) -> dict[str, str]:
        return {'Vary': 'X-Auth-Token', 'x-openstack-request-id': request.id}

    def _unauthorized(self) -> web.HTTPError:
        return web.HTTPError(
            401, 'The request you have made requires authentication.',
            {'WWW-Authenticate': 'Keystone uri="%s"' % self._own_url()})

    def _own_url(self) -> str:
        for entry in self._catalog:
            if entry['type'] == self.type:
                return entry['endpoints'][0]['url']
        return self.prefix

    # Versions.

    def _version(self, request: web.Request) -> dict[str, Any]:
        return {'id': 'v3.14', 'status': 'stable',
                'updated': '2020-04-07T00:00:00Z',
                'links': [{'rel': 'self',
                           'href': request.base_url + '/v3/'}],
                'media-types': [{
                    'base': 'application/json',
                    'type': 'application/vnd.openstack.identity-v3+json'}]}

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response(
            {'versions': {'values': [self._version(request)]}}, 300)

    @web.route('GET', '/v3', public=True)
    def version(self, request: web.Request) -> web.Response:
        return web.json_response({'version': self._version(request)})

    # Tokens.

    @web.route('POST', '/v3/auth/tokens', public=True)
    def issue(self, request: web.Request) -> web.Response:
        auth = request.body.get('auth')
        if not isinstance(auth, dict):
            raise web.HTTPError(400, "'auth' is a required property")
        user, methods = self._authenticate_user(auth.get('identity') or {})
        project, system = self._scope(user, auth.get('scope'))
        token_id, token = self._make_token(user, project, system, methods)
        body = dict(token.body)
        if 'nocatalog' in request.query:
            body.pop('catalog', None)
        return web.json_response({'token': body}, 201,
                                  {'X-Subject-Token': token_id})

    def _authenticate_user(self, identity: dict[str, Any]
                           ) -> tuple[str, list[str]]:
        methods = identity.get('methods') or []
        if 'password' in methods:
            given = (identity.get('password') or {}).get('user') or {}
            name = self._name_of(self.users, given)
            password = given.get('password')
            if name is None or password != self.passwords[name]:
                raise self._unauthorized()
            return name, methods
        if 'token' in methods:
            old = self.identify((identity.get('token') or {}).get('id'))
            if old is None:
                raise self._unauthorized()
            name = self._name_of(self.users, {'id': old.user_id})
            return name or '', methods
        raise self._unauthorized()

    @staticmethod
    def _name_of(known: dict[str, str],
                 given: dict[str, Any]) -> str | None:
        """Resolve ``{'name': ..}`` or ``{'id': ..}``."""
        domain = given.get('domain') or {}
        if domain and DOMAIN['id'] != domain.get('id') and \
                DOMAIN['name'] != domain.get('name'):
            return None
        if 'id' in given:
            return next((name for name, uuid in known.items()
                         if uuid == given['id']), None)
        name = given.get('name')
        return name if name in known else None

    def _scope(self, user: str, scope: Any) -> tuple[str | None, bool]:
        """The project the token is for, and whether it is for the system.

        An unscoped token has neither.
        """
        if not isinstance(scope, dict):
            return None, False
        if 'system' in scope:
            if not self._is_admin(user):
                raise self._unauthorized()
            return None, True
        project = self._name_of(self.projects, scope.get('project') or {})
        if project is None or (user, project) not in self.assignments:
            raise self._unauthorized()
        return project, False

    def _is_admin(self, user: str) -> bool:
        return 'admin' in self.assignments.get((user, 'admin'), ())

    def _make_token(self, user: str, project: str | None, system: bool,
                    methods: list[str]) -> tuple[str, Token]:
        now = datetime.datetime.now(datetime.UTC)
        expires = now + TOKEN_LIFETIME
        names = self.assignments.get(
            (user, 'admin' if system else project or ''), frozenset())
        body: dict[str, Any] = {
            'methods': methods,
            'user': {'id': self.users[user], 'name': user, 'domain': DOMAIN,
                     'password_expires_at': None},
            'audit_ids': [secrets.token_urlsafe(16)],
            'issued_at': _timestamp(now), 'expires_at': _timestamp(expires)}
        if project is not None:
            body['project'] = {'id': self.projects[project],
                               'name': project, 'domain': DOMAIN}
            body['is_domain'] = False
        if system:
            body['system'] = {'all': True}
        if project is not None or system:
            body['roles'] = [{'id': self.roles[name], 'name': name}
                             for name in sorted(names)]
            body['catalog'] = self._catalog
        identity = Identity(
            self.users[user],
            self.projects[project] if project else None, names)
        token_id = 'gAAAAA' + secrets.token_urlsafe(64)
        token = Token(body, identity, expires)
        with self._lock:
            self._sweep(now)
            self._tokens[token_id] = token
        return token_id, token

    def _sweep(self, now: datetime.datetime) -> None:
        if len(self._tokens) > SWEEP_ABOVE:
            self._tokens = {k: t for k, t in self._tokens.items()
                            if t.expires > now}

    @web.route('GET', '/v3/auth/tokens')
    def validate(self, request: web.Request) -> web.Response:
        token_id = request.header('X-Subject-Token') or ''
        if self.identify(token_id) is None:
            raise web.HTTPError(404, 'Could not find token: %s.' % token_id)
        body = dict(self._tokens[token_id].body)
        if 'nocatalog' in request.query:
            body.pop('catalog', None)
        elif 'catalog' in body:
            body['catalog'] = self._catalog
        return web.json_response({'token': body}, 200,
                                  {'X-Subject-Token': token_id})

    @web.route('DELETE', '/v3/auth/tokens')
    def revoke(self, request: web.Request) -> web.Response:
        with self._lock:
            self._tokens.pop(request.header('X-Subject-Token') or '', None)
        return web.Response(204)

    @web.route('GET', '/v3/auth/catalog')
    def show_catalog(self, request: web.Request) -> web.Response:
        return web.json_response({'catalog': self._catalog})

    @web.route('GET', '/v3/auth/projects')
    def show_own_projects(self, request: web.Request) -> web.Response:
        user = self._name_of(self.users, {'id': request.identity.user_id})
        names = [project for owner, project in self.assignments
                 if owner == user]
        return self._list(request, 'projects', [
            p for p in self._all_projects(request) if p['name'] in names])

    # Lists.

    def _list(self, request: web.Request, key: str,
              items: list[dict[str, Any]]) -> web.Response:
        """Answer a collection, filtered by the fields that are equal."""
        for name in ('name', 'type', 'domain_id', 'service_id', 'interface'):
            wanted = request.arg(name)
            if wanted is not None:
                items = [i for i in items if i.get(name) == wanted]
        links = {'self': request.base_url + request.path, 'next': None,
                 'previous': None}
        return web.json_response({key: items, 'links': links})

    def _show(self, key: str, items: list[dict[str, Any]],
              ident: str) -> web.Response:
        for item in items:
            if item['id'] == ident:
                return web.json_response({key: item})
        raise web.HTTPError(404, 'Could not find %s: %s.' % (key, ident))

    def _all_projects(self, request: web.Request) -> list[dict[str, Any]]:
        return [{'id': uuid, 'name': name, 'domain_id': DOMAIN['id'],
                 'parent_id': DOMAIN['id'], 'enabled': True,
                 'is_domain': False, 'description': '', 'tags': [],
                 'options': {}, 'links': {}}
                for name, uuid in self.projects.items()]

    def _all_users(self) -> list[dict[str, Any]]:
        return [{'id': uuid, 'name': name, 'domain_id': DOMAIN['id'],
                 'enabled': True, 'options': {}, 'links': {},
                 'password_expires_at': None}
                for name, uuid in self.users.items()]

    def _all_roles(self) -> list[dict[str, Any]]:
        return [{'id': uuid, 'name': name, 'domain_id': None,
                 'description': None, 'options': {}, 'links': {}}
                for name, uuid in self.roles.items()]

    def _all_services(self) -> list[dict[str, Any]]:
        return [{'id': entry['id'], 'name': entry['name'],
                 'type': entry['type'], 'enabled': True,
                 'description': '', 'links': {}}
                for entry in self._catalog]

    def _all_endpoints(self) -> list[dict[str, Any]]:
        return [dict(endpoint, service_id=entry['id'], enabled=True,
                     links={})
                for entry in self._catalog
                for endpoint in entry['endpoints']]

    def _all_domains(self) -> list[dict[str, Any]]:
        return [dict(DOMAIN, enabled=True, description='', tags=[],
                     options={}, links={})]

    @web.route('GET', '/v3/projects')
    def list_projects(self, request: web.Request) -> web.Response:
        return self._list(request, 'projects', self._all_projects(request))

    @web.route('GET', '/v3/projects/{ident}')
    def show_project(self, request: web.Request,
                     ident: str) -> web.Response:
        return self._show('project', self._all_projects(request), ident)

    @web.route('GET', '/v3/users', admin='identity:list_users')
    def list_users(self, request: web.Request) -> web.Response:
        return self._list(request, 'users', self._all_users())

    @web.route('GET', '/v3/users/{ident}')
    def show_user(self, request: web.Request, ident: str) -> web.Response:
        return self._show('user', self._all_users(), ident)

    @web.route('GET', '/v3/roles', admin='identity:list_roles')
    def list_roles(self, request: web.Request) -> web.Response:
        return self._list(request, 'roles', self._all_roles())

    @web.route('GET', '/v3/roles/{ident}')
    def show_role(self, request: web.Request, ident: str) -> web.Response:
        return self._show('role', self._all_roles(), ident)

    @web.route('GET', '/v3/domains')
    def list_domains(self, request: web.Request) -> web.Response:
        return self._list(request, 'domains', self._all_domains())

    @web.route('GET', '/v3/domains/{ident}')
    def show_domain(self, request: web.Request,
                    ident: str) -> web.Response:
        return self._show('domain', self._all_domains(), ident)

    @web.route('GET', '/v3/services', admin='identity:list_services')
    def list_services(self, request: web.Request) -> web.Response:
        return self._list(request, 'services', self._all_services())

    @web.route('GET', '/v3/services/{ident}',
                admin='identity:get_service')
    def show_service(self, request: web.Request,
                     ident: str) -> web.Response:
        return self._show('service', self._all_services(), ident)

    @web.route('GET', '/v3/endpoints', admin='identity:list_endpoints')
    def list_endpoints(self, request: web.Request) -> web.Response:
        return self._list(request, 'endpoints', self._all_endpoints())

    @web.route('GET', '/v3/regions')
    def list_regions(self, request: web.Request) -> web.Response:
        return self._list(request, 'regions', [
            {'id': REGION, 'description': '', 'parent_region_id': None,
             'links': {}}])
