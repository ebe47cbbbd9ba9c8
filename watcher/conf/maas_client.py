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
"""Calling MAAS."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'maas_client',
    title='Calling MAAS')

OPTS = [
    cfg.StrOpt(
        'url',
        # It may hold a password.
        secret=True,
        help='Base URL of MAAS, for example '
             'http://maas.example.org:5240/MAAS. Machines of MAAS cannot be '
             'switched by this release: while it is set, actions that '
             'switch hosts on or off fail before they change anything.'),
    cfg.StrOpt(
        'api_key',
        secret=True,
        help='API key of a MAAS user. Has no effect yet.'),
    cfg.IntOpt(
        'timeout',
        default=60,
        help='Seconds allowed for one operation of MAAS. Has no effect '
             'yet.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
