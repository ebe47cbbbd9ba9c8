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
"""Connections to the other OpenStack services.

There is one connection for each process and set of credentials, shared by
all threads: one token, one version discovery, one pool of sockets. The
helpers (:mod:`watcher.common.nova_helper` and its neighbours) talk through
:class:`RestClient`, which decodes JSON without building a resource object
for each record and turns every failure into one sentence for an operator.
"""

import contextlib
import dataclasses
import json
import os
import re
import threading
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import loading as ka_loading
from keystoneauth1 import session as ka_session
from openstack import connection as sdk_connection
from openstack import exceptions as sdk_exceptions
from openstack.config import cloud_region
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from oslo_utils import strutils

from watcher._i18n import _
from watcher.common import exception

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: The group whose credentials serve every service that has none of its own.
FALLBACK_GROUP = 'watcher_clients_auth'

#: Seconds an HTTP request may take when no group sets ``timeout``. Without
#: a limit a hanging service would block a worker for good.
DEFAULT_TIMEOUT = 60.0

#: Connections to one server that wait for the next request.
MAX_IDLE_CONNECTIONS = 100

_NO_CONNECTION = re.compile(
    r'Unable to establish connection to (\S+?): (?:\1: )?(.*)')
_ERRNO = re.compile(r'\[Errno [^\]]+\] [^\'")]+')


@dataclasses.dataclass(frozen=True)
class Service:
    """What is special to one service that we call.

    :param group: configuration group with the adapter options.
    :param title: its name in messages.
    :param service_type: type in the catalogue and of the SDK's proxy.
    :param legacy_interface: group and option that still names the endpoint
        interface when ``group`` doesn't.
    """

    group: str
    title: str
    service_type: str
    legacy_interface: tuple[str, str] | None = None


SERVICES = {service.group: service for service in (
    Service('nova', 'Nova', 'compute', ('nova_client', 'endpoint_type')),
    Service('placement', 'Placement', 'placement'),
    Service('cinder', 'Cinder', 'block-storage',
            ('cinder_client', 'endpoint_type')),
    Service('keystone', 'Keystone', 'identity'),
    Service('ironic', 'Ironic', 'baremetal',
            ('ironic_client', 'endpoint_type')),
)}


class RequestFailed(Exception):
    """A request to another service did not succeed.

    The helpers turn it into the exception of their service.

    :param reason: the whole story in one sentence, without secrets.
    :param status: HTTP status of the answer; None when there was none.
    :param connection_error: whether the service could not be reached, so
        that it is unknown if it saw the request.
    :param no_endpoint: whether the cloud does not have the service.
    """

    def __init__(self, reason: str, status: int | None = None,
                 connection_error: bool = False, no_endpoint: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.connection_error = connection_error
        self.no_endpoint = no_endpoint


def auth_group(conf: cfg.ConfigOpts, group: str) -> str:
    """Return the group that supplies credentials, TLS and time-out.

    It is ``group`` itself when it names a plug-in or another section, else
    the common fallback.
    """
    own = conf[group]
    if own.get('auth_type') or own.get('auth_section'):
        return group
    return FALLBACK_GROUP


def interfaces(conf: cfg.ConfigOpts, service: Service) -> list[str] | None:
    """Return the endpoint interfaces to try, in order; None for default."""
    options = conf[service.group]
    chosen = options.valid_interfaces
    single = options.get('interface')
    if chosen and single:
        LOG.warning('[%(group)s] sets both valid_interfaces and the '
                    'deprecated interface; interface is ignored',
                    {'group': service.group})
    if not chosen:
        chosen = [single] if single else None
    if not chosen and service.legacy_interface:
        chosen = [conf[service.legacy_interface[0]][
            service.legacy_interface[1]]]
    if not chosen:
        return None
    if isinstance(chosen, str):
        chosen = [chosen]
    return [name.removesuffix('URL') for name in chosen]


def _adapter_settings(conf, service):
    """Return the adapter options in the form the SDK wants them."""
    options = conf[service.group]
    names = ('service_type', 'service_name', 'region_name',
             'endpoint_override', 'version', 'min_version', 'max_version',
             'connect_retries', 'connect_retry_delay', 'status_code_retries',
             'status_code_retry_delay', 'retriable_status_codes')
    settings = {name: options[name] for name in names}
    settings['interface'] = interfaces(conf, service)
    prefix = service.service_type.replace('-', '_')
    return {f'{prefix}_{name}': value for name, value in settings.items()
            if value is not None}


def _short(error: BaseException) -> str:
    """Return the text of an error without nested reprs and secrets.

    Status messages of audits and actions have room for 255 characters.
    """
    text = ' '.join(str(error).split())
    errno = _ERRNO.search(text)
    if errno and ': HTTP' in text:
        text = text.split(': HTTP', 1)[0] + ': ' + errno.group(0)
    elif '(Caused by ' in text:
        cause = text.rsplit('(Caused by ', 1)[-1]
        text = text.split(': HTTP', 1)[0] + ': ' + cause.rstrip(')')
    return strutils.mask_password(text)


def _unreachable(error: BaseException, fallback: str) -> tuple[str, str]:
    """Return the URL that could not be reached, and why.

    :param fallback: what to name when the error does not tell the URL.
    """
    text = _short(error)
    found = _NO_CONNECTION.match(text)
    if not found:
        return fallback, text
    return found.groups()


class _Credentials:
    """A session made from one group, and how to speak about it."""

    def __init__(self, conf, group):
        self.group = group
        self._conf = conf
        self.session = self._load()

    def _load(self):
        conf, group = self._conf, self.group
        ka_loading.register_session_conf_options(conf, group)
        # Once more, now that files are parsed: with auth_section the
        # option auth_type belongs into that other section.
        ka_loading.register_auth_conf_options(conf, group)
        auth = ka_loading.load_auth_from_conf_options(conf, group)
        if auth is None:
            raise ka_exceptions.MissingAuthPlugin(
                _('no auth_type is set in [%s]') % group)
        kwargs = {}
        if conf[group].timeout is None:
            kwargs['timeout'] = DEFAULT_TIMEOUT
        session = ka_loading.load_session_from_conf_options(
            conf, group, auth=auth, **kwargs)
        self._keep_connections(session)
        return session

    def _keep_connections(self, session):
        """Keep one idle connection for each thread that may come back.

        By default ten are kept; whoever comes with more threads would get a
        warning and a new connection with each request.
        """
        options = self._conf[self.group]
        for prefix in list(session.session.adapters):
            session.session.mount(prefix, ka_session.TCPKeepAliveAdapter(
                pool_maxsize=MAX_IDLE_CONNECTIONS,
                tls_ciphers=options.get('tls_ciphers'),
                tls_min_version=options.get('tls_min_version')))

    @property
    def user(self):
        """The configured user, for messages only."""
        options = self._conf[self._conf[self.group].auth_section
                             or self.group]
        for name in ('username', 'user_name', 'user_id',
                     'application_credential_id'):
            value = options.get(name)
            if value:
                return value
        return _('(no user name)')

    @property
    def auth_url(self):
        return getattr(self.session.auth, 'auth_url', None) or _('(no URL)')


def _group_values(conf, group):
    return tuple((name, repr(value)) for name, value in conf[group].items())


def _fingerprint(conf, group):
    """Identify process and settings, so that a change makes new sessions."""
    groups = [group, *SERVICES]
    groups += [service.legacy_interface[0] for service in SERVICES.values()
               if service.legacy_interface]
    section = conf[group].get('auth_section')
    if section and section in conf:
        groups.append(section)
    return (os.getpid(), id(conf),
            tuple(_group_values(conf, name) for name in groups))


class _Connection:
    """The SDK connection of one set of credentials."""

    def __init__(self, conf, group, session=None):
        self.credentials = None
        if session is None:
            self.credentials = _Credentials(conf, group)
            session = self.credentials.session
        settings = {}
        for service in SERVICES.values():
            settings.update(_adapter_settings(conf, service))
        self.session = session
        self._lock = threading.RLock()
        self._proxies = {}
        self.sdk = sdk_connection.Connection(
            session=session, strict_proxies=True,
            config=cloud_region.from_session(
                session, name='watcher', app_name='watcher', **settings))


    def proxy(self, service):
        """Return the SDK's adapter of a service and the service's URL.

        Finding them out runs version discovery, which threads that start
        together should do once. Services that are known already don't wait
        for it. Keeping the URL halves the cost of a request.
        """
        known = self._proxies.get(service.service_type)
        if known is None:
            with self._lock:
                known = self._proxies.get(service.service_type)
                if known is None:
                    known = self._discover(service)
                    self._proxies[service.service_type] = known
        return known

    def _discover(self, service):
        proxy = getattr(self.sdk, service.service_type.replace('-', '_'))
        # The identity proxy has a method of this name for something else.
        return proxy, adapter.Adapter.get_endpoint(proxy)

    def forget(self, service):
        """Look the service up again, which may have moved."""
        with self._lock:
            self._proxies.pop(service.service_type, None)


class _Pool:
    """The connections of this process, by credentials."""

    def __init__(self):
        self._lock = threading.RLock()
        self._connections = {}

    def get(self, conf, group):
        with self._lock:
            # Settings of the plug-in get registered while it is loaded, so
            # the fingerprint is taken again afterwards.
            known = self._connections.get(group)
            if known and known[0] == _fingerprint(conf, group):
                return known[1]
            made = _Connection(conf, group)
            self._connections[group] = (_fingerprint(conf, group), made)
            return made

    def clear(self):
        with self._lock:
            self._connections.clear()


# Shared by all threads: a second token and discovery for each action would
# cost more than the action's own requests.
_POOL = _Pool()

class RestClient:
    """Speaks JSON with one service.

    Methods return the decoded body and raise :class:`RequestFailed`, or
    ``AuthorizationFailure`` when no token can be had. Nothing is repeated
    here unless the operator configured retries of the HTTP layer, and these
    are used for reading only.
    """

    def __init__(self, service: Service, connection: _Connection):
        self.service = service
        self._connection = connection
        self._max_microversion = None

    @property
    def session(self) -> ka_session.Session:
        """The keystoneauth session underneath."""
        return self._connection.session

    @property
    def sdk(self) -> sdk_connection.Connection:
        """The openstacksdk connection underneath."""
        return self._connection.sdk

    def max_microversion(self) -> tuple[int, int]:
        """Return the newest microversion the service offers.

        (0, 0) when it has none. Read once for each client.
        """
        if self._max_microversion is None:
            def read(proxy, url):
                data = proxy.get_endpoint_data()
                return data and data.max_microversion
            version = self._guarded(read, 'GET', '/')
            self._max_microversion = tuple(version or (0, 0))
        return self._max_microversion

    def get(self, path: str, params: dict | None = None,
            microversion: str | None = None) -> dict:
        """Read something."""
        return self.request('GET', path, params=params,
                            microversion=microversion)

    def request(self, method: str, path: str, params: dict | None = None,
                json: Any = None, microversion: str | None = None) -> dict:
        """Send one request and return the decoded body ({} when empty)."""
        kwargs = {'params': params} if params else {}
        if json is not None:
            kwargs['json'] = json
        if microversion:
            kwargs['microversion'] = microversion
        if method != 'GET':
            # Repeating a request that changes something is a decision of
            # the helper, which looks at the result first.
            kwargs.update(connect_retries=0, status_code_retries=0)
        context = oslo_context.get_current()
        if context is not None:
            kwargs['global_request_id'] = context.global_id

        def send(proxy, url):
            return proxy.request(path, method, raise_exc=False,
                                 endpoint_override=url, **kwargs)
        response = self._guarded(send, method, path)
        if response.status_code >= 400:
            raise self._refused(method, response)
        return self._decoded(method, response)

    def _decoded(self, method, response):
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            raise RequestFailed(
                _('%(method)s %(url)s did not answer with JSON; is another '
                  'service or a proxy listening there?') % {
                      'method': method, 'url': response.url},
                status=response.status_code) from None

    def _refused(self, method, response):
        request_id = response.headers.get('x-openstack-request-id')
        reason = _('%(method)s %(url)s: HTTP %(status)s %(text)s') % {
            'method': method, 'url': response.url,
            'status': response.status_code,
            'text': error_text(response)}
        if request_id:
            reason += f' ({request_id})'
        return RequestFailed(reason, status=response.status_code)

    def _guarded(self, function, method, path):
        """Call the function with proxy and URL, mapping every failure."""
        try:
            return function(*self._connection.proxy(self.service))
        except ka_exceptions.Unauthorized as exc:
            raise self._no_token(exc) from exc
        except (ka_exceptions.AuthorizationFailure,
                ka_exceptions.MissingAuthPlugin,
                ka_exceptions.AuthPluginException) as exc:
            raise self._no_token(exc) from exc
        except (ka_exceptions.EndpointNotFound,
                sdk_exceptions.EndpointNotFound) as exc:
            raise RequestFailed(
                _('%(service)s has no endpoint of type %(type)s in the '
                  'catalogue for interface %(interface)s and region '
                  '%(region)s; check the group [%(group)s]: %(reason)s') % {
                      'service': self.service.title,
                      'type': self.service.service_type,
                      'interface': self._setting('interface', 'public'),
                      'region': self._setting('region_name', _('any')),
                      'group': self.service.group,
                      'reason': _short(exc)}, no_endpoint=True) from exc
        except ka_exceptions.ConnectionError as exc:
            self._connection.forget(self.service)
            raise self._away(method, path, exc) from exc
        except (sdk_exceptions.ServiceDiscoveryException,
                sdk_exceptions.NotSupported) as exc:
            raise self._undiscovered(exc) from exc
        except (ka_exceptions.ClientException,
                sdk_exceptions.SDKException) as exc:
            cause = exc.__context__ or exc.__cause__
            raise RequestFailed(
                _('%(service)s cannot be used (%(method)s %(path)s, group '
                  '[%(group)s]): %(reason)s') % {
                      'service': self.service.title, 'method': method,
                      'path': path, 'group': self.service.group,
                      'reason': _short(exc)},
                status=getattr(exc, 'http_status', None),
                connection_error=isinstance(
                    cause, ka_exceptions.ConnectionError)) from exc

    def _undiscovered(self, exc):
        """Say what the service's own URL answers instead of versions."""
        settings = {name: self._setting(name, None) for name in (
            'service_type', 'service_name', 'interface', 'region_name')}
        settings['service_type'] = (settings['service_type']
                                    or self.service.service_type)
        url = self._setting('endpoint_override', None)
        try:
            url = url or self.session.get_endpoint(
                skip_discovery=True, **settings)
            response = self.session.get(url, raise_exc=False,
                                        authenticated=False)
        except ka_exceptions.ClientException as problem:
            return self._away('GET', url or '/', problem)
        return RequestFailed(
            _('%(service)s at %(url)s does not tell its versions (group '
              '[%(group)s]): HTTP %(status)s %(text)s') % {
                  'service': self.service.title, 'url': url,
                  'group': self.service.group,
                  'status': response.status_code,
                  'text': error_text(response)},
            status=response.status_code)

    def _away(self, method, path, exc):
        url, reason = _unreachable(exc, f'{method} {path}')
        return RequestFailed(
            _('%(service)s at %(url)s cannot be reached (group '
              '[%(group)s]): %(reason)s') % {
                  'service': self.service.title, 'url': url,
                  'group': self.service.group, 'reason': reason},
            connection_error=True)

    def _setting(self, name, default):
        prefix = self.service.service_type.replace('-', '_')
        return self.sdk.config.config.get(f'{prefix}_{name}') or default

    def _no_token(self, exc):
        credentials = self._connection.credentials
        if credentials is None:
            reason = _short(exc)
        else:
            reason = _('Keystone at %(url)s refuses the user %(user)s of '
                       'the group [%(group)s]: %(reason)s') % {
                           'url': credentials.auth_url,
                           'user': credentials.user,
                           'group': credentials.group,
                           'reason': _short(exc)}
        return exception.AuthorizationFailure(
            client=self.service.title, reason=reason)


def error_text(response) -> str:
    """Return what a service says about an error, from any known form."""
    try:
        body = response.json()
    except ValueError:
        return ' '.join(response.text.split())[:200] or response.reason
    if not isinstance(body, dict):
        return str(body)[:200]
    if isinstance(body.get('errors'), list) and body['errors']:
        first = body['errors'][0]
        return ' '.join(str(first.get('detail') or first.get('title')
                            or first).split())
    for value in body.values():
        if isinstance(value, dict) and value.get('message'):
            return ' '.join(str(value['message']).split())
    if body.get('error_message'):
        return _ironic_text(body['error_message'])
    return ' '.join(str(body.get('message') or body).split())[:200]


def _ironic_text(message: Any) -> str:
    """Return the text in Ironic's error, JSON within a text of JSON."""
    if isinstance(message, str):
        with contextlib.suppress(ValueError):
            message = json.loads(message)
    if isinstance(message, dict):
        message = message.get('faultstring') or message
    return ' '.join(str(message).split())[:200]


class OpenStackClients:
    """Entry to the connections; cheap to make, holds no state of its own.

    :param conf: configuration to read the groups from.
    """

    def __init__(self, conf: cfg.ConfigOpts = CONF):
        self.conf = conf

    @property
    def session(self) -> ka_session.Session:
        """The keystoneauth session of the common credentials."""
        return self.rest('keystone').session

    def connection(self, service: str) -> sdk_connection.Connection:
        """Return the shared openstacksdk connection for a service.

        :param service: configuration group of the service, like ``nova``.
        :raises: AuthorizationFailure when the credentials are incomplete.
        """
        return self.rest(service).sdk

    def rest(self, service: str,
             session: ka_session.Session | None = None) -> RestClient:
        """Return the client of a service.

        :param service: configuration group of the service, like ``nova``.
        :param session: use this instead of the configured credentials.
        :raises: AuthorizationFailure when the credentials are incomplete.
        """
        described = SERVICES[service]
        if session is not None:
            return RestClient(described,
                              _Connection(self.conf, service, session))
        group = auth_group(self.conf, service)
        if group != service:
            self._warn_ignored_tls(service)
        try:
            return RestClient(described, _POOL.get(self.conf, group))
        except (ka_exceptions.ClientException, cfg.Error,
                OSError) as exc:
            raise exception.AuthorizationFailure(
                client=described.title,
                reason=_('the credentials in the group [%(group)s] are not '
                         'usable: %(reason)s') % {
                             'group': group, 'reason': _short(exc)}
            ) from exc

    def _warn_ignored_tls(self, group):
        options = self.conf[group]
        ignored = [name for name in ('cafile', 'certfile', 'keyfile',
                                     'insecure', 'timeout')
                   if options.get(name)]
        if ignored:
            LOG.warning(
                'The options %(names)s of [%(group)s] are ignored because '
                'it has no auth_type; set them in [%(fallback)s]',
                {'names': ', '.join(ignored), 'group': group,
                 'fallback': FALLBACK_GROUP})

    def ironic(self) -> Any:
        """Return openstacksdk's proxy of the bare metal service.

        :raises: AuthorizationFailure when the credentials are incomplete.
        """
        return self.connection('ironic').baremetal

    def reset_clients(self) -> None:
        """Forget all connections; the next use logs in again."""
        _POOL.clear()


def rest_client(service: str, source: Any = None,
                conf: cfg.ConfigOpts = CONF) -> RestClient:
    """Return the client a helper works with.

    :param source: what the helper was constructed with: nothing,
        :class:`OpenStackClients`, a :class:`RestClient`, an openstacksdk
        connection or a keystoneauth session.
    """
    if isinstance(source, RestClient):
        return source
    if source is None:
        return OpenStackClients(conf).rest(service)
    if isinstance(source, OpenStackClients):
        return source.rest(service)
    session = source
    if isinstance(source, sdk_connection.Connection):
        session = source.session
    return OpenStackClients(conf).rest(service, session=session)
