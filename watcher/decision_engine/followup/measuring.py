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
"""What a plan has brought, beside what it promised.

The strategy that made the plan counts and measures the cloud as it is now
with the functions that made the promise. The result is what
``measured_efficacy`` of the API shows.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import clients
from watcher.common import context as watcher_context
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.solution import efficacy
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import storage
from watcher.decision_engine.strategy.context import default as contexts
from watcher.objects import states

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: What tells the size of an indicator that a good plan brings to nothing.
_SIZES = {'standard_deviation_after_audit': 'standard_deviation_before_audit'}

MAX_REMARKS = explanation.MAX_REMARKS


@dataclasses.dataclass
class Case:
    """A plan that ran.

    :ivar ended: when it ended; aware.
    :ivar strategy: that which made it, once it is loaded.
    """

    plan: 'objects.ActionPlan'
    ended: datetime.datetime
    actions: Sequence['objects.Action']
    strategy: Any = None

    @classmethod
    def of(cls, context: Any, plan_id: int,
           ended: datetime.datetime) -> 'Case':
        """Read the plan and its actions.

        :raises: ActionPlanNotFound
        """
        plan = objects.ActionPlan.get_by_id(context, plan_id, eager=True)
        actions = objects.Action.list(
            context, filters={'action_plan_id': plan.id}, sort_key='id')
        return cls(plan, ended, actions)

    def load(self) -> None:
        """Have the strategy as it is for the audit of the plan.

        :raises: LoadingError when there is none of this name any more
        """
        # Both may be deleted already.
        everything = watcher_context.admin_context(show_deleted=True)
        audit = objects.Audit.get_by_id(
            everything, self.plan.audit_id, eager=True)
        made_by = objects.Strategy.get_by_id(
            everything, self.plan.strategy_id)
        self.strategy = loading.DefaultStrategyLoader().load(
            made_by.name, osc=clients.OpenStackClients())
        contexts.DefaultStrategyContext.prepare(audit, self.strategy)

    def settled(self) -> datetime.datetime:
        """Return from when on the plan can be measured."""
        pause = max(CONF.watcher_decision_engine.measure_after,
                    self.strategy.settling_time())
        return self.ended + datetime.timedelta(seconds=pause)


def measure(context: Any, case: Case) -> dict[str, Any]:
    """Measure a plan now.

    :returns: what is to be stored.
    :raises: whatever keeps the strategy from reading models or metrics
    """
    models = _Models(case)
    found = outcome.observe(
        [{'action_type': action.action_type,
          'input_parameters': action.input_parameters or {}}
         for action in case.actions],
        [action.state == states.ActionState.SUCCEEDED
         for action in case.actions],
        models.state, models.storage)
    values = case.strategy.measure_efficacy(found)
    return _report(context, case, found, values, models.facts, [
        *found.remarks, *case.strategy.caveats,
        *case.strategy.solution.remarks])


def give_up(context: Any, case: Case, reason: str) -> dict[str, Any]:
    """Return what is to be stored of a plan that cannot be measured."""
    return _report(context, case, None, {}, {},
                   [f'It could not be measured: {reason}'])


class _Models:
    """The whole models, read after the plan has ended.

    The strategy gets them from the same collectors.
    """

    def __init__(self, case: Case):
        self._age = max(0.0, (timeutils.utcnow(with_timezone=True)
                              - case.ended).total_seconds())
        self._manager = collectors.CollectorManager()
        self.facts: dict[str, Any] = {}
        types = {action.action_type for action in case.actions}
        self.state = self.storage = None
        if types - {simulation.VOLUME_MIGRATE}:
            self.state = cluster.ClusterState.from_model(
                self._read('compute'))
        if simulation.VOLUME_MIGRATE in types:
            self.storage = storage.StorageState.from_model(
                self._read('storage'))

    def _read(self, name):
        collector = self._manager.get_cluster_model_collector(name)
        limit = collector.age_limit
        model = collector.get_latest_cluster_data_model(
            self._age if limit is None else min(limit, self._age))
        built = getattr(model, 'built_at', None)
        self.facts[name] = {'read_at': built and built.isoformat()}
        return model


# The stored form ----------------------------------------------------------

def _report(context, case, found, values, facts, remarks):
    promised = _promised(context, case.plan)
    indicators = {
        name: {**promise, 'measured': explanation.plain_number(
            values.get(name))} for name, promise in promised.items()}
    report = {
        'indicators': indicators,
        'global_efficacy': _summed_up(case, indicators),
        'actions': {'planned': len(case.actions),
                    'in_effect': len(found.effective) if found else None},
        'models': facts,
    }
    remarks = [*remarks, *_later_plans(context, case)]
    for text in _surprises(indicators):
        LOG.warning('Action plan %(uuid)s has not brought what it promised: '
                    '%(text)s', {'uuid': case.plan.uuid, 'text': text})
        remarks.append(text)
    report['remarks'] = remarks[:MAX_REMARKS]
    if len(remarks) > MAX_REMARKS:
        report['remarks'].append(
            f'{len(remarks) - MAX_REMARKS} more remarks')
    return report


def _promised(context, plan):
    """Return unit and predicted value by name of the indicator."""
    names = ('name', 'unit', 'value')
    found = objects.EfficacyIndicator.list_columns(
        context, names, filters={'action_plan_id': plan.id})
    return {name: {'unit': unit,
                   'predicted': explanation.plain_number(value)}
            for name, unit, value in zip(
                *(found[column] for column in names), strict=True)}


def _summed_up(case, indicators):
    """Have the goal sum up what was measured, as it did the promise.

    What tells of the time before the plan stays as it was.
    """
    promised = {entry['name']: entry
                for entry in case.plan.global_efficacy or ()}
    measured = {}
    if any(known['measured'] is not None for known in indicators.values()):
        measured = _sum_up(case.strategy, {
            name: known['predicted'] if known['measured'] is None
            else known['measured'] for name, known in indicators.items()})
    return {name: {'unit': entry.get('unit'),
                   'predicted': explanation.plain_number(entry.get('value')),
                   'measured': explanation.plain_number(measured.get(name))}
            for name, entry in promised.items()}


def _sum_up(strategy, values):
    goal = strategy.goal
    worth = efficacy.Efficacy(goal, strategy)
    worth.set_efficacy_indicators(**{
        spec.name: values[spec.name]
        for spec in goal.efficacy_specification.indicators_specs
        if spec.name in values})
    worth.compute_global_efficacy()
    return {entry.name: entry.value for entry in worth.global_efficacy or ()}


def _later_plans(context, case):
    """Say which other plans have changed the cloud meanwhile."""
    others = [ident for ident in objects.PlanRun.started_since(
        context, case.ended) if ident != case.plan.id]
    if not others:
        return []
    uuids = objects.ActionPlan.list_columns(
        watcher_context.admin_context(show_deleted=True), ('uuid',),
        filters={'id__in': others[:MAX_REMARKS]})['uuid']
    return [f'The action plan {uuid} ran since' for uuid in uuids]


def _surprises(indicators: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which indicators are not what they were promised to be."""
    limit = CONF.watcher_decision_engine.efficacy_tolerance
    found = []
    for name, known in indicators.items():
        predicted, measured = known['predicted'], known['measured']
        if not limit or predicted is None or measured is None:
            continue
        size = max(abs(predicted), abs(measured), abs(
            indicators.get(_SIZES.get(name), {}).get('predicted') or 0))
        if abs(measured - predicted) > size * limit / 100:
            found.append(f'{name} is {measured:.6g}, not {predicted:.6g}')
    return found
