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
"""What thread pools tell the debug log when they are given work."""

from oslo_config import cfg
from oslo_log import log

CONF = cfg.CONF

LOG = log.getLogger(__name__)


def report(name: str, size: int, unfinished: int) -> None:
    """Log the state of a pool if ``print_thread_pool_stats`` is set.

    :param size: threads that the pool may have
    :param unfinished: calls that are running or waiting
    """
    if not CONF.print_thread_pool_stats:
        return
    busy = min(size, unfinished)
    LOG.debug('Thread pool %(name)s: size %(size)d, busy %(busy)d, idle '
              '%(idle)d, queue length %(waiting)d',
              {'name': name, 'size': size, 'busy': busy,
               'idle': size - busy, 'waiting': unfinished - busy})
