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
"""The one way to the database.

The implementation named by ``[database] backend`` is loaded on the first
call, when the configuration has been read. Its operations are described in
:mod:`watcher.db.sqlalchemy.api`.
"""

import threading
from typing import Any

from oslo_utils import importutils

from watcher import conf

CONF = conf.CONF

_BACKENDS = {'sqlalchemy': 'watcher.db.sqlalchemy.api'}


class DatabaseApi:
    """Passes every operation on to the chosen implementation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        return getattr(self._load(), name)

    def _load(self) -> Any:
        with self._lock:
            if self._connection is None:
                backend = CONF.database.backend
                module = importutils.import_module(
                    _BACKENDS.get(backend, backend))
                self._connection = module.get_backend()
            return self._connection


_instance = DatabaseApi()


def get_instance() -> Any:
    """Return the database operations; cheap, no connection is made."""
    return _instance
