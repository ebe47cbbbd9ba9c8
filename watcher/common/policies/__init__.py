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
"""The rules that decide who may do what, one module for each resource."""

import itertools

from oslo_policy import policy

from watcher.common.policies import action
from watcher.common.policies import action_plan
from watcher.common.policies import audit
from watcher.common.policies import audit_template
from watcher.common.policies import base
from watcher.common.policies import data_model
from watcher.common.policies import goal
from watcher.common.policies import scoring_engine
from watcher.common.policies import service
from watcher.common.policies import strategy
from watcher.common.policies import webhook

MODULES = (
    base,
    action,
    action_plan,
    audit,
    audit_template,
    data_model,
    goal,
    scoring_engine,
    service,
    strategy,
    webhook,
)


def list_rules() -> list[policy.RuleDefault]:
    """Return all rules with their defaults."""
    return list(itertools.chain.from_iterable(
        module.list_rules() for module in MODULES))
