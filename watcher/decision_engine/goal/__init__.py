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

from watcher.decision_engine.goal import goals

AirflowOptimization = goals.AirflowOptimization
ClusterMaintaining = goals.ClusterMaintaining
Dummy = goals.Dummy
HardwareMaintenance = goals.HardwareMaintenance
NoisyNeighborOptimization = goals.NoisyNeighborOptimization
SavingEnergy = goals.SavingEnergy
ServerConsolidation = goals.ServerConsolidation
ThermalOptimization = goals.ThermalOptimization
Unclassified = goals.Unclassified
WorkloadBalancing = goals.WorkloadBalancing

__all__ = (
    'AirflowOptimization',
    'ClusterMaintaining',
    'Dummy',
    'HardwareMaintenance',
    'NoisyNeighborOptimization',
    'SavingEnergy',
    'ServerConsolidation',
    'ThermalOptimization',
    'Unclassified',
    'WorkloadBalancing',
)
