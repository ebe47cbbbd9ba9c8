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
"""Empties one compute node so that it can be worked on.

Goal ``cluster_maintaining``. The node is disabled and its instances leave it,
to the backup node or wherever the scheduler of Nova puts them.

====================== ======== ============================================
Parameter              Default  Meaning
====================== ======== ============================================
maintenance_node       required host name of the node
backup_node            none     host name of the node that takes instances
backup_partly          false    it takes some if it has no room for all
disable_live_migration false    active instances are migrated cold
disable_cold_migration false    instances that do not run stay
====================== ======== ============================================

With both disabled, active instances are stopped. Source: the compute model.
No metrics.
"""

from collections.abc import Callable
from collections.abc import Mapping

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.strategies import _emptying
from watcher.decision_engine.strategy.strategies import base

STOP = _emptying.STOP

Situation = _emptying.Situation
Treatment = _emptying.Treatment
Decision = _emptying.Decision
decide = _emptying.decide


class HostMaintenance(base.HostMaintenanceBaseStrategy):
    """Disables a compute node and moves its instances away.

    They go to the backup node if one is named and has room for all of them,
    otherwise wherever the scheduler of Nova puts them. A node that somebody
    disabled is never used, except the backup node, because the audit names
    it. Instances that the scope excludes, and those that Nova cannot move,
    stay and are named in the log.
    """

    MODELS = ('compute',)

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
                # Without a default: audits look as they always did.
                'backup_partly': {
                    'description': 'Let the backup node take those '
                                   'instances that fit if it has no room '
                                   'for all of them. Otherwise it takes '
                                   'all or none.',
                    'type': 'boolean',
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
        whole_cloud = not any(
            'compute' in part for part in self.audit_scope or ())
        homeless = self._homeless(state, source) if whole_cloud else {}
        return Situation(
            source=feasibility.host_from(source, model),
            servers=[feasibility.server_from(i) for i in instances],
            others=[feasibility.host_from(n, model) for n in others],
            backup=backup and feasibility.host_from(backup, model),
            live=not parameters.get('disable_live_migration'),
            cold=not parameters.get('disable_cold_migration'),
            maintained=self._is_maintained(source),
            whole_cloud=whole_cloud, staying=staying, homeless=homeless,
            partly=bool(parameters.get('backup_partly')),
            not_live=self._reasons(state, source, asked.why_not_live),
            never=self._reasons(state, source, asked.why_never),
            unsuitable=self._unsuitable(state, source, backup, staying))

    @staticmethod
    def _reasons(state: cluster.ClusterState, source,
                 ask: Callable[[int], str | None]) -> dict[str, str]:
        """Return the answers about the instances of the node, by uuid."""
        answers = {state.servers[server].uuid: ask(server) for server
                   in state.servers_on(state.host_index[source.uuid])}
        return {uuid: reason for uuid, reason in answers.items() if reason}

    def _homeless(self, state: cluster.ClusterState,
                  source) -> dict[str, str]:
        """Return for whom no node suits, full or not."""
        rules = self.rules_for(state)
        takers = rules.open_hosts
        takers[state.host_index[source.uuid]] = False
        if not takers.any():
            # That is more than a matter of single instances.
            return {}
        return self._reasons(
            state, source,
            lambda server: rules.why_nowhere(server, room=False))

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
        used = sum(server.resources.vcpus for server in situation.servers)
        for treatment in decision.treatments:
            self._emit_treatment(situation.source, treatment, used)
            if treatment.how != STOP:
                used -= treatment.server.resources.vcpus
        self._explain(situation, decision)

    def _explain(self, situation: Situation, decision: Decision) -> None:
        source = situation.source.hostname
        if not self.solution.actions:
            self.solution.explain(
                f'{source} is already under maintenance and holds no '
                'instance that could be moved', 'maintained',
                ruled_out=decision.staying)
            return
        parts = [f'{source} is disabled'] if decision.maintain else []
        for how, words in ((feasibility.MIGRATE_LIVE, 'migrated live'),
                           (feasibility.MIGRATE_COLD, 'migrated cold'),
                           (STOP, 'stopped')):
            count = sum(t.how == how for t in decision.treatments)
            if count:
                parts.append(f'instances {words}: {count} of '
                             f'{len(situation.servers)}')
        count = len(situation.servers)
        gone = sum(t.how != STOP for t in decision.treatments)
        self.solution.explain(
            '; '.join(parts), 'maintenance',
            [explanation.Measure('instances', count, count - gone,
                                 of=source)],
            decision.staying)

    def _change_state(self, host, state, reason, **more):
        self.solution.add_action(
            self.CHANGE_STATE,
            {'state': state, 'resource_name': host.hostname, **more},
            resource_id=host.uuid, reason=reason)

    def _emit_treatment(self, source, treatment, used):
        """Add the action of one instance.

        :param used: vCPUs that the node still has in use.
        """
        server, vcpus = treatment.server, treatment.server.resources.vcpus
        after = used if treatment.how == STOP else used - vcpus
        reason = explanation.Explanation(
            treatment.reason, 'maintenance',
            [explanation.Measure('vcpus_used', used, after,
                                 of=source.hostname)])
        if treatment.how == STOP:
            self.solution.add_action(
                STOP, resource_id=server.uuid, reason=reason)
            return
        self.add_action_migrate(server, treatment.how, source,
                                treatment.destination, reason=reason)
