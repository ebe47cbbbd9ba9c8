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
"""Gives up recommended plans of which the cloud has moved on.

A plan is about certain servers, hosts and volumes, and only what becomes of
these counts, whatever else changes in the scope of its audit. They are held
against the models as they are now in the same way as for a rollback.
"""

from collections.abc import Sequence

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.conf import decision_engine
from watcher.decision_engine.model import element
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.repair import reality
from watcher.decision_engine.repair import retry
from watcher.decision_engine.repair import steps as repair_steps
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.objects import states

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = states.ActionPlanState

#: How many plans are looked at in one round.
BATCH = 100

#: How many changes the status message of a plan names.
MAX_NAMED = 5

#: States of servers that Nova, or their owners, are about to change.
_UNDER_WAY = frozenset((element.InstanceState.BUILDING.value,
                        element.InstanceState.RESIZED.value))

#: Plans that are changing the cloud.
_BUSY = (State.ONGOING, State.CANCELLING)


class RecommendedPlans:
    """Looks at the recommended plans, in turn."""

    def __init__(self):
        # Rounds begin after the plan with which the last one ended.
        self._after = 0

    def check(self) -> None:
        """Give up those of some plans that do not hold any more.

        Level-triggered, and the change is a compare-and-swap: it does no
        harm that each engine does it.
        """
        mode = CONF.watcher_decision_engine.check_recommended_plans
        if mode == decision_engine.OFF:
            return
        context = watcher_context.admin_context()
        plans = objects.ActionPlan.list(
            context, eager=True, limit=BATCH, sort_key='id',
            filters={'state': State.RECOMMENDED, 'id__gt': self._after})
        self._after = plans[-1].id if len(plans) == BATCH else 0
        if not plans or _busy(context):
            return
        look = _Look()
        for plan in plans:
            try:
                changes = look.changes(context, plan, mode)
            except db_exc.DBError:
                raise
            except Exception:
                # Plans of others' strategies may hold anything.
                LOG.exception('Action plan %s cannot be held against the '
                              'cloud', plan.uuid)
                continue
            if changes:
                _give_up(plan, changes)


def _busy(context) -> bool:
    # Servers are on their way then; later it shows what is left.
    return bool(objects.ActionPlan.list(
        context, filters={'state__in': list(_BUSY)}, limit=1))


def _give_up(plan, changes):
    named = '; '.join(changes[:MAX_NAMED])
    if len(changes) > MAX_NAMED:
        named += f'; and {len(changes) - MAX_NAMED} more'
    message = reasons.Reason(
        f'The cloud is not as the plan found it any more: {named}',
        reasons.Code.CLOUD_CHANGED, changes=reasons.some(changes))
    try:
        plan.transition(State.SUPERSEDED, expected=State.RECOMMENDED,
                        status_message=message)
    except (exception.StateConflict, exception.ActionPlanNotFound) as exc:
        LOG.info('Action plan %(uuid)s is not given up: %(reason)s',
                 {'uuid': plan.uuid, 'reason': exc})
        return
    LOG.info('Action plan %(uuid)s is SUPERSEDED. %(message)s',
             {'uuid': plan.uuid, 'message': message})


class _Look:
    """The cloud as it is in this round; models are read when needed."""

    def __init__(self):
        self._manager = collectors.CollectorManager()
        self._models: dict[str, object | None] = {}
        self._state: cluster.ClusterState | None = None

    def changes(self, context, plan, mode) -> list[str]:
        """Return why a plan is not to be carried out any more.

        Nothing as long as the cloud is not well known: what is not seen
        need not be gone.
        """
        steps = [repair_steps.Step(
            action.uuid, action.action_type, action.input_parameters or {},
            action.state, tuple(action.parents or ()))
            for action in objects.Action.list(
                context, filters={'action_plan_id': plan.id}, sort_key='id')]
        types = reality.JUDGED.intersection(
            step.action_type for step in steps)
        now = self._reality(plan, types) if types else None
        if now is None:
            return []
        changes, count = compare(steps, now)
        if mode == decision_engine.GONE and len(changes) < count:
            return []
        return changes

    def _reality(self, plan, types):
        compute = self._model('compute')
        storage = None
        if simulation.VOLUME_MIGRATE in types:
            storage = self._model('storage')
            if storage is None:
                return None
        if compute is None:
            return None
        if self._state is None:
            self._state = cluster.ClusterState.from_model(compute)
        return reality.Reality(
            self._state, storage,
            settings.Settings.of_strategy(plan.strategy.name))

    def _model(self, name):
        """Return a whole model, None if it is not complete."""
        if name not in self._models:
            self._models[name] = self._read(name)
        return self._models[name]

    def _read(self, name):
        try:
            model = self._manager.get_cluster_model_collector(
                name).get_latest_cluster_data_model()
        except exception.WatcherException as exc:
            LOG.info('Recommended plans are not held against the %(cdm)s '
                     'model, it cannot be read: %(reason)s',
                     {'cdm': name, 'reason': exc})
            return None
        if not model or model.incomplete_nodes or model.gaps:
            LOG.info('Recommended plans are not held against the %s model, '
                     'it is not complete', name)
            return None
        return model


def compare(steps: Sequence[repair_steps.Step],
            now: reality.Reality) -> tuple[list[str], int]:
    """Hold the actions of a plan that did not run against the cloud.

    :returns: why some of them are not possible any more, and how many of
        them can be held against it at all.
    """
    draft = retry.propose(steps)
    if any(_is_under_way(wish, now.state) for wish in draft.wishes
           if wish['action_type'] in reality.JUDGED):
        # Later it shows where that ends.
        return [], 0
    labels = {wish.step.label for wish in draft.wishes
              if wish['action_type'] in reality.JUDGED
              and not _is_done(wish, now.state)}
    found = reality.examine(draft, now)
    return [f'{label}: {reason}' for label, reason in found.left_out.items()
            if label in labels], len(labels)


def _is_under_way(wish, state) -> bool:
    """Tell whether somebody is changing a server at this moment."""
    server = state.server_index.get(wish.parameters.get('resource_id'))
    return (server is not None
            and state.servers[server].state in _UNDER_WAY)


def _is_done(wish, state) -> bool:
    """Tell whether a host is as the plan wants it to be.

    Such a plan loses nothing, and strategies plan such actions, too.
    """
    if wish['action_type'] != simulation.SERVICE_STATE:
        return False
    host = state.host_named(wish.parameters.get('resource_name'))
    return host is not None and state.hosts[host].enabled == (
        wish.parameters.get('state') == reality.ENABLED)
