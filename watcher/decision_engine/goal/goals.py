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
"""The goals that come with the service."""

from watcher._i18n import _
from watcher.decision_engine.goal import base
from watcher.decision_engine.goal.efficacy import specs


class Dummy(base.Goal):
    """For trying out the service; nothing is optimised."""

    @classmethod
    def get_name(cls):
        return 'dummy'

    @classmethod
    def get_display_name(cls):
        return _('Dummy goal')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Dummy goal'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class Unclassified(base.Goal):
    """For strategies that serve no named goal, e.g. while developed."""

    @classmethod
    def get_name(cls):
        return 'unclassified'

    @classmethod
    def get_display_name(cls):
        return _('Unclassified')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Unclassified'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class ServerConsolidation(base.Goal):
    """Run the same servers on fewer hosts."""

    @classmethod
    def get_name(cls):
        return 'server_consolidation'

    @classmethod
    def get_display_name(cls):
        return _('Server Consolidation')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Server Consolidation'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.ServerConsolidation()


class ThermalOptimization(base.Goal):
    """Take load away from hosts that run hot."""

    @classmethod
    def get_name(cls):
        return 'thermal_optimization'

    @classmethod
    def get_display_name(cls):
        return _('Thermal Optimization')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Thermal Optimization'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class WorkloadBalancing(base.Goal):
    """Spread the load evenly."""

    @classmethod
    def get_name(cls):
        return 'workload_balancing'

    @classmethod
    def get_display_name(cls):
        return _('Workload Balancing')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Workload Balancing'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.WorkloadBalancing()


class AirflowOptimization(base.Goal):
    """Take load away from hosts that need much cooling air."""

    @classmethod
    def get_name(cls):
        return 'airflow_optimization'

    @classmethod
    def get_display_name(cls):
        return _('Airflow Optimization')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Airflow Optimization'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class NoisyNeighborOptimization(base.Goal):
    """Separate servers that disturb each other."""

    @classmethod
    def get_name(cls):
        return 'noisy_neighbor'

    @classmethod
    def get_display_name(cls):
        return _('Noisy Neighbor')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Noisy Neighbor'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class SavingEnergy(base.Goal):
    """Switch unused hosts off and on again when they are needed."""

    @classmethod
    def get_name(cls):
        return 'saving_energy'

    @classmethod
    def get_display_name(cls):
        return _('Saving Energy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Saving Energy'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()


class HardwareMaintenance(base.Goal):
    """Move servers and volumes away from hardware that is replaced."""

    @classmethod
    def get_name(cls):
        return 'hardware_maintenance'

    @classmethod
    def get_display_name(cls):
        return _('Hardware Maintenance')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Hardware Maintenance'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.HardwareMaintenance()


class ClusterMaintaining(base.Goal):
    """Empty one host so that it can be worked on."""

    @classmethod
    def get_name(cls):
        return 'cluster_maintaining'

    @classmethod
    def get_display_name(cls):
        return _('Cluster Maintaining')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Cluster Maintaining'

    @classmethod
    def get_efficacy_specification(cls):
        return specs.Unclassified()
