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
"""Microversions of Nova: which are sent, which may be configured."""

from watcher._i18n import _
from watcher.common import exception
from watcher.common import rest_helper

#: Without it servers cannot be migrated to a chosen host.
MIN_API_VERSION = (2, 56)

#: First microversion that tells the pinned availability zone.
PINNED_AZ_VERSION = (2, 96)

# Newest microversions whose answers this module understands. Nova's own
# maximum applies where it is older.
# From 2.98 on servers tell the properties of their images.
SERVERS = (2, 98)
# From 2.88 on hypervisors no longer carry vcpus, memory_mb and local_gb.
HYPERVISORS = (2, 87)
SERVICES = (2, 69)
AGGREGATES = (2, 81)
SERVER_GROUPS = (2, 64)
FLAVORS = (2, 61)
MIGRATIONS = (2, 80)
INSTANCE_ACTIONS = (2, 84)
ACTIONS = (2, 56)
# Below 2.34 Nova checks the destination before it answers, so that the
# caller gets the reason of a refusal.
LIVE_MIGRATION = (2, 30)

format_version = rest_helper.format_version


def parse_version(text: str) -> tuple[int, int]:
    """Return a microversion as a pair, so that 2.100 is above 2.99.

    :raises: Invalid for anything else than two numbers with a dot.
    """
    parts = str(text).split('.')
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise exception.Invalid(
            _("[nova] api_version is '%s'; it has to be two numbers with a "
              'dot, like 2.56') % text)
    return int(parts[0]), int(parts[1])


def check_api_version(text: str) -> tuple[int, int]:
    """Return the configured microversion.

    :raises: Invalid (a ValueError) when it is too old or malformed.
    """
    version = parse_version(text)
    if version < MIN_API_VERSION:
        raise exception.Invalid(
            _('[nova] api_version is %(value)s; at least %(minimum)s is '
              'needed') % {'value': text,
                           'minimum': format_version(MIN_API_VERSION)})
    return version
