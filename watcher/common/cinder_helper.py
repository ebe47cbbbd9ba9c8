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
"""What Watcher asks of Cinder.

The parts are in :mod:`watcher.common.cinder`; this is the place from which
strategies and plug-ins import them.
"""

from watcher.common import waiting
from watcher.common.cinder import moving
from watcher.common.cinder import records

StorageService = records.StorageService
StoragePool = records.StoragePool
Volume = records.Volume
VolumeType = records.VolumeType
VolumeSnapshot = records.VolumeSnapshot

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck

capacity = records.capacity
backend_name = records.backend_name
types_of_backend = records.types_of_backend
time_limit = moving.time_limit


class CinderHelper(moving.VolumeMover):
    """Reads from Cinder and moves volumes.

    Cheap to make: all helpers of a process share connections.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often reading is repeated after a connection
        error; default is ``[cinder] http_retries``.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """
