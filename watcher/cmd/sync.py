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
"""watcher-sync: brings goals, strategies and scoring engines up to date."""

import sys

from oslo_log import log

from watcher import notifications
from watcher.cmd import common
from watcher.decision_engine import sync

LOG = log.getLogger(__name__)


def main() -> int:
    """Synchronise once what is installed with what the database knows."""
    common.bootstrap(sys.argv)
    with common.explained_failures():
        LOG.info('Synchronisation of goals, strategies and scoring engines '
                 'has started')
        sync.sync()
        LOG.info('Synchronisation of goals, strategies and scoring engines '
                 'has finished')
    notifications.stop()
    return 0
