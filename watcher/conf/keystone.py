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
"""Calling Keystone."""

from oslo_config import cfg

from watcher.conf import keystoneauth

GROUP = cfg.OptGroup('keystone', title='Calling the identity service')
LEGACY_GROUP = cfg.OptGroup(
    'keystone_client', title='Old place of options of [keystone]')

#: keystoneauth's option to the place from which it is still read.
ALIASES = {
    'valid-interfaces': [
        cfg.DeprecatedOpt('interface', group='keystone_client')],
    'region-name': [
        cfg.DeprecatedOpt('region_name', group='keystone_client')],
}

LEGACY_OPTS = [
    cfg.StrOpt(
        'interface',
        default='public',
        choices=['internal', 'public', 'admin'],
        deprecated_for_removal=True,
        deprecated_since='2026.2',
        deprecated_reason='Use [keystone] valid_interfaces.',
        help='Old place of [keystone] valid_interfaces, read when that one '
             'is not set.'),
    cfg.StrOpt(
        'region_name',
        deprecated_for_removal=True,
        deprecated_since='2026.2',
        deprecated_reason='Use [keystone] region_name.',
        help='Old place of [keystone] region_name, read when that one is not '
             'set.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_group(GROUP)
    keystoneauth.register(conf, GROUP.name, ALIASES)
    conf.register_group(LEGACY_GROUP)
    conf.register_opts(LEGACY_OPTS, group=LEGACY_GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [
        (GROUP.name, keystoneauth.list_opts(ALIASES)),
        (LEGACY_GROUP.name, LEGACY_OPTS)]
