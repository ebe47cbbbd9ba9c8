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
"""The clock of the database, by which leases expire.

The clocks of hosts differ; all hosts have the one of the database in common.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import functions


class utc_in(functions.FunctionElement):
    """Naive UTC so many seconds from now, negative ones for the past.

    It is the time at which the statement runs, not the one at which its
    transaction began.
    """

    type = sa.DateTime()
    inherit_cache = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(sa.bindparam(None, float(seconds), sa.Float,
                                      unique=True))


@compiler.compiles(utc_in, 'sqlite')
def _sqlite(element: utc_in, compiler: Any, **options: Any) -> str:
    # As SQLAlchemy writes dates, which are compared as text: six digits.
    seconds = compiler.process(element.clauses, **options)
    return (f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds}"
            " || ' seconds') || '000')")


@compiler.compiles(utc_in, 'postgresql')
def _postgresql(element: utc_in, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return ("(timezone('utc', clock_timestamp()) "
            f'+ make_interval(secs => {seconds}))')


@compiler.compiles(utc_in, 'mysql')
@compiler.compiles(utc_in, 'mariadb')
def _mysql(element: utc_in, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f'(UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND)'
