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
"""What may be written: checked before the database sees it.

A text that is too long, an unknown column or a list where an object belongs
is the caller's mistake. It is refused with a clear error, the same on every
database, instead of a failed statement on some of them.
"""

import datetime
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import types

# DECIMAL(10, 0) of MySQL.
_LARGEST_LEGACY_VALUE = 9_999_999_999


def _invalid(entity: entities.Entity, name: str,
             reason: str) -> exception.Invalid:
    return exception.Invalid(
        _("The field '%(field)s' of the %(title)s is not acceptable: "
          "%(reason)s") % {'field': name, 'title': entity.title,
                           'reason': reason})


def _text(entity: entities.Entity, column: sa.Column, value: Any) -> str:
    text = str(value)
    cut = column.name in entity.cut
    if '\x00' in text:
        if not cut:
            raise _invalid(entity, column.name,
                           _('it contains a NUL character'))
        text = text.replace('\x00', '')
    limit = column.type.length
    if limit is None or len(text) <= limit:
        return text
    if cut:
        return utils.truncate(text, limit)
    raise _invalid(
        entity, column.name,
        _('it has %(length)d characters, at most %(limit)d are allowed')
        % {'length': len(text), 'limit': limit})


def naive_utc(value: datetime.datetime) -> datetime.datetime:
    """The moment as the database stores it."""
    if value.tzinfo is None:
        return value
    return value.astimezone(datetime.UTC).replace(tzinfo=None)


def _convert(entity: entities.Entity, column: sa.Column, value: Any) -> Any:
    kind = column.type
    if isinstance(kind, (types.JsonDict, types.JsonList)):
        try:
            return kind.check(value)
        except TypeError as error:
            raise _invalid(entity, column.name, str(error))
    if value is None:
        return None
    if isinstance(kind, sa.String):
        return _text(entity, column, value)
    if isinstance(kind, sa.DateTime):
        if not isinstance(value, datetime.datetime):
            raise _invalid(entity, column.name, _('it is not a date'))
        return naive_utc(value)
    if isinstance(kind, sa.Boolean):
        return bool(value)
    return value


def _efficacy(entity: entities.Entity, values: dict[str, Any]) -> None:
    """Write the number to both columns.

    The old column only takes what DECIMAL(10, 0) can hold.
    """
    number = values['value']
    if number is None:
        values['data'] = None
        return
    try:
        number = float(number)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _invalid(entity, 'value', _('it is not a finite number'))
    values['data'] = number
    values['value'] = (
        number if abs(number) <= _LARGEST_LEGACY_VALUE else None)


def _convert_all(entity: entities.Entity,
                 values: Mapping[str, Any]) -> dict[str, Any]:
    columns = entity.columns
    unknown = sorted(set(values) - set(columns.keys()))
    if unknown:
        raise exception.Invalid(
            _('The %(title)s has no field %(unknown)s.')
            % {'title': entity.title, 'unknown': ', '.join(unknown)})
    if entity is entities.EFFICACY_INDICATOR and 'value' in values:
        values = dict(values)
        _efficacy(entity, values)
    return {name: _convert(entity, columns[name], value)
            for name, value in values.items()}


def for_create(entity: entities.Entity,
               values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete values of a new row.

    :raises watcher.common.exception.Invalid: naming the field
    """
    values = {name: value for name, value in values.items()
              if name not in entity.relations}
    if entity.has_uuid and not values.get('uuid'):
        values['uuid'] = uuidutils.generate_uuid()
    if entity in (entities.AUDIT, entities.ACTION):
        values['state'] = values.get('state') or 'PENDING'
    if entity is entities.AUDIT:
        values['auto_trigger'] = bool(values.get('auto_trigger'))
        values['force'] = bool(values.get('force'))
    for column in entity.columns:
        if isinstance(column.type, (types.JsonDict, types.JsonList)):
            values.setdefault(column.name, None)
    return _convert_all(entity, values)


def for_update(entity: entities.Entity,
               values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values to assign to an existing row.

    :raises watcher.common.exception.Invalid: naming the field
    """
    for name in ('id', 'uuid'):
        if name in values and name in entity.columns:
            raise exception.Invalid(
                _('The %(name)s of an existing %(title)s cannot be changed.')
                % {'name': name, 'title': entity.title})
    return _convert_all(entity, values)


def whole_seconds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as columns without fractions of a second keep them.

    Who writes a row then shows what the next reader will see. (MariaDB cuts
    the fraction off, MySQL would round it, into the future.)
    """
    return {name: value.replace(microsecond=0)
            if isinstance(value, datetime.datetime) else value
            for name, value in values.items()}
