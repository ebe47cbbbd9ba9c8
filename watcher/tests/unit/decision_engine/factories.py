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
"""Rows that tests of the decision engine need."""

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import utils

AUDIT = objects.audit.State
ONESHOT = objects.audit.AuditType.ONESHOT.value
EVENT = objects.audit.AuditType.EVENT.value
CONTINUOUS = objects.audit.AuditType.CONTINUOUS.value


def context():
    return watcher_context.make_context(is_admin=True)


def goal(name='dummy', **fields):
    values = {'name': name, 'display_name': name,
              'efficacy_specification': []}
    return objects.Goal(context(), **{**values, **fields}).create()


def strategy(goal_row, name='dummy', **fields):
    values = {'name': name, 'display_name': name, 'goal_id': goal_row.id,
              'parameters_spec': {}}
    return objects.Strategy(context(), **{**values, **fields}).create()


def audit(goal_row, strategy_row=None, **fields):
    uuid = utils.generate_uuid()
    values = {'uuid': uuid, 'name': f'audit-{uuid}', 'audit_type': ONESHOT,
              'state': AUDIT.PENDING, 'parameters': {}, 'scope': [],
              'goal_id': goal_row.id, 'auto_trigger': False,
              'strategy_id': strategy_row.id if strategy_row else None}
    return objects.Audit(context(), **{**values, **fields}).create()


def template(goal_row, strategy_row=None, name='template', **fields):
    values = {'name': name, 'goal_id': goal_row.id, 'scope': [],
              'strategy_id': strategy_row.id if strategy_row else None}
    return objects.AuditTemplate(context(), **{**values, **fields}).create()


def plan(audit_row, strategy_row, state='RECOMMENDED', **fields):
    values = {'audit_id': audit_row.id, 'strategy_id': strategy_row.id,
              'state': state}
    return objects.ActionPlan(context(), **{**values, **fields}).create()


def reread(obj):
    """Read the row again, also when it is soft deleted."""
    return type(obj).get_by_id(
        watcher_context.admin_context(show_deleted=True), obj.id)
