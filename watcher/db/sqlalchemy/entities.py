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
"""What is special to each table; everything else is said once in api.py."""

import dataclasses

import sqlalchemy as sa

from watcher.common import exception
from watcher.db.sqlalchemy import models


@dataclasses.dataclass(frozen=True)
class Entity:
    """One kind of record.

    :ivar name: as in ``get_<name>_list``
    :ivar not_found: error for a missing row, with the identifier under
        ``not_found_key``
    :ivar exists: error for a duplicate row
    :ivar exists_keys: argument of ``exists`` -> column it is taken from
    :ivar reads: ``get_<name>_by_<key>`` -> column
    :ivar cut: text columns cut to their length instead of refused: their
        content comes from plug-ins and error messages, not from users
    :ivar paths: filter prefixes over more than one relation
    """

    name: str
    model: type[models.Base]
    not_found: type[exception.ResourceNotFound]
    not_found_key: str
    exists: type[exception.Conflict]
    exists_keys: tuple[tuple[str, str], ...] = (('uuid', 'uuid'),)
    reads: tuple[tuple[str, str], ...] = (
        ('id', 'id'), ('uuid', 'uuid'), ('name', 'name'))
    cut: frozenset[str] = frozenset()
    paths: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace('_', ' ')

    @property
    def columns(self) -> sa.sql.ColumnCollection:
        """The columns of the table by name."""
        return self.model.__table__.columns

    @property
    def relations(self) -> tuple[str, ...]:
        """Names of the to-one relations, loaded by eager queries."""
        return tuple(sa.inspect(self.model).relationships.keys())

    @property
    def relation_paths(self) -> dict[str, str]:
        """Filter prefix -> path of relations."""
        return {**{name: name for name in self.relations},
                **dict(self.paths)}

    @property
    def has_uuid(self) -> bool:
        return 'uuid' in self.columns

    def missing(self, ident: object) -> exception.ResourceNotFound:
        """The error for a row that doesn't exist."""
        return self.not_found(**{self.not_found_key: ident})


_BY_ID_UUID = (('id', 'id'), ('uuid', 'uuid'))

GOAL = Entity('goal', models.Goal, exception.GoalNotFound, 'goal',
              exception.GoalAlreadyExists)

STRATEGY = Entity('strategy', models.Strategy, exception.StrategyNotFound,
                  'strategy', exception.StrategyAlreadyExists)

AUDIT_TEMPLATE = Entity(
    'audit_template', models.AuditTemplate, exception.AuditTemplateNotFound,
    'audit_template', exception.AuditTemplateAlreadyExists,
    exists_keys=(('audit_template', 'name'),))

AUDIT = Entity(
    'audit', models.Audit, exception.AuditNotFound, 'audit',
    exception.AuditAlreadyExists, exists_keys=(('audit', 'name'),),
    cut=frozenset({'status_message'}))

ACTION_PLAN = Entity(
    'action_plan', models.ActionPlan, exception.ActionPlanNotFound,
    'action_plan', exception.ActionPlanAlreadyExists, reads=_BY_ID_UUID,
    cut=frozenset({'status_message'}))

ACTION = Entity(
    'action', models.Action, exception.ActionNotFound, 'action',
    exception.ActionAlreadyExists, reads=_BY_ID_UUID,
    cut=frozenset({'status_message'}),
    paths=(('audit', 'action_plan.audit'),))

EFFICACY_INDICATOR = Entity(
    'efficacy_indicator', models.EfficacyIndicator,
    exception.EfficacyIndicatorNotFound, 'efficacy_indicator',
    exception.EfficacyIndicatorAlreadyExists,
    cut=frozenset({'description', 'unit'}))

SCORING_ENGINE = Entity(
    'scoring_engine', models.ScoringEngine, exception.ScoringEngineNotFound,
    'scoring_engine', exception.ScoringEngineAlreadyExists,
    cut=frozenset({'description'}))

SERVICE = Entity(
    'service', models.Service, exception.ServiceNotFound, 'service',
    exception.ServiceAlreadyExists,
    exists_keys=(('name', 'name'), ('host', 'host')),
    reads=(('id', 'id'), ('name', 'name')))

ACTION_DESCRIPTION = Entity(
    'action_description', models.ActionDescription,
    exception.ActionDescriptionNotFound, 'action_id',
    exception.ActionDescriptionAlreadyExists,
    exists_keys=(('action_type', 'action_type'),),
    reads=(('id', 'id'), ('type', 'action_type')),
    cut=frozenset({'description'}))

ALL = (GOAL, STRATEGY, AUDIT_TEMPLATE, AUDIT, ACTION_PLAN, ACTION,
       EFFICACY_INDICATOR, SCORING_ENGINE, SERVICE, ACTION_DESCRIPTION)
