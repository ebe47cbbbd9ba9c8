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
"""What audits, action plans and actions show of their runs."""

import dataclasses
from typing import Any

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import query
from watcher.api.controllers.fields import Computed
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.objects import states
from watcher.objects.base import Columns

RUNS = 'runs'
SOURCES = 'sources'


def _field(name: str, type_: types.Type, attribute: str | None = None,
           unknown: Any = None, since: versions.Version = versions.RUNS
           ) -> Computed:
    """Declare a field that is part of the record of a run.

    :param attribute: of the record, if it has another name
    :param unknown: what is shown without a record
    :param since: shown from this microversion on
    """
    attribute = attribute or name

    def value(ident, view):
        run = view.extra[RUNS].get(ident)
        return unknown if run is None else getattr(run, attribute)

    return Computed(name, type_, value, ('id',), since=since)


def _audit_field(*args: Any) -> Computed:
    return _field(*args, since=versions.AUDIT_RUNS)


def _source(plan_id, view):
    run = view.extra[RUNS].get(plan_id)
    return view.extra[SOURCES].get(run.source_plan_id) if run else None


AUDIT_FIELDS = (
    _audit_field('failures', types.integer, 'failures', 0),
    _audit_field('last_error', types.text),
    _audit_field('last_run_started_at', types.time, 'started_at'),
    _audit_field('last_run_finished_at', types.time, 'finished_at'),
    _audit_field('waiting_triggers', types.integer, 'triggers', 0),
)

PLAN_FIELDS = (
    _field('paused', types.boolean, unknown=False),
    _field('kind', types.text),
    Computed('source_plan_uuid', types.uuid, _source, ('id',),
             since=versions.RUNS),
    _field('started_at', types.time),
    _field('finished_at', types.time),
    _field('measured_efficacy', types.optional_obj, 'measured'),
    _field('measured_at', types.time),
)

ACTION_FIELDS = (
    _field('progress', types.number),
    _field('attempts', types.integer, unknown=0),
    _field('started_at', types.time),
    _field('finished_at', types.time),
    _field('deadline', types.time),
    _field('inverse', types.optional_obj),
)

_AUDIT_NAMES = frozenset(field.name for field in AUDIT_FIELDS)
_PLAN_NAMES = frozenset(field.name for field in PLAN_FIELDS)
_ACTION_NAMES = frozenset(field.name for field in ACTION_FIELDS)


def of_audits(columns: Columns, shown: set[str]) -> dict[str, Any]:
    """Read what the fields of audits need, with one statement."""
    if _AUDIT_NAMES.isdisjoint(shown):
        return {}
    return {RUNS: objects.AuditRun.of_audits(columns['id'])}


def of_plans(columns: Columns, shown: set[str]) -> dict[str, Any]:
    """Read what the fields of plans need, with one or two statements.

    :param columns: of the plans
    :param shown: names of the fields that are shown
    """
    if _PLAN_NAMES.isdisjoint(shown):
        return {}
    runs = objects.PlanRun.of_plans(columns['id'])
    sources = {run.source_plan_id for run in runs.values()
               if run.source_plan_id is not None}
    return {RUNS: runs, SOURCES: _uuids(sources)}


def _uuids(plans):
    if not plans:
        return {}
    found = objects.ActionPlan.list_columns(
        base.context(), ('id', 'uuid'), filters={'id__in': list(plans)})
    return dict(zip(found['id'], found['uuid'], strict=True))


def of_actions(columns: Columns, shown: set[str]) -> dict[str, Any]:
    """Read what the fields of actions need, with one statement."""
    if _ACTION_NAMES.isdisjoint(shown):
        return {}
    return {RUNS: objects.ActionRun.of_actions(columns['id'])}


# Filters ------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class KindFilter(query.Filter):
    """Takes the way in which plans were made of other plans."""

    def parse(self, value):
        allowed = sorted(states.REPAIRABLE)
        if value not in allowed:
            raise types.invalid(self.name, value,
                                _('Allowed are: %s.') % ', '.join(allowed))
        return {self.name: value}


PLAN_FILTERS = (KindFilter('kind', since=versions.RUNS),
                query.Filter('source_plan_uuid', since=versions.RUNS))


def conditions(filters: dict[str, Any]) -> dict[str, Any]:
    """Return the filters of a list of plans as the object layer knows them.

    Plans that were made of others are few: they are looked up first.
    """
    kind = filters.get('kind')
    source = filters.get('source_plan_uuid')
    if kind is None and source is None:
        return filters
    runs = (objects.PlanRun.of_kind(kind) if source is None
            else _made_from(source))
    others = {name: value for name, value in filters.items()
              if name not in ('kind', 'source_plan_uuid')}
    return {**others, 'id__in': [run.action_plan_id for run in runs
                                 if kind in (None, run.kind)]}


def _made_from(uuid):
    try:
        plan = objects.ActionPlan.get_by_uuid(
            watcher_context.admin_context(show_deleted=True), uuid)
    except exception.ActionPlanNotFound:
        return []
    return objects.PlanRun.made_from(base.context(), plan.id)
