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
"""Calling Aetos, the Keystone-aware face of Prometheus."""

from oslo_config import cfg

from watcher.conf import keystoneauth

GROUP = cfg.OptGroup(
    'aetos_client',
    title='Calling the metric storage service Aetos')

OPTS = [
    cfg.StrOpt(
        'interface',
        default='public',
        choices=keystoneauth.INTERFACES,
        help='Interface of the metric-storage endpoint that is taken from '
             'the service catalogue. The spellings with and without URL mean '
             'the same.'),
    cfg.StrOpt(
        'region_name',
        help='Region whose endpoint is taken from the service catalogue. '
             'Needed only if the catalogue lists several regions.'),
    cfg.StrOpt(
        'fqdn_label',
        default='fqdn',
        help='Metric label whose value is the host name as Nova knows it. '
             'Host metrics without this label are not found.'),
    cfg.StrOpt(
        'instance_uuid_label',
        default='resource',
        help='Metric label whose value is the UUID of the server. Server '
             'metrics without this label are not found.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
