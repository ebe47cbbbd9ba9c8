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
"""Actions: the steps of an action plan."""

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import fields
from watcher.api.controllers import json_patch
from watcher.api.controllers import query
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Computed
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Related
from watcher.api.controllers.v1 import reasons
from watcher.api.controllers.v1 import runs
from watcher.common import exception
from watcher.common import reasons as common_reasons
from watcher.objects import states

State = states.ActionState

#: States of a plan whose actions can still be skipped.
SKIPPABLE = (states.ActionPlanState.RECOMMENDED,
             states.ActionPlanState.PENDING)

# Clients compare these texts.
SKIPPED = 'Action skipped by user.'
SKIPPED_BECAUSE = 'Action skipped by user. Reason: %s'

MESSAGE_LENGTH = common_reasons.MESSAGE_LENGTH

DESCRIPTIONS = 'descriptions'
EXPLANATION = 'explanation'


def _description(action_type, view):
    return view.extra[DESCRIPTIONS].get(action_type, '')


def _explanation(action_id, view):
    return view.extra[EXPLANATION].get(action_id)


class Actions(resource.Patchable):
    name = 'action'
    collection = 'actions'
    model = 'Action'
    eager = True
    fields = (
        Field('uuid', types.uuid, summary=True),
        Related('action_plan_uuid', types.uuid, 'action_plan', 'uuid',
                summary=True),
        Field('action_type', types.text, summary=True),
        Computed('description', types.text, _description,
                 ('action_type',)),
        Field('input_parameters', types.obj),
        Field('state', types.text, summary=True, patch=True),
        Field('parents', types.array, summary=True),
        Field('status_message', types.text, patch=True,
              since=versions.STATUS_MESSAGE),
        reasons.FIELD,
        Computed(EXPLANATION, types.optional_obj, _explanation, ('id',),
                 since=versions.EXPLANATIONS),
        *runs.ACTION_FIELDS,
        *fields.TIMESTAMPS,
    )
    filters = (query.Filter('action_plan_uuid'), query.Filter('audit_uuid'))
    hidden_sort_keys = ('id', 'action_plan_id')
    strict_marker = True
    uuid_only = True

    def check_list(self, wanted):
        if len(wanted.filters) > 1:
            raise exception.ActionFilterCombinationProhibited()

    def load_extra(self, columns, shown):
        extra = {**runs.of_actions(columns, shown),
                 **reasons.load('action', columns, shown)}
        if 'description' in shown:
            extra[DESCRIPTIONS] = self._load_descriptions()
        if EXPLANATION in shown:
            extra[EXPLANATION] = objects.Action.explanations(columns['id'])
        return extra

    @staticmethod
    def _load_descriptions():
        found = objects.ActionDescription.list_columns(
            base.context(), ('action_type', 'description'))
        return dict(zip(found['action_type'], found['description'],
                        strict=True))

    # Skipping -------------------------------------------------------------

    def check_operations(self, operations):
        for operation in operations:
            if operation.op == json_patch.REMOVE:
                raise json_patch.error(
                    operation, _('/%s cannot be removed') % operation.root)
            if operation.path == '/state' and not _is_known(operation.value):
                raise json_patch.error(
                    operation, _('known states: %s')
                    % ', '.join(states.ACTION.states))
        # Not 406, which clients take for a service that is too old.
        base.require_version(versions.SKIP_ACTION, 'PATCH /v1/actions',
                             exception.Invalid)

    def update(self, obj, changes):
        state = changes.get('state', obj.state)
        reason = changes.get('status_message') or None
        if state != obj.state:
            return self._skip(obj, state, reason)
        if reason is None or reason == obj.status_message:
            return obj
        if obj.state != State.SKIPPED:
            raise exception.Conflict(
                _('Only the status_message of a SKIPPED action can be '
                  'changed; this one is %s.') % obj.state)
        obj.status_message = _message(reason)
        obj.save()
        return obj

    @staticmethod
    def _skip(obj, state, reason):
        if not states.ACTION.user_can(obj.state, state or ''):
            raise exception.Conflict(
                _('State transition not allowed: (%(old)s -> %(new)s). An '
                  'action can be changed from PENDING to SKIPPED only.')
                % {'old': obj.state, 'new': state})
        plan = obj.action_plan
        if plan is None or plan.state not in SKIPPABLE:
            raise exception.Conflict(
                _('Actions can be skipped while their action plan is '
                  '%(allowed)s; it is %(state)s.')
                % {'allowed': _(' or ').join(SKIPPABLE),
                   'state': plan.state if plan else None})
        obj.transition(state, status_message=_message(reason))
        return obj


def _is_known(state):
    return state in (None, '') or state in states.ACTION.states


def _message(reason):
    message = SKIPPED_BECAUSE % reason if reason else SKIPPED
    if len(message) > MESSAGE_LENGTH:
        raise types.invalid(
            'status_message', reason,
            _('At most %d characters are allowed.')
            % (MESSAGE_LENGTH - len(SKIPPED_BECAUSE % '')))
    return common_reasons.Reason(
        message, common_reasons.Code.SKIPPED_BY_USER, comment=reason)
