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
"""Elements of the cluster data models."""

from watcher.decision_engine.model.element.baremetal import IronicNode
from watcher.decision_engine.model.element.compute import ComputeNode
from watcher.decision_engine.model.element.compute import Instance
from watcher.decision_engine.model.element.compute import InstanceState
from watcher.decision_engine.model.element.compute import ServiceState
from watcher.decision_engine.model.element.storage import Pool
from watcher.decision_engine.model.element.storage import StorageNode
from watcher.decision_engine.model.element.storage import Volume
from watcher.decision_engine.model.element.storage import VolumeState

__all__ = ('ComputeNode', 'Instance', 'InstanceState', 'IronicNode', 'Pool',
           'ServiceState', 'StorageNode', 'Volume', 'VolumeState')
