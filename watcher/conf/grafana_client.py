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
"""Calling Grafana."""

from oslo_config import cfg

NO_METRICS = dict.fromkeys((
    'host_cpu_usage', 'host_ram_usage', 'host_outlet_temp',
    'host_inlet_temp', 'host_airflow', 'host_power',
    'instance_cpu_usage', 'instance_ram_usage', 'instance_ram_allocated',
    'instance_l3_cache_usage', 'instance_root_disk_size'))

GROUP = cfg.OptGroup(
    'grafana_client',
    title='Calling Grafana')

OPTS = [
    cfg.StrOpt(
        'token',
        secret=True,
        help='API token of Grafana, sent as bearer token.'),
    cfg.StrOpt(
        'base_url',
        # It may hold a password, and is shown in logs without it.
        secret=True,
        help='URL of Grafana up to and including the path of its data source '
             'proxy, for example '
             'https://grafana.example.org/api/datasources/proxy/. The value '
             'from project_id_map and /query are appended.'),
    cfg.DictOpt(
        'project_id_map',
        default=NO_METRICS,
        help='Metric name to the id of the Grafana data source that is asked '
             'for it. A metric without a value here is not asked from '
             'Grafana.'),
    cfg.DictOpt(
        'database_map',
        default=NO_METRICS,
        help='Metric name to the name of the database behind the Grafana '
             'data source. A metric without a value here is not asked from '
             'Grafana.'),
    cfg.DictOpt(
        'attribute_map',
        default=NO_METRICS,
        help='Metric name to the attribute of the resource (for example '
             'hostname or uuid) whose value is put into the query. A metric '
             'without a value here is not asked from Grafana.'),
    cfg.DictOpt(
        'translator_map',
        default=NO_METRICS,
        help='Metric name to the translator that builds the query. Possible '
             'value: influxdb. A metric without a value here is not asked '
             'from Grafana.'),
    cfg.DictOpt(
        'query_map',
        default=NO_METRICS,
        help='Metric name to the query template. Positions: {0} aggregate, '
             '{1} attribute, {2} period, {3} granularity, {4} value found by '
             'the translator. A metric without a value here is not asked '
             'from Grafana.'),
    cfg.IntOpt(
        'http_timeout',
        default=60,
        min=0,
        mutable=True,
        help='Seconds allowed for one request to Grafana.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
