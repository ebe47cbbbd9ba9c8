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
"""Calling Placement."""

from watcher.conf import calling

LEGACY_OPTS = [
    calling.legacy_api_version('1.29'),
    calling.legacy_interface('placement'),
    calling.legacy_region(
        'placement', **calling.replaced('placement', 'region_name',
                                        '2026.2')),
]

SERVICE = calling.Called(
    'placement', 'placement', legacy_opts=LEGACY_OPTS,
    moved={'valid-interfaces': 'interface', 'region-name': 'region_name'})

register_opts = SERVICE.register_opts
list_opts = SERVICE.list_opts
