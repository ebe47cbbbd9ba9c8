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
"""Who may use action plans."""

from oslo_policy import policy

from watcher.common.policies import base

rules = [
    base.rule(
        'action_plan:delete',
        'Delete an action plan.',
        'DELETE', '/v1/action_plans/{action_plan_uuid}'),
    base.rule(
        'action_plan:detail',
        'List action plans with all details.',
        'GET', '/v1/action_plans/detail'),
    base.rule(
        'action_plan:get',
        'Show one action plan.',
        'GET', '/v1/action_plans/{action_plan_id}'),
    base.rule(
        'action_plan:get_all',
        'List action plans.',
        'GET', '/v1/action_plans'),
    base.rule(
        'action_plan:update',
        'Start or cancel an action plan by changing its state.',
        'PATCH', '/v1/action_plans/{action_plan_uuid}'),
    base.rule(
        'action_plan:start',
        'Start an action plan.',
        'POST', '/v1/action_plans/{action_plan_uuid}/start'),
    base.rule(
        'action_plan:rollback',
        'Make an action plan that undoes an action plan.',
        'POST', '/v1/action_plans/{action_plan_uuid}/rollback'),
    base.rule(
        'action_plan:retry',
        'Make an action plan that repeats what did not succeed of an action '
        'plan.',
        'POST', '/v1/action_plans/{action_plan_uuid}/retry'),
    base.rule(
        'action_plan:pause',
        'Have no further action of a running or waiting action plan '
        'started.',
        'POST', '/v1/action_plans/{action_plan_uuid}/pause'),
    base.rule(
        'action_plan:resume',
        'Go on with a paused action plan.',
        'POST', '/v1/action_plans/{action_plan_uuid}/resume'),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return rules
