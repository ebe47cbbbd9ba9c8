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
"""How queries for Grafana are built."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'grafana_translators',
    title='Building queries for Grafana')

OPTS = [
    cfg.DictOpt(
        'retention_periods',
        default={
            'one_week': 604800,
            'one_month': 2592000,
            'five_years': 31556952,
        },
        help='InfluxDB retention policies by name, each with the number of '
             'seconds for which it keeps values. The shortest one that '
             'covers the period of a query is used.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
