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
"""What all elements of the cluster data models have in common.

The values of an element lie in one tuple. Once the element is part of a
model, nothing in that tuple ever changes: writing a field makes a new tuple,
and so does writing to a dictionary or list that was handed out. So copies of
a model share the tuples of their original, and an element of a copy costs
nothing until somebody asks for it.
"""

import contextlib
import operator
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from lxml import etree

from watcher._i18n import _
from watcher.decision_engine.model.element import fields as element_fields
from watcher.decision_engine.model.element import watched

# What XML 1.0 cannot carry, not even escaped.
_FORBIDDEN_IN_XML = re.compile(
    '[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')

UNSET = element_fields.UNSET

#: Key of an element that is not part of a model, but whose values are known
#: not to be held by anybody else.
LOOSE = object()


class Element:
    """Base of all elements: fields as attributes and as a mapping.

    Structures given to an element are its values themselves until it is
    added to a model; from then on it has copies of its own.

    Equal are elements of the same class with equal values; the hash goes by
    identity, so that equal elements are distinct members of a set.

    :param kwargs: values by field name. What is no field becomes a plain
        attribute, which copies and serialisation leave out.
    :raises: ValueError for a value that does not fit.
    """

    # _home: the table of the model that the element is part of, or None
    # _key: its key there; None for one fresh from the constructor
    # _handed: watched structures that were handed out, by field index
    __slots__ = ('_values', '_home', '_key', '_handed', '__dict__',
                 '__weakref__')

    #: Fields by name, in the order of serialisation.
    fields: dict[str, element_fields.Field] = {}
    _structured: tuple[int, ...] = ()
    _field_list: tuple[element_fields.Field, ...] = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        found = {name: field for base in reversed(cls.__mro__)
                 for name, field in vars(base).items()
                 if isinstance(field, element_fields.Field)}
        order = getattr(cls, 'field_order', tuple(found))
        cls.fields = {name: found[name] for name in order}
        for index, (name, field) in enumerate(cls.fields.items()):
            field.name, field.index = name, index
        cls._field_list = tuple(cls.fields.values())
        cls._structured = tuple(
            field.index for field in cls._field_list if field.structured)

    def __init__(self, **kwargs):
        self._home = self._key = self._handed = None
        self._values = tuple(
            [field.checked(kwargs.pop(name)) if name in kwargs
             else field.initial()
             for name, field in self.fields.items()])
        if kwargs:
            self.__dict__.update(kwargs)

    @classmethod
    def trusted(cls, **kwargs) -> 'Element':
        """Build an element from values that are known to be right.

        For collectors, which build hundreds of thousands of them. They must
        not change dictionaries and lists afterwards that they passed in.
        """
        return cls.from_values(tuple(
            [kwargs[name] if name in kwargs else field.default
             for name, field in cls.fields.items()]))

    @classmethod
    def from_values(cls, values: tuple) -> 'Element':
        """Build an element around a tuple of values in field order."""
        element = cls.__new__(cls)
        element._values = values
        element._home = element._handed = None
        element._key = LOOSE
        return element

    def with_values_of(self, other: 'Element',
                       names: Iterable[str]) -> 'Element':
        """Return a new element: this one with some values of another."""
        values, others = list(self._values), other._detached()
        for name in names:
            index = self.fields[name].index
            values[index] = others[index]
        return self.from_values(tuple(values))

    # Writing --------------------------------------------------------------

    def _store(self, field, value):
        if field.structured and self._key is not None:
            value = watched.plain(value)
            if self._handed:
                self._handed.pop(field.index, None)
        self._replace(field, value)

    def _replace(self, field, value):
        home = self._home
        if home is None:
            self._put(field.index, value)
            return
        with home.lock:
            old = self._values[field.index]
            self._put(field.index, value)
            # It may have been removed while we waited.
            if self._home is home:
                home.written(self, field.name, old)

    def _put(self, index, value):
        values = self._values
        self._values = (*values[:index], value, *values[index + 1:])

    def __setitem__(self, name, value):
        setattr(self, name, value)

    def update(self, other: Any = (), **kwargs) -> None:
        """Set several fields, from a mapping or from pairs.

        All of them or, when a value does not fit, none; views of the model
        are made before or after.

        :raises: ValueError
        """
        given = dict(other, **kwargs)
        checked = [(field, field.checked(given.pop(name)))
                   for name, field in self.fields.items() if name in given]
        home = self._home
        with home.lock if home is not None else contextlib.nullcontext():
            for field, value in checked:
                self._store(field, value)
        for name, value in given.items():
            setattr(self, name, value)

    # Reading --------------------------------------------------------------

    def _handed_out(self, index):
        """Return the value of a structured field as something to write to.

        It is the same object until the field is set.
        """
        handed = self._handed
        if handed is None:
            handed = self._handed = {}
        try:
            return handed[index]
        except KeyError:
            pass

        def changed():
            # One from before the field was set does not count any more.
            if handed.get(index) is made:
                self._replace(self._field_list[index], watched.plain(made))
        made = watched.watched(self._values[index], changed)
        return handed.setdefault(index, made)

    def _detached(self):
        """Return the values with structures that nobody else holds."""
        if self._key is not None:
            return self._values
        return tuple([
            watched.plain(value) if index in self._structured else value
            for index, value in enumerate(self._values)])

    def _visible(self):
        """Return the values as they may be given away."""
        values = self._values
        if self._key is None or not self._structured:
            return values
        visible = list(values)
        for index in self._structured:
            if isinstance(values[index], (dict, list)):
                visible[index] = self._handed_out(index)
        return visible

    def __getitem__(self, name):
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a field, the default when it is unset.

        :raises: AttributeError when there is no such field.
        """
        if name not in self.fields:
            raise AttributeError(
                _("%(kind)s has no field '%(field)s'") % {
                    'kind': type(self).__name__, 'field': name})
        return getattr(self, name) if self.obj_attr_is_set(name) else default

    @classmethod
    def picker(cls, *names: str) -> Callable[[tuple], tuple]:
        """Return a function that takes several fields out of all values.

        It returns them in the order of the names, with None for what is
        unset; structures in them must not be changed.
        """
        pick = operator.itemgetter(*(cls.fields[name].index
                                     for name in names))

        def picked(values):
            found = pick(values)
            if UNSET in found:
                return tuple([None if value is UNSET else value
                              for value in found])
            return found
        return picked

    def obj_attr_is_set(self, name: str) -> bool:
        """Tell whether a field has a value.

        :raises: AttributeError when there is no such field.
        """
        try:
            return self._values[self.fields[name].index] is not UNSET
        except KeyError:
            raise AttributeError(
                _("%(kind)s has no field '%(field)s'") % {
                    'kind': type(self).__name__, 'field': name}) from None

    def __contains__(self, name):
        return name in self.fields and self.obj_attr_is_set(name)

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def __bool__(self):
        return True

    def keys(self) -> list[str]:
        """Return the names of the set fields."""
        return [name for name, value in zip(
            self.fields, self._values, strict=True) if value is not UNSET]

    def values(self) -> list[Any]:
        """Return the values of the set fields."""
        return [value for value in self._visible() if value is not UNSET]

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the set fields with their values."""
        return iter([(name, value) for name, value in zip(
            self.fields, self._visible(), strict=True)
            if value is not UNSET])

    iterkeys = keys
    itervalues = values
    iteritems = items

    def as_dict(self) -> dict[str, Any]:
        """Return the set fields."""
        return dict(self.items())

    def __eq__(self, other):
        if not isinstance(other, Element):
            return NotImplemented
        return (type(self) is type(other)
                and self._values == other._values)

    __hash__ = object.__hash__

    def __repr__(self):
        text = ','.join(f'{name}={value!r}' for name, value in zip(
            self.fields, self._values, strict=True))
        return f'{type(self).__name__}({text})'

    def accept(self, visitor: Any) -> None:
        """Reserved for visitors; no element supports them."""
        raise NotImplementedError

    # Copies and serialisation ---------------------------------------------

    def __copy__(self):
        made = self.from_values(self._values)
        if self._key is None:
            made._key = None
        return made

    def __deepcopy__(self, memo):
        return self.from_values(self._detached())

    def __reduce__(self):
        return _rebuild, (type(self), dict(zip(
            self.keys(), [value for value in self._values
                          if value is not UNSET], strict=True)))

    @classmethod
    def xml_attributes(cls, values: tuple) -> dict[str, str]:
        """Return the set values as texts that XML can carry."""
        attributes = {}
        for field, value in zip(cls._field_list, values, strict=True):
            if value is UNSET:
                continue
            text = field.to_xml(value)
            if not text.isprintable():
                text = _FORBIDDEN_IN_XML.sub('', text)
            attributes[field.name] = text
        return attributes

    def as_xml_element(self) -> etree._Element:
        """Return an XML element with the set fields as attributes."""
        return etree.Element(type(self).__name__,
                             self.xml_attributes(self._values))

    @classmethod
    def from_xml_attributes(
            cls, attributes: Iterable[tuple[str, str]]) -> 'Element':
        """Read what :meth:`as_xml_element` wrote, also in older dialects.

        Unknown attributes are ignored.
        """
        return cls(**{
            name: cls.fields[name].from_xml(text)
            for name, text in attributes if name in cls.fields})


def _rebuild(cls, values):
    return cls.from_values(tuple(
        [values.get(name, UNSET) for name in cls.fields]))
