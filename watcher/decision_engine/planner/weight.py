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
"""Orders actions by the weight of their type.

Heavy types run first. Actions of one type are cut into layers of at most
``parallelization`` actions; each layer waits for the whole layer before it.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import networkx as nx
from oslo_config import cfg

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.planner import base
from watcher.decision_engine.planner import needs

_STORED = ('uuid', 'action_type', 'input_parameters', 'state', 'parents')


class WeightPlanner(base.StoringPlanner):
    """The default planner."""

    NAME = 'weight'

    action_weights = {
        'nop': 70,
        'volume_migrate': 60,
        'change_nova_service_state': 50,
        'sleep': 40,
        'stop': 35,
        'migrate': 30,
        'resize': 20,
        'turn_host_to_acpi_s3_state': 10,
        'change_node_power_state': 9,
    }

    parallelization = {
        'turn_host_to_acpi_s3_state': 2,
        'resize': 2,
        'stop': 2,
        'migrate': 2,
        'sleep': 1,
        'change_nova_service_state': 1,
        'nop': 1,
        'change_node_power_state': 2,
        'volume_migrate': 2,
    }

    #: Of types that the defaults of the options never had.
    more_weights = {'start': 35}
    more_parallelization = {'start': 2}

    @classmethod
    def get_config_opts(cls):
        return [
            cfg.DictOpt(
                'weights',
                default=cls.action_weights,
                help='Numbers by action type. Actions of the type with the '
                     'highest number run first. Types that are not named '
                     'keep their default number (start 35); types of other '
                     'vendors must be named.'),
            cfg.DictOpt(
                'parallelization',
                default=cls.parallelization,
                help='How many actions of one type may run at the same '
                     'time, by action type. Types that are not named keep '
                     'their default; the default of types of other vendors '
                     'is 1.'),
            cfg.FloatOpt(
                'default_weight',
                help='Weight of action types that "weights" does not name. '
                     'If it is not set, an audit that plans such an action '
                     'fails.'),
        ]

    def check_types(self, actions):
        weights = self._weights()
        for action in actions:
            action_type = action['action_type']
            if action_type in weights or self._default_weight is not None:
                self._parallelization(action_type)
                continue
            raise exception.UnsupportedActionType(
                _('The action type %(type)s has no weight. Add it to '
                  '[watcher_planners.weight] weights, or set default_weight.')
                % {'type': action_type}, action_type=action_type)

    def store_actions(self, context, plan, solution):
        self.create_scheduled_actions(self.compute_action_graph(
            self.get_sorted_actions_by_weight(context, plan, solution)))

    @property
    def _default_weight(self) -> float | None:
        return (self.config or {}).get('default_weight')

    def _weights(self) -> dict[str, float]:
        """Return the weights as numbers, configured types first."""
        configured = self._configured('weights')
        known = {**self.action_weights, **self.more_weights}
        weights = {**configured,
                   **{name: weight for name, weight in known.items()
                      if name not in configured}}
        return {name: base.number(self, 'weights', name, weight)
                for name, weight in weights.items()}

    def _parallelization(self, action_type: str) -> int:
        configured = self._configured('parallelization')
        known = {**self.parallelization, **self.more_parallelization}
        count = configured.get(action_type, known.get(action_type, 1))
        return max(1, int(base.number(self, 'parallelization', action_type,
                                      count)))

    def _configured(self, option: str) -> Mapping[str, Any]:
        return (self.config or {}).get(option) or {}

    @staticmethod
    def chunkify(lst: list, n: int) -> Iterator[list]:
        """Cut a list into consecutive parts of at most ``n`` elements.

        For planners of third parties that derive from this one.
        """
        n = max(1, int(n))
        for i in range(0, len(lst), n):
            yield lst[i:i + n]

    def get_sorted_actions_by_weight(self, context, action_plan,
                                     solution) -> list[tuple[float, list]]:
        """Return ``(weight, unsaved actions of one type)``, heaviest first.

        Types of equal weight follow each other in the order of the weights
        option, the actions of one type in the order of the solution.
        """
        weights = self._weights()
        by_type = {name: [] for name in weights}
        for action in solution.actions:
            fields = base.new_action(action)
            why = fields.pop('explanation')
            planned = objects.Action(
                context, action_plan_id=action_plan.id,
                action_plan=action_plan, **fields)
            # Beside the fields, until the action is stored.
            planned.explanation = why
            planned.wish = action
            by_type.setdefault(action['action_type'], []).append(planned)
        groups = [(weights.get(name, self._default_weight), actions)
                  for name, actions in by_type.items() if actions]
        return sorted(groups, key=lambda group: -group[0])

    def compute_action_graph(self, sorted_weighted_actions) -> nx.DiGraph:
        """Connect each layer completely with the one before it."""
        graph = nx.DiGraph()
        previous = []
        for _weight, actions in sorted_weighted_actions:
            for layer in self._layers(actions):
                graph.add_nodes_from(layer)
                graph.add_edges_from(
                    (parent, child) for parent in previous
                    for child in layer)
                previous = layer
        return graph

    def _layers(self, actions: list) -> Iterator[list]:
        """Cut the actions of one type into layers.

        Two actions on the same resource never share a layer, nor does an
        action with one that it has to wait for: they would run at the same
        time.
        """
        limit = self._parallelization(actions[0].action_type)
        layer, taken = [], set()
        for action in actions:
            resource = (action.input_parameters or {}).get('resource_id')
            wish = getattr(action, 'wish', None)
            waits = {id(other) for other in getattr(wish, 'after', ())}
            if (len(layer) == limit or resource in taken
                    or not waits.isdisjoint(taken)):
                yield layer
                layer, taken = [], set()
            layer.append(action)
            taken.add(id(wish))
            if resource is not None:
                taken.add(resource)
        yield layer

    def create_scheduled_actions(self, graph: nx.DiGraph) -> None:
        """Store the actions of the graph with their parents."""
        planned = list(graph.nodes)
        if not planned:
            return
        actions = []
        for action in planned:
            action.parents = [
                parent.uuid for parent in graph.predecessors(action)]
            actions.append({
                **{name: action[name] for name in _STORED},
                'explanation': getattr(action, 'explanation', None)})
        base.check_graph(actions)
        needs.add(actions)
        planned[0].action_plan.create_actions(actions)
