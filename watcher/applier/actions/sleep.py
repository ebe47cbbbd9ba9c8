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
"""An action that waits."""

import threading
import time
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.common import exception

LOG = log.getLogger(__name__)

#: Seconds between two looks whether the pause is to end early.
_PAUSE = 0.5

#: Seconds beside the duration that are no reason to call it late.
_SLACK = 10.0


class Sleep(base.BaseAction):
    """Waits for a number of seconds, fractions included."""

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc=osc)
        self._aborting = threading.Event()

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'duration': {'type': 'number', 'minimum': 0},
            },
            'required': ['duration'],
            'additionalProperties': False,
        }

    def pre_condition(self):
        """Nothing needs to be true for waiting."""

    def deadline(self):
        return self.input_parameters['duration'] + _SLACK

    def execute(self):
        duration = self.input_parameters['duration']
        LOG.debug('Action sleep: waiting %s seconds', duration)
        return self._sleep(duration, duration)

    def _sleep(self, duration, left):
        end = time.monotonic() + left
        while left > 0:
            if self.wait(min(left, _PAUSE)):
                raise exception.WaitInterrupted(
                    what=_('the end of the pause of %s seconds') % duration)
            if self._aborting.is_set():
                raise exception.ActionExecutionFailure(
                    _('The pause of %s seconds was aborted') % duration)
            left = end - time.monotonic()
            self.report(progress=100.0 * min(1, 1 - left / duration))
        return True

    def recover(self, run):
        """Is the time over?"""
        left = self._left(run)
        return base.Found(base.Fate.RUNNING if left > 0 else base.Fate.DONE)

    def resume(self, run):
        """Wait for the rest of the time."""
        return self._sleep(self.input_parameters['duration'],
                           self._left(run))

    def _left(self, run):
        duration = self.input_parameters['duration']
        started = getattr(run, 'started_at', None)
        if started is None:
            return duration
        passed = timeutils.delta_seconds(
            timeutils.normalize_time(started), timeutils.utcnow())
        return min(duration, duration - passed)

    def post_condition(self):
        """Nothing is left to check after waiting."""

    def revert(self):
        return True

    def abort(self):
        self._aborting.set()
        return True

    def inverse(self, run):
        return base.Irreversible(_('it changes nothing'))

    def get_description(self):
        return 'Wait for the given number of seconds.'
