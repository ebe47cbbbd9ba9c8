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
"""Who may use audit templates."""

from oslo_policy import policy

from watcher.common.policies import base

rules = [
    base.rule(
        'audit_template:create',
        'Create an audit template.',
        'POST', '/v1/audit_templates'),
    base.rule(
        'audit_template:delete',
        'Delete an audit template.',
        'DELETE', '/v1/audit_templates/{audit_template_uuid}'),
    base.rule(
        'audit_template:detail',
        'List audit templates with all details.',
        'GET', '/v1/audit_templates/detail'),
    base.rule(
        'audit_template:get',
        'Show one audit template.',
        'GET', '/v1/audit_templates/{audit_template_uuid}'),
    base.rule(
        'audit_template:get_all',
        'List audit templates.',
        'GET', '/v1/audit_templates'),
    base.rule(
        'audit_template:update',
        'Change an audit template.',
        'PATCH', '/v1/audit_templates/{audit_template_uuid}'),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return rules
