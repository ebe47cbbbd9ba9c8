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
"""The configuration with which the service uses a simulated cloud.

It is an ordinary configuration file: what the sandbox runs is configured
as any other installation. Waiting times are short, because servers of the
simulated cloud migrate within seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watcher.sandbox.cloud import server

#: Options by group.
Settings = dict[str, dict[str, Any]]

#: The user of the service in the simulated cloud.
USER = 'watcher'
PROJECT = 'service'


def _credentials(cloud: server.Cloud) -> dict[str, Any]:
    return {'auth_type': 'password', **cloud.credentials(USER, PROJECT)}


def _models(cloud: server.Cloud) -> list[str]:
    """The models of what the cloud has."""
    return ['compute', *(['storage'] if cloud.storage.pools else []),
            *(['baremetal'] if cloud.machines.nodes else [])]


def for_cloud(cloud: server.Cloud, connection: str,
              transport_url: str = 'fake://') -> Settings:
    """Make the settings of a service that looks after ``cloud``.

    :param connection: SQLAlchemy URL of the database.
    :param transport_url: message bus; ``fake://`` is one within the
        process.
    """
    credentials = _credentials(cloud)
    return {
        'DEFAULT': {'host': 'sandbox', 'transport_url': transport_url},
        'database': {'connection': connection},
        'keystone_authtoken': {
            **credentials, 'www_authenticate_uri': cloud.auth_url,
            'service_token_roles_required': True},
        'watcher_clients_auth': credentials,
        'nova': {'migration_interval': 0.2, 'http_retry_interval': 0.2},
        'collector': {'api_query_max_retries': 3, 'api_query_interval': 0,
                      'collector_plugins': ','.join(_models(cloud))},
        'watcher_datasources': {'datasources': 'aetos'},
        'prometheus_client': {'base_url': cloud.url + '/prometheus'},
        'watcher_decision_engine': {'reconcile_interval': 1},
        'watcher_applier': {'reconcile_interval': 1},
    }


def merge(settings: Settings, *overrides: Settings) -> Settings:
    """Settings with some options replaced."""
    merged = {group: dict(options) for group, options in settings.items()}
    for override in overrides:
        for group, options in override.items():
            merged.setdefault(group, {}).update(options)
    return merged


def _value(value: Any) -> str:
    # A dollar sign begins a reference to another option.
    return str(value).replace('$', '$$')


def render(settings: Settings) -> str:
    """Write settings as the text of a configuration file."""
    blocks = []
    for group, options in settings.items():
        lines = ['[%s]' % group]
        lines += ['%s = %s' % (name, _value(value))
                  for name, value in options.items()]
        blocks.append('\n'.join(lines))
    return '\n\n'.join(blocks) + '\n'


def write(settings: Settings, path: Path) -> None:
    """Write a configuration file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(render(settings))
