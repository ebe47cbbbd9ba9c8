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
"""Audits that run each time they are triggered."""

from watcher import objects
from watcher.decision_engine.audit import base

STATE = objects.audit.State


class EventAuditHandler(base.AuditHandler):
    """Runs an audit for one trigger; afterwards it waits for the next."""

    startable = (STATE.PENDING, STATE.SUCCEEDED)

    def _blocked(self, audit, plan):
        base.LOG.warning(
            'The trigger of audit %(uuid)s has no effect: the action plan '
            '%(plan)s is %(state)s. Trigger it again after its end, or '
            'create such audits with force.',
            {'uuid': audit.uuid, 'plan': plan.uuid, 'state': plan.state})
