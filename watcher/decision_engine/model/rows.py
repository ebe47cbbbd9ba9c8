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
"""How fresh a model is, as items of its rows.

They are made once for each host, not for each row.
"""

import datetime
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from watcher.decision_engine.model import clocks

Items = Callable[[str], dict[str, Any]]


def of_hosts(freshness: Mapping[str, clocks.Freshness],
             now: datetime.datetime) -> Items:
    """Return what tells how fresh the picture of a host is.

    Nothing, if that is not known.
    """
    def items(key):
        known = freshness.get(key)
        if known is None:
            return {}
        return {'node_updated_at': text(known.when),
                'node_source': known.source,
                'node_read_at': text(known.read_at),
                'node_age': age(known.read_at, now),
                'node_incomplete_reason': known.reason}
    return items


def of_elements(prefix: str,
                heard_at: Callable[[str], datetime.datetime | None],
                built_at: datetime.datetime | None) -> Items:
    """Return what tells when something else was learned, and from what.

    :param prefix: stands in front of the names of its fields.
    :param heard_at: returns the time of the newest news about it.
    :param built_at: when the model was read.
    """
    def items(key):
        when = heard_at(key)
        if when is None:
            return {}
        return {f'{prefix}_updated_at': text(when),
                f'{prefix}_source': clocks.BUILD if when == built_at
                else clocks.NOTIFICATION}
    return items


def age(when: datetime.datetime | None,
        now: datetime.datetime) -> float | None:
    """Return the seconds since a time as the API shows them."""
    if when is None:
        return None
    # A clock may have been set back.
    return max(0.0, round((now - when).total_seconds(), 1))


def text(when: datetime.datetime | None) -> str | None:
    """Return a time as the API shows it."""
    return None if when is None else when.isoformat()
