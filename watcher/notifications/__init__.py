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
"""Notifications: what the service tells on the message bus.

``setup`` makes every committed change of an audit, an action plan, an
action and a service record known; the modules named like the objects offer
what the engines tell in addition.
"""

from watcher.notifications.listener import setup
from watcher.notifications.listener import teardown
from watcher.notifications.sender import stop

__all__ = ('setup', 'stop', 'teardown')
