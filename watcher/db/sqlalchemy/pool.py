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
"""How many connections to the database this process has, and may have."""

import dataclasses

from sqlalchemy import pool

from watcher.db.sqlalchemy import session


@dataclasses.dataclass(frozen=True)
class Connections:
    """The connections of a process at one moment.

    :ivar used: those in which somebody reads or writes
    :ivar idle: those that are kept open for the next one
    :ivar limit: how many there may be at most; None if there is no limit
    """

    used: int
    idle: int
    limit: int | None

    def __str__(self) -> str:
        limit = 'any number' if self.limit is None else self.limit
        return f'used {self.used}, idle {self.idle}, allowed {limit}'


def connections() -> Connections | None:
    """Return how many there are now; asks nobody.

    :returns: None before the first one, and for databases in memory, which
        have one connection
    """
    engine = session.known_engine()
    known = None if engine is None else engine.pool
    if not isinstance(known, pool.QueuePool):
        return None
    # There is no public name for what [database] max_overflow says.
    extra = known._max_overflow
    return Connections(known.checkedout(), known.checkedin(),
                       None if extra < 0 or not known.size()
                       else known.size() + extra)
