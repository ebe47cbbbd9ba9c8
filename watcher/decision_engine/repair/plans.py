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
"""Makes the plan that undoes or repeats another one."""

import datetime
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common.loader import default as loader
from watcher.db import api as db_api
from watcher.decision_engine.model import picture
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.planner import base as planner
from watcher.decision_engine.repair import reality
from watcher.decision_engine.repair import retry
from watcher.decision_engine.repair import rollback
from watcher.decision_engine.repair import steps as repair_steps
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.common import storage
from watcher.objects import states

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = states.ActionPlanState

ROLLBACK, RETRY = states.ROLLBACK, states.RETRY

#: Actions that need the model of the block storage to be judged.
_OF_STORAGE = (simulation.VOLUME_MIGRATE,)

#: Reasons that an error names before it only counts.
MAX_REASONS = 10


def repair(context: Any, plan_uuid: str, kind: str) -> 'objects.ActionPlan':
    """Store a plan that undoes or repeats another one, and return it.

    :param kind: :data:`ROLLBACK` or :data:`RETRY`.
    :raises: ActionPlanNotFound; RepairRefused with the reason;
        ClusterDataModelCollectionError when the cloud cannot be looked at.
    """
    if kind not in states.REPAIRABLE:
        raise exception.Invalid(_("There is no repair called '%s'.") % kind)
    plan = objects.ActionPlan.get_by_uuid(context, plan_uuid, eager=True)
    _check(context, plan, kind)
    ended = _ended(context, plan)
    _check_age(plan, kind, ended)
    steps = _steps(context, plan)
    draft = (rollback.propose(steps, _infer) if kind == ROLLBACK
             else retry.propose(steps))
    if not draft.wishes:
        raise _refused(plan, kind, _('there is nothing to be done'),
                       draft.left_out)
    look = _look(plan, draft, ended)
    found = reality.examine(draft, look)
    _leave_out_unusable(found)
    if not found.wishes:
        raise _refused(plan, kind, _('nothing of it can be done now'),
                       found.left_out)
    made = db_api.get_instance().run_in_transaction(
        _store, context, plan, kind, found, look)
    LOG.info('Action plan %(new)s is a %(kind)s of %(old)s: %(count)d '
             'actions, %(left)d left out',
             {'new': made.uuid, 'kind': kind, 'old': plan.uuid,
              'count': len(found.wishes), 'left': len(found.left_out)})
    return made


# May it be done? ----------------------------------------------------------

def _refused(plan, kind, reason, left_out=None):
    if left_out:
        named = [f'{label}: {why}' for label, why
                 in list(left_out.items())[:MAX_REASONS]]
        if len(left_out) > MAX_REASONS:
            named.append(_('and %d more') % (len(left_out) - MAX_REASONS))
        reason = f"{reason}; {'; '.join(named)}"
    return exception.RepairRefused(kind=kind, plan=plan.uuid, reason=reason)


def _check(context, plan, kind):
    """Refuse a plan whose state, or whose other repairs, forbid it."""
    states.check_repairable(plan, kind)
    for name, owner in (('audit', plan.audit), ('strategy', plan.strategy)):
        if owner is None or owner.deleted_at is not None:
            raise _refused(plan, kind, _('its %s was deleted') % name)
    for other, other_kind in _repairs_of(context, plan):
        if (other.state not in states.ACTION_PLAN.final
                or other_kind == kind and other.state == State.SUCCEEDED):
            raise _refused(plan, kind, _(
                'its %(kind)s %(uuid)s is %(state)s') % {
                    'kind': other_kind, 'uuid': other.uuid,
                    'state': other.state})


def _repairs_of(context, plan):
    """Return the living rollbacks and retries of a plan, and their kinds."""
    kinds = {run.action_plan_id: run.kind
             for run in objects.PlanRun.made_from(context, plan.id)}
    if not kinds:
        return []
    found = objects.ActionPlan.list(
        context, filters={'id__in': list(kinds)})
    return [(other, kinds[other.id]) for other in found]


def _ended(context, plan):
    """Return when the plan ended, naive and in UTC."""
    run = objects.PlanRun.get(context, plan.id)
    when = (run.finished_at if run else None) or (
        plan.updated_at or plan.created_at)
    return timeutils.normalize_time(when)


def _check_age(plan, kind, ended):
    age = (timeutils.utcnow() - ended).total_seconds()
    limit = age_limit(plan.strategy.name) if kind == ROLLBACK else (
        CONF.watcher_decision_engine.action_plan_expiry * 3600)
    if not limit or age <= limit:
        return
    option = ('rollback_max_age' if kind == ROLLBACK
              else 'action_plan_expiry')
    raise _refused(plan, kind, _(
        'it ended %(age)s ago, and after %(limit)s too much may have '
        'changed ([watcher_decision_engine] %(option)s)') % {
            'age': datetime.timedelta(seconds=int(age)),
            'limit': datetime.timedelta(seconds=limit), 'option': option})


def age_limit(strategy: str) -> int:
    """Return how many seconds plans of a strategy can be undone; 0: always.
    """
    options = CONF.watcher_decision_engine
    own = options.rollback_max_age_of_strategies.get(strategy)
    return options.rollback_max_age if own is None else own


# What was done, and what is there? ----------------------------------------

def _steps(context, plan):
    actions = objects.Action.list(
        context, filters={'action_plan_id': plan.id}, sort_key='id')
    run_of = objects.ActionRun.of_actions([action.id for action in actions])
    return [repair_steps.Step(
        action.uuid, action.action_type, action.input_parameters or {},
        action.state, tuple(action.parents or ()), action.status_message,
        run_of.get(action.id)) for action in actions]


def _infer(step):
    """Ask the plug-in of an action what would undo it.

    The applier notes that only when an action has succeeded.
    """
    try:
        action = loader.DefaultLoader(
            namespace=planner.ActionValidator.NAMESPACE).load(
                step.action_type)
        action.input_parameters = dict(step.parameters)
        inverse = action.inverse(step.run)
        return {'action_type': inverse.action_type,
                'input_parameters': dict(inverse.input_parameters)}
    except Exception as exc:
        # Plug-ins of others may do anything; then it is not known.
        LOG.info('What undoes the action %(uuid)s (%(type)s) is not known: '
                 '%(reason)s', {'uuid': step.uuid, 'type': step.action_type,
                                'reason': exc})
        return None


def _look(plan, draft, ended):
    """Look at the cloud as it is now, in any case after the plan."""
    types = {wish['action_type'] for wish in draft.wishes}
    manager = collectors.CollectorManager()
    model, snapshots = None, frozenset()
    if types.intersection(_OF_STORAGE) and not manager.missing_service(
            'storage'):
        model = _model(manager, 'storage', ended)
        snapshots = storage.with_snapshots(
            clients.OpenStackClients(), LOG.warning)
    return reality.Reality(
        cluster.ClusterState.from_model(_model(manager, 'compute', ended)),
        model, settings.Settings.of_strategy(plan.strategy.name), snapshots)


def _model(manager, name, ended):
    collector = manager.get_cluster_model_collector(name)
    since = max(0.0, (timeutils.utcnow() - ended).total_seconds())
    limit = collector.age_limit
    view = picture.take(
        name, collector.get_latest_cluster_data_model(
            since if limit is None else min(limit, since)),
        collector.get_audit_scope_handler(audit_scope=[]))
    if not view.model:
        raise exception.ClusterStateNotDefined()
    return view.model


def _leave_out_unusable(found):
    """Leave out what no applier would run."""
    validator = planner.ActionValidator()
    usable = []
    for wish in found.wishes:
        try:
            validator.check([wish])
        except exception.Invalid as exc:
            found.left_out[wish.step.label] = str(exc)
            continue
        usable.append(wish)
    kept = {id(wish) for wish in usable}
    for wish in usable:
        wish.after = [other for other in wish.after if id(other) in kept]
    found.wishes = usable


# The new plan -------------------------------------------------------------

def _store(context, plan, kind, found, look):
    """Store the plan, unless somebody was faster."""
    plan.lock()
    plan = objects.ActionPlan.get_by_uuid(context, plan.uuid, eager=True)
    _check(context, plan, kind)
    actions = _actions(plan, kind, found.wishes, look)
    planner.check_graph(actions)
    promise = plan.global_efficacy if kind == RETRY else []
    made = objects.ActionPlan.create_with(
        context,
        {'audit_id': plan.audit_id, 'strategy_id': plan.strategy_id,
         'state': State.RECOMMENDED, 'global_efficacy': promise,
         'explanation': _explanation(plan, kind, found)},
        actions, _indicators(context, plan) if kind == RETRY else ())
    objects.PlanRun.set(context, made.id, kind=kind, source_plan_id=plan.id)
    return made


def _actions(plan, kind, wishes, look):
    for wish in wishes:
        wish.explanation = _why(plan, kind, wish, look)
    actions = [planner.new_action(wish) for wish in wishes]
    for action, parents in zip(actions, planner.waits(wishes, actions),
                               strict=True):
        action['parents'] = parents
    return actions


def _why(plan, kind, wish, look):
    step = wish.step
    if kind == ROLLBACK:
        reason = f'Undoes the action {step.label} of the plan {plan.uuid}'
    else:
        reason = (f'Repeats the action {step.label} of the plan '
                  f'{plan.uuid}, which is {step.state}')
        if step.status_message:
            reason += f': {step.status_message}'
    cost = None
    server = look.state.server_index.get(wish.parameters.get('resource_id'))
    if wish['action_type'] == simulation.MIGRATE and server is not None:
        cost = stability.transferred(look.state.servers[server])
    return explanation.Explanation(reason, code=kind, cost=cost)


def _explanation(plan, kind, found):
    """Return the stored form of why the whole plan is what it is."""
    verb = 'Undoes' if kind == ROLLBACK else 'Repeats'
    total = len(found.wishes) + len(found.left_out)
    summary = (f'{verb} {len(found.wishes)} of {total} actions of the '
               f'action plan {plan.uuid}')
    text = explanation.Explanation(
        summary, code=kind, ruled_out=found.left_out).to_dict()
    del text['reason']
    return {'summary': summary, **text, 'remarks': _remarks(found.left_out)}


def _remarks(left_out: dict[str, str]) -> Sequence[str]:
    remarks = [f'Left out: {label}: {reason}'
               for label, reason in left_out.items()]
    most = explanation.MAX_REMARKS
    if len(remarks) > most:
        remarks[most:] = [f'{len(remarks) - most} more are left out']
    return remarks


def _indicators(context, plan):
    """Return what the repeated plan promised, as it still does."""
    names = ('name', 'description', 'unit', 'value')
    found = objects.EfficacyIndicator.list_columns(
        context, names, filters={'action_plan_id': plan.id})
    return [dict(zip(names, values, strict=True))
            for values in zip(*(found[name] for name in names), strict=True)]
