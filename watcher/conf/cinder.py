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
"""Calling Cinder."""

from oslo_config import cfg

from watcher.conf import calling

OPTS = [
    cfg.IntOpt(
        'migration_timeout',
        default=3600,
        min=1,
        help='Seconds that moving a volume to another pool or changing its '
             'type may take, whatever its size; '
             '``migration_timeout_per_gb`` adds to it. An action that runs '
             'out of time is reported as failed although Cinder may still '
             'be working on it.'),
    cfg.FloatOpt(
        'migration_timeout_per_gb',
        default=60,
        min=0,
        help='Seconds that moving a volume or changing its type may take '
             'more for each GB of its size. The default is enough when data '
             'are copied with 17 MB per second; raise it for slow '
             'storage.'),
    *calling.retries('Cinder'),
]

LEGACY_OPTS = [
    calling.legacy_api_version('3'),
    calling.legacy_endpoint_type(
        'cinder', **calling.replaced('cinder', 'valid_interfaces',
                                     '2026.2')),
    calling.legacy_region(
        'cinder', **calling.replaced('cinder', 'region_name', '2026.2')),
]

SERVICE = calling.Called('cinder', 'block storage', OPTS, LEGACY_OPTS)

register_opts = SERVICE.register_opts
list_opts = SERVICE.list_opts
