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
"""Calling Ironic."""

from oslo_config import cfg

from watcher.conf import calling

OPTS = calling.retries(
    'Ironic', ', or when the node is locked by other work of Ironic')

LEGACY_OPTS = [
    cfg.StrOpt(
        'api_version',
        default='1',
        help='Has no effect: the version is negotiated with the service. It '
             'is accepted so that old configuration files keep working.'),
    calling.legacy_endpoint_type(
        'ironic', ' The spellings with and without URL mean the same.'),
    calling.legacy_region('ironic'),
]

SERVICE = calling.Called('ironic', 'bare metal', OPTS, LEGACY_OPTS)

register_opts = SERVICE.register_opts
list_opts = SERVICE.list_opts
