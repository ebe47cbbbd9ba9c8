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
"""When an audit may run and its plans may be executed.

Rows beside those of audits, in a table that an existing database may lack
until it is upgraded: no audit says anything about it then.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any
from typing import ClassVar
from typing import Self

from watcher.objects import run


def _texts(value: Any) -> tuple[str, ...]:
    """Windows as they stand there; whoever reads them may not like them."""
    entries = value if isinstance(value, list) else [value] * bool(value)
    return tuple(entry if isinstance(entry, str) else repr(entry)
                 for entry in entries)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditSchedule(run.Stored):
    """What an audit itself says; the options of the services come on top.

    :ivar time_zone: of its cron expression and its windows
    :ivar run_windows: when it may run, see :mod:`watcher.common.windows`
    :ivar execution_windows: when its plans may be executed
    """

    owner: ClassVar[str] = 'schedule'

    audit_id: int
    time_zone: str | None = None
    run_windows: tuple[str, ...] = ()
    execution_windows: tuple[str, ...] = ()

    @classmethod
    def _from_row(cls, row: Any) -> Self:
        return cls(audit_id=row.audit_id, time_zone=row.time_zone,
                   run_windows=_texts(row.run_windows),
                   execution_windows=_texts(row.execution_windows))

    @classmethod
    def of_audits(cls, idents: Iterable[int]) -> 'dict[int, AuditSchedule]':
        """What several audits say, by their ids, of those that do."""
        return cls._all(idents)

    @classmethod
    def of_type(cls, audit_type: str, states: Iterable[str]
                ) -> 'dict[int, AuditSchedule]':
        """What audits of one type say, by their ids, of those that do.

        :param states: only audits in these
        """
        return {row.audit_id: cls._from_row(row) for row
                in cls.dbapi.list_schedules(audit_type, states)}
