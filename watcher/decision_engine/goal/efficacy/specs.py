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
"""The efficacy specifications of the goals that come with the service."""

from watcher._i18n import _
from watcher.decision_engine.goal.efficacy import base
from watcher.decision_engine.goal.efficacy import indicators
from watcher.decision_engine.solution import efficacy


def _percentage(part: float, whole: float) -> float:
    return 100.0 * part / whole if part > 0 else 0


class Unclassified(base.EfficacySpecification):
    """No indicators at all."""

    def get_indicators_specifications(self):
        return ()

    def get_global_efficacy_indicator(self, indicators_map):
        return None


class ServerConsolidation(base.EfficacySpecification):
    """How many of the hosts become free."""

    def get_indicators_specifications(self):
        return [
            indicators.ComputeNodesCount(),
            indicators.ReleasedComputeNodesCount(),
            indicators.InstanceMigrationsCount(),
        ]

    def get_global_efficacy_indicator(self, indicators_map):
        ratio = 0
        if indicators_map and indicators_map.compute_nodes_count > 0:
            ratio = _percentage(indicators_map.released_compute_nodes_count,
                                indicators_map.compute_nodes_count)
        return [efficacy.Indicator(
            name='released_nodes_ratio',
            description=_('Share of the compute nodes that the plan sets '
                          'free.'),
            unit='%',
            value=ratio)]


class WorkloadBalancing(base.EfficacySpecification):
    """How many of the instances have to move."""

    def get_score(self, indicators_map):
        """Return the share of the deviation that the plan takes away."""
        before = indicators_map.get('standard_deviation_before_audit')
        after = indicators_map.get('standard_deviation_after_audit')
        if before is None or after is None:
            return None
        return (before - after) / before if before else 0.0

    def get_indicators_specifications(self):
        return [
            indicators.InstanceMigrationsCount(),
            indicators.InstancesCount(),
            indicators.StandardDeviationValue(),
            indicators.OriginalStandardDeviationValue(),
        ]

    def get_global_efficacy_indicator(self, indicators_map):
        ratio = 0
        if indicators_map and indicators_map.instance_migrations_count > 0:
            ratio = _percentage(indicators_map.instance_migrations_count,
                                indicators_map.instances_count)
        return [efficacy.Indicator(
            # The name says count, the figure is a share: consumers know it
            # under this name.
            name='live_migrations_count',
            description=_('Share of the instances that the plan migrates.'),
            unit='%',
            value=ratio)]


class HardwareMaintenance(base.EfficacySpecification):
    """How much of what should move away does."""

    def get_score(self, indicators_map):
        """Return the share of all servers and volumes that are moved."""
        if not indicators_map:
            return None
        # Those of updates are the same once more.
        wanted, planned = (
            sum(indicators_map[names[position]]
                for names in self._RATIOS[:3]) for position in (2, 1))
        return planned / wanted if wanted else 0.0

    _RATIOS = (
        ('live_instance_migrate_ratio',
         'planned_live_migrate_instance_count',
         'live_migrate_instance_count'),
        ('cold_instance_migrate_ratio',
         'planned_cold_migrate_instance_count',
         'cold_migrate_instance_count'),
        ('volume_migrate_ratio',
         'planned_volume_migrate_count',
         'volume_migrate_count'),
        ('volume_update_ratio',
         'planned_volume_update_count',
         'volume_update_count'),
    )

    def get_indicators_specifications(self):
        return [
            indicators.LiveInstanceMigrateCount(),
            indicators.PlannedLiveInstanceMigrateCount(),
            indicators.ColdInstanceMigrateCount(),
            indicators.PlannedColdInstanceMigrateCount(),
            indicators.VolumeMigrateCount(),
            indicators.PlannedVolumeMigrateCount(),
            indicators.VolumeUpdateCount(),
            indicators.PlannedVolumeUpdateCount(),
        ]

    def get_global_efficacy_indicator(self, indicators_map):
        descriptions = {
            'live_instance_migrate_ratio':
                _('Share of the live migratable instances that the plan '
                  'moves.'),
            'cold_instance_migrate_ratio':
                _('Share of the cold migratable instances that the plan '
                  'moves.'),
            'volume_migrate_ratio':
                _('Share of the volumes that the plan moves.'),
            'volume_update_ratio':
                _('Share of the volumes that the plan moves (kept for '
                  'existing consumers).'),
        }
        return [
            efficacy.Indicator(
                name=name, description=descriptions[name], unit='%',
                value=_percentage(indicators_map[planned],
                                  indicators_map[eligible])
                if indicators_map else 0)
            for name, planned, eligible in self._RATIOS]
