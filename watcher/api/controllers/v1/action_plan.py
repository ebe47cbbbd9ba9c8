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
"""Action plans: what an audit recommends."""

import collections

from oslo_log import log

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import body
from watcher.api.controllers import fields
from watcher.api.controllers import query
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Computed
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Related
from watcher.api.controllers.v1 import reasons
from watcher.api.controllers.v1 import runs
from watcher.api.controllers.v1 import transitions
from watcher.common import exception
from watcher.common import rpcapi
from watcher.objects import action_plan as plan_objects
from watcher.objects import states

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = states.ActionPlanState

INDICATORS = 'efficacy_indicators'
INDICATOR_FIELDS = ('name', 'description', 'unit', 'value')
EXPLANATION = 'explanation'

#: Plans whose indicators are read with one statement: without a limit there
#: may be more of them than a statement takes parameters.
MOST_PLANS = 10000


def _indicators(plan_id, view):
    return view.extra[INDICATORS][plan_id]


def _explanation(plan_id, view):
    return view.extra[EXPLANATION].get(plan_id)


class ActionPlans(resource.Patchable, resource.Deletable):
    name = 'action_plan'
    collection = 'action_plans'
    model = 'ActionPlan'
    eager = True
    fields = (
        Field('uuid', types.uuid, summary=True),
        Related('audit_uuid', types.uuid, 'audit', 'uuid', summary=True),
        Related('strategy_uuid', types.uuid, 'strategy', 'uuid',
                summary=True),
        Related('strategy_name', types.text, 'strategy', 'name',
                summary=True),
        Field('state', types.text, summary=True, patch=True,
              nullable=False),
        Computed(INDICATORS, types.array, _indicators, ('id',),
                 summary=True),
        Field('global_efficacy', types.array, summary=True),
        Field('hostname', types.text),
        Field('status_message', types.text, since=versions.STATUS_MESSAGE),
        reasons.FIELD,
        Computed(EXPLANATION, types.optional_obj, _explanation, ('id',),
                 since=versions.EXPLANATIONS),
        *runs.PLAN_FIELDS,
        Field('updated_at', types.time, summary=True),
        fields.CREATED_AT,
        fields.DELETED_AT,
    )
    filters = (query.Filter('audit_uuid'), query.UuidOrName('strategy'),
               *runs.PLAN_FILTERS)
    hidden_sort_keys = ('id', 'audit_id', 'strategy_id')
    strict_marker = True
    uuid_only = True
    actions = {('POST', 'start'): 'start',
               ('POST', 'rollback'): 'rollback',
               ('POST', 'retry'): 'retry',
               ('POST', 'pause'): 'pause',
               ('POST', 'resume'): 'resume'}

    def load_extra(self, columns, shown):
        extra = {INDICATORS: self._load_indicators(columns['id']),
                 **runs.of_plans(columns, shown),
                 **reasons.load('action_plan', columns, shown)}
        if EXPLANATION in shown:
            extra[EXPLANATION] = objects.ActionPlan.explanations(
                columns['id'])
        return extra

    def conditions(self, filters):
        return runs.conditions(filters)

    @staticmethod
    def _load_indicators(plans):
        by_plan = collections.defaultdict(list)
        for start in range(0, len(plans), MOST_PLANS):
            found = objects.EfficacyIndicator.list_columns(
                base.context(), ('action_plan_id', *INDICATOR_FIELDS),
                filters={'action_plan_id__in':
                         plans[start:start + MOST_PLANS]})
            found['value'] = map(float, found['value'])
            indicators = zip(*(found[name] for name in INDICATOR_FIELDS),
                             strict=True)
            for plan_id, values in zip(found['action_plan_id'], indicators,
                                       strict=True):
                by_plan[plan_id].append(
                    dict(zip(INDICATOR_FIELDS, values, strict=True)))
        return by_plan

    # State changes --------------------------------------------------------

    def update(self, obj, changes):
        if 'state' not in changes:
            raise exception.PatchError(
                patch=[], reason=_('an action plan has nothing to change but '
                                   'its state'))
        state = changes['state']
        obj.dbapi.run_in_transaction(self._change_state, obj.uuid, state)
        if state == State.PENDING:
            _launch(obj)
        return self.find(obj.uuid)

    def _change_state(self, uuid, state):
        # Read here: the transaction may run twice after a deadlock.
        plan = self.find(uuid)
        values = {}
        if state == State.PENDING:
            _refuse_expired(plan)
        elif state == State.CANCELLED and plan.status_message:
            # It may say what the plan waits for, which it does no more.
            values['status_message'] = None
        transitions.change(states.ACTION_PLAN, plan, state, **values)
        if state == State.CANCELLED:
            # Skipped ones keep telling that they were skipped.
            plan.transition_actions(
                State.CANCELLED, expected=states.ActionState.PENDING)

    @base.expose
    def start(self, ident):
        """Start the plan."""
        plan = self._addressed(ident, 'start')
        if plan.state != State.RECOMMENDED:
            raise exception.StartError(state=plan.state)
        _refuse_expired(plan)
        try:
            plan.transition(State.PENDING)
        except exception.StateConflict as exc:
            plan.refresh()
            raise exception.StartError(state=plan.state) from exc
        _launch(plan)
        return base.respond(self.represent(self.find(plan.uuid)))

    def _addressed(self, ident, action):
        """Return the plan that a POST below it is about."""
        base.check_uuid(ident)
        document = body.read(required=False)
        if document is not body.MISSING and not isinstance(document, dict):
            raise exception.Invalid(
                _('The body has to be a JSON object, or be left out.'))
        return self.authorized(ident, action)

    def remove(self, obj):
        transitions.delete(states.ACTION_PLAN, obj)

    # Plans that undo or repeat a plan -------------------------------------

    @base.expose
    def rollback(self, ident):
        """Make a plan that undoes the plan."""
        return self._repair(ident, states.ROLLBACK)

    @base.expose
    def retry(self, ident):
        """Make a plan that repeats what did not succeed."""
        return self._repair(ident, states.RETRY)

    def _repair(self, ident, kind):
        base.require_version(versions.REPAIRS, f'POST {kind}')
        plan = self._addressed(ident, kind)
        # The engine asks this again; it can be told without one.
        states.check_repairable(plan, kind)
        made = rpcapi.DecisionEngineAPI().repair_action_plan(
            base.context(), plan.uuid, kind)
        return base.respond(self.represent(self.find(made)))

    # Pausing --------------------------------------------------------------

    @base.expose
    def pause(self, ident):
        """Have the applier start no further action of the plan."""
        return self._set_paused(ident, 'pause', True)

    @base.expose
    def resume(self, ident):
        """Have the applier go on with the plan."""
        return self._set_paused(ident, 'resume', False)

    def _set_paused(self, ident, action, paused):
        base.require_version(versions.PAUSE, f'POST {action}')
        plan = self._addressed(ident, action)
        changed = plan.dbapi.run_in_transaction(
            self._store_paused, plan, paused)
        if changed:
            LOG.info('Action plan %(uuid)s is to %(action)s',
                     {'uuid': plan.uuid, 'action': action})
            _launch(plan)
        return base.respond(self.represent(self.find(plan.uuid)))

    def _store_paused(self, plan, paused):
        """Store it if the plan is not over; returns whether it is new."""
        # It must not end meanwhile.
        plan.lock()
        plan = self.find(plan.uuid)
        if plan.state not in states.PAUSABLE:
            raise exception.NotPausable(
                plan=plan.uuid, state=plan.state,
                allowed=_(' or ').join(states.PAUSABLE))
        run = objects.PlanRun.get(base.context(), plan.id)
        if paused == (run is not None and run.paused):
            return False
        objects.PlanRun.set(base.context(), plan.id, paused=paused)
        return True


def _refuse_expired(plan):
    """Refuse to start a recommendation that is to be superseded.

    It may take a while until a decision engine gets to it.
    """
    if plan.state == State.RECOMMENDED and plan_objects.is_expired(
            plan.created_at):
        raise exception.ActionPlanExpired(
            plan=plan.uuid,
            hours=CONF.watcher_decision_engine.action_plan_expiry)


def _launch(plan):
    # Only a nudge: the applier finds the row without it too.
    rpcapi.ApplierAPI().launch_action_plan(base.context(), plan.uuid)
