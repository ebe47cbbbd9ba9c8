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
"""Moves volumes from pools that are too full to emptier ones.

Goal ``workload_balancing``. A pool is too full from the threshold on. It
gives volumes, those that nobody uses and small ones first, until it is below;
each goes to the pool with the greatest free share that has room for it. A
volume keeps its type unless the audit allows to change it.

================ ======= ==================================================
Parameter        Default Meaning
================ ======= ==================================================
volume_threshold 80.0    percentage of a pool from which on it is too full
retype           false   whether a volume that fits nowhere with its type
                         may get a similar one
parallel_per_pool none   the most moves from or to a pool at a time
================ ======= ==================================================

Source: the storage model, and from Cinder which volumes have snapshots. No
metrics.
"""

from oslo_config import cfg
from oslo_utils import timeutils

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import pacing
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.common import storage
from watcher.decision_engine.strategy.strategies import _pool_balance
from watcher.decision_engine.strategy.strategies import base

VOLUME_MIGRATE = 'volume_migrate'

Situation = _pool_balance.Situation
Decision = _pool_balance.Decision
decide = _pool_balance.decide

Measure = explanation.Measure


class StorageCapacityBalance(base.WorkloadStabilizationBaseStrategy):
    """Brings pools below a threshold of used capacity."""

    MODELS = ('storage',)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._planner = 'weight'

    @classmethod
    def get_name(cls):
        return 'storage_capacity_balance'

    @classmethod
    def get_display_name(cls):
        return _('Storage Capacity Balance Strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Storage Capacity Balance Strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'volume_threshold': {
                    'description': 'Percentage of the capacity of a pool '
                                   'from which on it is too full.',
                    'type': 'number',
                    'default': 80.0,
                },
                # Without defaults: audits look as they always did.
                'retype': {
                    'description': 'Whether a volume that fits nowhere with '
                                   'its type may get a type that differs '
                                   'in the backend only. Not unless you '
                                   'say so.',
                    'type': 'boolean',
                },
                'parallel_per_pool': {
                    'description': 'The most moves of volumes from or to '
                                   'one pool at a time. Without it only the '
                                   'planner limits them.',
                    'type': 'integer',
                    'minimum': 1,
                },
            },
        }

    @classmethod
    def get_config_opts(cls):
        return [
            *super().get_config_opts(),
            cfg.ListOpt(
                'ex_pools',
                default=['local_vstorage'],
                help='Storage pools that neither give nor take volumes: the '
                     'name that the driver gives them, or the whole '
                     'host@backend#pool.'),
        ]

    def pre_execute(self):
        """The storage model is all that is needed."""

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation, decide(situation))

    def post_execute(self):
        """The indicators are set with the actions."""

    def measure_efficacy(self, found: outcome.Outcome):
        return {**super().measure_efficacy(found),
                'instances_count': 0,
                'standard_deviation_after_audit':
                    decide(self.gather()).before}

    # Gather ---------------------------------------------------------------

    def gather(self) -> Situation:
        """Read pools and volumes, and which ones have to stay."""
        options = self.shared_options
        threshold = self.input_parameters.get('volume_threshold', 80.0)
        return Situation(
            storage.StorageState.from_model(
                self.storage_model, self._snapshots(),
                self.state_of_server),
            threshold / 100,
            stability.Gain(options).target(threshold) / 100,
            frozenset(getattr(self.config, 'ex_pools', None) or ()),
            bool(self.input_parameters.get('retype')), options,
            self._settled(options.min_residence))

    def _snapshots(self) -> frozenset[str]:
        return storage.with_snapshots(self.osc, self.solution.add_remark)

    def _settled(self, seconds: int) -> dict[str, str]:
        """Return which volumes were moved just now."""
        moved = stability.recent_moves(
            self.ctx, seconds, timeutils.utcnow(with_timezone=True),
            stability.VOLUME_MIGRATE)
        return dict.fromkeys(
            moved, f'it was moved less than {seconds} seconds ago')

    # Emit -----------------------------------------------------------------

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into actions, indicators and reasons."""
        pace = pacing.Pace()
        limit = self.input_parameters.get('parallel_per_pool')
        for move in decision.moves:
            action = self._add_move(situation, move)
            if limit:
                pace.add(action, {move.source: limit,
                                  move.destination: limit})
        silent = [name for name, reason in decision.aside.items()
                  if 'capacity' in reason]
        if silent:
            self.solution.add_remark(
                f"Nobody knows how full {', '.join(silent[:10])}"
                f"{' and others are' if len(silent) > 10 else ' is'}: "
                'such pools neither give nor take volumes')
        self.solution.set_efficacy_indicators(
            instance_migrations_count=0, instances_count=0,
            standard_deviation_before_audit=decision.before,
            standard_deviation_after_audit=decision.after)
        self._explain(situation, decision)

    def _add_move(self, situation, move):
        volume = move.volume
        parameters = {'resource_name': volume.name}
        words = (f'{move.source} is too full; {move.destination} has the '
                 'greatest free share of the pools that may take it')
        if move.type is None:
            parameters |= {'migration_type': storage.MIGRATE,
                           'destination_node': move.destination}
        else:
            parameters |= {'migration_type': storage.RETYPE,
                           'destination_type': move.type}
            words += (f', if its type {volume.type} becomes {move.type}')
        shares = [100 * share for share in move.shares]
        return self.solution.add_action(
            VOLUME_MIGRATE, parameters, resource_id=volume.uuid,
            reason=explanation.Explanation(
                words, 'too_full',
                [Measure('used_capacity', *shares[:2], '%', move.source,
                         100 * situation.threshold),
                 Measure('used_capacity', *shares[2:], '%',
                         move.destination, 100 * situation.threshold)],
                move.passed))

    def _explain(self, situation, decision):
        limit = f'{100 * situation.threshold:g} %'
        ruled_out = {**decision.aside, **decision.staying}
        code = 'too_full'
        if not decision.sources and not decision.takers:
            code = 'no_capacity'
            words = 'there is no pool whose capacity is known'
        elif not decision.sources:
            code, words = 'balanced', f'every pool is used below {limit}'
        else:
            count = len(decision.sources)
            pools = explanation.counted(count + len(decision.takers), 'pool')
            words = (f"{count} of {pools} {'is' if count == 1 else 'are'} "
                     f'used to {limit} or more')
            if not decision.takers:
                code = 'no_destination'
                words += ', and no other can take volumes'
            elif not decision.moves:
                code = 'nothing_movable'
                words += ', and none of their volumes can leave'
            else:
                moving = explanation.counted(
                    len(decision.moves), 'volume moves', 'volumes move')
                left = explanation.counted(
                    len(decision.left), 'pool remains', 'pools remain')
                words += f'; {moving}, and {left}'
        self.solution.explain(words, code, [
            Measure('standard_deviation', decision.before, decision.after),
            Measure('pools_too_full', len(decision.sources),
                    len(decision.left))], ruled_out)
