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
"""Who may use audits."""

from oslo_policy import policy

from watcher.common.policies import base

rules = [
    base.rule(
        'audit:create',
        'Create an audit.',
        'POST', '/v1/audits'),
    base.rule(
        'audit:delete',
        'Delete an audit.',
        'DELETE', '/v1/audits/{audit_uuid}'),
    base.rule(
        'audit:detail',
        'List audits with all details.',
        'GET', '/v1/audits/detail'),
    base.rule(
        'audit:get',
        'Show one audit.',
        'GET', '/v1/audits/{audit_uuid}'),
    base.rule(
        'audit:get_all',
        'List audits.',
        'GET', '/v1/audits'),
    base.rule(
        'audit:update',
        'Change an audit or its state.',
        'PATCH', '/v1/audits/{audit_uuid}'),
    policy.DocumentedRuleDefault(
        name='audit:auto_trigger',
        # Whoever could so far still can, whatever his policy file says.
        check_str='@',
        description='Create an audit that starts its action plans by itself, '
                    'or change what such an audit does; needed in addition to '
                    'audit:create or audit:update.',
        scope_types=list(base.SCOPE_TYPES),
        operations=[
            {'method': 'POST', 'path': '/v1/audits'},
            {'method': 'PATCH', 'path': '/v1/audits/{audit_uuid}'}]),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return rules
