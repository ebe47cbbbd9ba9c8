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
"""The whole of what ``status_message`` says in short.

A row is written with the message that it belongs to. It is not removed when
the message changes: a row whose text is not that of the message is no longer
the reason. So nothing is written for messages without a reason, and those of
releases that do not know the table are understood.

The table came with a migration of ours. The services run on an existing
database before it is upgraded: until then there are only the messages.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_log import log

from watcher.common import reasons
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import session as db_session

LOG = log.getLogger(__name__)

#: Who has a reason, and the column that names it.
OWNERS = {'audit': models.Reason.audit_id,
          'action_plan': models.Reason.action_plan_id,
          'action': models.Reason.action_id}

# Below the limits of variables of every database: of numbers, and of rows.
_IDENTS = 10000
_ROWS = 500


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start:start + size]


def store(owner: str, idents: Sequence[int],
          values: Mapping[str, Any]) -> None:
    """Store the reason of rows that are written in this transaction.

    :param owner: kind of the rows
    :param idents: their ids
    :param values: of all of them; nothing happens if their message says all
    """
    message = values.get('status_message')
    if owner not in OWNERS or not isinstance(message, str):
        return
    if (isinstance(message, reasons.Reason)
            or len(message) > reasons.MESSAGE_LENGTH):
        _store(owner, idents, reasons.of(message))


@db_session.write
def _store(owner: str, idents: Sequence[int],
           reason: reasons.Reason) -> None:
    key = OWNERS[owner].key
    content = {'code': str(reason.code), 'data': reason.data,
               'text': str(reason).replace('\x00', '')}
    session = db_session.current()
    insert = optional.insert_for(session)(models.Reason)
    try:
        with optional.may_be_missing(models.Reason):
            for chunk in _chunks(idents, _ROWS):
                rows = insert.values(
                    [{key: ident, **content} for ident in chunk])
                session.execute(_or_change(rows, key, content))
    except optional.NoTable:
        LOG.debug('The reason of %(count)d %(owner)ss is not stored: the '
                  'database has no table for it',
                  {'count': len(idents), 'owner': owner})


def _or_change(insert: Any, key: str, names: Iterable[str]) -> Any:
    """Have the insertion replace what there is."""
    if hasattr(insert, 'on_duplicate_key_update'):
        return insert.on_duplicate_key_update(
            {name: insert.inserted[name] for name in names})
    return insert.on_conflict_do_update(
        index_elements=[key],
        set_={name: insert.excluded[name] for name in names})


class Operations:
    """The operations of the connection."""

    def get_reasons(self, owner: str, idents: Iterable[int]
                    ) -> dict[int, tuple[str, str, dict[str, Any]]]:
        """Read reasons, also those that are not valid any more.

        :param owner: ``audit``, ``action_plan`` or ``action``
        :param idents: ids of the owners
        :returns: id -> code, text and data
        """
        column, model = OWNERS[owner], models.Reason
        found: dict[int, tuple[str, str, dict[str, Any]]] = {}
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(model)):
                for chunk in _chunks(list(idents), _IDENTS):
                    rows = session.execute(
                        sa.select(column, model.code, model.text, model.data)
                        .where(column.in_(chunk)))
                    found.update((ident, tuple(reason))
                                 for ident, *reason in rows)
        except optional.NoTable:
            LOG.debug('There are no reasons: their table is missing')
        return found
