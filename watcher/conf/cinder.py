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
             'type is expected to take at most, whatever its size; '
             '``migration_timeout_per_gb`` adds to it. What happens to an '
             'action that takes longer, see ``migration_overdue``.'),
    cfg.FloatOpt(
        'migration_timeout_per_gb',
        default=60,
        min=0,
        help='Seconds that moving a volume or changing its type may take '
             'more for each GB of its size. The default is enough when data '
             'are copied with 17 MB per second; raise it for slow '
             'storage.'),
    cfg.StrOpt(
        'migration_overdue',
        default='follow',
        choices=[
            ('follow', 'Warn, and follow it to its end however long that '
                       'takes. The action stays ONGOING and holds one of '
                       'max_workers.'),
            ('leave', 'Report the action as failed and leave the volume to '
                      'Cinder, which may move it yet.')],
        help='What to do with a volume that takes longer than expected to '
             'move or to change its type. Cinder offers no way to stop it.'),
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
