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
"""watcher-decision-engine: runs audits and recommends action plans."""

import sys

from watcher.cmd import common
from watcher.common import service
from watcher.decision_engine import figures
from watcher.decision_engine import manager


def main() -> int:
    """Run the decision engine until a signal ends it."""
    common.bootstrap(sys.argv)
    with common.explained_failures():
        engine = common.create_service(
            manager.DecisionEngineManager,
            common.CONF.service_metrics.decision_engine_port,
            figures.collectors_of, figures.checks_of)
        return service.launch(common.CONF, engine)
