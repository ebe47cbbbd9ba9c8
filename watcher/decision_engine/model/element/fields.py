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
"""The fields that elements of the cluster data models are made of."""

import ast
import copy
import datetime
import math
from typing import Any

from oslo_serialization import jsonutils
from oslo_utils import strutils

from watcher._i18n import _


class _Unset:
    """Stands for a field without a value."""

    def __repr__(self):
        return '<unset>'

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


UNSET = _Unset()


class Field:
    """One typed field of an element.

    :param nullable: whether None is a value of its own.
    :param default: value of a new element; None stores it as well. Without
        a default the field stays unset.
    """

    #: Whether values are structures, which have parts to write to.
    structured = False

    def __init__(self, nullable: bool = False, default: Any = UNSET):
        self.nullable = nullable
        self.default = default
        self.name = None
        self.index = None

    def __get__(self, element, owner=None):
        if element is None:
            return self
        value = element._values[self.index]
        if value is UNSET:
            raise NotImplementedError(
                _("The field '%(field)s' of this %(kind)s is not set") % {
                    'field': self.name, 'kind': type(element).__name__})
        return value

    def __set__(self, element, value):
        element._store(self, self.checked(value))

    def initial(self) -> Any:
        """Return the value of a new element."""
        return self.default

    def checked(self, value: Any) -> Any:
        """Return the value as it is stored.

        :raises: ValueError
        """
        if value is None:
            if self.nullable:
                return None
            if self.default is not UNSET:
                return self.initial()
            raise ValueError(_("The field '%s' cannot be null") % self.name)
        return self.coerce(value)

    def coerce(self, value: Any) -> Any:
        """Convert a value that is not None."""
        raise NotImplementedError

    def to_xml(self, value: Any) -> str:
        """Return the text of an XML attribute."""
        return str(value)

    def from_xml(self, text: str) -> Any:
        """Read the text of an XML attribute."""
        if self.nullable and text == 'None':
            return None
        return text

    def refuse(self, value: Any, wanted: str) -> ValueError:
        """Return the error for a value that does not fit."""
        return ValueError(
            _("The field '%(field)s' has to be %(wanted)s, not "
              '%(value)r') % {'field': self.name, 'wanted': wanted,
                              'value': value})


class String(Field):
    """Text; numbers and times are converted."""

    def coerce(self, value):
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float, datetime.datetime)):
            return str(value)
        raise self.refuse(value, _('a text'))


class Uuid(String):
    """Text that usually is a UUID; empty counts as null."""

    def checked(self, value):
        return super().checked(None if value == '' else value)


class NonNegativeInteger(Field):
    """A whole number; fractions are cut off."""

    def coerce(self, value):
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise self.refuse(value, _('a whole number')) from None
        if number < 0:
            raise self.refuse(value, _('zero or more'))
        return number


class Figure(NonNegativeInteger):
    """A whole number that its source may not know; then it stays unset.

    Drivers of storage say ``unknown`` or ``infinite``, or nothing at all.
    """

    unknown = frozenset(('', 'none', 'unknown', 'infinite', 'inf', 'nan'))

    def checked(self, value):
        if value is None and self.default is UNSET:
            return UNSET
        return super().checked(value)

    def coerce(self, value):
        if isinstance(value, str) and value.lower() in self.unknown:
            return self.default
        if isinstance(value, float) and not math.isfinite(value):
            return self.default
        return super().coerce(value)


class NonNegativeFloat(Field):
    """A number."""

    def coerce(self, value):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self.refuse(value, _('a number')) from None
        if not number >= 0:
            raise self.refuse(value, _('zero or more'))
        return number


class Boolean(Field):
    """True or false; texts are understood, not taken as true."""

    def coerce(self, value):
        if not isinstance(value, str):
            return bool(value)
        try:
            return strutils.bool_from_string(value, strict=True)
        except ValueError:
            raise self.refuse(value, _('a truth value')) from None


class DateTime(Field):
    """A point in time with its zone; UTC when it has none."""

    def coerce(self, value):
        if isinstance(value, str):
            try:
                value = datetime.datetime.fromisoformat(value)
            except ValueError:
                raise self.refuse(value, _('an ISO 8601 time')) from None
        if not isinstance(value, datetime.datetime):
            raise self.refuse(value, _('a time'))
        if value.tzinfo is None:
            return value.replace(tzinfo=datetime.UTC)
        return value


class _Structured(Field):
    """Dictionaries and lists; JSON in XML."""

    structured = True

    def __get__(self, element, owner=None):
        value = super().__get__(element, owner)
        if element is None or element._key is None:
            return value
        return element._handed_out(self.index)

    def initial(self):
        default = self.default
        if default is UNSET or default is None:
            return default
        return copy.deepcopy(default) if default else type(default)()

    def to_xml(self, value):
        if value == {}:  # by far the most frequent one
            return '{}'
        return jsonutils.dumps(value, sort_keys=True)

    def from_xml(self, text):
        # The dialect of older releases is the text of a Python literal.
        try:
            return jsonutils.loads(text)
        except ValueError:
            pass
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text


class Json(_Structured):
    """Anything; a text is read as JSON."""

    def coerce(self, value):
        if not isinstance(value, str):
            return value
        try:
            return jsonutils.loads(value)
        except ValueError:
            raise self.refuse(value, _('JSON')) from None


class Mapping(_Structured):
    """A dictionary."""

    def coerce(self, value):
        if not isinstance(value, dict):
            raise self.refuse(value, _('a dictionary'))
        return value


class _List(_Structured):
    item_type: type = object
    wanted = ''

    def coerce(self, value):
        if isinstance(value, str):
            value = self.from_text(value)
        if isinstance(value, (tuple, set)):
            value = list(value)
        if (not isinstance(value, list)
                or not all(isinstance(item, self.item_type)
                           for item in value)):
            raise self.refuse(value, self.wanted)
        return value

    def from_text(self, text):
        """Read a list that was given as text."""
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise self.refuse(text, self.wanted) from None


class ListOfDicts(_List):
    """A list of dictionaries; a text is read as a Python literal."""

    item_type = dict
    wanted = _('a list of dictionaries')


class ListOfStrings(_List):
    """A list of texts; a single text is a list of one."""

    item_type = str
    wanted = _('a list of texts')

    def from_text(self, text):
        return [text]

    def from_xml(self, text):
        # In older dialects a single text, which may look like a number.
        read = super().from_xml(text)
        return read if isinstance(read, list) else text
