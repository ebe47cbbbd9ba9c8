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
"""Why action plans and actions are what they are.

Their table came with a migration of ours. The services run on an existing
database before it is upgraded: until then there are no explanations.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_log import log

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import session as db_session

LOG = log.getLogger(__name__)

#: What can be explained, and the column that names it.
OWNERS = {'action_plan': models.Explanation.action_plan_id,
          'action': models.Explanation.action_id}

# Below the limit of bound variables of every database.
_CHUNK = 10000


class Operations:
    """The operations of the connection."""

    @db_session.write
    def create_explanations(self, owner: str,
                            contents: Mapping[int, Mapping[str, Any]]
                            ) -> None:
        """Store explanations, with one statement.

        :param owner: ``action_plan`` or ``action``
        :param contents: id of the owner -> explanation
        """
        if not contents:
            return
        column = OWNERS[owner].key
        rows = [{column: ident, 'content': dict(content)}
                for ident, content in contents.items()]
        try:
            with optional.may_be_missing(models.Explanation):
                db_session.current().execute(
                    sa.insert(models.Explanation), rows)
        except optional.NoTable:
            LOG.warning('The explanations of %(count)d %(owner)ss are not '
                        'stored: the database has no table for them. Run '
                        '"watcher-db-manage upgrade"',
                        {'count': len(rows), 'owner': owner})

    def get_explanations(self, owner: str,
                         idents: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Read explanations.

        :param owner: ``action_plan`` or ``action``
        :param idents: ids of the owners
        :returns: id -> explanation, without those that have none
        """
        column, idents = OWNERS[owner], list(idents)
        found: dict[int, dict[str, Any]] = {}
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(models.Explanation)):
                for start in range(0, len(idents), _CHUNK):
                    chunk = idents[start:start + _CHUNK]
                    found.update(session.execute(
                        sa.select(column, models.Explanation.content)
                        .where(column.in_(chunk))).all())
        except optional.NoTable:
            LOG.debug('There are no explanations: their table is missing')
        return found
