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
"""Field types of the versioned objects."""

import datetime
import json
import numbers
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_serialization import jsonutils
from oslo_versionedobjects import fields

from watcher._i18n import _
from watcher.common import reasons

BooleanField = fields.BooleanField
IntegerField = fields.IntegerField
FloatField = fields.FloatField
ListOfObjectsField = fields.ListOfObjectsField
ListOfStringsField = fields.ListOfStringsField
ObjectField = fields.ObjectField
StringField = fields.StringField
EnumField = fields.EnumField
UnspecifiedDefault = fields.UnspecifiedDefault


def _refuse(attr: str, expected: str, value: Any) -> ValueError:
    return ValueError(
        _("The field '%(attr)s' takes %(expected)s, not %(type)s.")
        % {'attr': attr, 'expected': expected,
           'type': type(value).__name__})


def _from_json(attr: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(_("The text given for the field '%s' is not JSON.")
                         % attr)


# Dates --------------------------------------------------------------------

class UtcDateTime(fields.DateTime):
    """A date; one with a zone is converted before the zone is dropped."""

    def coerce(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        if (not self.tzinfo_aware and isinstance(value, datetime.datetime)
                and value.tzinfo is not None):
            value = value.astimezone(datetime.UTC)
        return super().coerce(obj, attr, value)


class DateTimeField(fields.AutoTypedField):
    """A date, aware unless ``tzinfo_aware`` is false, then naive UTC."""

    def __init__(self, tzinfo_aware: bool = True, **kwargs: Any) -> None:
        self.AUTO_TYPE = UtcDateTime(tzinfo_aware=tzinfo_aware)
        super().__init__(**kwargs)


# Texts --------------------------------------------------------------------

class String(fields.String):
    """A text, which may be a reason; others only see the text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        if isinstance(value, reasons.Reason):
            return value
        return super().coerce(obj, attr, value)


class MessageField(fields.AutoTypedField):
    """A text, or a :class:`watcher.common.reasons.Reason`."""

    AUTO_TYPE = String()


# Identifiers --------------------------------------------------------------

class UUID(fields.FieldType):
    """Text; what it looks like is checked where it enters the service."""

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> str:
        return str(value)


class UUIDField(fields.AutoTypedField):
    """A UUID; an empty text is no UUID."""

    AUTO_TYPE = UUID()

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        return super().coerce(obj, attr, None if value == '' else value)


class ListOfUUIDsField(fields.AutoTypedField):
    AUTO_TYPE = fields.List(UUID())


# Numbers ------------------------------------------------------------------

class Numeric(fields.FieldType):
    """A whole number stays one, everything else becomes a float."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        if isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                return float(value)
        if isinstance(value, numbers.Integral):
            return int(value)
        try:
            return float(value)
        except TypeError:
            raise _refuse(attr, _('a number'), value)


class NumericField(fields.AutoTypedField):
    AUTO_TYPE = Numeric()


# Containers ---------------------------------------------------------------

class Dict(fields.FieldType):
    """A mapping with text keys; the values are left alone."""

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _refuse(attr, _('a mapping'), value)
        for key in value:
            if not isinstance(key, str):
                raise _refuse(attr, _('text keys'), key)
        return dict(value)


class DictField(fields.AutoTypedField):
    AUTO_TYPE = Dict()


class FlexibleDict(fields.FieldType):
    """A mapping, pairs, or the JSON text of an object."""

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> dict[Any, Any]:
        if isinstance(value, str):
            value = _from_json(attr, value)
        try:
            return dict(value)
        except (TypeError, ValueError):
            raise _refuse(attr, _('a mapping'), value)


class FlexibleDictField(fields.AutoTypedField):
    """If None is allowed it becomes the empty mapping."""

    AUTO_TYPE = FlexibleDict()

    def _null(self, obj: Any, attr: str) -> Any:
        if self.nullable:
            return {}
        return super()._null(obj, attr)


class FlexibleListOfDict(fields.FieldType):
    """Any iterable, or the JSON text of a list.

    One mapping alone becomes a list of one: very old rows hold a single
    global efficacy.
    """

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> list[Any]:
        if isinstance(value, str):
            value = _from_json(attr, value)
        if isinstance(value, Mapping):
            return [dict(value)] if value else []
        if not isinstance(value, Iterable):
            raise _refuse(attr, _('a list'), value)
        return list(value)


class FlexibleListOfDictField(fields.AutoTypedField):
    """If None is allowed it becomes the empty list."""

    AUTO_TYPE = FlexibleListOfDict()

    def _null(self, obj: Any, attr: str) -> Any:
        if self.nullable:
            return []
        return super()._null(obj, attr)


class Json(fields.FieldType):
    """Any JSON value; text is decoded."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        return _from_json(attr, value) if isinstance(value, str) else value

    def from_primitive(self, obj: Any, attr: str, value: Any) -> Any:
        return self.coerce(obj, attr, value)

    def to_primitive(self, obj: Any, attr: str, value: Any) -> str:
        return jsonutils.dumps(value)


class JsonField(fields.AutoTypedField):
    AUTO_TYPE = Json()


# Notifications ------------------------------------------------------------

class NotificationPriorityField(fields.BaseEnumField):
    AUTO_TYPE = fields.Enum(
        valid_values=('debug', 'info', 'warning', 'error', 'critical'))


class NotificationPhaseField(fields.BaseEnumField):
    AUTO_TYPE = fields.Enum(valid_values=('start', 'end', 'error'))


class NotificationActionField(fields.BaseEnumField):
    AUTO_TYPE = fields.Enum(
        valid_values=('create', 'update', 'exception', 'delete', 'strategy',
                      'planner', 'execution', 'cancel'))


# Values of the database ---------------------------------------------------

#: Type of values that the database gives just as these fields hold them.
_NATIVE = {StringField: str, MessageField: str, UUIDField: str,
           IntegerField: int, BooleanField: bool}


def coerce_all(field: fields.Field, name: str,
               values: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column as the field holds them.

    NULL stays None. Mostly there is nothing to do, which one look at the
    types of all values tells.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {_NATIVE.get(type(field))}:
        return values
    return [None if value is None else field.coerce(None, name, value)
            for value in values]
