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
"""Schema migrations with alembic; the ``sqlalchemy`` migration backend.

The revisions stand in ``alembic/versions``. The first one carries the head
revision of the previous release, so that its databases are taken over in
place: see :mod:`watcher.db.sqlalchemy.models` for the shapes they have.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic import config as alembic_config
from alembic import migration as alembic_migration
from alembic import script
from oslo_db import exception as db_exc

from watcher import conf
from watcher._i18n import _
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session

CONF = conf.CONF

#: Head revision of the previous release, our first one.
BASELINE = 'f56ba02662b4'

#: Revisions of the previous release that lead to the baseline. Their scripts
#: are not here: the previous release has to run them.
OLDER_REVISIONS = (
    '001', '0f6042416884', 'd098df6021e2', 'd09a5945e4a0', '3cfc94cecf4e',
    'a86240e89a29', '52804f2498c4', '4b16194c56bc', '609bec748f2a',
    '15f7375ca737', '7150a7d8f228')

_DIRECTORY = pathlib.Path(__file__).parent / 'alembic'


def _alembic(connection: sa.Connection | None = None
             ) -> alembic_config.Config:
    config = alembic_config.Config()
    # The path is read by an interpolating parser.
    config.set_main_option('script_location',
                           str(_DIRECTORY).replace('%', '%%'))
    config.attributes['connection'] = connection
    return config


@contextlib.contextmanager
def _connection() -> Iterator[sa.Connection]:
    """One connection and one transaction for all steps of a command."""
    with session.get_engine().connect() as connection:
        if connection.dialect.name == 'sqlite':
            # Tables are changed by replacing them, and removing the old one
            # would count as removing what others refer to. The switch has no
            # effect inside a transaction.
            connection.connection.driver_connection.execute(
                'PRAGMA foreign_keys = OFF')
        with connection.begin():
            yield connection


def _recorded(connection: sa.Connection) -> str | None:
    return alembic_migration.MigrationContext.configure(
        connection).get_current_revision()


def _check_recorded(revision: str | None) -> None:
    """Refuse to touch a database that our revisions don't lead from."""
    if revision in OLDER_REVISIONS:
        raise db_exc.DBMigrationError(
            _('The database is at revision %(revision)s of an older release. '
              'Bring it to head (%(head)s) with "watcher-db-manage upgrade" '
              'of the previous release first, then upgrade with this one.')
            % {'revision': revision, 'head': BASELINE})
    if revision is not None and revision not in _known():
        raise db_exc.DBMigrationError(
            _('The database is at revision %(revision)s, which this release '
              'does not know. Was it upgraded by a newer release?')
            % {'revision': revision})


def _check_unrecorded(connection: sa.Connection) -> None:
    """Refuse to create tables beside existing ones."""
    present = set(sa.inspect(connection).get_table_names())
    if not present.isdisjoint(models.Base.metadata.tables):
        raise db_exc.DBMigrationError(
            _('The database has tables but no recorded revision. If it was '
              'at the head of the previous release, record that with '
              '"watcher-db-manage stamp %s" and upgrade again.') % BASELINE)


def _known() -> list[str]:
    directory = script.ScriptDirectory.from_config(_alembic())
    return [item.revision for item in directory.walk_revisions()]


def _check_target(revision: str) -> None:
    """Refuse a target that has no script here."""
    if revision in OLDER_REVISIONS:
        raise db_exc.DBMigrationError(
            _('Revision %(revision)s belongs to an older release; the oldest '
              'one known here is %(head)s.')
            % {'revision': revision, 'head': BASELINE})
    if revision not in ('head', 'base', *_known()):
        raise db_exc.DBMigrationError(
            _('There is no revision %(revision)s. Known revisions: '
              '%(known)s.') % {'revision': revision,
                               'known': ', '.join(reversed(_known()))})


def upgrade(revision: str | None = None) -> None:
    """Bring the database to a revision, the newest if not given.

    :raises oslo_db.exception.DBMigrationError: for an unknown revision, or
        when the database is one of an older or a newer release
    """
    revision = revision or 'head'
    _check_target(revision)
    with _connection() as connection:
        recorded = _recorded(connection)
        _check_recorded(recorded)
        if recorded is None:
            _check_unrecorded(connection)
        command.upgrade(_alembic(connection), revision)


def downgrade(revision: str | None = None) -> None:
    """Bring the database back to an older revision.

    :raises oslo_db.exception.DBMigrationError: without a revision or for
        "base", because that would remove all data, and for an unknown one
    """
    if revision in (None, 'base'):
        raise db_exc.DBMigrationError(
            _('A downgrade to nothing would remove all data and is refused. '
              'Name the revision to go back to; the oldest one is %s, which '
              'the previous release uses.') % BASELINE)
    _check_target(revision)
    with _connection() as connection:
        _check_recorded(_recorded(connection))
        command.downgrade(_alembic(connection), revision)


def version() -> str | None:
    """Return the recorded revision, None if there is none."""
    with session.get_engine().connect() as connection:
        return _recorded(connection)


def stamp(revision: str | None) -> None:
    """Record a revision without running anything.

    :raises oslo_db.exception.DBMigrationError: without a revision, which
        would forget the recorded one, and for an unknown one
    """
    if not revision:
        raise db_exc.DBMigrationError(
            _('Name the revision to record, e.g. "head".'))
    _check_target(revision)
    with _connection() as connection:
        # The old entry may be one that is not known here.
        command.stamp(_alembic(connection), revision, purge=True)


def revision(message: str | None = None, autogenerate: bool = False) -> Any:
    """Write a new, empty or autogenerated revision script.

    For developers: it is written into the installed package.
    """
    with _connection() as connection:
        return command.revision(_alembic(connection), message=message,
                                autogenerate=autogenerate)


def _metadata() -> sa.MetaData:
    """The tables, on the storage engine that the operator chose."""
    # Not a copy, which would forget on which databases an index belongs.
    metadata = models.Base.metadata
    for table in metadata.sorted_tables:
        table.dialect_options['mysql']['engine'] = CONF.database.mysql_engine
    return metadata


def create_schema() -> None:
    """Create all missing tables as they are at head and record that.

    :raises oslo_db.exception.DBMigrationError: if a revision is recorded
    """
    with _connection() as connection:
        recorded = _recorded(connection)
        if recorded is not None:
            raise db_exc.DBMigrationError(
                _('The database has a schema already, at revision %s. Use '
                  '"upgrade".') % recorded)
        _metadata().create_all(connection)
        command.stamp(_alembic(connection), 'head')


