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
"""Timers that the previous implementation left in the database.

Nothing here uses the table, and what stands in ``job_state`` is never read.
"""

from collections.abc import Collection

import sqlalchemy as sa

from watcher.db.sqlalchemy import generic
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session

_Job = models.SchedulerJob


class Operations:
    """The operations of the connection."""

    def list_services_with_jobs(self) -> list[int]:
        """Return the ids of the services that have timers."""
        with db_session.reader() as session:
            return list(session.scalars(
                sa.select(_Job.service_id).distinct()))

    @db_session.write
    def destroy_jobs(self, service_ids: Collection[int]) -> int:
        """Remove the timers of these services.

        :returns: how many
        """
        return db_session.current().execute(
            sa.delete(_Job).where(_Job.service_id.in_(list(service_ids))),
            execution_options=generic.NO_SYNC).rowcount
