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
"""Asking again when a source of metrics does not answer."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_log import log

from watcher.common import exception
from watcher.common import metrics
from watcher.common import utils

LOG = log.getLogger(__name__)

#: A wait between two tries is at most this many intervals long.
MAX_INTERVALS = 8

#: Seconds for which a source that failed after all tries is not asked again.
#: Otherwise each of thousands of questions would wait for its own tries.
PAUSE_AFTER_OUTAGE = 60.0

#: Seconds of waiting for answers after which a question is not asked again.
#: A server that hangs takes the whole timeout for each try.
MAX_HANGING = 90.0

#: How much of an answer a message repeats.
MAX_TEXT = 300


def shorten(text: Any) -> str:
    """Return a text in one line of bounded length."""
    line = utils.hide_credentials(' '.join(str(text).split()))
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT - 3] + '...'


#: What HTTP libraries say of the connection before they say what happened.
_CONNECTION = re.compile(r'^(HTTPS?Connection(Pool)?\([^)]*\)|<[^>]*>): ')


def in_words(failure: BaseException) -> str:
    """Return what went wrong, in one line of bounded length.

    Libraries wrap the reason of a failed connection into texts that repeat
    the address and the URL, up to three times.
    """
    for error in (failure, failure.__context__):
        reason = getattr(error.args[0], 'reason', None) if (
            error is not None and error.args) else None
        if isinstance(reason, Exception):
            failure = reason
            break
    text = _CONNECTION.sub('', shorten(failure))
    return text or type(failure).__name__


class Retries:
    """Asks one source, again when needed, and remembers an outage.

    The waits grow from try to try. A source that stays away raises the same
    failure for a while without being asked, so that an audit of thousands of
    servers ends with one clear message instead of waiting for days.

    :param name: name of the source.
    :param is_permanent: says whether an exception will not go away by asking
        again.
    """

    def __init__(self, name: str,
                 is_permanent: Callable[[Exception], bool],
                 sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._is_permanent = is_permanent
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._outage: exception.DataSourceQueryFailed | None = None
        self._outage_until = 0.0

    def call(self, function: Callable[[], Any], *, asked: str, where: str,
             attempts: int, interval: float,
             on_failure: Callable[[Exception], None]) -> Any:
        """Return what the function returns.

        :param asked: the question, for messages.
        :param where: the address, for messages.
        :param attempts: how often to try in all.
        :param interval: seconds before the second try.
        :raises: DataSourceQueryFailed
        """
        self._refuse_in_outage()
        with metrics.query(self.name):
            return self._call(function, asked, where, attempts, interval,
                              on_failure)

    def _call(self, function, asked, where, attempts, interval, on_failure):
        wait, hanging = interval, 0.0
        for attempt in range(1, attempts + 1):
            began = self._clock()
            try:
                answer = function()
            except Exception as exc:
                failure = exc
            else:
                self.forget_outage()
                return answer
            hanging += self._clock() - began
            on_failure(failure)
            if self._is_permanent(failure):
                raise self._failed(asked, where, failure) from failure
            if attempt < attempts and hanging < MAX_HANGING:
                LOG.warning(
                    'Try %(attempt)d of %(attempts)d to ask %(name)s at '
                    '%(where)s failed, the next follows in %(wait)s s: '
                    '%(error)s', {
                        'attempt': attempt, 'attempts': attempts,
                        'name': self.name, 'where': where, 'wait': wait,
                        'error': in_words(failure)})
                self._sleep(wait)
                wait = min(wait * 2, interval * MAX_INTERVALS)
            else:
                break
        error = self._failed(asked, where, failure, attempt)
        with self._lock:
            self._outage = error
            self._outage_until = self._clock() + PAUSE_AFTER_OUTAGE
        raise error from failure

    def forget_outage(self) -> None:
        with self._lock:
            self._outage = None

    def _refuse_in_outage(self):
        with self._lock:
            outage = self._outage
            if outage is None:
                return
            if self._clock() >= self._outage_until:
                self._outage = None
                return
        metrics.query_refused(self.name)
        # A new object: the same one would collect tracebacks of threads.
        raise exception.DataSourceQueryFailed(str(outage), **{
            key: value for key, value in outage.kwargs.items()
            if key != 'code'})

    def _failed(self, asked, where, failure, attempts=1):
        answer = in_words(failure)
        if attempts > 1:
            answer = f'{answer} (after {attempts} tries)'
        return exception.DataSourceQueryFailed(
            datasource=self.name, asked=shorten(asked), where=where,
            answer=answer)
