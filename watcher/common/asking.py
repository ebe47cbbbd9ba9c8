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
"""Questions to something that may hang, as a database can."""

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any


class Question:
    """Asked in a thread of its own, by one thread at a time.

    However often somebody asks while there is no answer, no more than one
    thread hangs.

    :param name: name of the thread
    :param ask: returns the answer
    """

    def __init__(self, name: str, ask: Callable[[], Any]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._pending: futures.Future | None = None

    def begin(self) -> futures.Future:
        """Ask, unless somebody has asked already; returns at once."""
        with self._lock:
            if self._pending is None or self._pending.done():
                pending = futures.Future()
                threading.Thread(target=self._run, args=(pending,),
                                 name=self._name, daemon=True).start()
                # Not before: without a thread there will be no answer.
                self._pending = pending
            return self._pending

    def answer(self, patience: float) -> Any:
        """Ask and wait for the answer.

        :param patience: seconds to wait
        :raises TimeoutError: if it takes longer
        :raises Exception: what asking raised
        """
        return answer_of(self.begin(), patience)

    def _run(self, pending: futures.Future) -> None:
        try:
            pending.set_result(self._ask())
        except BaseException as exc:
            pending.set_exception(exc)


def answer_of(pending: futures.Future, patience: float) -> Any:
    """Wait for the answer to a question that was asked.

    :raises TimeoutError: if it takes longer than the patience, in seconds
    """
    done, _others = futures.wait([pending], timeout=max(patience, 0))
    if not done:
        raise TimeoutError(f'no answer within {patience:.1f} seconds')
    return pending.result()
