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
"""The types that values have in requests and responses.

They are WSME types: WSME converts and validates what comes in, each type adds
what its values look like on the way out. A text that ``validate`` raises says
what is allowed; who calls adds the name of the field and the value.
"""

import datetime
import re
from typing import Any

import wsme.exc
from oslo_serialization import jsonutils
from oslo_utils import timeutils
from wsme import types as wtypes
from wsme.rest import json as wsme_json

from watcher._i18n import _
from watcher.common import exception
from watcher.common import schedule
from watcher.common import utils

#: Longest part of a refused value that is repeated in the error.
SHOWN_VALUE = 120

# Python would take digits of all scripts and underscores for a number.
_WHOLE_NUMBER = re.compile('[+-]?[0-9]{1,100}')

# Errors show 60 and "60" alike.
_JSON_TYPES = {bool: _('true or false'), int: _('a number'),
               float: _('a number'), dict: _('an object'),
               list: _('an array')}

_TRUE = ('true', 't', 'yes', 'y', 'on', '1')
_FALSE = ('false', 'f', 'no', 'n', 'off', '0')


class Type(wtypes.UserType):
    """Base of all types.

    ``empty`` is the value of a member that a patch removes.
    ``takes_null`` tells whether a patch may set it by null as well.
    """

    basetype = wtypes.text
    empty = None
    takes_null = True

    @staticmethod
    def validate(value):
        return value

    @staticmethod
    def dump(value):
        """Return the form of the value that JSON can carry."""
        return value


class Text(Type):
    """A text, optionally of limited length."""

    name = 'text'

    def __init__(self, max_length=None, min_length=0):
        self.max_length = max_length
        self.min_length = min_length

    def validate(self, value):
        if not isinstance(value, str):
            raise ValueError(_('A text is expected, not %s.')
                             % _JSON_TYPES[type(value)])
        if len(value) < self.min_length:
            raise ValueError(_('At least %d characters are needed.')
                             % self.min_length)
        if self.max_length is not None and len(value) > self.max_length:
            raise ValueError(
                _('At most %(max)d characters are allowed, not %(len)d.')
                % {'max': self.max_length, 'len': len(value)})
        return value


class UUID(Type):
    name = 'uuid'

    @staticmethod
    def validate(value):
        if not isinstance(value, str) or not utils.is_uuid_like(value):
            raise ValueError(_('A UUID is expected.'))
        return value


class Integer(Type):
    """A whole number in a query; blanks around it are tolerated."""

    name = 'integer'
    basetype = object

    @staticmethod
    def validate(value):
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
            return int(value)
        raise ValueError(_('A whole number is expected.'))


class Number(Type):
    """A number, or null if it is not known; only in responses."""

    name = 'number'
    basetype = object


class Boolean(Type):
    """A truth value; numbers and words such as "yes" are taken for one."""

    name = 'boolean'
    basetype = object
    empty = False

    @staticmethod
    def validate(value):
        if isinstance(value, int):
            return bool(value)
        for words, meaning in ((_TRUE, True), (_FALSE, False)):
            if isinstance(value, str) and value in words:
                return meaning
        raise ValueError(
            _('true or false is expected; a whole number or one of the words '
              '%s is taken for one.') % ', '.join(_TRUE + _FALSE))


class StrictBoolean(Boolean):
    """Nothing but true and false."""

    takes_null = False

    @staticmethod
    def validate(value):
        if not isinstance(value, bool):
            raise ValueError(_('true or false is expected.'))
        return value


class Interval(Text):
    """A number of seconds or a cron expression, kept as it was sent."""

    name = 'interval'

    def __init__(self):
        super().__init__(max_length=36)

    def validate(self, value):
        super().validate(value)
        try:
            timetable = schedule.Timetable.parse(value)
        except exception.Invalid:
            raise ValueError(
                _('A text with a number of seconds from 1 to %d or a cron '
                  'expression is expected.') % schedule.LONGEST_INTERVAL
            ) from None
        if timetable.following(None, timeutils.utcnow()) is None:
            raise ValueError(
                _('No date will ever match this cron expression.'))
        return value


class Time(Type):
    """A time in UTC without offset.

    A time that comes in with an offset is converted; without one it is
    the local time of the host on which the API runs.
    """

    name = 'datetime'

    @staticmethod
    def validate(value):
        if isinstance(value, datetime.datetime):
            return value
        try:
            # Some write the letters of the format in lower case.
            moment = datetime.datetime.fromisoformat(value.strip().upper())
        except (AttributeError, ValueError):
            raise ValueError(
                _('A time in ISO 8601 form is expected, for example '
                  '2030-01-31T23:00:00 or 2030-01-31T23:00:00+01:00.')
            ) from None
        try:
            return moment.astimezone(datetime.UTC).replace(tzinfo=None)
        except (ValueError, OverflowError, OSError):
            raise ValueError(
                _('The time lies outside of what calendars can convert to '
                  'UTC.')) from None

    @staticmethod
    def dump(value):
        return value.isoformat() if value is not None else None


class Object(Type):
    """A JSON object with any content; never null in a response."""

    name = 'object'
    basetype = object

    @property
    def empty(self):
        return {}

    @staticmethod
    def validate(value):
        if not isinstance(value, dict):
            raise ValueError(_('A JSON object is expected.'))
        return value

    @staticmethod
    def dump(value):
        return {} if value is None else value


class OptionalObject(Object):
    """A JSON object, or null if there is none; only in responses."""

    @staticmethod
    def dump(value):
        return value


class Array(Type):
    """A JSON array with any content; never null in a response."""

    name = 'array'
    basetype = object

    @property
    def empty(self):
        return []

    @staticmethod
    def validate(value):
        if not isinstance(value, list):
            raise ValueError(_('A JSON array is expected.'))
        return value

    @staticmethod
    def dump(value):
        return [] if value is None else list(value)


class JSON(Type):
    """Anything; what it may be is checked where it is used."""

    name = 'json'
    basetype = object


text = Text()
uuid = UUID()
integer = Integer()
number = Number()
boolean = Boolean()
strict_boolean = StrictBoolean()
interval = Interval()
time = Time()
obj = Object()
optional_obj = OptionalObject()
array = Array()
json = JSON()


def shown(value: Any) -> str:
    """Return a refused value as an error shows it: as it was sent.

    Texts stand for themselves, everything else is written as JSON.
    """
    if not isinstance(value, str):
        value = jsonutils.dumps(value)
    return utils.truncate(value, SHOWN_VALUE)


def invalid(field: str, value: Any, reason: str) -> wsme.exc.InvalidInput:
    """Return the error that names field, value and what is allowed."""
    return wsme.exc.InvalidInput(field, shown(value), str(reason))


def load(datatype: Type, field: str, value):
    """Return the value that a client sent in the form used inside.

    None stays None: whether it is allowed depends on the field.

    :raises wsme.exc.InvalidInput: naming field, value and what is allowed
    """
    try:
        return wtypes.validate_value(
            datatype, wsme_json.fromjson(datatype, value))
    except (ValueError, TypeError, exception.Invalid) as exc:
        raise invalid(field, value, exc) from exc
