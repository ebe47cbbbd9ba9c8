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
"""Moving servers, stopping and starting them.

Each method follows the server to the end and returns an :class:`Outcome`:
true or false, and why in words.
"""

from watcher._i18n import _
from watcher.common import waiting
from watcher.common.nova import cold
from watcher.common.nova import following
from watcher.common.nova import live
from watcher.common.nova import records
from watcher.common.nova import versions

#: Seconds that stopping and starting a server may take.
POWER_LIMIT = 80.0
#: Seconds between looks while a server is stopped or started.
POWER_INTERVAL = 10.0

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


class ServerMover(live.LiveMover, cold.ColdMover):
    """Migrates, resizes, stops and starts servers."""

    def stop_instance(self, instance_id: str,
                      should_stop: StopCheck | None = None,
                      watch: waiting.Watch | None = None) -> Outcome:
        """Stop a server and wait; one that is deleted meanwhile is fine.

        :param watch: has the server followed, however long it takes.
        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-stop', _('stop'), 'stopped',
                            should_stop, watch)

    def start_instance(self, instance_id: str,
                       should_stop: StopCheck | None = None,
                       watch: waiting.Watch | None = None) -> Outcome:
        """Start a server and wait until it is active.

        :param watch: has the server followed, however long it takes.
        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-start', _('start'), 'active',
                            should_stop, watch)

    def follow_switch(self, instance_id: str, start: bool,
                      should_stop: StopCheck | None,
                      watch: waiting.Watch) -> Outcome:
        """Wait until a server is started or stopped, as it was asked to.

        :raises: InstanceNotFound, NovaClientError
        """
        before = self.find_instance(instance_id)
        if start:
            return self._follow_switch(before, _('start'), 'active',
                                       should_stop, watch)
        return self._follow_switch(before, _('stop'), 'stopped',
                                   should_stop, watch)

    def _switch(self, instance_id, action, what, wanted, should_stop, watch):
        before = self.find_instance(instance_id)
        if watch is not None:
            watch.report(before=following.facts(before))
        if before.vm_state == wanted:
            return Outcome(True, _('server %(server)s was %(state)s already')
                           % {'server': instance_id, 'state': wanted})

        def accepted(server):
            return server.vm_state == wanted or server.task_state is not None

        self._ask(before, {action: None}, versions.ACTIONS, accepted)
        return self._follow_switch(before, what, wanted, should_stop, watch)

    def _follow_switch(self, before, what, wanted, should_stop, watch):
        def check(server, looks):
            if server.vm_state == wanted and not server.task_state:
                return Outcome(True)
            if looks.idle() < following.IDLE_LOOKS:
                return None
            # Nova notes a task before it answers.
            return Outcome(False, _(
                'the %(what)s of server %(server)s was given up by Nova: '
                '%(condition)s%(why)s') % {
                    'what': what, 'server': server.uuid,
                    'condition': following.condition(server),
                    'why': self._why(server)})
        move = following.Move(before, what, '', set(), watch)
        return self._follow(before, what, POWER_LIMIT, POWER_INTERVAL,
                            should_stop, check,
                            gone_is_fine=wanted == 'stopped', option=None,
                            overdue=self._overdue(move, POWER_LIMIT))

    def wait_for_instance_state(self, server: records.Server, state: str,
                                retry: int, sleep: float) -> bool:
        """Wait until the vm_state (or status) of a server is ``state``.

        :param retry: how often to look.
        :param sleep: seconds before each look.
        """
        for _attempt in range(retry):
            waiting.pause(sleep, None)
            now = self.find_instance(server.uuid)
            if state.lower() in ((now.vm_state or '').lower(),
                                 (now.status or '').lower()):
                return True
        return False
