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
"""Empties one compute node so that it can be worked on."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping

from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.strategies import base

LOG = log.getLogger(__name__)

STOP = 'stop'


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param source: the node that is to be maintained.
    :param servers: its instances, in the order of the model.
    :param others: the other nodes in the scope of the audit.
    :param backup: the node that shall take the instances, if one is named.
    :param live: whether live migration may be used.
    :param cold: whether cold migration may be used.
    :param maintained: whether the node already is under maintenance.
    :param whole_cloud: whether ``others`` are all nodes that exist; a scope
        may hide nodes that the scheduler of Nova would still choose.
    :param staying: why instances have to be left alone, by uuid.
    :param not_live: why instances cannot be migrated live, by uuid, if that
        is not because of their state.
    :param unsuitable: why the backup node is not for instances, by uuid,
        whether or not it has room for them.
    """

    source: feasibility.Host
    servers: list[feasibility.Server]
    others: list[feasibility.Host]
    backup: feasibility.Host | None = None
    live: bool = True
    cold: bool = True
    maintained: bool = False
    whole_cloud: bool = True
    staying: Mapping[str, str] = dataclasses.field(default_factory=dict)
    not_live: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unsuitable: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Treatment:
    """What happens to one instance.

    :param how: ``live``, ``cold`` or ``stop``.
    :param destination: None leaves the choice to the scheduler of Nova.
    """

    server: feasibility.Server
    how: str
    reason: str
    destination: feasibility.Host | None = None


@dataclasses.dataclass
class Decision:
    """What is to be done, and the reasons in words."""

    maintain: str | None = None
    enable_backup: str | None = None
    treatments: list[Treatment] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)


def decide(situation: Situation) -> Decision:
    """Choose what to do with the node and each of its instances.

    :raises: InfeasiblePlan if the instances have nowhere to go.
    """
    decision = Decision()
    source = situation.source
    if not situation.maintained:
        decision.maintain = f'{source.hostname} is to be maintained'
    for server in situation.servers:
        how, reason = _treat(server, situation)
        if how is None:
            decision.remarks.append(
                f'The instance {server.label} stays on {source.hostname}: '
                f'{reason}')
        else:
            decision.treatments.append(Treatment(server, how, reason))
    _place(situation, decision)
    return decision


def _treat(server: feasibility.Server,
           situation: Situation) -> tuple[str | None, str]:
    """Return how to get the instance away, or None, and why."""
    blocked = (feasibility.why_not_touch(server)
               or situation.staying.get(server.uuid))
    if blocked:
        return None, blocked
    locked = ', although it is locked' if server.locked else ''
    if not situation.source.up:
        return None, ('its compute service is down, which allows an '
                      'evacuation but no migration')
    if (situation.live and server.uuid in situation.not_live
            and feasibility.live_migratable(server)):
        # Its users would notice anything else, so it has to be asked for.
        return None, (f'{situation.not_live[server.uuid]}; disable live '
                      'migration to have it migrated cold')
    if situation.live and feasibility.live_migratable(server):
        return feasibility.MIGRATE_LIVE, f'it is {server.state}{locked}'
    if situation.cold and feasibility.cold_migratable(server):
        why = '' if situation.live else ' and live migration is disabled'
        return (feasibility.MIGRATE_COLD,
                f'it is {server.state}{why}{locked}')
    if server.state == feasibility.ACTIVE:
        return STOP, ('it is active and both live and cold migration are '
                      f'disabled{locked}')
    return None, _why_immovable(server)


def _why_immovable(server: feasibility.Server) -> str:
    if feasibility.live_migratable(server):
        return f'it is {server.state} and live migration is disabled'
    if feasibility.cold_migratable(server):
        return f'it is {server.state} and cold migration is disabled'
    return f'Nova migrates no instance in the state {server.state}'


def _place(situation: Situation, decision: Decision) -> None:
    """Choose the destinations: the backup node or the scheduler of Nova."""
    moving = [treatment for treatment in decision.treatments
              if treatment.how != STOP]
    if not moving:
        return
    backup = situation.backup
    suited = [treatment for treatment in moving
              if treatment.server.uuid not in situation.unsuitable]
    refusal = _why_not_backup(backup, [t.server for t in suited])
    if backup is not None and suited and refusal is None:
        _refuse(situation, decision, moving)
        _assign(decision, situation, {t.server.uuid for t in suited})
        return
    impossible = feasibility.why_impossible(
        [t.server for t in moving], situation.others)
    if impossible and situation.whole_cloud:
        _share(situation, decision, moving, impossible, refusal)
        return
    if impossible:
        decision.remarks.append(
            'Nova may find no room: in the scope of the audit '
            f'{impossible}')
    if backup is not None:
        decision.remarks.append(
            f'The backup node {backup.hostname} is not used, the scheduler '
            f'of Nova chooses the destinations: {refusal}')
    _assign(decision, situation, set())


def _refuse(situation: Situation, decision: Decision,
            moving: list[Treatment]) -> None:
    """Note who does not go to the backup node, and why."""
    for treatment in moving:
        reason = situation.unsuitable.get(treatment.server.uuid)
        if reason:
            decision.remarks.append(
                f'The scheduler of Nova places {treatment.server.label}, '
                f'not on the backup node: {reason}')


def _why_not_backup(backup: feasibility.Host | None,
                    servers: list[feasibility.Server]) -> str | None:
    if backup is None:
        return None
    if not backup.up:
        return f'its compute service is {backup.state}'
    if not servers:
        return 'none of the instances may be there'
    shortage = backup.free.shortage(feasibility.total(servers))
    return shortage and (
        f'it has too little room for all {len(servers)} instances '
        f'({shortage})')


def _share(situation: Situation, decision: Decision,
           moving: list[Treatment], impossible: str,
           refusal: str | None) -> None:
    """Use the backup node for some, as the scheduler alone cannot do it."""
    backup = situation.backup
    if backup is None or not backup.up:
        because = f'; the backup node cannot help: {refusal}' if refusal \
            else ''
        raise feasibility.InfeasiblePlan(
            node=situation.source.hostname, reason=impossible + because)
    free, taken, rest = backup.free, set(), []
    for treatment in moving:
        if (treatment.server.uuid not in situation.unsuitable
                and free.fits(treatment.server.resources)):
            free -= treatment.server.resources
            taken.add(treatment.server.uuid)
        else:
            rest.append(treatment.server)
    still_impossible = feasibility.why_impossible(
        rest, [h for h in situation.others if h.uuid != backup.uuid])
    if still_impossible:
        raise feasibility.InfeasiblePlan(
            node=situation.source.hostname,
            reason=f'the backup node {backup.hostname} takes {len(taken)} '
                   f'of {len(moving)} instances ({refusal}) and for the '
                   f'rest {still_impossible}')
    decision.remarks.append(
        f'The backup node {backup.hostname} takes {len(taken)} of '
        f'{len(moving)} instances, the scheduler of Nova places the rest: '
        f'{refusal}')
    _assign(decision, situation, taken)


def _assign(decision: Decision, situation: Situation,
            to_backup: set[str]) -> None:
    """Name the backup node as destination of these, nothing for others."""
    backup = situation.backup
    if to_backup and not backup.enabled:
        was = backup.disabled_reason or 'no reason given'
        decision.enable_backup = (
            f'{backup.hostname} is named as backup node and is disabled '
            f'({was})')
        decision.remarks.append(
            f'The plan enables {backup.hostname}, which was disabled '
            f'({was}): the audit names it as backup node')
    decision.treatments = [
        _placed(treatment, backup, treatment.server.uuid in to_backup)
        for treatment in decision.treatments]


def _placed(treatment: Treatment, backup: feasibility.Host | None,
            to_backup: bool) -> Treatment:
    if treatment.how == STOP:
        return treatment
    where = ('goes to the backup node' if to_backup
             else 'the scheduler of Nova chooses the destination')
    return dataclasses.replace(
        treatment, destination=backup if to_backup else None,
        reason=f'{treatment.reason}; {where}')


class HostMaintenance(base.HostMaintenanceBaseStrategy):
    """Disables a compute node and moves its instances away.

    They go to the backup node if one is named and has room for all of them,
    otherwise wherever the scheduler of Nova puts them. A node that somebody
    disabled is never used, except the backup node, because the audit names
    it. Instances that the scope excludes, and those that Nova cannot move,
    stay and are named in the log.
    """

    CHANGE_STATE = 'change_nova_service_state'

    @classmethod
    def get_name(cls):
        return 'host_maintenance'

    @classmethod
    def get_display_name(cls):
        return _('Host Maintenance Strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Host Maintenance Strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'maintenance_node': {
                    'description': 'Host name of the compute node that is '
                                   'to be maintained.',
                    'type': 'string',
                },
                'backup_node': {
                    'description': 'Host name of the compute node that '
                                   'takes the instances. Without it the '
                                   'scheduler of Nova chooses.',
                    'type': 'string',
                },
                'disable_live_migration': {
                    'description': 'Do not migrate live. Active instances '
                                   'are migrated cold instead, or stopped '
                                   'if that is disabled as well.',
                    'type': 'boolean',
                    'default': False,
                },
                'disable_cold_migration': {
                    'description': 'Do not migrate cold. Instances that '
                                   'are not running stay where they are.',
                    'type': 'boolean',
                    'default': False,
                },
            },
            'required': ['maintenance_node'],
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation, decide(situation))

    def post_execute(self):
        """The goal has no indicators."""

    def gather(self) -> Situation:
        """Read the two nodes and the instances from the model."""
        model = self.compute_model
        parameters = self.input_parameters
        source = model.get_node_by_name(parameters.maintenance_node)
        instances = model.get_node_instances(source)
        backup = None
        if instances and parameters.get('backup_node'):
            backup = model.get_node_by_name(parameters.backup_node)
            if backup.uuid == source.uuid:
                raise exception.Invalid(
                    _('backup_node must not be the node that is to be '
                      'maintained (%s).') % source.hostname)
        others = [node for node in model.get_all_compute_nodes().values()
                  if node.uuid != source.uuid]
        state = self.found_state()
        # The node has to be emptied, also of what has just come here.
        asked = eligibility.Eligibility(state, self.shared_options)
        staying = self._reasons(state, source, asked.why_not_touch)
        return Situation(
            source=feasibility.host_from(source, model),
            servers=[feasibility.server_from(i) for i in instances],
            others=[feasibility.host_from(n, model) for n in others],
            backup=backup and feasibility.host_from(backup, model),
            live=not parameters.get('disable_live_migration'),
            cold=not parameters.get('disable_cold_migration'),
            maintained=self._is_maintained(source),
            whole_cloud=not any(
                'compute' in part for part in self.audit_scope or ()),
            staying=staying,
            not_live=self._reasons(state, source, asked.why_not_live),
            unsuitable=self._unsuitable(state, source, backup, staying))

    @staticmethod
    def _reasons(state: cluster.ClusterState, source,
                 ask: Callable[[int], str | None]) -> dict[str, str]:
        """Return the answers about the instances of the node, by uuid."""
        answers = {state.servers[server].uuid: ask(server) for server
                   in state.servers_on(state.host_index[source.uuid])}
        return {uuid: reason for uuid, reason in answers.items() if reason}

    def _unsuitable(self, state: cluster.ClusterState, source, backup,
                    staying: Mapping[str, str]) -> dict[str, str]:
        """Return for whom the backup node is not, one after the other."""
        if backup is None:
            return {}
        rules = self.rules_for(state)
        number = state.host_index[backup.uuid]

        def ask(server):
            if state.servers[server].uuid in staying:
                return None
            problem = rules.why_not_suitable(server, number)
            if problem is None:
                # For those who come after it.
                state.move(server, number)
            return problem
        return self._reasons(state, source, ask)

    def _is_maintained(self, node) -> bool:
        return (node.status != 'enabled' and
                node.get('disabled_reason') == self.REASON_FOR_MAINTAINING)

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into actions."""
        for remark in decision.remarks:
            self.solution.add_remark(remark)
        if decision.enable_backup:
            self._change_state(situation.backup, 'enabled',
                               decision.enable_backup)
        if decision.maintain:
            self._change_state(
                situation.source, 'disabled', decision.maintain,
                disabled_reason=self.REASON_FOR_MAINTAINING)
        for treatment in decision.treatments:
            self._emit_treatment(situation.source, treatment)
        self._explain(situation, decision)

    def _explain(self, situation: Situation, decision: Decision) -> None:
        source = situation.source.hostname
        if not self.solution.actions:
            self.solution.explain(
                f'{source} is already under maintenance and holds no '
                'instance that could be moved', 'maintained')
            return
        parts = [f'{source} is disabled'] if decision.maintain else []
        for how, words in ((feasibility.MIGRATE_LIVE, 'migrated live'),
                           (feasibility.MIGRATE_COLD, 'migrated cold'),
                           (STOP, 'stopped')):
            count = sum(t.how == how for t in decision.treatments)
            if count:
                parts.append(f'instances {words}: {count} of '
                             f'{len(situation.servers)}')
        self.solution.explain('; '.join(parts), 'maintenance')

    def _change_state(self, host, state, reason, **more):
        self.solution.add_action(
            self.CHANGE_STATE,
            {'state': state, 'resource_name': host.hostname, **more},
            resource_id=host.uuid, reason=reason)

    def _emit_treatment(self, source, treatment):
        if treatment.how == STOP:
            self.solution.add_action(
                STOP, resource_id=treatment.server.uuid,
                reason=treatment.reason)
            return
        self.add_action_migrate(
            treatment.server, treatment.how, source, treatment.destination,
            reason=treatment.reason)
