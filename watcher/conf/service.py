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
"""Options of the running services: identity and signs of life."""

import logging
import socket

from oslo_config import cfg

LOG = logging.getLogger(__name__)

GROUP = 'DEFAULT'

OPTS = [
    cfg.HostAddressOpt(
        'host',
        default=socket.gethostname(),
        sample_default='<hostname of this machine>',
        help='Name under which this node appears everywhere: RPC server '
             'name, notification publisher and pool, row in the list of '
             'services, owner of audits and action plans. It need not '
             'resolve, but it must be valid in an AMQP routing key and must '
             'stay the same over restarts: after a change, work that the old '
             'name owns waits until its services are declared dead, and the '
             'old rows stay in the list of services. Two nodes must never '
             'share one name.'),
    cfg.IntOpt(
        'periodic_interval',
        default=60,
        mutable=True,
        help='Seconds between two rounds of the service monitor, which looks '
             'for decision engines and appliers that stopped sending signs '
             'of life and hands their work to living ones.'),
    cfg.IntOpt(
        'service_down_time',
        default=90,
        help='Age in seconds of the last sign of life above which a decision '
             'engine or an applier counts as FAILED. Keep it at least two to '
             'three times as long as heartbeat_interval, and the clocks of '
             'all nodes in step: a clock that is off by more than this makes '
             'living services look dead. Use the same value on all nodes, '
             'the API included.'),
    cfg.IntOpt(
        'heartbeat_interval',
        default=60,
        min=1,
        help='Seconds between two signs of life of the decision engine and '
             'of the applier. Must be shorter than service_down_time; a '
             'value that is not is reported in the log, and half of '
             'service_down_time is used instead.'),
    cfg.IntOpt(
        'service_retention',
        default=0,
        min=0,
        mutable=True,
        help='Seconds after the last sign of life after which the record of '
             'a decision engine or an applier is removed, with its lease, '
             'unless audits or action plans still belong to it. Set it where '
             'host names come and go, as in Kubernetes: otherwise each host '
             'that ever was stays in the list of services, as FAILED. At '
             'least twice service_down_time is used. With 0 records stay for '
             'ever.'),
    cfg.BoolOpt(
        'print_thread_pool_stats',
        default=False,
        help='Write the state of a thread pool (size, idle and busy threads, '
             'queue length) to the debug log each time work is given to it. '
             'Turn it on when audits or actions seem to wait without reason; '
             'needs debug logging.'),
]


def heartbeat_interval(conf: cfg.ConfigOpts) -> float:
    """Return the seconds between two heartbeats that keep a service alive.

    An interval that reaches ``service_down_time`` would make a healthy
    service look dead, so half of the down time is used then.
    """
    interval = conf.heartbeat_interval
    down_time = conf.service_down_time
    if interval < down_time:
        return interval
    usable = max(down_time / 2, 1)
    LOG.warning(
        '[DEFAULT] heartbeat_interval is %(interval)s s but must be shorter '
        'than service_down_time (%(down_time)s s). Using %(usable)s s; '
        'correct the configuration file.',
        {'interval': interval, 'down_time': down_time, 'usable': usable})
    return usable


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
