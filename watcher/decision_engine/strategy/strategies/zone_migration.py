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
"""Empties compute nodes and storage pools before hardware is replaced.

Goal ``hardware_maintenance``. A "zone" is what the parameters name, no
availability zone. Servers go to the named host or wherever Nova puts them,
volumes into the named pool or get the named type.

==================== ========= ===========================================
Parameter            Default   Meaning
==================== ========= ===========================================
compute_nodes        none      [{src_node, dst_node}], names of hosts
storage_pools        none      [{src_pool, src_type, dst_pool or dst_type}]
parallel_total       6         the most actions of a plan
parallel_per_node    2         the most servers that leave a host
parallel_per_pool    2         the most volumes that leave a pool
parallel_applies_to  plan      or ``execution``: everything is planned, and
                               so many actions run at the same time
priority             none      what goes first
with_attached_volume false     servers follow their volumes
==================== ========= ===========================================

Source: the compute model for ``compute_nodes``, the storage model for
``storage_pools``, and from Cinder which volumes have snapshots. No metrics.
"""

import dataclasses

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import pacing
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import storage
from watcher.decision_engine.strategy.strategies import _zone_moves
from watcher.decision_engine.strategy.strategies import base

PLAN, EXECUTION = 'plan', 'execution'
VOLUME_MIGRATE = 'volume_migrate'

Situation = _zone_moves.Situation
Decision = _zone_moves.Decision
decide = _zone_moves.decide

Measure = explanation.Measure


def _texts(description: str) -> dict:
    return {'description': description, 'type': 'array',
            'items': {'type': 'string'}}


def _text(description: str) -> dict:
    return {'description': description, 'type': 'string'}


def _count(description: str, default: int) -> dict:
    return {'description': description, 'type': 'integer',
            'minimum': 0, 'default': default}


NODES = {
    'description': 'Hosts to be emptied.',
    'type': 'array',
    'items': {
        'type': 'object',
        'properties': {
            'src_node': _text('Host name of the compute node that its '
                              'servers leave.'),
            'dst_node': _text('Host name of the one that they go to. '
                              'Without it the scheduler of Nova chooses.'),
        },
        'required': ['src_node'],
        'additionalProperties': False,
    },
}

POOLS = {
    'description': 'Storage pools to be emptied.',
    'type': 'array',
    'items': {
        'type': 'object',
        'properties': {
            'src_pool': _text('Pool that volumes leave, as '
                              'host@backend#pool.'),
            'dst_pool': _text('Pool that they go to. They keep their '
                              'types.'),
            'src_type': _text('Only volumes of this type are meant.'),
            'dst_type': _text('Type that they get. Cinder moves them to '
                              'where that exists.'),
        },
        'required': ['src_pool'],
        'oneOf': [{'required': ['dst_pool']}, {'required': ['dst_type']}],
        'additionalProperties': False,
    },
}

PRIORITY = {
    'description': 'What goes first. The first key counts most, and of a '
                   'list the first value.',
    'type': 'object',
    'properties': {
        'project': _texts('UUIDs of projects.'),
        'compute_node': _texts('Host names.'),
        'storage_pool': _texts('Names of pools.'),
        'compute': {
            'description': 'Servers with the most of this, or the oldest, '
                           'go first.',
            'enum': ['vcpu_num', 'mem_size', 'disk_size', 'created_at'],
        },
        'storage': {
            'description': 'The biggest or the oldest volumes go first.',
            'enum': ['size', 'created_at'],
        },
    },
    'additionalProperties': False,
}


class ZoneMigration(base.ZoneMigrationBaseStrategy):
    """Moves servers and volumes away from named hosts and pools."""

    MODELS = ('compute', 'storage')

    @classmethod
    def get_name(cls):
        return 'zone_migration'

    @classmethod
    def get_display_name(cls):
        return _('Zone migration')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Zone migration'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'compute_nodes': NODES,
                'storage_pools': POOLS,
                'parallel_total': _count('The most actions.', 6),
                'parallel_per_node': _count(
                    'The most migrations of servers of one host.', 2),
                'parallel_per_pool': _count(
                    'The most migrations of volumes of one pool.', 2),
                # Without a default: audits look as they always did.
                'parallel_applies_to': {
                    'description': 'What the numbers of actions limit: '
                                   'all actions of a plan (plan, the '
                                   'default), or only those that run at '
                                   'the same time (execution): then one '
                                   'audit empties everything.',
                    'enum': [PLAN, EXECUTION],
                },
                'priority': PRIORITY,
                'with_attached_volume': {
                    'description': 'Move a server directly after the '
                                   'volumes that are attached to it.',
                    'type': 'boolean',
                    'default': False,
                },
            },
        }

    def pre_execute(self):
        """What is not asked for need not be there."""

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation, decide(situation))

    def post_execute(self):
        """The indicators are set with the actions."""

    def measure_efficacy(self, found: outcome.Outcome):
        situation = self.gather()
        # What should leave: what is not there any more, and what is. To
        # decide changes the situation.
        gone = dataclasses.replace(found, effective=[
            action for action in found.effective
            if not _is_meant(situation, action)])
        present = _counts(decide(situation))
        return {**super().measure_efficacy(found), **{
            eligible: present[eligible] + gone.count(planned)
            for eligible, planned in _PLANNED_OF.items()}}

    # Gather ---------------------------------------------------------------

    def gather(self) -> Situation:
        """Read what the parameters name from the models."""
        given = self.input_parameters
        nodes = given.get('compute_nodes') or []
        pools = given.get('storage_pools') or []
        priority = given.get('priority') or {}
        found = Situation(
            _zone_moves.Limits(
                given.get('parallel_total', 6),
                given.get('parallel_per_node', 2),
                given.get('parallel_per_pool', 2),
                given.get('parallel_applies_to') != EXECUTION),
            nodes, pools, priority,
            bool(given.get('with_attached_volume')),
            options=self.shared_options,
            all_hosts=not self._in_scope('compute'),
            all_pools=not self._in_scope('storage'))
        if nodes:
            self._pre_execute()
            found.state = self.found_state()
            found.rules = self.rules_for(found.state)
            # Hosts have to be emptied, also of what has just come here.
            found.asked = eligibility.Eligibility(
                found.state, self.shared_options)
            if priority.get('compute') == _zone_moves.CREATED:
                found.created = {
                    uuid: values[0] for uuid, values in
                    self.compute_model.pick_instances(
                        'created', 'uuid').items()}
        if pools:
            found.storage_state = storage.StorageState.from_model(
                self.storage_model, self._snapshots(),
                self.state_of_server)
        return found

    def _in_scope(self, part: str) -> bool:
        return any(part in rules for rules in self.audit_scope or ())

    def _snapshots(self) -> frozenset[str]:
        return storage.with_snapshots(self.osc, self.solution.add_remark)

    # Emit -----------------------------------------------------------------

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into actions, indicators and reasons."""
        pace = pacing.Pace()
        if situation.with_attached:
            # The other one has all volumes move before the first server.
            self.planner = 'workload_stabilization'
        for move in decision.moves:
            if isinstance(move, _zone_moves.ServerMove):
                action, places = self._migrate(situation, move)
                servers = [situation.state.servers[move.server].uuid]
            else:
                action, places = self._move_volume(situation, move)
                servers = move.volume.servers
            if situation.with_attached:
                # Nova swaps no disk of a server that is on its way.
                pace.add(action, dict.fromkeys(servers, 1))
            if situation.with_attached or not situation.limits.whole_plan:
                pace.add(action, {**places,
                                  'plan': situation.limits.total})
        for remark in decision.unknown:
            self.solution.add_remark(remark)
        for label, reason in decision.staying.items():
            self.solution.add_remark(f'{label} stays: {reason}')
        counts = _counts(decision)
        self.solution.set_efficacy_indicators(**counts)
        self._explain(situation, decision, counts)

    def _migrate(self, situation, move):
        state, limit = situation.state, situation.limits.per_node
        server = state.servers[move.server]
        source = state.hosts[move.source]
        places = {('node', source.hostname): limit}
        parameters = {'migration_type': move.how,
                      'source_node': source.hostname,
                      'resource_name': server.name}
        names = [source.hostname]
        where = 'the scheduler of Nova chooses where to'
        if move.destination is not _zone_moves.OPEN:
            parameters['destination_node'] = move.destination
            places['node', move.destination] = limit
            names.append(move.destination)
            where = f'the audit names {move.destination} for it'
        vcpus = server.resources.vcpus
        locked = ', although it is locked' if server.locked else ''
        action = self.solution.add_action(
            self.MIGRATION, parameters, resource_id=server.uuid,
            reason=explanation.Explanation(
                f'{source.hostname} is to be emptied; it is {server.state}'
                f'{locked}; {where}', 'emptying', [
                    Measure('vcpus_used', before, before + change, of=name)
                    for name, before, change in zip(
                        names, move.before, (-vcpus, vcpus),
                        strict=False)]))
        return action, places

    def _move_volume(self, situation, move):
        volume, limit = move.volume, situation.limits.per_pool
        parameters = {'migration_type': move.how,
                      'resource_name': volume.name}
        places = {('pool', move.source): limit}
        if move.how == storage.RETYPE:
            parameters['destination_type'] = move.destination
            names = [move.source]
            where = f'the audit gives it the type {move.destination}'
        else:
            parameters['destination_node'] = move.destination
            places['pool', move.destination] = limit
            names = [move.source, move.destination]
            where = f'the audit names {move.destination} for it'
        action = self.solution.add_action(
            VOLUME_MIGRATE, parameters, resource_id=volume.uuid,
            reason=explanation.Explanation(
                f'{move.source} is to be emptied; {where}', 'emptying', [
                    Measure('free_capacity', before, before + change, 'GB',
                            name)
                    for name, before, change in zip(
                        names, move.before, (volume.size, -volume.size),
                        strict=False) if before is not None]))
        return action, places

    def _explain(self, situation, decision, counts):
        wanted = decision.live + decision.cold + decision.volumes
        parts = [f'{counts[planned]} of {counts[eligible]} {what}'
                 for planned, eligible, what in (
                     ('planned_live_migrate_instance_count',
                      'live_migrate_instance_count', 'servers move live'),
                     ('planned_cold_migrate_instance_count',
                      'cold_migrate_instance_count', 'servers move cold'),
                     ('planned_volume_migrate_count',
                      'volume_migrate_count', 'volumes move'))
                 if counts[eligible]]
        if not situation.nodes and not situation.pools:
            code, parts = 'nothing_asked', [
                'the audit names no compute nodes and no storage pools']
        elif not wanted and not decision.staying:
            code, parts = 'empty', [
                'nothing is where the audit wants it to leave']
        elif not decision.moves:
            code = 'limits' if decision.waiting else 'nothing_movable'
            parts = parts or ['nothing may be moved']
        else:
            code = 'emptying'
        if decision.waiting:
            limit = sorted(set(decision.waiting.values()))
            parts.append(
                f'{len(decision.waiting)} are left for another audit '
                f"({'; '.join(limit)}; parallel_applies_to=execution plans "
                'all of them)')
        if decision.staying:
            parts.append(f'{len(decision.staying)} stay')
        self.solution.explain(
            '; '.join(parts), code, _measures(counts),
            {**decision.staying, **decision.waiting})


#: Which indicators count what is planned of what others count.
_PLANNED_OF = {
    'live_migrate_instance_count': 'planned_live_migrate_instance_count',
    'cold_migrate_instance_count': 'planned_cold_migrate_instance_count',
    'volume_migrate_count': 'planned_volume_migrate_count',
    'volume_update_count': 'planned_volume_update_count',
}


def _is_meant(situation: Situation, action: simulation.Action) -> bool:
    """Tell whether what was moved is where it should leave, too."""
    uuid = simulation.parameters_of(action).get('resource_id')
    state, pools = situation.state, situation.storage_state
    if state is not None and uuid in state.server_index:
        host = int(state.host_of[state.server_index[uuid]])
        return host != cluster.NOWHERE and state.hosts[host].hostname in {
            entry['src_node'] for entry in situation.nodes}
    if pools is not None and uuid in pools.volumes:
        kind = pools.volumes[uuid].type
        return any(entry['src_pool'] == pools.pool_of[uuid]
                   and entry.get('src_type', kind) == kind
                   for entry in situation.pools)
    return False


def _counts(decision: Decision) -> dict[str, int]:
    """Return the indicators; those of updates repeat the volumes'."""
    hows = [move.how for move in decision.moves
            if isinstance(move, _zone_moves.ServerMove)]
    volumes = len(decision.moves) - len(hows)
    return {
        'live_migrate_instance_count': decision.live,
        'planned_live_migrate_instance_count':
            hows.count(eligibility.LIVE),
        'cold_migrate_instance_count': decision.cold,
        'planned_cold_migrate_instance_count':
            hows.count(eligibility.COLD),
        'volume_migrate_count': decision.volumes,
        'planned_volume_migrate_count': volumes,
        'volume_update_count': decision.volumes,
        'planned_volume_update_count': volumes,
    }


def _measures(counts):
    """Return how many should leave, before and after the plan."""
    return [Measure(name, counts[eligible],
                    counts[eligible] - counts[planned])
            for name, planned, eligible in (
                ('servers_to_move_live',
                 'planned_live_migrate_instance_count',
                 'live_migrate_instance_count'),
                ('servers_to_move_cold',
                 'planned_cold_migrate_instance_count',
                 'cold_migrate_instance_count'),
                ('volumes_to_move', 'planned_volume_migrate_count',
                 'volume_migrate_count'))]
