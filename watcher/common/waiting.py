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
"""Following what another service does, to its end."""

import dataclasses
import math
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

#: Seconds before the second look; doubled up to the interval.
FIRST_PAUSE = 0.5

StopCheck = Callable[[], bool]
Seen = TypeVar('Seen')


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation on the cloud ended; false unless it succeeded.

    :param succeeded: whether what was asked for is true now.
    :param reason: in words, for the status message of an action.
    :param interrupted: whether the caller wanted to stop waiting. What the
        service was asked to do then still goes on.
    :param undone: whether all is as it was before.
    """

    succeeded: bool
    reason: str = ''
    interrupted: bool = False
    undone: bool = False

    def __bool__(self) -> bool:
        return self.succeeded


def _tell_nobody(**news: Any) -> None:
    """Default of :attr:`Watch.report`."""


def _never() -> bool:
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Watch:
    """What somebody wants who has an operation followed to its very end.

    Without one, an operation that takes too long is left to the service.

    :param report: told with keywords ``progress`` (percent), ``remote``
        (what identifies the work) and ``before`` (how it was at first).
    :param aborting: whether the operation is to be stopped, if possible.
    :param limit: seconds that it is expected to take at most; None leaves
        that to the options of the service.
    :param remote: what an earlier watcher was told.
    :param before: what an earlier watcher was told.
    """

    report: Callable[..., None] = _tell_nobody
    aborting: StopCheck = _never
    limit: float | None = None
    remote: dict = dataclasses.field(default_factory=dict)
    before: dict = dataclasses.field(default_factory=dict)


class Interrupted(Exception):
    """The caller does not want to wait any longer.

    :param last: what was seen last of something that was followed.
    """

    def __init__(self, last: Any = None):
        super().__init__()
        self.last = last


class TooLong(Exception):
    """What was followed has not ended in time.

    :param last: what was seen of it last.
    """

    def __init__(self, last: Any):
        super().__init__()
        self.last = last


def pause(seconds: float, should_stop: StopCheck | None) -> None:
    """Sleep, but notice quickly when the caller wants to stop."""
    end = time.monotonic() + seconds
    while True:
        if should_stop is not None and should_stop():
            raise Interrupted()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.5) if should_stop is not None else left)


def rounds(limit: float, interval: float,
           should_stop: StopCheck | None) -> Iterator[float]:
    """Yield the seconds passed until ``limit`` seconds are over.

    The first rounds come quickly, so that small work doesn't wait for a
    whole interval.
    """
    start = time.monotonic()
    step = min(FIRST_PAUSE, interval)
    while True:
        passed = time.monotonic() - start
        yield passed
        left = limit - (time.monotonic() - start)
        if left <= 0:
            return
        pause(min(step, left), should_stop)
        step = min(step * 2, interval)


def follow_on(before: Seen, look: Callable[[], Seen | None],
              check: Callable[[Seen], Outcome | None], limit: float,
              interval: float, should_stop: StopCheck | None,
              overdue: Callable[[Seen], None]) -> Outcome:
    """Follow something to its end, however long that takes.

    Parameters as for :func:`follow`.

    :param overdue: called once, with what was seen last, when the time is
        over.
    :raises: Interrupted
    """
    try:
        return follow(before, look, check, limit, interval, should_stop)
    except TooLong as exc:
        overdue(exc.last)
        return follow(exc.last, look, check, math.inf, interval,
                      should_stop)


def follow(before: Seen, look: Callable[[], Seen | None],
           check: Callable[[Seen], Outcome | None], limit: float,
           interval: float, should_stop: StopCheck | None) -> Outcome:
    """Look at something until ``check`` knows how it ended.

    :param before: how it looked at first.
    :param look: returns how it looks now, None while nobody can tell.
    :param check: judges each look; None means to go on.
    :raises: Interrupted, TooLong
    """
    last = before
    try:
        for _passed in rounds(limit, interval, should_stop):
            seen = look()
            if seen is None:
                continue
            last = seen
            outcome = check(seen)
            if outcome is not None:
                return outcome
    except Interrupted:
        raise Interrupted(last) from None
    raise TooLong(last)
