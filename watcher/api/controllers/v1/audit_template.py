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
"""Audit templates: prepared audits."""

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import fields
from watcher.api.controllers import json_patch
from watcher.api.controllers import query
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Input
from watcher.api.controllers.fields import OPTIONAL
from watcher.api.controllers.fields import Related
from watcher.api.controllers.fields import REQUIRED
from watcher.api.controllers.v1 import parameters
from watcher.api.controllers.v1 import references
from watcher.api.schemas.scope import scope
from watcher.common import exception

DEFAULT_PARAMETERS = 'default_parameters'


class AuditTemplates(resource.Creatable, resource.Patchable,
                     resource.Deletable):
    name = 'audit_template'
    collection = 'audit_templates'
    model = 'AuditTemplate'
    eager = True
    fields = (
        Field('uuid', types.uuid, summary=True),
        Field('name', types.Text(63), summary=True, create=REQUIRED,
              patch=True, nullable=False),
        Field('description', types.Text(255), create=OPTIONAL, patch=True),
        Input('goal', types.text, create=REQUIRED, patch=True,
              start=fields.related_uuid('goal')),
        Related('goal_uuid', types.uuid, 'goal', 'uuid', summary=True),
        Related('goal_name', types.text, 'goal', 'name', summary=True),
        Input('strategy', types.text, create=OPTIONAL, patch=True,
              start=fields.related_uuid('strategy')),
        Related('strategy_uuid', types.uuid, 'strategy', 'uuid',
                summary=True),
        Related('strategy_name', types.text, 'strategy', 'name',
                summary=True),
        Field('scope', scope, summary=True, create=OPTIONAL, patch=True),
        Field(DEFAULT_PARAMETERS, types.obj, create=OPTIONAL, patch=True,
              since=versions.TEMPLATE_DEFAULT_PARAMETERS),
        *fields.TIMESTAMPS,
    )
    filters = (query.UuidOrName('goal'), query.UuidOrName('strategy'))
    hidden_sort_keys = ('id', 'goal_id', 'strategy_id')
    strict_marker = True

    # Creation -------------------------------------------------------------

    def create(self, values):
        base.enforce('audit_template:create')
        goal = _find_goal(values['goal'])
        strategy = _find_strategy(values.get('strategy'))
        references.check_pair(goal, strategy)
        defaults = values.get(DEFAULT_PARAMETERS) or {}
        if defaults:
            _check_version()
        _check_defaults(strategy, defaults)
        template = objects.AuditTemplate(
            base.context(), name=values['name'],
            description=values.get('description'),
            goal_id=goal.id, goal=goal,
            strategy_id=strategy.id if strategy else None, strategy=strategy,
            scope=values.get('scope') or [], default_parameters=defaults)
        template.create()
        return template

    # Change ---------------------------------------------------------------

    def check_operations(self, operations):
        for operation in operations:
            if operation.root == DEFAULT_PARAMETERS:
                _check_version()
            if operation.root == 'goal' and operation.op == json_patch.REMOVE:
                raise json_patch.error(
                    operation, _('an audit template needs a goal'))

    def update(self, obj, changes):
        if (obj.default_parameters and DEFAULT_PARAMETERS not in changes
                and not {'goal', 'strategy'}.isdisjoint(changes)):
            raise exception.Conflict(
                _('The audit template has default_parameters, which belong '
                  'to its goal and strategy. Change /default_parameters in '
                  'the same request.'))
        goal, strategy = self._apply_references(obj, changes)
        references.check_pair(goal, strategy)
        for name, value in changes.items():
            setattr(obj, name, value)
        _check_defaults(strategy, obj.default_parameters)
        if changes:
            obj.save()
        return obj

    @staticmethod
    def _apply_references(obj, changes):
        """Replace the names in ``changes`` by ids; return both objects."""
        goal, strategy = obj.goal, obj.strategy
        wanted_goal = changes.pop('goal', None)
        if wanted_goal:
            goal = _find_goal(wanted_goal)
            changes['goal_id'] = goal.id
        if 'strategy' in changes:
            strategy = _find_strategy(changes.pop('strategy'))
            changes['strategy_id'] = strategy.id if strategy else None
        return goal, strategy


def _find_goal(ident):
    try:
        return references.find_goal(ident)
    except exception.GoalNotFound as exc:
        raise exception.InvalidGoal(str(exc)) from exc


def _find_strategy(ident):
    if not ident:
        return None
    try:
        return references.find_strategy(ident)
    except exception.StrategyNotFound as exc:
        raise exception.InvalidStrategy(str(exc)) from exc


def _check_version():
    base.require_version(versions.TEMPLATE_DEFAULT_PARAMETERS,
                         DEFAULT_PARAMETERS)


def _check_defaults(strategy, defaults):
    if not defaults:
        return
    if strategy is None:
        raise types.invalid(DEFAULT_PARAMETERS, defaults,
                            _('Parameters need a strategy.'))
    parameters.check(strategy, defaults, DEFAULT_PARAMETERS)
