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
"""Where metrics come from."""

from oslo_config import cfg

DATASOURCES = ('gnocchi', 'grafana', 'prometheus', 'aetos')

GROUP = cfg.OptGroup(
    'watcher_datasources',
    title='Sources of metrics')

OPTS = [
    cfg.ListOpt(
        'datasources',
        item_type=cfg.types.String(choices=DATASOURCES),
        default=['gnocchi', 'grafana', 'aetos'],
        help='Data sources for metrics in order of preference. A strategy '
             'uses the first that offers all metrics it needs. Name only '
             'those that exist in your cloud. prometheus and aetos reach the '
             'same data in two ways and are refused together. Possible '
             'entries: gnocchi, grafana, prometheus, aetos.'),
    cfg.IntOpt(
        'query_max_retries',
        default=10,
        min=1,
        mutable=True,
        help='How often a failing metric query is tried before the audit is '
             'told that the data source does not answer. What a repetition '
             'cannot help, like a query the source refuses, is tried once, '
             'and no query is repeated after 90 seconds spent waiting for '
             'answers.'),
    cfg.IntOpt(
        'query_interval',
        default=1,
        min=0,
        mutable=True,
        deprecated_opts=[
            cfg.DeprecatedOpt('query_timeout', group='watcher_datasources')],
        help='Seconds between the first two tries. The wait doubles with '
             'each further try, up to eight times this value.'),
    cfg.IntOpt(
        'stale_after',
        default=600,
        min=0,
        mutable=True,
        help='Age in seconds of the newest sample from which on a metric '
             'counts as outdated. An outdated value is treated like a '
             'missing one: its server stays where it is, its host receives '
             'nothing. Set it above the longest interval at which your '
             'metrics are measured; too low a value stops strategies from '
             'planning anything. 0 means that values are never outdated.'),
    cfg.FloatOpt(
        'min_coverage',
        default=0.0,
        min=0.0,
        max=100.0,
        mutable=True,
        help='Percentage of the hosts or servers asked for that need a fresh '
             'value. With fewer the audit fails and says which metric is '
             'lacking. With 0 it goes on and leaves out what is not '
             'measured.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
