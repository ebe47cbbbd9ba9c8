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
"""What other services may ask of an applier over RPC."""

from typing import Any

import oslo_messaging as messaging


class ActionPlanEndpoint:
    """Takes requests to launch action plans."""

    target = messaging.Target(version='1.0')

    def __init__(self, manager: Any):
        self._manager = manager

    def launch_action_plan(self, context: Any, action_plan_uuid: str) -> str:
        """Accept a plan; it runs as soon as a worker is free.

        A plan that runs or has run already is left alone.

        :raises: ActionPlanNotFound
        """
        self._manager.accept(context, action_plan_uuid)
        return action_plan_uuid
