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
"""Brings the stored goals, strategies and scoring engines up to date.

Runs in ``watcher-sync`` and at each start of a decision engine. What is
installed is compared with what is stored:

* A known name keeps its row, id and UUID. Other wording, indicators, schema
  or goal are updated in place and disturb nobody, except waiting audits whose
  parameters a changed schema no longer accepts: these are cancelled.
* An unknown name gets a row.
* A name that is no longer installed is soft deleted. What still waits for it
  (audits and plans that have not begun) is cancelled with a message; what is
  finished or running is history and is left alone.
* A plug-in that is installed but broken neither stops the others nor counts
  as removed.

Every step looks only at the facts, so several engines may do this at once
and an interrupted run is completed by the next.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jsonschema
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_serialization import jsonutils

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.common import utils
from watcher.db import api as db_api
from watcher.decision_engine.loading import default

LOG = log.getLogger(__name__)

AUDIT = objects.audit.State
PLAN = objects.action_plan.State

_WAITING_PLANS = [PLAN.RECOMMENDED, PLAN.PENDING]


@dataclasses.dataclass(frozen=True)
class InstalledGoal:
    name: str
    display_name: str
    efficacy_specification: list[dict]


@dataclasses.dataclass(frozen=True)
class InstalledStrategy:
    name: str
    display_name: str
    goal_name: str
    parameters_spec: dict


@dataclasses.dataclass(frozen=True)
class InstalledScoringEngine:
    name: str
    description: str
    metainfo: str


@dataclasses.dataclass
class Installed:
    """The plug-ins of one kind: usable ones and names of broken ones."""

    usable: dict[str, Any] = dataclasses.field(default_factory=dict)
    broken: set[str] = dataclasses.field(default_factory=set)

    def is_gone(self, name: str) -> bool:
        return name not in self.usable and name not in self.broken


def _inspect(loader, describe) -> Installed:
    """Describe every plug-in of a group; a broken one is only noted."""
    installed = Installed()
    classes = loader.list_available()
    for entry_point in metadata.entry_points(group=loader.namespace):
        if entry_point.name not in classes:
            installed.broken.add(entry_point.name)
    for name in sorted(classes):
        try:
            for found in describe(name, classes[name]):
                installed.usable[found.name] = found
        except Exception as exc:
            installed.broken.add(name)
            LOG.error('The plug-in %(name)s of the group %(group)s cannot '
                      'be used; what is stored about it is left as it is: '
                      '%(error)r. Repair or uninstall its package.',
                      {'name': name, 'group': loader.namespace,
                       'error': exc})
    return installed


def _describe_goal(name, cls):
    yield InstalledGoal(
        name=cls.get_name(),
        display_name=cls.get_translatable_display_name(),
        efficacy_specification=_data(
            cls.get_efficacy_specification().get_indicators_specs_dicts()))


def _describe_strategy(name, cls):
    yield InstalledStrategy(
        name=cls.get_name(),
        display_name=cls.get_translatable_display_name(),
        goal_name=cls.get_goal_name(),
        parameters_spec=_data(cls.get_schema() or {}))


def _describe_engine(engine):
    return InstalledScoringEngine(
        name=engine.get_name(),
        description=engine.get_description(),
        metainfo=engine.get_metainfo())


def _data(value: Any) -> Any:
    """Reduce to what JSON knows, so that equal content compares equal."""
    return jsonutils.loads(jsonutils.dumps(value))


class Syncer:
    """One synchronisation.

    :param context: request context; an administrator's one by default.
    """

    def __init__(self, context=None):
        self.context = context or watcher_context.admin_context()

    def sync(self) -> None:
        """Compare and update.

        :raises: oslo_db.exception.DBError if the database fails.
        """
        goals = _inspect(default.DefaultGoalLoader(), _describe_goal)
        strategies = _inspect(default.DefaultStrategyLoader(),
                              _describe_strategy)
        engines = self._inspect_scoring_engines()
        for goal in goals.usable.values():
            with self._isolated('goal', goal.name):
                self._sync_goal(goal)
        for strategy in strategies.usable.values():
            with self._isolated('strategy', strategy.name):
                self._sync_strategy(strategy)
        for engine in engines.usable.values():
            with self._isolated('scoring engine', engine.name):
                self._sync_scoring_engine(engine)
        self._remove_strategies(strategies, goals)
        self._remove_goals(goals)
        self._remove_scoring_engines(engines)

    @staticmethod
    def _inspect_scoring_engines() -> Installed:
        single = default.DefaultScoringLoader()
        engines = _inspect(
            single,
            lambda name, cls: [_describe_engine(single.load(name))])
        contained = _inspect(
            default.DefaultScoringContainerLoader(),
            lambda name, cls: [_describe_engine(engine) for engine
                               in cls.get_scoring_engine_list()])
        return Installed({**engines.usable, **contained.usable},
                         engines.broken | contained.broken)

    @staticmethod
    @contextlib.contextmanager
    def _isolated(kind: str, name: str) -> Iterator[None]:
        """Keep one faulty plug-in from stopping the rest."""
        try:
            yield
        except db_exc.DBError:
            raise
        except Exception as exc:
            LOG.error('The %(kind)s %(name)s could not be synchronised: '
                      '%(error)s', {'kind': kind, 'name': name,
                                    'error': exc})

    # Known and new names --------------------------------------------------

    def _sync_goal(self, installed: InstalledGoal) -> None:
        values = {'display_name': installed.display_name,
                  'efficacy_specification':
                      installed.efficacy_specification}
        _again_if_exists(self._store, objects.Goal, installed.name, values)

    def _sync_strategy(self, installed: InstalledStrategy) -> None:
        goal = _by_name(self.context, objects.Goal, installed.goal_name)
        if goal is None:
            raise exception.GoalNotFound(goal=installed.goal_name)
        values = {'display_name': installed.display_name,
                  'goal_id': goal.id,
                  'parameters_spec': installed.parameters_spec}
        _again_if_exists(db_api.get_instance().run_in_transaction,
                         self._store_strategy, installed, values)

    def _store_strategy(self, installed, values):
        changed = self._store(objects.Strategy, installed.name, values)
        if 'parameters_spec' in changed:
            self._cancel_unfit_audits(installed)

    def _sync_scoring_engine(self, installed: InstalledScoringEngine
                             ) -> None:
        _again_if_exists(self._store, objects.ScoringEngine, installed.name,
                         {'description': installed.description,
                          'metainfo': installed.metainfo})

    def _store(self, cls: type, name: str,
               values: dict[str, Any]) -> set[str]:
        """Create the row or bring it up to date.

        :returns: the names of the fields that were changed in a row that
            existed before.
        :raises: Conflict if another engine is creating the row just now.
        """
        row = _by_name(self.context, cls, name)
        if row is None:
            cls(self.context, name=name, **values).create()
            LOG.info('%(kind)s %(name)s is new',
                     {'kind': cls.__name__, 'name': name})
            return set()
        changed = {field for field, value in values.items()
                   if _data(getattr(row, field)) != value}
        if changed:
            for field in changed:
                setattr(row, field, values[field])
            row.save()
            LOG.info('%(kind)s %(name)s (%(uuid)s) is updated: %(fields)s',
                     {'kind': cls.__name__, 'name': name, 'uuid': row.uuid,
                      'fields': ', '.join(sorted(changed))})
        return changed

    def _cancel_unfit_audits(self, installed: InstalledStrategy) -> None:
        """Cancel waiting audits that the new schema would refuse."""
        row = objects.Strategy.get_by_name(self.context, installed.name)
        for audit in self._waiting_audits(strategy_id=row.id):
            problem = _why_invalid(audit.parameters,
                                   installed.parameters_spec)
            if problem:
                self._cancel(audit, (
                    f'The parameters no longer fit the strategy '
                    f'{installed.name}, which was changed: {problem}'))

    # Names that are gone --------------------------------------------------

    def _remove_strategies(self, strategies: Installed,
                           goals: Installed) -> None:
        for row in objects.Strategy.list(self.context, eager=True):
            if row.name in strategies.broken:
                continue
            if strategies.is_gone(row.name):
                reason = f'The strategy {row.name} is no longer installed'
            elif goals.is_gone(row.goal.name):
                reason = (f'The goal {row.goal.name} of the strategy '
                          f'{row.name} is no longer installed')
            else:
                continue
            with self._isolated('strategy', row.name):
                db_api.get_instance().run_in_transaction(
                    self._remove_strategy, row, reason)

    def _remove_strategy(self, row, reason: str) -> None:
        for template in objects.AuditTemplate.list(
                self.context, filters={'strategy_id': row.id}):
            template.strategy_id = None
            template.save()
            LOG.warning('Audit template %(uuid)s names no strategy any '
                        'more. %(reason)s',
                        {'uuid': template.uuid, 'reason': reason})
        self._cancel_waiting(reason, {'strategy_id': row.id},
                             {'strategy_id': row.id})
        row.soft_delete()
        LOG.warning('%s; it is removed from the list of strategies', reason)

    def _remove_goals(self, goals: Installed) -> None:
        for row in objects.Goal.list(self.context):
            if goals.is_gone(row.name):
                with self._isolated('goal', row.name):
                    db_api.get_instance().run_in_transaction(
                        self._remove_goal, row)

    def _remove_goal(self, row) -> None:
        reason = f'The goal {row.name} is no longer installed'
        for template in objects.AuditTemplate.list(
                self.context, filters={'goal_id': row.id}):
            LOG.warning('Audit template %(uuid)s cannot be used any more. '
                        '%(reason)s',
                        {'uuid': template.uuid, 'reason': reason})
        audits = objects.Audit.list(self.context,
                                    filters={'goal_id': row.id})
        self._cancel_waiting(
            reason, {'goal_id': row.id},
            {'audit_id__in': [audit.id for audit in audits]}
            if audits else None)
        row.soft_delete()
        LOG.warning('%s; it is removed from the list of goals', reason)

    def _remove_scoring_engines(self, engines: Installed) -> None:
        if engines.broken:
            # A broken container does not tell what it would contain.
            return
        for row in objects.ScoringEngine.list(self.context):
            if engines.is_gone(row.name):
                with self._isolated('scoring engine', row.name):
                    row.soft_delete()
                    LOG.warning('The scoring engine %s is no longer '
                                'installed; it is removed from the list',
                                row.name)

    # Dependants -----------------------------------------------------------

    def _cancel_waiting(self, reason: str, audit_filters: dict,
                        plan_filters: dict | None) -> None:
        for audit in self._waiting_audits(**audit_filters):
            self._cancel(audit, reason)
        if plan_filters is None:
            return
        for plan in objects.ActionPlan.list(
                self.context, eager=True,
                filters={**plan_filters, 'state__in': _WAITING_PLANS}):
            self._cancel(plan, reason)

    def _waiting_audits(self, **filters) -> list:
        """Audits that have not begun, or that come again and again."""
        waiting = objects.Audit.list(
            self.context, eager=True,
            filters={**filters,
                     'state__in': [AUDIT.PENDING, AUDIT.SUSPENDED]})
        continuous = objects.Audit.list(
            self.context, eager=True,
            filters={**filters, 'state': AUDIT.ONGOING, 'audit_type':
                     objects.audit.AuditType.CONTINUOUS.value})
        return waiting + continuous

    @staticmethod
    def _cancel(obj, reason: str) -> None:
        kind = type(obj).__name__
        try:
            obj.transition(AUDIT.CANCELLED, status_message=reasons.Reason(
                reason, reasons.Code.DEFINITION_CHANGED))
        except exception.StateConflict as exc:
            LOG.info('%(kind)s %(uuid)s is not cancelled: %(error)s',
                     {'kind': kind, 'uuid': obj.uuid, 'error': exc})
            return
        LOG.warning('%(kind)s %(uuid)s is cancelled. %(reason)s',
                    {'kind': kind, 'uuid': obj.uuid, 'reason': reason})


def _again_if_exists(store, *args):
    """Store a row that another engine may be creating at this moment.

    That engine may be of another version, so its row is looked at. This
    takes a new transaction: in the old one MariaDB does not show it.
    """
    try:
        return store(*args)
    except exception.Conflict:
        return store(*args)


def _by_name(context, cls, name):
    try:
        return cls.get_by_name(context, name)
    except exception.ResourceNotFound:
        return None


def _why_invalid(parameters: dict | None, schema: dict) -> str | None:
    """Return what the schema has against the parameters, if anything.

    Empty parameters are filled from the schema when the audit runs.
    """
    if not parameters or not schema:
        return None
    try:
        utils.StrictDefaultValidatingDraft4Validator(schema).validate(
            _data(parameters))
    except jsonschema.ValidationError as exc:
        return exc.message
    except exception.AuditParameterNotAllowed as exc:
        return str(exc)
    return None


def sync(context=None) -> None:
    """Synchronise once; see :class:`Syncer`."""
    Syncer(context).sync()
