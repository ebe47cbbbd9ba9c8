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
"""Calling Nova."""

from oslo_config import cfg

from watcher.conf import calling

OPTS = [
    cfg.IntOpt(
        'migration_max_retries',
        default=180,
        min=1,
        help='How often the state of a server is read while a migration or a '
             'resize runs. Together with migration_interval this is what any '
             'such action is expected to take at most: by default 180 times '
             '5 seconds, a quarter of an hour. Servers with much memory or '
             'with local disks are given more, see migration_rate; what '
             'happens to an action that takes longer, see '
             'migration_overdue.'),
    cfg.FloatOpt(
        'migration_interval',
        default=5.0,
        min=0.1,
        help='Seconds between two such readings.'),
    cfg.FloatOpt(
        'migration_rate',
        default=50.0,
        min=0,
        help='MB per second with which memory and local disks of servers are '
             'expected to be copied at least. A migration or resize is given '
             'the time that this takes, and migration_max_retries times '
             'migration_interval in any case. 0 gives all servers the same '
             'time.'),
    cfg.StrOpt(
        'migration_overdue',
        default='follow',
        choices=[
            ('follow', 'Warn, and follow it to its end however long that '
                       'takes. The action stays ONGOING and holds one of '
                       'max_workers.'),
            ('force', 'Have Nova complete a live migration at once, pausing '
                      'the server for it. Cold migrations and resizes are '
                      'followed.'),
            ('leave', 'Report the action as failed and leave the server to '
                      'Nova, which may move it yet and may wait for a '
                      'confirmation for ever.')],
        help='What to do with a migration or a resize that takes longer than '
             'expected. To have it aborted, see [watcher_applier] '
             'on_deadline.'),
    *calling.retries('Nova'),
    cfg.StrOpt(
        'api_version',
        default='2.56',
        deprecated_opts=[
            cfg.DeprecatedOpt('api_version', group='nova_client')],
        help='Compute API microversion that your cloud is known to support. '
             '2.56 is the lowest possible one: without it servers cannot be '
             'migrated to a chosen host. 2.96 or later adds the pinned '
             'availability zone of servers to the compute model. '
             'watcher-status upgrade check verifies the value.'),
]

LEGACY_OPTS = [
    cfg.StrOpt(
        'api_version',
        default='2.56',
        **calling.replaced('nova', 'api_version', '2026.1'),
        help='Old place of [nova] api_version, read when that one is not '
             'set.'),
    calling.legacy_endpoint_type(
        'nova', **calling.replaced('nova', 'valid_interfaces', '2026.1')),
    calling.legacy_region(
        'nova', **calling.replaced('nova', 'region_name', '2026.1')),
]

SERVICE = calling.Called('nova', 'compute', OPTS, LEGACY_OPTS)

register_opts = SERVICE.register_opts
list_opts = SERVICE.list_opts
