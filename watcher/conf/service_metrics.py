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
"""Options of the metrics that the services offer about themselves."""

from oslo_config import cfg

GROUP = 'service_metrics'

_PORT = ('Port on which %s answers a scrape of Prometheus, path /metrics. '
         '0 takes any free port, which the log names.')

OPTS = [
    cfg.BoolOpt(
        'enabled',
        default=False,
        help='Offer metrics of the service itself to Prometheus, and answers '
             'to probes of its health: one HTTP server for each process, on '
             'a port of its own. What cannot be '
             'served (a port that is in use) is reported in the log and '
             'never keeps a service from working. Under a web server '
             '(WSGI) the API offers no metrics.'),
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='Address to listen on. Nobody is asked for a password: choose '
             'an address that only Prometheus, and whoever probes the health '
             'of the processes, can reach.'),
    cfg.PortOpt(
        'decision_engine_port',
        default=19322,
        help=_PORT % 'watcher-decision-engine'),
    cfg.PortOpt(
        'applier_port',
        default=19323,
        help=_PORT % 'watcher-applier'),
    cfg.PortOpt(
        'api_port',
        default=19324,
        max=64511,
        help=_PORT % 'the first worker process of watcher-api' + ' The '
             'other workers take the ports that follow, so that Prometheus '
             'has to be told of [api] workers targets.'),
    cfg.BoolOpt(
        'enable_ssl',
        default=False,
        help='Serve HTTPS with the certificate of [ssl] cert_file and '
             'key_file; with [ssl] ca_file Prometheus has to show a '
             'certificate, too.'),
    cfg.FloatOpt(
        'database_interval',
        default=15,
        min=1,
        mutable=True,
        help='Seconds for which figures that were read from the database '
             'are used again. The first scrape after that costs two small '
             'queries in each engine and each applier; keep it near the '
             'scrape interval.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
