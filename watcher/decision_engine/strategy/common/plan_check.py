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
"""The check that every plan goes through before it is stored.

The actions of a solution are applied, one after another, to the cluster as
the strategy found it. What cannot work at its turn is put later or left out,
and a plan that makes what its goal measures worse is not recommended. See
``[watcher_strategies] plan_check``.
"""

from collections.abc import Mapping
from typing import Any

from oslo_log import log

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation

LOG = log.getLogger(__name__)

#: Actions that the simulation knows.
SIMULATED = frozenset((simulation.MIGRATE, simulation.SERVICE_STATE,
                       simulation.POWER_STATE, simulation.STOP,
                       simulation.VOLUME_MIGRATE))

#: The reason with which consolidation disables a host that it has emptied.
WHEN_EMPTY = 'watcher_disabled'

#: Why a host is not.
OCCUPIED = 'there are servers that stay on it'

#: The measure that the indicator standard_deviation_after_audit shows.
DEVIATION = 'standard_deviation'


def concerns(solution: Any, options: settings.Settings) -> bool:
    """Tell whether there is anything to be checked."""
    return options.plan_check != settings.OFF and any(
        action['action_type'] in SIMULATED for action in solution.actions)


def check(solution: Any, state: cluster.ClusterState,
          options: settings.Settings,
          measures: Mapping[str, simulation.Measure],
          storage: Any = None) -> None:
    """Check a solution and, if so configured, mend it.

    :param state: the cluster as the strategy found it; is not changed.
    :param measures: what the plan must not make more of.
    :param storage: the storage model, if the strategy has looked at it.
    """
    if not concerns(solution, options):
        return
    simulated = simulation.Simulation(
        state.copy(), options,
        pools=simulation.Pools(storage) if storage else None)
    found = simulation.arrange(list(solution.actions), simulated)
    for _action, reason in found.refused:
        solution.add_remark(f'Not possible: {reason}.')
    _tell_homeless(solution, simulated)
    enforce = options.plan_check == settings.ENFORCE
    if enforce:
        intended = _disabled_when_empty(solution.actions)
        _replace(solution, _sensible(solution, found))
        if found.refused:
            _count_released(solution, state, found.state, intended)
    if measures:
        comparison = simulation.compare(state, found.state, measures)
        if enforce and found.refused:
            _measure_deviation(solution, comparison)
        _judge(solution, comparison, enforce, simulated.guessed)
    if enforce:
        _order(solution, state,
               simulation.Pools(storage) if storage else None)


def _tell_homeless(solution, simulated):
    """Say who may find no room where Nova chooses.

    Such moves stay: Nova may choose otherwise, or know hosts outside the
    scope of the audit.
    """
    homeless = simulated.homeless
    if homeless:
        solution.add_remark(
            'If Nova places servers where most memory is free, there is no '
            f'host left in the scope of the audit for {len(homeless)} of '
            f'them, e.g. {simulated.state.servers[homeless[0]].label}.')


def _sensible(solution, found):
    """Return the actions without those that have become pointless.

    A host is disabled for good because nothing is left on it. When a server
    has to stay there, it would only be lost to the cloud.
    """
    state = found.state
    occupied = {
        name for action, _reason in found.refused if _migrates(action)
        and (name := simulation.parameters_of(action).get('source_node'))
        and (host := state.host_named(name)) is not None
        and state.count_on(host)}
    if not occupied:
        return found.actions
    kept = []
    for action in found.actions:
        name = simulation.parameters_of(action).get('resource_name')
        if disables_empty(action) and name in occupied:
            solution.add_remark(f'{name} is not disabled: {OCCUPIED}.')
        else:
            kept.append(action)
    return kept


def _disabled_when_empty(actions):
    """Count the hosts that are disabled as nothing is left on them."""
    return sum(map(disables_empty, actions))


def disables_empty(action: simulation.Action) -> bool:
    """Tell whether a host is disabled as nothing is left on it."""
    return (action['action_type'] == simulation.SERVICE_STATE
            and simulation.parameters_of(action).get('disabled_reason')
            == WHEN_EMPTY)


def _count_released(solution, before, after, intended):
    """Count no hosts as released that are not.

    :param intended: how many hosts were to be disabled as they are empty;
        some may have been so from the start.
    """
    name = 'released_compute_nodes_count'
    given = solution.efficacy.indicators_map.get(name)
    if given is None:
        return
    if intended:
        left = given - intended + _disabled_when_empty(solution.actions)
    else:
        left = min(given, int(simulation.hosts_in_use(before)
                              - simulation.hosts_in_use(after)))
    solution.set_efficacy_indicators(**{name: max(0, left)})


def _measure_deviation(solution, comparison):
    """Promise the deviation of what is left of the plan."""
    name = 'standard_deviation_after_audit'
    value = comparison.after.get(DEVIATION)
    if value is not None and name in solution.efficacy.indicators_map:
        solution.set_efficacy_indicators(**{name: value})


def _replace(solution, actions):
    """Have other actions, and count anew what the indicators count."""
    kept = {id(action) for action in actions}
    gone = [action for action in solution.actions
            if id(action) not in kept]
    solution.actions[:] = actions
    values = solution.efficacy.indicators_map
    solution.set_efficacy_indicators(**{
        name: max(0, values[name] - sum(map(counts, gone)))
        for name, counts in COUNTED.items() if name in values and gone})


def _judge(solution, comparison, enforce, guessed):
    """Empty a solution that makes things worse.

    :param guessed: how many destinations are a guess; on such grounds
        nothing is thrown away.
    """
    if not comparison.worse:
        LOG.info('The simulated plan: %s', comparison)
        return
    if guessed:
        solution.add_remark(
            f'The plan may make things worse: {comparison}, if Nova places '
            f"{explanation.counted(guessed, 'server')} where most memory is "
            'free.')
        return
    verdict = f'The plan would make things worse: {comparison}'
    if not enforce:
        solution.add_remark(f'{verdict}.')
        return
    _replace(solution, [])
    values = solution.efficacy.indicators_map
    if 'released_compute_nodes_count' in values:
        solution.set_efficacy_indicators(released_compute_nodes_count=0)
    if 'standard_deviation_before_audit' in values:
        solution.set_efficacy_indicators(
            standard_deviation_after_audit=values[
                'standard_deviation_before_audit'])
    solution.add_remark(f'{verdict}; it is not recommended.')
    solution.explain(f'{verdict}.', code='worse')


def _order(solution, state, pools):
    """Tell the planner which actions have to wait for which others."""
    actions = list(solution.actions)
    for action, numbers in zip(
            actions, simulation.needs(actions, state, pools), strict=True):
        after = getattr(action, 'after', None)
        if after is None:
            continue
        known = {id(other) for other in after}
        after += [actions[number] for number in sorted(numbers)
                  if id(actions[number]) not in known]


def _migrates(action):
    return action['action_type'] == simulation.MIGRATE


def _migrates_how(kind):
    def counts(action):
        return (_migrates(action) and
                simulation.parameters_of(action).get('migration_type')
                == kind)
    return counts


def _moves_volume(action):
    return action['action_type'] == 'volume_migrate'


#: Which actions indicators count.
COUNTED = {
    'instance_migrations_count': _migrates,
    'planned_live_migrate_instance_count': _migrates_how('live'),
    'planned_cold_migrate_instance_count': _migrates_how('cold'),
    'planned_volume_migrate_count': _moves_volume,
    'planned_volume_update_count': _moves_volume,
}
