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

GROUP = cfg.OptGroup(
    'ironic_client',
    title='Calling the bare metal service')

OPTS = [
    cfg.StrOpt(
        'api_version',
        default='1',
        help='Major version of the Ironic API.'),
    cfg.StrOpt(
        'endpoint_type',
        default='publicURL',
        choices=keystoneauth.INTERFACES,
        help='Interface of the endpoint that is taken from the service '
             'catalogue. The spellings with and without URL mean the same.'),
    cfg.StrOpt(
        'region_name',
        help='Region whose endpoint is taken from the service catalogue. '
             'Needed only if the catalogue lists several regions.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
