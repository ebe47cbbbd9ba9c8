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
"""Who may use strategies."""

from oslo_policy import policy

from watcher.common.policies import base

rules = [
    base.rule(
        'strategy:detail',
        'List strategies with all details.',
        'GET', '/v1/strategies/detail'),
    base.rule(
        'strategy:get',
        'Show one strategy.',
        'GET', '/v1/strategies/{strategy_uuid}'),
    base.rule(
        'strategy:get_all',
        'List strategies.',
        'GET', '/v1/strategies'),
    base.rule(
        'strategy:state',
        'Show whether what a strategy needs is available.',
        'GET', '/v1/strategies/{strategy_uuid}/state'),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return rules
