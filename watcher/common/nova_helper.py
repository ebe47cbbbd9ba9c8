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
"""What Watcher asks of Nova.

The parts are in :mod:`watcher.common.nova`; this is the place from which
strategies and plug-ins import them.
"""

from watcher.common import waiting
from watcher.common.nova import moving
from watcher.common.nova import records
from watcher.common.nova import services
from watcher.common.nova import versions

Server = records.Server
Hypervisor = records.Hypervisor
Flavor = records.Flavor
Aggregate = records.Aggregate
ServerGroup = records.ServerGroup
Service = records.Service
ServerMigration = records.ServerMigration

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck

MIN_API_VERSION = versions.MIN_API_VERSION
parse_version = versions.parse_version
check_api_version = versions.check_api_version
format_version = versions.format_version


class NovaHelper(moving.ServerMover, services.ServiceSwitch):
    """Reads from Nova and changes servers and compute services.

    Cheap to make: all helpers of a process share connections.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers; requests always carry
        the id of the current one.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often reading is repeated after a connection
        error; default is ``[nova] http_retries``.
    :raises: Invalid when ``[nova] api_version`` is below 2.56,
        AuthorizationFailure when the credentials are incomplete.
    """
