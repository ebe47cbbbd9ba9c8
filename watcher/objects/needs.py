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
"""What the processes that use the database need for their work."""

from collections.abc import Callable
from typing import Any

from watcher.common import health
from watcher.db import api as db_api


def database() -> health.Finding:
    """Look whether the database answers."""
    db_api.get_instance().ping()
    return health.Finding(True)


def lease_of(manager: Any) -> Callable[[], health.Finding]:
    """Return the check of the lease without which an engine does nothing.

    :param manager: of the engine
    """
    def check() -> health.Finding:
        lease = manager.lease
        # A database that is not upgraded has none, and needs none.
        return health.Finding(lease is None or bool(lease.valid))
    return check


def of_api() -> dict[str, Callable[[], health.Finding]]:
    """Return the checks of a process of the API."""
    return {'database': database, 'bus': health.bus}


def of_engine(manager: Any) -> dict[str, Callable[[], health.Finding]]:
    """Return the checks of an engine.

    :param manager: of the engine
    """
    return {**of_api(), 'lease': lease_of(manager)}
