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
"""How many actions of a plan run at the same time at one place.

::

    pace = Pace()
    pace.add(action, {'host-1': 2, 'host-2': 2, 'plan': 6})

Planners know types of actions, but not that four migrations at once are too
many for one host. An action that is told its places waits for the one that is
as many before it there as may run at once.
"""

import collections
from collections.abc import Hashable
from collections.abc import Mapping

from watcher.decision_engine.solution import default


class Pace:
    """Lets actions wait for each other; give it them in their order."""

    def __init__(self):
        self._running: dict[Hashable, collections.deque] = {}

    def add(self, action: default.PlannedAction,
            places: Mapping[Hashable, int]) -> None:
        """Find out for whom an action has to wait.

        :param places: how many actions may run at once where this one does,
            by what tells the places apart.
        """
        for place, most in places.items():
            queue = self._running.setdefault(
                place, collections.deque(maxlen=most))
            if len(queue) == most and queue[0] not in action.after:
                action.after.append(queue[0])
            queue.append(action)
