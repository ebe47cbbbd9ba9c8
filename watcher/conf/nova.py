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
"""Calling Nova."""

from oslo_config import cfg

from watcher.conf import keystoneauth

GROUP = cfg.OptGroup('nova', title='Calling the compute service')
LEGACY_GROUP = cfg.OptGroup(
    'nova_client', title='Old place of options of [nova]')

#: keystoneauth's option to the place from which it is still read.
ALIASES = {
    'region-name': [
        cfg.DeprecatedOpt('region_name', group='nova_client')],
}

OPTS = [
    cfg.IntOpt(
        'migration_max_retries',
        default=180,
        min=1,
        help='How often the state of a server is read while a migration or a '
             'resize runs. Together with migration_interval this is the '
             'longest such an action may take: by default 180 times 5 '
             'seconds, a quarter of an hour. Raise it for servers with much '
             'memory or with local disks; an action that runs out of time is '
             'reported as failed although Nova may still be working on it.'),
    cfg.FloatOpt(
        'migration_interval',
        default=5.0,
        min=0.1,
        help='Seconds between two such readings.'),
    cfg.IntOpt(
        'http_retries',
        default=3,
        min=1,
        help='How often a request to Nova is repeated after a connection '
             'error, before the action or the reading of the model fails.'),
    cfg.FloatOpt(
        'http_retry_interval',
        default=2.0,
        min=0.1,
        help='Seconds between two such attempts.'),
    cfg.StrOpt(
        'api_version',
        default='2.56',
        deprecated_opts=[
            cfg.DeprecatedOpt('api_version', group='nova_client')],
        help='Compute API microversion that your cloud is known to support. '
             '2.56 is the lowest possible one: without it servers cannot be '
             'migrated to a chosen host. 2.96 or later adds the pinned '
             'availability zone of servers to the compute model. '
             'watcher-status upgrade check verifies the value.'),
]

LEGACY_OPTS = [
    cfg.StrOpt(
        'api_version',
        default='2.56',
        deprecated_for_removal=True,
        deprecated_since='2026.1',
        deprecated_reason='Use [nova] api_version.',
        help='Old place of [nova] api_version, read when that one is not '
             'set.'),
    cfg.StrOpt(
        'endpoint_type',
        default='publicURL',
        choices=keystoneauth.INTERFACES,
        deprecated_for_removal=True,
        deprecated_since='2026.1',
        deprecated_reason='Use [nova] valid_interfaces.',
        help='Endpoint interface to use when [nova] sets neither '
             'valid_interfaces nor interface.'),
    cfg.StrOpt(
        'region_name',
        deprecated_for_removal=True,
        deprecated_since='2026.1',
        deprecated_reason='Use [nova] region_name.',
        help='Old place of [nova] region_name, read when that one is not '
             'set.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)
    keystoneauth.register(conf, GROUP.name, ALIASES)
    conf.register_group(LEGACY_GROUP)
    conf.register_opts(LEGACY_OPTS, group=LEGACY_GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [
        (GROUP.name, [*OPTS, *keystoneauth.list_opts(ALIASES)]),
        (LEGACY_GROUP.name, LEGACY_OPTS)]
