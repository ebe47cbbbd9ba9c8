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
"""Writing down the course of an action while it runs."""

import datetime
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.common import exception
from watcher.common import utils

LOG = log.getLogger(__name__)

#: Seconds between two times that the progress of an action is stored.
PROGRESS_INTERVAL = 5.0


class Course:
    """What is known of the run of one action.

    The plug-in tells it what is new; it is stored at the next change of the
    state, or before that when it cannot wait.

    :param context: request context of the launch
    :param action: the stored action
    :param run: what earlier runs left, if there were any
    :param lease: returns the lease that must be held, if any must
    """

    def __init__(self, context: Any, action: objects.Action,
                 run: 'objects.ActionRun | None' = None,
                 lease: Callable[[], 'objects.Lease | None'] = lambda: None):
        self._context = context
        self._action = action
        self._lease = lease
        self.run = run
        self._lock = threading.Lock()
        # What was told and is not stored.
        self._news: dict[str, Any] = {}
        self._stored_at: float | None = None
        self._running = False
        #: When the action should have ended; None: nobody knows.
        self.deadline: datetime.datetime | None = (
            run.deadline if run is not None else None)

    @property
    def needs(self) -> Mapping[str, str]:
        """What the planner wished this action to need of its parents."""
        return (self.run.needs if self.run is not None else None) or {}

    @property
    def is_repeated(self) -> bool:
        """Whether an earlier applier has already begun this action."""
        return self.run is not None and bool(self.run.attempts)

    def told(self, progress: float | None = None,
             remote: dict | None = None,
             before: dict | None = None) -> None:
        """Take news of the plug-in.

        What identifies the work in the cloud is stored at once: without it
        nobody finds the work again should this applier die.
        """
        news = {'progress': progress, 'remote': remote, 'before': before}
        news = {key: value for key, value in news.items()
                if value is not None}
        with self._lock:
            self._news.update(news)
            urgent = 'remote' in news or 'before' in news
            if not self._running or not (urgent or self._is_due()):
                return
            news, self._news = self._news, {}
            self._stored_at = time.monotonic()
        if news:
            self._store_now(news)

    def begin(self, seconds: float | None) -> dict[str, Any]:
        """Return what to store when the action starts.

        :param seconds: what it needs at most
        """
        now = timeutils.utcnow(with_timezone=True)
        self.deadline = (None if seconds is None else
                         now + datetime.timedelta(seconds=seconds))
        attempts = self.run.attempts if self.run is not None else 0
        return {'attempts': (attempts or 0) + 1, 'started_at': now,
                'finished_at': None, 'deadline': self.deadline,
                'progress': None, 'remote': None, 'inverse': None,
                **self._take_news()}

    def begun(self) -> None:
        """Note that the start is stored: news may be stored from now on."""
        with self._lock:
            self._running = True

    def end(self, **values: Any) -> dict[str, Any]:
        """Return what to store when the action ends.

        :param values: further values to store
        """
        with self._lock:
            self._running = False
        return {**self._take_news(), **values,
                'finished_at': timeutils.utcnow(with_timezone=True)}

    def store(self, values: Mapping[str, Any]) -> None:
        """Store values; in the transaction of the thread, if one is open."""
        objects.ActionRun.set(self._context, self._action.id,
                              fence=self._lease(), **values)

    def seconds_left(self) -> float | None:
        """Return the seconds until the deadline; None if there is none."""
        if self.deadline is None:
            return None
        now = timeutils.utcnow(with_timezone=True)
        return (self.deadline - now).total_seconds()

    def _take_news(self):
        with self._lock:
            news, self._news = self._news, {}
        return news

    def _is_due(self):
        return (self._stored_at is None or
                time.monotonic() - self._stored_at >= PROGRESS_INTERVAL)

    def _store_now(self, news):
        try:
            self.store(news)
        except (db_exc.DBError, exception.LeaseLost) as error:
            LOG.warning('The progress of action %(uuid)s is not stored yet: '
                        '%(error)s', {'uuid': self._action.uuid,
                                      'error': utils.first_line(error)})
            with self._lock:
                self._news = {**news, **self._news}


class Abortion:
    """That a running action was told to stop, and what came of it.

    :param overdue: because of its deadline; else its plan was cancelled
    """

    def __init__(self, overdue: bool = False):
        self.overdue = overdue
        self.stopped = False
        self.error: BaseException | None = None
        #: Set when nothing more comes of it.
        self.over = threading.Event()


def time_needed(plugin: action_base.BaseAction) -> float | None:
    """Return the seconds that an action needs at most, if it knows them."""
    try:
        return plugin.deadline()
    except Exception:
        LOG.exception('An action cannot say how long it takes')
        return None


def undoing(plugin: action_base.BaseAction,
            run: Any) -> dict[str, Any]:
    """Return what undoes an action that succeeded, to be stored."""
    try:
        inverse = plugin.inverse(run)
    except Exception as error:
        LOG.exception('An action cannot say what undoes it')
        return {'irreversible': f'{type(error).__name__}: {error}'}
    if isinstance(inverse, action_base.Inverse):
        return {'action_type': inverse.action_type,
                'input_parameters': dict(inverse.input_parameters)}
    return {'irreversible': inverse.reason}
