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
"""Removes what the scheduler of the previous release left behind.

Each of its engines looks at the timers of all others: an overdue one of an
engine that is gone makes all of them ask the database without a pause, and
nobody else ever removes it.
"""

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.objects import service as service_objects
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)


def sweep() -> None:
    """Remove the timers of all but living engines of that release."""
    dbapi = objects.Audit.dbapi
    owners = set(dbapi.list_services_with_jobs())
    if not owners:
        return
    gone = owners - _still_used(watcher_context.admin_context())
    if gone:
        LOG.info('%d timers of the previous release are removed; the audits '
                 'are scheduled by their own rows', dbapi.destroy_jobs(gone))


def _still_used(context) -> set[int]:
    try:
        ours = {known.name.casefold() for known in objects.Lease.known(
            context, tenure.ENGINE.prefix) if known.living}
    except db_exc.DBNonExistentTable:
        ours = set()
    return {service.id for service in objects.Service.list(context)
            if service_objects.is_alive(service)
            and service.host != CONF.host
            and tenure.ENGINE.lease_name(service.host).casefold() not in ours}
