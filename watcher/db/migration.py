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
"""Creates and upgrades the schema, whatever stores it.

The backend named by ``[database] backend`` is a plug-in of the group
``watcher.database.migration_backend``. It offers the functions of
:mod:`watcher.db.sqlalchemy.migration`.
"""

import functools
from typing import Any

from stevedore import driver

from watcher import conf

CONF = conf.CONF


@functools.cache
def _load(name: str) -> Any:
    return driver.DriverManager('watcher.database.migration_backend',
                                name).driver


def _backend() -> Any:
    return _load(CONF.database.backend)


def upgrade(revision: str | None = None) -> None:
    """Bring the database to a revision, the newest if not given."""
    _backend().upgrade(revision)


def downgrade(revision: str | None = None) -> None:
    """Bring the database back to an older revision, which must be named."""
    _backend().downgrade(revision)


def version() -> str | None:
    """Return the recorded revision, None if there is none."""
    return _backend().version()


def stamp(revision: str | None) -> None:
    """Record a revision, which must be named, without running anything."""
    _backend().stamp(revision)


def revision(message: str | None = None, autogenerate: bool = False) -> Any:
    """Write a new revision script (for developers)."""
    return _backend().revision(message, autogenerate)


def create_schema() -> None:
    """Create all missing tables as they are at head and record that."""
    _backend().create_schema()
