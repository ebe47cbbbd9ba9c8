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
"""Which messages an endpoint wants."""

import re
from typing import Any

import oslo_messaging as messaging


class NotificationFilter(messaging.NotificationFilter):
    """A filter whose rules reach into nested payloads.

    A rule is a regular expression (matched at the start of the text), a
    mapping of rules, or a callable that returns true for what is *not*
    wanted. A mapping refuses a message only when all its rules do. A
    missing value never satisfies a regular expression.

    :param context, publisher_id, event_type, metadata, payload: rules; what
        is not given accepts everything.
    """

    def __init__(self, context: Any = None, publisher_id: Any = None,
                 event_type: Any = None, metadata: Any = None,
                 payload: Any = None):
        super().__init__(publisher_id=publisher_id, event_type=event_type)
        self._nested = tuple(map(_compiled, (context, metadata, payload)))

    def match(self, context: Any, publisher_id: Any, event_type: Any,
              metadata: Any, payload: Any) -> bool:
        """Tell whether the message is wanted."""
        context_rule, metadata_rule, payload_rule = self._nested
        return not (_fails(publisher_id, self._regex_publisher_id)
                    or _fails(event_type, self._regex_event_type)
                    or _fails(context, context_rule)
                    or _fails(metadata, metadata_rule)
                    or _fails(payload, payload_rule))


def _compiled(rule):
    if isinstance(rule, dict):
        return {key: _compiled(part) for key, part in rule.items()}
    return re.compile(rule) if isinstance(rule, str) else rule


def _fails(value, rule):
    if rule is None or rule == {}:
        return False
    if isinstance(rule, dict):
        return all(_fails(_item(value, key), part)
                   for key, part in rule.items())
    if callable(rule):
        return bool(rule(value))
    return not isinstance(value, str) or rule.match(value) is None


def _item(value, key):
    # A context may be an object.
    if isinstance(value, dict):
        return value.get(key)
    return getattr(value, key, None)
