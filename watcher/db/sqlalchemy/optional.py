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
"""Tables of ours, which a database may lack until it is upgraded."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy import orm
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session


class NoTable(Exception):
    """The database is not upgraded yet."""


@contextlib.contextmanager
def may_be_missing(model: type[models.Base]) -> Iterator[None]:
    """Look for the table when a statement fails, not before each.

    :raises NoTable: if it is missing
    """
    try:
        with db_session.undoable():
            yield
    except (db_exc.DBError, sa.exc.DBAPIError) as error:
        if sa.inspect(db_session.get_engine()).has_table(
                model.__tablename__):
            raise
        raise NoTable from error


_INSERTS = {'mysql': mysql.insert, 'postgresql': postgresql.insert,
            'sqlite': sqlite.insert}


def insert_for(session: orm.Session) -> Callable[..., Any]:
    """The INSERT of this database, which knows what to do with duplicates.
    """
    return _INSERTS[session.get_bind().dialect.name]


def missing_tables() -> list[str]:
    """Names of the tables of ours that the database lacks."""
    present = set(sa.inspect(db_session.get_engine()).get_table_names())
    return sorted({model.__tablename__ for model in (
        models.Lease, models.PlanRun, models.ActionRun,
        models.AuditRun, models.AuditSchedule, models.Reason)} - present)
