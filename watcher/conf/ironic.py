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
"""Calling Ironic."""

from oslo_config import cfg

from watcher.conf import keystoneauth

GROUP = cfg.OptGroup('ironic', title='Calling the bare metal service')
LEGACY_GROUP = cfg.OptGroup(
    'ironic_client', title='Old place of options of [ironic]')

#: keystoneauth's option to the place from which it is still read.
ALIASES = {
    'region-name': [
        cfg.DeprecatedOpt('region_name', group='ironic_client')],
}

OPTS = [
    cfg.IntOpt(
        'http_retries',
        default=3,
        min=1,
        help='How often a request to Ironic is repeated after a connection '
             'error, or when the node is locked by other work of Ironic, '
             'before the action or the reading of the model fails.'),
    cfg.FloatOpt(
        'http_retry_interval',
        default=2.0,
        min=0.1,
        help='Seconds between two such attempts.'),
]

LEGACY_OPTS = [
    cfg.StrOpt(
        'api_version',
        default='1',
        help='Has no effect: the version is negotiated with the service. It '
             'is accepted so that old configuration files keep working.'),
    cfg.StrOpt(
        'endpoint_type',
        default='publicURL',
        choices=keystoneauth.INTERFACES,
        help='Endpoint interface to use when [ironic] sets neither '
             'valid_interfaces nor interface. The spellings with and without '
             'URL mean the same.'),
    cfg.StrOpt(
        'region_name',
        help='Old place of [ironic] region_name, read when that one is not '
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
