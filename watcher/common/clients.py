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
:class:`~watcher.common.rest.RestClient` over these connections.
"""

import os
import threading
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import loading as ka_loading
from keystoneauth1 import session as ka_session
from openstack import connection as sdk_connection
from openstack.config import cloud_region
from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import rest

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: The group whose credentials serve every service that has none of its own.
FALLBACK_GROUP = 'watcher_clients_auth'

#: Seconds an HTTP request may take when no group sets ``timeout``. Without
#: a limit a hanging service would block a worker for good.
DEFAULT_TIMEOUT = 60.0

#: Connections to one server that wait for the next request.
MAX_IDLE_CONNECTIONS = 100

SERVICES = {service.group: service for service in (
    rest.Service('nova', 'Nova', 'compute', ('nova_client', 'endpoint_type')),
    rest.Service('placement', 'Placement', 'placement'),
    rest.Service('cinder', 'Cinder', 'block-storage',
                 ('cinder_client', 'endpoint_type')),
    rest.Service('keystone', 'Keystone', 'identity'),
    rest.Service('ironic', 'Ironic', 'baremetal',
                 ('ironic_client', 'endpoint_type')),
)}


def auth_group(conf: cfg.ConfigOpts, group: str) -> str:
    """Return the group that supplies credentials, TLS and time-out.

    It is ``group`` itself when it names a plug-in or another section, else
    the common fallback.
    """
    own = conf[group]
    if own.get('auth_type') or own.get('auth_section'):
        return group
    return FALLBACK_GROUP


def interfaces(conf: cfg.ConfigOpts,
               service: rest.Service) -> list[str] | None:
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

    def refusal(self, error):
        """Say which credentials got no token."""
        reason = rest.short_text(error)
        if self.credentials is None:
            return reason
        return _('Keystone at %(url)s refuses the user %(user)s of the '
                 'group [%(group)s]: %(reason)s') % {
                     'url': self.credentials.auth_url,
                     'user': self.credentials.user,
                     'group': self.credentials.group, 'reason': reason}


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
             session: ka_session.Session | None = None) -> rest.RestClient:
        """Return the client of a service.

        :param service: configuration group of the service, like ``nova``.
        :param session: use this instead of the configured credentials.
        :raises: AuthorizationFailure when the credentials are incomplete.
        """
        described = SERVICES[service]
        if session is not None:
            return rest.RestClient(
                described, _Connection(self.conf, service, session))
        group = auth_group(self.conf, service)
        if group != service:
            self._warn_ignored_tls(service)
        try:
            return rest.RestClient(described, _POOL.get(self.conf, group))
        except (ka_exceptions.ClientException, cfg.Error,
                OSError) as exc:
            raise exception.AuthorizationFailure(
                client=described.title,
                reason=_('the credentials in the group [%(group)s] are not '
                         'usable: %(reason)s') % {
                             'group': group, 'reason': rest.short_text(exc)}
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
                conf: cfg.ConfigOpts = CONF) -> rest.RestClient:
    """Return the client a helper works with.

    :param source: what the helper was constructed with: nothing,
        :class:`OpenStackClients`, a
        :class:`~watcher.common.rest.RestClient`, an openstacksdk connection
        or a keystoneauth session.
    """
    if isinstance(source, rest.RestClient):
        return source
    if source is None:
        return OpenStackClients(conf).rest(service)
    if isinstance(source, OpenStackClients):
        return source.rest(service)
    session = source
    if isinstance(source, sdk_connection.Connection):
        session = source.session
    return OpenStackClients(conf).rest(service, session=session)
