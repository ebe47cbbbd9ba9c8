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
"""Who may use the actions of action plans."""

from oslo_policy import policy

from watcher.common.policies import base

rules = [
    base.rule(
        'action:detail',
        'List actions with all details.',
        'GET', '/v1/actions/detail'),
    base.rule(
        'action:get',
        'Show one action.',
        'GET', '/v1/actions/{action_id}'),
    base.rule(
        'action:get_all',
        'List actions.',
        'GET', '/v1/actions'),
    base.rule(
        'action:update',
        'Skip an action or change why it was skipped.',
        'PATCH', '/v1/actions/{action_id}'),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return rules
