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
"""The loaders of the plug-ins of the decision engine."""

from watcher.common.loader import default


class DefaultGoalLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_goals')


class DefaultStrategyLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_strategies')


class DestinationFilterLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_destination_filters')


class ClusterDataModelCollectorLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_cluster_data_model_collectors')


class DefaultPlannerLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_planners')


class DefaultScoringLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_scoring_engines')


class DefaultScoringContainerLoader(default.DefaultLoader):
    def __init__(self):
        super().__init__(namespace='watcher_scoring_engine_containers')
