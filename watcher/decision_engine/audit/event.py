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
"""Audits that run each time they are triggered.

A trigger is stored by the API before it says so, and one run answers all that
came until it begins. The message that follows a trigger is only a nudge.
"""

from oslo_utils import timeutils

from watcher import objects
from watcher._i18n import _
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.decision_engine.audit import base
from watcher.decision_engine.audit import history

STATE = objects.audit.State

#: Seconds that a nudge may come after its trigger was answered. The API of
#: the previous release stores no triggers: its messages are all there is.
NUDGE_AGE = 300


def is_answered(run: 'objects.AuditRun') -> bool:
    """Whether a message only repeats a trigger that has had its run."""
    if run.triggers or run.triggered_at is None:
        return False
    # Later triggers of a long wait are known by the run that answered them.
    latest = max(run.triggered_at, run.started_at or run.triggered_at)
    age = timeutils.utcnow(with_timezone=True) - latest
    return abs(age.total_seconds()) < NUDGE_AGE


class EventAuditHandler(base.AuditHandler):
    """Runs an audit for its triggers; afterwards it waits for the next."""

    startable = (STATE.PENDING, STATE.SUCCEEDED)
    automatic = True

    def _claim(self, context, audit):
        super()._claim(context, audit)
        # Only now nobody else can answer them meanwhile.
        if is_answered(history.read(context, audit)):
            raise exception.StateConflict(
                _('all triggers of audit %s are answered') % audit.uuid)

    def _shut_out(self, context, audit, wait):
        run = history.read(context, audit)
        if run.triggers:
            return super()._shut_out(context, audit, wait)
        if not is_answered(run):
            base.LOG.warning(
                'The trigger of audit %(uuid)s has no effect: %(message)s. '
                'Trigger it again then.',
                {'uuid': audit.uuid, 'message': wait.message})
        return False

    def _blocked(self, audit, plan):
        run = history.read(watcher_context.admin_context(), audit)
        if not run.triggers:
            base.LOG.warning(
                'The trigger of audit %(uuid)s has no effect: the action '
                'plan %(plan)s is %(state)s. Trigger it again after its '
                'end, or create such audits with force.',
                {'uuid': audit.uuid, 'plan': plan.plan, 'state': plan.state})
            return False
        message = (f'The triggered run waits for the end of the action plan '
                   f'{plan.plan}{plan.why}')
        base.LOG.warning(
            'Audit %(uuid)s: %(message)s. Create such audits with force if '
            'they are not to wait.', {'uuid': audit.uuid, 'message': message})
        self._tell(audit, plan.reason(message,
                                      reasons.Code.BLOCKED_BY_PLAN))
        return True
