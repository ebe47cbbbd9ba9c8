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
"""Loaders of the plug-ins that the applier uses."""

from oslo_config import cfg

from watcher.common.loader import default


class DefaultActionLoader(default.DefaultLoader):
    """Loads actions; the entry-point name is the action type."""

    def __init__(self, conf: cfg.ConfigOpts = cfg.CONF):
        super().__init__(namespace='watcher_actions', conf=conf)


class DefaultWorkFlowEngineLoader(default.DefaultLoader):
    """Loads workflow engines."""

    def __init__(self, conf: cfg.ConfigOpts = cfg.CONF):
        super().__init__(namespace='watcher_workflow_engines', conf=conf)
