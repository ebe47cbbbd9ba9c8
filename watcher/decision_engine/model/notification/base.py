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
"""Base of what keeps a model up to date by notifications."""

import abc
import datetime
import functools
from collections.abc import Callable
from typing import Any

from oslo_log import log

from watcher.decision_engine.model import base
from watcher.decision_engine.model import clocks

LOG = log.getLogger(__name__)

#: How far the clock of a host of the cloud may be behind ours.
SKEW = datetime.timedelta(seconds=5)


class NotificationEndpoint(metaclass=abc.ABCMeta):
    """Handles some notifications for the model of one collector.

    :param collector: it keeps the model.
    """

    def __init__(self, collector: Any):
        self._collector = collector

    @property
    @abc.abstractmethod
    def filter_rule(self) -> Any:
        """Which messages to handle: a ``NotificationFilter``."""

    @property
    def collector(self) -> Any:
        """The collector whose model is kept up to date."""
        return self._collector

    @property
    def cluster_data_model(self) -> base.Model | None:
        """The model to change; None while there is none.

        That is the collector's current model, or the one that is about to
        become it and is told what happened while it was read.
        """
        return self._collector.notified_model

    def info(self, ctxt: dict, publisher_id: str, event_type: str,
             payload: dict, metadata: dict) -> bool:
        """Take a message.

        Without a model it is ignored.

        :returns: whether there was a model to apply it to, or one is being
            read that it will be applied to.
        :raises: whatever is wrong with the message; the model is as it was.
        """
        change = self.prepare(ctxt, publisher_id, event_type, payload,
                              metadata)
        return change is not None and self._collector.deliver(change)

    def prepare(self, ctxt: dict, publisher_id: str, event_type: str,
                payload: dict, metadata: dict) -> Callable[[], Any] | None:
        """Return what changes the model, None when nothing has to be.

        An endpoint that is told often overrides it and takes from the
        message what it needs, before any lock is held: while a model is read
        anew, the changes of that time are kept and made twice.
        """
        return functools.partial(self.process_info, ctxt, publisher_id,
                                 event_type, payload, metadata)

    def process_info(self, ctxt: dict, publisher_id: str, event_type: str,
                     payload: dict, metadata: dict) -> None:
        """Change the model; called with the collector's ``sync_lock``."""
        raise NotImplementedError(
            '%s overrides none of process_info, prepare and info'
            % type(self).__name__)


def sent_at(metadata: dict | None) -> datetime.datetime | None:
    """Return when a message was sent; None when it does not tell.

    Clocks differ, and a message that is taken for older than the reading of
    the model would be lost: so it is given :data:`SKEW` in advance. Messages
    compare with each other as they would without it.
    """
    told = (metadata or {}).get('timestamp')
    if not told:
        return None
    try:
        return clocks.utc(told) + SKEW
    except (TypeError, ValueError):
        LOG.debug('A notification has the time %r', told)
        return None
