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
"""Disables or enables a compute service."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import nova_action
from watcher.common import exception

LOG = log.getLogger(__name__)


class ChangeNovaServiceState(nova_action.NovaAction):
    """Makes the scheduler of Nova avoid or use a compute node."""

    STATE = 'state'
    REASON = 'disabled_reason'
    RESOURCE_NAME = 'resource_name'

    ENABLED = 'enabled'
    DISABLED = 'disabled'

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.TEXT,
                'resource_name': base.TEXT,
                'state': {'type': 'string',
                          'enum': [self.ENABLED, self.DISABLED]},
                'disabled_reason': {'type': 'string'},
            },
            'required': ['resource_id', 'state'],
            'additionalProperties': False,
        }

    @property
    def host(self) -> str:
        """Host of the compute service.

        Strategies put it into ``resource_name`` and the UUID of the node
        into ``resource_id``; by hand only the latter may be given.
        """
        return self.input_parameters.get(self.RESOURCE_NAME,
                                         self.resource_id)

    @property
    def state(self) -> str:
        """``enabled`` or ``disabled``."""
        return self.input_parameters[self.STATE]

    @property
    def reason(self) -> str | None:
        """Why the service is disabled, shown by Nova."""
        return self.input_parameters.get(self.REASON)

    def claims(self):
        closes = self.state == self.DISABLED
        return base.Claims(
            subjects=(f'nova-compute on {self.host}',),
            opens=None if closes else self.host,
            closes=self.host if closes else None)

    def _find_service(self):
        service = next((
            item for item in self.nova.get_service_list(host=self.host)
            if item.host == self.host), None)
        if service is None:
            raise exception.ActionSkipped(
                _('There is no nova-compute service on host %s') % self.host)
        return service

    def pre_condition(self):
        """Is there such a service, in another state?"""
        service = self._find_service()
        if service.status == self.state:
            raise exception.ActionSkipped(
                _('The nova-compute service on host %(host)s is already '
                  '%(state)s') % {'host': self.host, 'state': self.state})

    def execute(self):
        """Change the state of the service."""
        service = self._find_service()
        self.report(before={'status': service.status,
                            'disabled_reason': service.disabled_reason})
        return self._set(self.state)

    def recover(self, run):
        """Look at the service; asking again does no harm."""
        try:
            service = self._find_service()
        except exception.ActionSkipped as error:
            return base.Found(base.Fate.FAILED, str(error))
        done = service.status == self.state
        return base.Found(base.Fate.DONE if done
                          else base.Fate.NOT_STARTED)

    def abort(self):
        """It is over before anybody can interrupt it."""
        LOG.warning('The change of the nova-compute service on host %s '
                    'cannot be aborted', self.host)
        return False

    def inverse(self, run):
        """Set the state that the service had, for the reason it had."""
        before = self.known('before', run)
        status = before.get('status')
        if status is None:
            return base.Irreversible(_(
                'nobody knows the state that the service on host %s had')
                % self.host)
        if status == self.state:
            return base.Irreversible(_(
                'the service on host %(host)s was %(state)s already, so '
                'nothing was changed') % {'host': self.host,
                                          'state': status})
        parameters = {**self.input_parameters, self.STATE: status}
        parameters.pop(self.REASON, None)
        if status == self.DISABLED and before.get('disabled_reason'):
            parameters[self.REASON] = before['disabled_reason']
        return base.Inverse('change_nova_service_state', parameters)

    def revert(self):
        """Set the opposite state."""
        return self._set(self.DISABLED if self.state == self.ENABLED
                         else self.ENABLED)

    def _set(self, state):
        LOG.info('The nova-compute service on host %(host)s becomes '
                 '%(state)s', {'host': self.host, 'state': state})
        if state == self.ENABLED:
            outcome = self.nova.enable_service_nova_compute(self.host)
        else:
            outcome = self.nova.disable_service_nova_compute(
                self.host, reason=self.reason)
        return self.judge(outcome)

    def post_condition(self):
        """Nova's answer has told the new state."""

    def get_description(self):
        return ('Disable or enable the compute service of a node, so that '
                'the scheduler avoids or uses it.')
