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
"""Makes rows with as few words as a test needs."""

import itertools
from typing import Any

from watcher.db import api as db_api


class Records:
    """Creates rows; what they need to exist is created as well."""

    def __init__(self) -> None:
        self.dbapi = db_api.get_instance()
        self._numbers = itertools.count(1)

    def _name(self, kind: str) -> str:
        return f'{kind}-{next(self._numbers)}'

    def goal(self, **values: Any) -> Any:
        name = values.setdefault('name', self._name('goal'))
        return self.dbapi.create_goal({'display_name': name.title(),
                                       **values})

    def strategy(self, **values: Any) -> Any:
        name = values.setdefault('name', self._name('strategy'))
        if 'goal_id' not in values:
            values['goal_id'] = self.goal().id
        return self.dbapi.create_strategy({'display_name': name.title(),
                                           **values})

    def audit_template(self, **values: Any) -> Any:
        values.setdefault('name', self._name('template'))
        if 'goal_id' not in values:
            values['goal_id'] = self.goal().id
        return self.dbapi.create_audit_template(values)

    def audit(self, **values: Any) -> Any:
        values.setdefault('name', self._name('audit'))
        if 'goal_id' not in values:
            strategy = self.strategy()
            values.update(goal_id=strategy.goal_id, strategy_id=strategy.id)
        return self.dbapi.create_audit({'audit_type': 'ONESHOT', **values})

    def action_plan(self, **values: Any) -> Any:
        if 'strategy_id' not in values:
            values['strategy_id'] = self.strategy().id
        if 'audit_id' not in values:
            values['audit_id'] = self.audit().id
        return self.dbapi.create_action_plan({'state': 'RECOMMENDED',
                                              **values})

    def action(self, **values: Any) -> Any:
        if 'action_plan_id' not in values:
            values['action_plan_id'] = self.action_plan().id
        return self.dbapi.create_action({'action_type': 'nop', **values})

    def efficacy_indicator(self, **values: Any) -> Any:
        if 'action_plan_id' not in values:
            values['action_plan_id'] = self.action_plan().id
        return self.dbapi.create_efficacy_indicator(
            {'name': self._name('indicator'), 'value': 0, **values})

    def scoring_engine(self, **values: Any) -> Any:
        values.setdefault('name', self._name('engine'))
        return self.dbapi.create_scoring_engine(values)

    def service(self, **values: Any) -> Any:
        return self.dbapi.create_service(
            {'name': 'watcher-applier', 'host': self._name('host'),
             **values})

    def action_description(self, **values: Any) -> Any:
        return self.dbapi.create_action_description(
            {'action_type': self._name('type'), 'description': 'text',
             **values})
