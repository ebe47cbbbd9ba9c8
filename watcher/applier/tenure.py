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
"""The lease of an applier process: one for each host name."""

import os

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.common import context as watcher_context
from watcher.common import service
from watcher.objects import lease as lease_objects

CONF = conf.CONF

_KIND = 'applier'
#: What the names of these leases begin with.
PREFIX = f'{_KIND}:'


def lease_name(host: str) -> str:
    """The name of the lease of the applier on a host."""
    return lease_objects.name_of(_KIND, host)


def begin() -> objects.Lease:
    """Take the lease of this host, whoever has it.

    A process that was killed a moment ago may still have it, and so may
    another one that was given the same host name by mistake: the newest
    one goes on.
    """
    host = CONF.host
    owner = f'{host} process {os.getpid()} {uuidutils.generate_uuid()}'
    return objects.Lease.take(
        watcher_context.admin_context(), lease_name(host), owner,
        CONF.service_down_time)


def why_lost() -> Exception:
    """Tell what became of a lease that is not ours any more.

    :returns: FatalError when another process works in the place of this
        one, and would be disturbed by a new attempt; Restart otherwise
    """
    name = lease_name(CONF.host)
    try:
        rivals = [known for known in objects.Lease.known(
            watcher_context.admin_context(), name)
            if known.living and known.name == name]
    except db_exc.DBError:
        rivals = []
    if rivals:
        return service.FatalError(
            _('another applier with the host name %(host)s has started '
              '(%(owner)s) and took over everything. Each applier needs a '
              'host name of its own: check [DEFAULT] host') % {
                  'host': CONF.host, 'owner': rivals[0].owner})
    return service.Restart(
        _('the other appliers took this one, on %s, for dead, because it '
          'could not renew its lease in time, and took over its action '
          'plans; it starts anew') % CONF.host)
