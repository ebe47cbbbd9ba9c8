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
"""Why an audit, an action plan or an action is in its state.

Their ``status_message`` is a text for people, of 255 characters at most. A
:class:`Reason` is such a text that also tells programs what it means. It is
used wherever the text would be, and is stored whole beside the row.
"""

import enum
from collections.abc import Iterable
from typing import Any
from typing import Self

from watcher.common import utils

#: Characters of ``status_message``.
MESSAGE_LENGTH = 255

#: Most items of a list among the facts, which are no archive.
MOST_FACTS = 20


class Code(enum.StrEnum):
    """What a reason is about, in a word that never changes.

    They are documented in doc/source/user/reasons.rst.
    """

    #: A text without more: of an older release, a plug-in, a user.
    OTHER = 'other'

    # Audits
    STRATEGY_FAILED = 'strategy_failed'
    PLANNER_FAILED = 'planner_failed'
    STORING_FAILED = 'storing_failed'
    AUDIT_FAILED = 'audit_failed'
    HANGING = 'hanging'
    HOPELESS = 'hopeless'
    INTERRUPTED = 'interrupted'
    BLOCKED_BY_PLAN = 'blocked_by_plan'
    RUN_LEFT_OUT = 'run_left_out'
    NOT_SCHEDULED = 'not_scheduled'
    CAVEATS = 'caveats'

    # Audits and action plans
    WAITS_FOR_WINDOW = 'waits_for_window'
    DEFINITION_CHANGED = 'definition_changed'

    # Action plans
    NOTHING_TO_DO = 'nothing_to_do'
    WAITS_FOR_PLAN = 'waits_for_plan'
    PAUSED = 'paused'
    ACTIONS_SKIPPED = 'actions_skipped'
    ACTIONS_WOULD_FAIL = 'actions_would_fail'
    EXECUTION_FAILED = 'execution_failed'
    OVERLAP = 'overlap'
    APPLIER_STOPPED = 'applier_stopped'
    AUDIT_CANCELLED = 'audit_cancelled'
    AUDIT_INTERRUPTED = 'audit_interrupted'
    AUDIT_RAN_AGAIN = 'audit_ran_again'
    EXPIRED = 'expired'
    OVERTAKEN = 'overtaken'
    CLOUD_CHANGED = 'cloud_changed'

    # Actions
    PRE_CONDITION_FAILED = 'pre_condition_failed'
    ACTION_FAILED = 'action_failed'
    POST_CONDITION_FAILED = 'post_condition_failed'
    ABORT_FAILED = 'abort_failed'
    DEADLINE_EXCEEDED = 'deadline_exceeded'
    SKIPPED_BY_USER = 'skipped_by_user'
    SKIPPED = 'skipped'
    ALTERNATIVE_TAKEN = 'alternative_taken'
    PARENT_FAILED = 'parent_failed'
    RAN_DESPITE_PARENT = 'ran_despite_parent'


class Reason(str):
    """A text with what programs need of it.

    :ivar code: what it is about
    :ivar data: facts, as JSON: identifiers, names, numbers; never what must
        not be shown to whoever may read the object
    """

    __slots__ = ('code', 'data')

    code: Code
    data: dict[str, Any]

    def __new__(cls, text: str, code: Code = Code.OTHER,
                **data: Any) -> Self:
        reason = super().__new__(cls, text)
        reason.code = code
        reason.data = {name: value for name, value in data.items()
                       if value is not None}
        return reason

    def saying(self, text: str) -> 'Reason':
        """The same reason in other words."""
        return Reason(text, self.code, **self.data)


def of(text: str) -> Reason:
    """The text as a reason, which it may be already."""
    return text if isinstance(text, Reason) else Reason(text)


def error(exc: BaseException) -> dict[str, Any]:
    """Facts about an exception: its class, and the HTTP status if any."""
    facts = getattr(exc, 'kwargs', None)
    told = facts.get('http_status') if isinstance(facts, dict) else None
    status = next((value for value in (
        told, getattr(exc, 'http_status', None),
        getattr(exc, 'status_code', None))
        if isinstance(value, int) and 400 <= value < 600), None)
    return {'error': type(exc).__name__,
            **({} if status is None else {'http_status': status})}


def some(items: Iterable[Any]) -> list[Any]:
    """The first of many, as a list of facts."""
    return list(items)[:MOST_FACTS]


def as_stored(text: str) -> str:
    """The text as ``status_message`` has it."""
    return utils.truncate(str(text).replace('\x00', ''), MESSAGE_LENGTH)
