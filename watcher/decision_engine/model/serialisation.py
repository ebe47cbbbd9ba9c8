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
"""Writing models as XML and as rows, and reading the XML."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from lxml import etree

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import tables
from watcher.decision_engine.model.element import base
from watcher.decision_engine.model.element import watched


def add(parent: etree._Element, table: tables.ElementTable,
        key: str) -> etree._Element:
    """Write an element of a table below another one."""
    return etree.SubElement(
        parent, table.cls.__name__,
        table.cls.xml_attributes(table.values_of(key)))


def to_text(root: etree._Element) -> str:
    """Return the text of a document."""
    return etree.tostring(root, pretty_print=True).decode()


def parse(data: str | bytes) -> etree._Element:
    """Return the root of a document.

    :raises: Invalid when it is not XML.
    """
    if isinstance(data, str):
        data = data.encode()
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as exc:
        raise exception.Invalid(
            _('The model is not readable as XML: %s') % exc) from exc


def read(root: etree._Element, cls: type[base.Element], above: str = ''
         ) -> Iterator[tuple[base.Element, dict[str, str] | None]]:
    """Yield all elements of a class below a document's root.

    :param above: tag that an element may be in.
    :returns: the element, and the attributes of the tag that it is in; None
        when that has another name.
    """
    for found in root.iter(cls.__name__):
        parent = found.getparent()
        yield (cls.from_xml_attributes(found.attrib.items()),
               parent.attrib if parent is not None and parent.tag == above
               else None)


class Rows:
    """Makes the items of a row from the elements of one kind.

    :param more: returns further items for the key of an element.
    """

    def __init__(self, table: tables.ElementTable, prefix: str,
                 more: Callable[[str], dict[str, Any]] | None = None):
        self._table = table
        self._more = more
        self._names = [f'{prefix}_{name}' for name in table.cls.fields]

    def items(self, key: str) -> dict[str, Any]:
        """Return the set fields of an element by prefix and name."""
        # Structures are copied: a row must not be a way into the model.
        items = {name: watched.plain(value)
                 if isinstance(value, (dict, list)) else value
                 for name, value in zip(
                     self._names, self._table.values_of(key), strict=True)
                 if value is not base.UNSET}
        if self._more is not None:
            items.update(self._more(key))
        return items


def below(above: dict[str, Any],
          rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows with the items of what is above them.

    That alone is a row when there are none.
    """
    empty = True
    for row in rows:
        empty = False
        yield {**above, **row}
    if empty:
        yield above
