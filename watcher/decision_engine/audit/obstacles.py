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
"""Plans because of which an audit must not run now.

While a plan changes the cloud an audit would see a moment of it that does not
last, and recommend what the plan is about to do. With ``blocking_plans =
overlapping`` this counts only for what the audit may see at all.
"""

from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.common import exception
from watcher.common import reasons
from watcher.conf import decision_engine
from watcher.decision_engine import touched
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.scope import base as scopes

CONF = conf.CONF
LOG = log.getLogger(__name__)

PLAN_STATE = objects.action_plan.State

#: Plans that are changing the cloud. Those being cancelled still have running
#: actions.
BUSY = (PLAN_STATE.ONGOING, PLAN_STATE.CANCELLING)


class Obstacle(NamedTuple):
    """A plan that an audit has to wait for.

    :ivar state: of the plan
    :ivar what: which of its actions is in the way; empty if any is
    """

    plan: str
    state: str
    what: str = ''

    @property
    def why(self) -> str:
        """What is in the way, to be put behind a sentence about the plan."""
        return f' ({self.what} is in the scope)' if self.what else ''

    def reason(self, text: str, code: reasons.Code, **facts: Any
               ) -> reasons.Reason:
        """The text as a reason, with what is known of the plan."""
        return reasons.Reason(text, code, plan=self.plan, state=self.state,
                              what=self.what or None, **facts)


def options() -> tuple[str, ...]:
    """What operators say about it, which may change at any moment."""
    return (CONF.watcher_decision_engine.blocking_plans,
            CONF.watcher_decision_engine.blocked_audits)


def running_plans(context: Any) -> dict[str, str]:
    """Return the plans that are changing the cloud now: UUID -> state."""
    found = objects.ActionPlan.list_columns(
        context, ('uuid', 'state'), filters={'state__in': list(BUSY)})
    return dict(zip(found['uuid'], found['state'], strict=True))


def busy_plan(context: Any) -> Obstacle | None:
    """Return a plan that is changing the cloud at this moment."""
    found = objects.ActionPlan.list_columns(
        context, ('uuid', 'state'), filters={'state__in': list(BUSY)},
        sort_key='id', limit=1)
    return next(map(Obstacle, found['uuid'], found['state']), None)


def find(context: Any, audit: 'objects.Audit') -> Obstacle | None:
    """Return a plan that an audit without force has to wait for."""
    busy = busy_plan(context)
    if (busy is None or not audit.scope
            or CONF.watcher_decision_engine.blocking_plans
            == decision_engine.ANY):
        return busy
    states = running_plans(context)
    sight = _Sight(audit)
    for plan, parts in touched.Reader().read(plan_states=BUSY).items():
        for part in parts:
            if (part.state not in touched.NOT_TO_BE_DONE
                    and sight.shows(part.things)):
                return Obstacle(plan, states.get(plan, busy.state),
                                part.called)
    return None


class _Sight:
    """What one audit may see; models are read when needed."""

    def __init__(self, audit: 'objects.Audit'):
        self._scope = audit.scope
        self._kinds = _kinds_of(audit)
        self._views: dict[str, _View | None] = {}
        self._manager = collectors.CollectorManager()

    def shows(self, things: Iterable[touched.Thing]) -> bool:
        """Tell whether one of these is, or may be, in the scope."""
        return any(self._has(kind, thing.name) for thing in things
                   for kind in ((thing.kind,) if thing.kind else
                                touched.KINDS) if kind in self._kinds)

    def _has(self, kind: str, name: str) -> bool:
        if not any(scopes.rules_of(self._scope, kind)):
            # Everything of this kind.
            return True
        if kind not in self._views:
            self._views[kind] = self._read(kind)
        view = self._views[kind]
        return view is None or view.has(name)

    def _read(self, kind: str) -> '_View | None':
        """Return what the scope leaves of a model; None if nobody knows."""
        try:
            collector = self._manager.get_cluster_model_collector(kind)
            model = collector.get_latest_cluster_data_model()
            if not model:
                return None
            whole = (model.copy() if model.incomplete_nodes or model.gaps
                     else None)
            return _View(collector.get_audit_scope_handler(
                self._scope).get_scoped_model(model), whole)
        except exception.WatcherException as exc:
            LOG.warning('Whether running plans are in the scope of an audit '
                        'cannot be told: %s', exc)
            return None


class _View(NamedTuple):
    """What a scope leaves of a model.

    :ivar whole: the model of which not everything is known; None if all is
    """

    scoped: Any
    whole: Any

    def has(self, name: str) -> bool:
        """Tell whether something is, or may be, in the scope."""
        return _knows(self.scoped, name) or (
            self.whole is not None and not _knows(self.whole, name))


def _knows(model: Any, name: str) -> bool:
    if name in model:
        return True
    return (isinstance(model, model_root.ModelRoot)
            and bool(model.get_node_uuids_by_name(name)))


def _kinds_of(audit: 'objects.Audit') -> Iterable[str]:
    """Return which models the strategy of an audit looks at."""
    if audit.strategy_id is None:
        return touched.KINDS
    strategy = loading.DefaultStrategyLoader().list_available().get(
        audit.strategy.name)
    return getattr(strategy, 'MODELS', touched.KINDS)
