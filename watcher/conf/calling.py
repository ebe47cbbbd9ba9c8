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
"""What the groups of all services that we call have in common."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from watcher.conf import keystoneauth

OptsByGroup = list[tuple[str, list[cfg.Opt]]]


@dataclasses.dataclass(frozen=True)
class Called:
    """The group of a service, and the one that held its options once.

    :param name: of the group.
    :param kind: what the service does, for the title.
    :param opts: options that only we know.
    :param legacy_opts: options of the old group.
    :param moved: options of keystoneauth, spelt with hyphens, that are still
        read under another name of the old group.
    """

    name: str
    kind: str
    opts: Sequence[cfg.Opt] = ()
    legacy_opts: Sequence[cfg.Opt] = ()
    moved: dict[str, str] = dataclasses.field(
        default_factory=lambda: {'region-name': 'region_name'})

    @property
    def legacy_name(self) -> str:
        return legacy_group(self.name)

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Register the options of this service on ``conf``."""
        group = cfg.OptGroup(self.name,
                             title=f'Calling the {self.kind} service')
        conf.register_group(group)
        conf.register_opts(self.opts, group=group)
        keystoneauth.register(conf, self.name, self._aliases())
        legacy = cfg.OptGroup(self.legacy_name,
                              title=f'Old place of options of [{self.name}]')
        conf.register_group(legacy)
        conf.register_opts(self.legacy_opts, group=legacy)

    def list_opts(self) -> OptsByGroup:
        """Return the options of this service by group name."""
        return [
            (self.name,
             [*self.opts, *keystoneauth.list_opts(self._aliases())]),
            (self.legacy_name, list(self.legacy_opts))]

    def _aliases(self) -> keystoneauth.Aliases:
        return {name: [cfg.DeprecatedOpt(old, group=self.legacy_name)]
                for name, old in self.moved.items()}


def legacy_group(name: str) -> str:
    """Return the name of the group that held a service's options once."""
    return f'{name}_client'


def retries(title: str, others: str = '') -> list[cfg.Opt]:
    """Return how often requests are repeated.

    :param title: name of the service.
    :param others: what else than a connection error makes a request worth
        repeating, with a leading comma.
    """
    return [
        cfg.IntOpt(
            'http_retries',
            default=3,
            min=1,
            help=f'How often a request to {title} is repeated after a '
                 f'connection error{others}, before the action or the '
                 'reading of the model fails.'),
        cfg.FloatOpt(
            'http_retry_interval',
            default=2.0,
            min=0.1,
            help='Seconds between two such attempts.'),
    ]


def legacy_region(name: str, **deprecation: Any) -> cfg.Opt:
    """Return the old place of ``region_name``."""
    return cfg.StrOpt(
        'region_name', **deprecation,
        help=f'Old place of [{name}] region_name, read when that one is not '
             'set.')


def legacy_endpoint_type(name: str, more: str = '',
                         **deprecation: Any) -> cfg.Opt:
    """Return the old way to name the endpoint interface.

    :param more: what else its help has to say.
    """
    return cfg.StrOpt(
        'endpoint_type',
        default='publicURL',
        choices=keystoneauth.INTERFACES, **deprecation,
        help=f'Endpoint interface to use when [{name}] sets neither '
             f'valid_interfaces nor interface.{more}')


def legacy_interface(name: str) -> cfg.Opt:
    """Return the old place of ``valid_interfaces``."""
    return cfg.StrOpt(
        'interface',
        default='public',
        choices=['internal', 'public', 'admin'],
        **replaced(name, 'valid_interfaces', '2026.2'),
        help=f'Old place of [{name}] valid_interfaces, read when that one '
             'is not set.')


def legacy_api_version(default: str) -> cfg.Opt:
    """Return the microversion that nothing depends on."""
    return cfg.StrOpt(
        'api_version',
        default=default,
        deprecated_for_removal=True,
        deprecated_since='2026.2',
        deprecated_reason='The version is negotiated with the service.',
        help='Has no effect. It is accepted so that old configuration files '
             'keep working.')


def replaced(name: str, option: str, since: str) -> dict[str, Any]:
    """Return how to deprecate what ``[name] option`` stands for now."""
    return {'deprecated_for_removal': True, 'deprecated_since': since,
            'deprecated_reason': f'Use [{name}] {option}.'}
