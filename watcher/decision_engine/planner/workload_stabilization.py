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
"""Orders actions by what they work on.

Actions on different servers, volumes and hosts run side by side; what works
on the same one runs one after the other, heavy types first:

* two actions on one server or volume never run at the same time;
* a migration waits for changes of the service of both its hosts;
* a host is switched off when nothing is left to be done on it;
* an action waits for those that its strategy names (``after``).

How many actions run at once is up to the workflow engine, and to the option
``parallelization``.
"""

import collections
import itertools
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.planner import base
from watcher.decision_engine.planner import needs

MIGRATE = 'migrate'
RESIZE = 'resize'

#: Resource -> (UUID, type) of the actions on it so far.
Entries = list[tuple[str, str]]


class ResourceActionMap(dict):
    """Which actions there are so far, by server, volume or host.

    A dictionary of lists of ``(UUID, type)``. Beside it stand:

    :ivar host_changes: host -> its entries that change the host itself
    :ivar hosts: server -> the hosts that it leaves or goes to
    """

    def __init__(self):
        super().__init__()
        self.host_changes: dict[str, Entries] = {}
        self.hosts: dict[str, list[str]] = {}


class BaseActionValidator:
    """The rule of one type of actions.

    The rule of a type is the direct subclass with its name. Others teach the
    planner a new type by defining such a class in a module that is imported,
    and giving the type a weight in the options.
    """

    #: Type of the actions.
    action_name: str | None = None

    def validate_parents(self, resource_action_map: dict[str, Entries],
                         action: Mapping[str, Any]) -> list[str] | None:
        """Return the UUIDs of the actions that have to end before.

        :param resource_action_map: the actions so far; this one is added
            under every resource it works on.
        :param action: ``uuid``, ``action_type`` and ``input_parameters``.
        :raises: Invalid if a parameter is missing.
        """
        raise NotImplementedError

    @staticmethod
    def _mapping(resource_action_map: dict[str, Entries], resource_id: str,
                 action_uuid: str, action_type: str) -> None:
        """Note that an action works on a resource."""
        resource_action_map.setdefault(resource_id, []).append(
            (action_uuid, action_type))

    def _chain(self, resource_action_map, action) -> list[str]:
        """Note the action; wait for all before it on the same resource."""
        resource = base.parameter(action, 'resource_id')
        earlier = _uuids(resource_action_map.get(resource, ()))
        self._mapping(resource_action_map, resource, action['uuid'],
                      action['action_type'])
        return earlier

    def _change_host(self, resource_action_map, action) -> list[str]:
        """Note the change of a host; wait for all before it on the host."""
        entry = action['uuid'], action['action_type']
        earlier = []
        for host in _names_of_host(action):
            earlier += resource_action_map.get(host, ())
            self._mapping(resource_action_map, host, *entry)
            resource_action_map.host_changes.setdefault(
                host, []).append(entry)
        # Resizes wait for migrations themselves, so they tell more.
        return _uuids(sorted(earlier, key=lambda item: item[1] != RESIZE))


class MigrationActionValidator(BaseActionValidator):
    action_name = MIGRATE

    def validate_parents(self, resource_action_map, action):
        parents = self._chain(resource_action_map, action)
        server = action['input_parameters']['resource_id']
        hosts = [base.parameter(action, 'source_node')]
        destination = action['input_parameters'].get('destination_node')
        if destination is not None and destination not in hosts:
            hosts.append(destination)
        for host in hosts:
            parents += _uuids(resource_action_map.host_changes.get(host, ()))
            self._mapping(resource_action_map, host, action['uuid'], MIGRATE)
        resource_action_map.hosts.setdefault(server, []).extend(hosts)
        return parents


class ResizeActionValidator(BaseActionValidator):
    action_name = RESIZE

    def validate_parents(self, resource_action_map, action):
        parents = self._chain(resource_action_map, action)
        server = action['input_parameters']['resource_id']
        for host in set(resource_action_map.hosts.get(server, ())):
            self._mapping(resource_action_map, host, action['uuid'], RESIZE)
        return parents


class StopActionValidator(BaseActionValidator):
    action_name = 'stop'

    def validate_parents(self, resource_action_map, action):
        return self._chain(resource_action_map, action)


class VolumeMigrationActionValidator(BaseActionValidator):
    action_name = 'volume_migrate'

    def validate_parents(self, resource_action_map, action):
        return self._chain(resource_action_map, action)


class ChangeNovaServiceStateActionValidator(BaseActionValidator):
    action_name = 'change_nova_service_state'

    def validate_parents(self, resource_action_map, action):
        return self._change_host(resource_action_map, action)


class ChangeNodePowerStateActionValidator(BaseActionValidator):
    action_name = 'change_node_power_state'

    def validate_parents(self, resource_action_map, action):
        return self._change_host(resource_action_map, action)


class TurnHostToAcpiS3ActionValidator(BaseActionValidator):
    action_name = 'turn_host_to_acpi_s3_state'

    def validate_parents(self, resource_action_map, action):
        return self._change_host(resource_action_map, action)


class SleepActionValidator(BaseActionValidator):
    action_name = 'sleep'

    def validate_parents(self, resource_action_map, action):
        return []


class NOPActionValidator(BaseActionValidator):
    action_name = 'nop'

    def validate_parents(self, resource_action_map, action):
        return []


class _AnyAction(BaseActionValidator):
    """For types that only have a weight: the resource is what they have."""

    def validate_parents(self, resource_action_map, action):
        if not (action['input_parameters'] or {}).get('resource_id'):
            return []
        return self._chain(resource_action_map, action)


class WorkloadStabilizationPlanner(base.StoringPlanner):
    """Lets independent actions run side by side."""

    NAME = 'workload_stabilization'

    weights_dict = {
        'turn_host_to_acpi_s3_state': 0,
        'resize': 1,
        'migrate': 2,
        'sleep': 3,
        'change_nova_service_state': 4,
        'nop': 5,
    }

    #: Of types that the default of the option never had.
    more_weights = {
        'change_node_power_state': 0,
        'start': 2,
        'stop': 2,
        'volume_migrate': 2,
    }

    def __init__(self, config):
        super().__init__(config)
        self._osc = None

    @classmethod
    def get_config_opts(cls):
        return [
            cfg.DictOpt(
                'weights',
                default=cls.weights_dict,
                help='Numbers by action type. Of the actions on one server, '
                     'volume or host, those of the type with the highest '
                     'number run first. Types that are not named keep their '
                     'default number (volume_migrate, start and stop 2, '
                     'change_node_power_state 0); types of other vendors '
                     'must be named.'),
            cfg.DictOpt(
                'parallelization',
                default={},
                help='How many actions of one type may run at the same '
                     'time, by action type, e.g. migrate:10. Types that are '
                     'not named are limited by the workers of the workflow '
                     'engine only.'),
        ]

    @property
    def osc(self) -> clients.OpenStackClients:
        """Holder of OpenStack clients, for rules of others."""
        if self._osc is None:
            self._osc = clients.OpenStackClients()
        return self._osc

    def check_types(self, actions):
        weights = self._weights()
        for action in actions:
            if action['action_type'] not in weights:
                raise exception.UnsupportedActionType(
                    _('The action type %(type)s has no weight. Add it to '
                      '[watcher_planners.workload_stabilization] weights.')
                    % {'type': action['action_type']},
                    action_type=action['action_type'])

    def store_actions(self, context, plan, solution):
        actions = self.arrange(solution.actions)
        base.check_graph(actions)
        needs.add(actions)
        plan.create_actions(actions)

    def arrange(self, planned: Sequence[Mapping[str, Any]]
                ) -> list[dict[str, Any]]:
        """Return the actions to store, heavy types first, with parents."""
        weights = self._weights()
        planned = sorted(
            planned, key=lambda action: -weights[action['action_type']])
        # Rules of others read them by key or, as of objects, as attributes.
        actions = [utils.Struct(base.new_action(action))
                   for action in planned]
        wishes = base.waits(planned, actions)
        rules: dict[str, BaseActionValidator] = {}
        resources = ResourceActionMap()
        parents_of: dict[str, Sequence[str]] = {}
        for action, wished in zip(actions, wishes, strict=True):
            name = action['action_type']
            if name not in rules:
                rules[name] = self.load_child_class(name) or _AnyAction()
            parents = rules[name].validate_parents(resources, action) or ()
            action['parents'] = _necessary([*parents, *wished], parents_of)
            parents_of[action['uuid']] = action['parents']
        self._limit(actions)
        return actions

    def create_action(self, action_plan_id: int, action_type: str,
                      input_parameters: dict | None = None
                      ) -> dict[str, Any]:
        """Return the fields of an action that is not stored yet."""
        return {'action_plan_id': action_plan_id, **base.new_action(
            {'action_type': action_type,
             'input_parameters': input_parameters})}

    def load_child_class(self, child_name: str) -> BaseActionValidator | None:
        """Return the rule of a type; of several the one defined last."""
        found = [cls for cls in BaseActionValidator.__subclasses__()
                 if cls.action_name == child_name]
        return found[-1]() if found else None

    def _limit(self, actions: Iterable[dict[str, Any]]) -> None:
        """Let each action wait for the one that has its slot before it."""
        slots = {}
        for action in actions:
            name = action['action_type']
            if name not in slots:
                slots[name] = self._slots(name)
            if slots[name] is None:
                continue
            former = slots[name][0]
            if former is not None and former not in action['parents']:
                action['parents'].append(former)
            slots[name].append(action['uuid'])

    def _slots(self, action_type: str) -> collections.deque | None:
        count = self._configured('parallelization').get(action_type)
        if count is None:
            return None
        count = max(1, int(base.number(self, 'parallelization', action_type,
                                       count)))
        return collections.deque([None] * count, maxlen=count)

    def _weights(self) -> dict[str, float]:
        return {name: base.number(self, 'weights', name, weight)
                for name, weight in {**self.more_weights,
                                     **self.weights_dict,
                                     **self._configured('weights')}.items()}

    def _configured(self, option: str) -> Mapping[str, Any]:
        return (self.config or {}).get(option) or {}


def _uuids(entries: Iterable[tuple[str, str]]) -> list[str]:
    return [uuid for uuid, _type in entries]


def _names_of_host(action: Mapping[str, Any]) -> list[str]:
    """The names a host has in actions: its UUID and its host name."""
    names = [base.parameter(action, 'resource_id'),
             action['input_parameters'].get('resource_name')]
    return list(dict.fromkeys(filter(None, names)))


def _necessary(parents: Iterable[str],
               parents_of: Mapping[str, Sequence[str]]) -> list[str]:
    """Leave out parents that another parent waits for anyway."""
    parents = list(dict.fromkeys(parents))
    known = set(itertools.chain.from_iterable(
        parents_of.get(parent, ()) for parent in parents))
    return [parent for parent in parents if parent not in known]
