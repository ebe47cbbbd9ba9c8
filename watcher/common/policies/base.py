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
"""What the rules of all resources share.

Tokens of any scope are treated alike, only the roles in them count:
deployments have policy files and tokens that rely on that.
"""

from oslo_policy import policy

RULE_ADMIN_API = 'rule:admin_api'
RULE_ADMIN_OR_SERVICE_API = 'rule:admin_or_service_api'
ROLE_ADMIN_OR_ADMINISTRATOR = 'role:admin or role:administrator'
NOBODY = '!'

#: Every scope that a token can have.
SCOPE_TYPES = ('system', 'domain', 'project')

rules = [
    policy.RuleDefault(
        name='admin_api',
        check_str=ROLE_ADMIN_OR_ADMINISTRATOR,
        description='Who may use the API of the infra-optim service.'),
    policy.RuleDefault(
        name='admin_or_service_api',
        check_str='rule:admin_api or role:service',
        description='Administrators and the users of other services.'),
    policy.RuleDefault(
        name='show_password',
        check_str=NOBODY,
        description='Not used; kept so that old policy files load.'),
]


def rule(name: str, description: str, method: str, path: str,
         check_str: str = RULE_ADMIN_API) -> policy.DocumentedRuleDefault:
    """Return the rule of one operation of the API.

    :param name: ``<resource>:<action>``
    :param method: HTTP method of the operation
    :param path: path of the operation, with placeholders
    """
    return policy.DocumentedRuleDefault(
        name=name, check_str=check_str, description=description,
        scope_types=list(SCOPE_TYPES),
        operations=[{'method': method, 'path': path}])


def list_rules() -> list[policy.RuleDefault]:
    return rules
