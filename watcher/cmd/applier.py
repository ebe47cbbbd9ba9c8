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
"""watcher-applier: executes action plans.

``[watcher_applier] workers`` is the number of plans it executes at the same
time, in threads; there is one worker process.
"""

import sys
from typing import Any

from watcher.applier import figures
from watcher.applier import manager
from watcher.cmd import common
from watcher.common import service


def _figures(applier: manager.ApplierManager) -> tuple[Any, ...]:
    figures.watch(applier)
    return figures.collectors_of(applier)


def main() -> int:
    """Run the applier until a signal ends it."""
    common.bootstrap(sys.argv)
    with common.explained_failures():
        applier = common.create_service(
            manager.ApplierManager,
            common.CONF.service_metrics.applier_port, _figures)
        return service.launch(common.CONF, applier)
