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
"""What host_maintenance decides: how each instance leaves, and where to.

Pure: all that counts is in the :class:`Situation`.
"""

import dataclasses
from collections.abc import Mapping

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import feasibility

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
    :param never: why instances cannot be migrated at all, likewise.
    :param unsuitable: why the backup node is not for instances, by uuid,
        whether or not it has room for them.
    :param homeless: why no node suits instances, by uuid, however much room
        there may be: the scheduler would find none either.
    :param partly: whether the backup node takes those instances that fit
        if it cannot take all.
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
    never: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unsuitable: Mapping[str, str] = dataclasses.field(default_factory=dict)
    homeless: Mapping[str, str] = dataclasses.field(default_factory=dict)
    partly: bool = False


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
    """What is to be done, and the reasons in words.

    :param staying: label of an instance -> why it stays.
    """

    maintain: str | None = None
    enable_backup: str | None = None
    treatments: list[Treatment] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    staying: dict[str, str] = dataclasses.field(default_factory=dict)


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
            _leave(decision, situation, server, reason)
        else:
            decision.treatments.append(Treatment(server, how, reason))
    _place(situation, decision)
    return decision


def _leave(decision: Decision, situation: Situation,
           server: feasibility.Server, reason: str) -> None:
    decision.staying[server.label] = reason
    decision.remarks.append(
        f'The instance {server.label} stays on '
        f'{situation.source.hostname}: {reason}')


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
    if (situation.live or situation.cold) and (
            server.uuid in situation.never):
        return None, situation.never[server.uuid]
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
    movable = [treatment for treatment in moving
               if treatment.server.uuid not in situation.homeless]
    impossible = feasibility.why_impossible(
        [t.server for t in movable], situation.others)
    if impossible and situation.whole_cloud or (
            situation.partly and suited and backup is not None
            and backup.up):
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
        'it has too little room for the '
        f"{explanation.counted(len(servers), 'instance')} ({shortage})")


def _share(situation: Situation, decision: Decision,
           moving: list[Treatment], impossible: str | None,
           refusal: str | None) -> None:
    """Use the backup node for some: the scheduler alone cannot do it, or
    that is what is asked for.
    """
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
        elif treatment.server.uuid not in situation.homeless:
            rest.append(treatment.server)
    still_impossible = feasibility.why_impossible(
        rest, [h for h in situation.others if h.uuid != backup.uuid])
    if still_impossible and situation.whole_cloud:
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
    _drop_homeless(decision, situation, to_backup)
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


def _drop_homeless(decision: Decision, situation: Situation,
                   to_backup: set[str]) -> None:
    """Leave where they are for whom the scheduler would find no node."""
    kept = []
    for treatment in decision.treatments:
        server = treatment.server
        reason = situation.homeless.get(server.uuid)
        if reason and treatment.how != STOP and server.uuid not in to_backup:
            _leave(decision, situation, server, reason)
        else:
            kept.append(treatment)
    decision.treatments = kept


def _placed(treatment: Treatment, backup: feasibility.Host | None,
            to_backup: bool) -> Treatment:
    if treatment.how == STOP:
        return treatment
    where = ('goes to the backup node' if to_backup
             else 'the scheduler of Nova chooses the destination')
    return dataclasses.replace(
        treatment, destination=backup if to_backup else None,
        reason=f'{treatment.reason}; {where}')
