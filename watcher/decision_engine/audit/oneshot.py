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
"""Audits that run once."""

from watcher import conf
from watcher import objects
from watcher.common import reasons
from watcher.conf import decision_engine
from watcher.decision_engine.audit import base

CONF = conf.CONF

STATE = objects.audit.State


class OneShotAuditHandler(base.AuditHandler):
    """Runs a PENDING audit to SUCCEEDED, FAILED or CANCELLED."""

    startable = (STATE.PENDING,)

    def _blocked(self, audit, plan):
        waits = (CONF.watcher_decision_engine.blocked_audits
                 == decision_engine.WAIT)
        message = f'The action plan {plan.plan} is {plan.state}{plan.why}. '
        if waits:
            self._tell(audit, plan.reason(
                f'{message}The audit waits for its end.',
                reasons.Code.BLOCKED_BY_PLAN))
        else:
            message += 'Wait for its end or create the audit with force.'
            audit.transition(
                STATE.CANCELLED, fence=self._fence(),
                status_message=plan.reason(message,
                                           reasons.Code.BLOCKED_BY_PLAN))
        base.LOG.warning('Audit %(uuid)s is %(state)s: %(message)s', {
            'uuid': audit.uuid, 'state': audit.state,
            'message': audit.status_message})
        return waits
