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
"""RPC: plans that undo or repeat another one."""

import oslo_messaging as messaging

from watcher.decision_engine.repair import plans


class RepairEndpoint:
    """Has plans made of plans."""

    # 1.2: the first version that has it.
    target = messaging.Target(version='1.2')

    @messaging.expose
    def repair_action_plan(self, context, action_plan_uuid: str,
                           kind: str) -> str:
        """Make a plan that undoes or repeats another one.

        The same request once more is refused: the plan that the first one
        made is there.

        :param kind: ``rollback`` or ``retry``.
        :returns: the UUID of the new plan.
        :raises: RepairRefused, ActionPlanNotFound,
            ClusterDataModelCollectionError
        """
        return plans.repair(context, action_plan_uuid, kind).uuid
