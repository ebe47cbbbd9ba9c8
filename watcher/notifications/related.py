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
"""Small helpers for what payloads take from related objects."""

import datetime
from typing import Any


def uuid_of(obj: Any) -> str | None:
    """The UUID of an object that may be missing."""
    return None if obj is None else obj.uuid


def utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    """A naive UTC date as an aware one; None stays None."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=datetime.UTC)
