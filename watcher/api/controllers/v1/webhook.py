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
"""Webhooks: let others trigger audits of type EVENT.

They work at every version: alarming services cannot send the header.
"""

from oslo_log import log

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.api.controllers import base
from watcher.api.controllers import body
from watcher.api.controllers.v1 import audit as audits
from watcher.common import exception
from watcher.common import rpcapi
from watcher.objects import states

CONF = conf.CONF

LOG = log.getLogger(__name__)

#: States in which an audit waits for an event, or will when its run is over.
TRIGGERABLE = (states.AuditState.PENDING, states.AuditState.SUCCEEDED,
               states.AuditState.ONGOING)

#: Seconds to wait for the broker when the event is stored already.
PATIENCE = 1.0


class Webhooks:
    name = 'webhook'
    collection = 'webhooks'

    def __init__(self):
        self.audits = audits.Audits()

    def route(self, segments, request):
        if request.method != 'POST':
            raise base.not_allowed(['POST'])
        if not segments:
            raise exception.Invalid(
                _('POST needs the identifier of an audit: '
                  'webhooks/<identifier>.'))
        if len(segments) > 1:
            raise base.not_found()
        return self.post, segments

    @base.expose
    def post(self, ident):
        """Trigger the audit."""
        body.read()
        if CONF.api.enable_webhooks_auth:
            base.enforce('webhook:trigger')
        audit = self.audits.find(ident)
        _check(audit)
        stored = _store(audit)
        engine = rpcapi.DecisionEngineAPI()
        # Nobody waits for a broker that is away: the engine finds the row.
        sent = engine.trigger_audit(base.context(), audit.uuid,
                                    patience=PATIENCE if stored else None)
        if not stored and not sent:
            raise exception.ServiceUnavailable(
                service=engine.service_name,
                reason=_('the message broker did not take the event'))
        return base.respond_empty(202)


def _store(audit: 'objects.Audit') -> bool:
    """Note the event where the engine finds it; several become one run."""
    try:
        objects.AuditRun.trigger(base.context(), audit.id)
    except exception.DatabaseNotUpgraded as exc:
        if audit.state == states.AuditState.ONGOING:
            raise exception.AuditStateNotAllowed(state=audit.state) from exc
        LOG.warning('The event for audit %(uuid)s is only told to the '
                    'engine: %(reason)s',
                    {'uuid': audit.uuid, 'reason': exc})
        return False
    return True


def _check(audit: 'objects.Audit') -> None:
    if audit.audit_type != states.AuditType.EVENT.value:
        raise exception.AuditTypeNotAllowed(audit_type=audit.audit_type)
    if audit.state not in TRIGGERABLE:
        raise exception.AuditStateNotAllowed(state=audit.state)
