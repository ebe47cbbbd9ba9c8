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
"""Audits: requests to look for an optimisation."""

import datetime

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import fields
from watcher.api.controllers import query
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Input
from watcher.api.controllers.fields import OPTIONAL
from watcher.api.controllers.fields import Related
from watcher.api.controllers.fields import REQUIRED
from watcher.api.controllers.v1 import parameters
from watcher.api.controllers.v1 import reasons
from watcher.api.controllers.v1 import references
from watcher.api.controllers.v1 import runs
from watcher.api.controllers.v1 import schedules
from watcher.api.controllers.v1 import transitions
from watcher.api.schemas.scope import scope
from watcher.common import exception
from watcher.common import reasons as common_reasons
from watcher.common import rpcapi
from watcher.objects import reason as reason_objects
from watcher.objects import states

AuditType = states.AuditType

#: Characters of the column; longer names are cut, as ever.
NAME_LENGTH = 63

#: States in which an audit starts nothing any more, or for now.
HALTING = (states.AuditState.CANCELLED, states.AuditState.SUSPENDED)

#: Reasons of audits that wait.
WAITING = (common_reasons.Code.WAITS_FOR_WINDOW,
           common_reasons.Code.BLOCKED_BY_PLAN)


class Audits(resource.Creatable, resource.Patchable, resource.Deletable):
    name = 'audit'
    collection = 'audits'
    model = 'Audit'
    eager = True
    fields = (
        Field('uuid', types.uuid, summary=True),
        Field('name', types.text, summary=True, create=OPTIONAL, patch=True,
              patch_type=types.Text(NAME_LENGTH, min_length=1),
              nullable=False),
        Field('audit_type', types.text, summary=True, create=REQUIRED),
        Field('state', types.text, summary=True, patch=True,
              nullable=False),
        Input('audit_template_uuid', types.uuid, create=OPTIONAL),
        Input('goal', types.text, create=OPTIONAL),
        Related('goal_uuid', types.uuid, 'goal', 'uuid', summary=True),
        Related('goal_name', types.text, 'goal', 'name', summary=True),
        Input('strategy', types.text, create=OPTIONAL),
        Related('strategy_uuid', types.uuid, 'strategy', 'uuid',
                summary=True),
        Related('strategy_name', types.text, 'strategy', 'name',
                summary=True),
        Field('parameters', types.obj, create=OPTIONAL, patch=True),
        Field('interval', types.interval, summary=True, create=OPTIONAL,
              patch=True),
        Field('scope', scope, summary=True, patch=True),
        Field('auto_trigger', types.boolean, summary=True, create=OPTIONAL,
              patch=True, patch_type=types.strict_boolean),
        Field('next_run_time', types.time, summary=True),
        Field('hostname', types.text),
        Field('start_time', types.time, create=OPTIONAL, patch=True,
              since=versions.AUDIT_START_END_TIME),
        Field('end_time', types.time, create=OPTIONAL, patch=True,
              since=versions.AUDIT_START_END_TIME),
        Field('force', types.boolean, summary=True, create=OPTIONAL,
              patch=True, patch_type=types.strict_boolean,
              since=versions.AUDIT_FORCE, before=False),
        Field('status_message', types.text, since=versions.STATUS_MESSAGE),
        reasons.FIELD,
        *schedules.FIELDS,
        *runs.AUDIT_FIELDS,
        *fields.TIMESTAMPS,
    )
    filters = (query.UuidOrName('goal'), query.UuidOrName('strategy'))
    hidden_sort_keys = ('id', 'goal_id', 'strategy_id')
    strict_marker = True

    def load_extra(self, columns, shown):
        return {**schedules.of_audits(columns, shown),
                **runs.of_audits(columns, shown),
                **reasons.load('audit', columns, shown)}

    # Creation -------------------------------------------------------------

    def create(self, values):
        base.enforce('audit:create')
        values = {name: value for name, value in values.items()
                  if value is not None}
        if values.get('auto_trigger'):
            base.enforce('audit:auto_trigger')
        _check_members(values)
        template = _find_template(values.get('audit_template_uuid'))
        goal, strategy = _find_references(values, template)
        inherited = template.default_parameters if template else {}
        said = schedules.take(values)
        audit = objects.Audit.dbapi.run_in_transaction(_store_new, {
            'name': _name(values.get('name'), strategy, template, goal),
            'audit_type': values['audit_type'],
            'state': states.AUDIT.initial,
            'goal_id': goal.id, 'goal': goal,
            'strategy_id': strategy.id if strategy else None,
            'strategy': strategy,
            'scope': template.scope if template else [],
            'parameters': parameters.complete(
                strategy,
                {**(inherited or {}), **values.get('parameters', {})}),
            'interval': values.get('interval'),
            'auto_trigger': values.get('auto_trigger', False),
            'start_time': values.get('start_time'),
            'end_time': values.get('end_time'),
            'force': values.get('force', False)}, said)
        if audit.audit_type == AuditType.ONESHOT.value:
            # Only a nudge: the engine finds the row without it too.
            rpcapi.DecisionEngineAPI().trigger_audit(
                base.context(), audit.uuid)
        return audit

    # Change ---------------------------------------------------------------

    def check_operations(self, operations):
        schedules.check_version(operation.root for operation in operations)

    def needs_latest(self, operations):
        return super().needs_latest(operations) or any(
            operation.root in schedules.NAMES for operation in operations)

    def update(self, obj, changes):
        if _decides_on_plans(obj, changes):
            base.enforce('audit:auto_trigger', obj)
        strategy = obj.strategy
        if 'parameters' in changes:
            changes['parameters'] = parameters.complete(
                strategy, changes['parameters'])
        if 'interval' in changes and changes['interval'] is None:
            _check_interval_needed(obj.audit_type)
        said = schedules.take(changes)
        schedules.store(obj, said, _new_interval(obj, changes, said))
        if 'state' not in changes:
            for name, value in changes.items():
                setattr(obj, name, value)
            if changes:
                obj.save()
            elif said:
                # Who watches audits sees that this one changed.
                obj.swap(where={})
            return obj
        state = changes.pop('state')
        if state in HALTING and _waits(obj):
            changes['status_message'] = None
        transitions.change(states.AUDIT, obj, state, **changes)
        return obj

    def remove(self, obj):
        transitions.delete(states.AUDIT, obj)


def _decides_on_plans(audit, changes):
    """Whether the change decides on plans that nobody will be asked about.

    Stopping such an audit does not.
    """
    return (bool(changes) and changes.get('auto_trigger', audit.auto_trigger)
            and not (set(changes) == {'state'}
                     and changes['state'] in HALTING))


def _waits(audit):
    """Whether the message says what the audit waits for at this moment."""
    told = reason_objects.of(audit)
    # With a date it is about a run that was left out, which stays true.
    return (told is not None and told.code in WAITING
            and 'date' not in told.data)


def _store_new(values, said):
    audit = objects.Audit(base.context(), **values)
    audit.create()
    schedules.store(audit, said, _new_interval(audit, values, said))
    return audit


def _new_interval(audit, changes, said):
    """Return what dates of the audit have to be looked at, if any have.

    What is unchanged may come from before there were windows.
    """
    if audit.audit_type != AuditType.CONTINUOUS.value:
        return None
    if said.keys() & {'time_zone', 'run_windows'}:
        return changes.get('interval', audit.interval)
    return changes.get('interval')


# Checks of a creation, in the order in which they are announced --------------

def _check_members(values):
    kind = values['audit_type']
    if kind not in AuditType.__members__:
        raise exception.AuditTypeNotFound(audit_type=kind)
    goal = values.get('goal')
    template = values.get('audit_template_uuid')
    if not goal and not template:
        raise exception.Invalid(
            _('An audit needs a goal or an audit_template_uuid.'))
    if goal and template:
        raise exception.Invalid(
            _('An audit takes its goal from goal or from '
              'audit_template_uuid, not from both.'))
    _check_times(kind, values)
    schedules.check_version(values)


def _check_times(kind, values):
    if kind == AuditType.ONESHOT.value and 'interval' in values:
        raise exception.AuditIntervalNotAllowed(audit_type=kind)
    if 'interval' not in values:
        _check_interval_needed(kind)
    if 'start_time' not in values and 'end_time' not in values:
        return
    if kind == AuditType.ONESHOT.value:
        raise exception.AuditStartEndTimeNotAllowed(audit_type=kind)
    base.require_version(versions.AUDIT_START_END_TIME,
                         'start_time, end_time')


def _check_interval_needed(kind):
    if kind == AuditType.CONTINUOUS.value:
        raise exception.AuditIntervalNotSpecified(audit_type=kind)


def _find_template(uuid):
    if not uuid:
        return None
    try:
        return objects.AuditTemplate.get_by_uuid(
            references.living(), uuid, eager=True)
    except exception.AuditTemplateNotFound as exc:
        raise exception.Invalid(str(exc)) from exc


def _find_references(values, template):
    if template is None:
        goal = references.find_goal(values['goal'], with_id=True)
        strategy = None
    else:
        goal, strategy = references.of_template(template)
    if values.get('strategy'):
        strategy = references.find_strategy(values['strategy'])
    references.check_pair(goal, strategy)
    return goal, strategy


def _name(given, strategy, template, goal):
    if given:
        return given[:NAME_LENGTH]
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    suffix = '-' + now.isoformat(timespec='microseconds')
    named_after = strategy or template or goal
    # The base is shortened, never the time: names must stay unique.
    return named_after.name[:NAME_LENGTH - len(suffix)] + suffix
