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
"""The versioned objects.

Importing this package registers all of them; ``objects.<Name>`` is the newest
version of each class. Leases, runs and schedules are no versioned objects:
they never leave the process.
"""

from watcher.objects.action import Action
from watcher.objects.action_description import ActionDescription
from watcher.objects.action_plan import ActionPlan
from watcher.objects.audit import Audit
from watcher.objects.audit_template import AuditTemplate
from watcher.objects.efficacy_indicator import EfficacyIndicator
from watcher.objects.goal import Goal
from watcher.objects.lease import Lease
from watcher.objects.run import ActionRun
from watcher.objects.run import AuditRun
from watcher.objects.run import PlanRun
from watcher.objects.schedule import AuditSchedule
from watcher.objects.scoring_engine import ScoringEngine
from watcher.objects.service import Service
from watcher.objects.strategy import Strategy

__all__ = ('Action', 'ActionDescription', 'ActionPlan', 'ActionRun', 'Audit',
           'AuditRun', 'AuditSchedule', 'AuditTemplate', 'EfficacyIndicator',
           'Goal', 'Lease', 'PlanRun', 'ScoringEngine', 'Service', 'Strategy',
           'register_all')

_PERSISTED = (Goal, Strategy, AuditTemplate, Audit, ActionPlan, Action,
              EfficacyIndicator, ScoringEngine, Service, ActionDescription)


def register_all() -> tuple[type, ...]:
    """Return the persisted classes, all of them registered.

    Every process calls this at start-up. The import of the package has done
    the work already; the call makes the dependency visible.
    """
    return _PERSISTED
