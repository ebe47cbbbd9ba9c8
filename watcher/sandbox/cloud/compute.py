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
"""What Nova does with servers besides moving them: power, life, death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import moves
from watcher.sandbox.cloud import scheduling
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud.state import Host
from watcher.sandbox.cloud.state import Server

NoValidHost = scheduling.NoValidHost
Timing = moves.Timing


class Compute(moves.Moves):
    """The operations of Nova on the state of the cloud."""

    # Power and other short actions.

    def stop(self, server: Server) -> None:
        moves.check_state('stop', server, 'active', 'error', 'paused')
        self._change(server, 'powering-off', self.timing.power,
                     'instance.power_off.end', vm_state='stopped',
                     power_state=moves.SHUTDOWN)

    def start(self, server: Server) -> None:
        moves.check_state('start', server, 'stopped')
        self._change(server, 'powering-on', self.timing.power,
                     'instance.power_on.end', vm_state='active',
                     power_state=moves.RUNNING)

    def reboot(self, server: Server) -> None:
        moves.check_state('reboot', server, 'active', 'stopped', 'paused',
                          'suspended', 'error')
        self._change(server, 'rebooting', self.timing.power,
                     'instance.reboot.end', vm_state='active',
                     power_state=moves.RUNNING)

    def pause(self, server: Server) -> None:
        moves.check_state('pause', server, 'active')
        self._change(server, 'pausing', 0.0, 'instance.pause.end',
                     vm_state='paused', power_state=moves.PAUSED)

    def unpause(self, server: Server) -> None:
        moves.check_state('unpause', server, 'paused')
        self._change(server, 'unpausing', 0.0, 'instance.unpause.end',
                     vm_state='active', power_state=moves.RUNNING)

    def suspend(self, server: Server) -> None:
        moves.check_state('suspend', server, 'active')
        self._change(server, 'suspending', self.timing.power,
                     'instance.suspend.end', vm_state='suspended',
                     power_state=moves.SUSPENDED)

    def resume(self, server: Server) -> None:
        moves.check_state('resume', server, 'suspended')
        self._change(server, 'resuming', self.timing.power,
                     'instance.resume.end', vm_state='active',
                     power_state=moves.RUNNING)

    def _change(self, server: Server, task_state: str, seconds: float,
                event: str,
                then: Callable[[Server], None] | None = None,
                **result: Any) -> None:
        """Set a task state, and the result after some seconds."""
        self.state.touch(server, task_state=task_state)

        def done() -> None:
            if self._is_there(server) and server.task_state == task_state:
                self.state.touch(server, task_state=None, **result)
                self.state.emit(event, server)
                if then is not None:
                    then(server)
        self._later(seconds, done)

    def shelve(self, server: Server) -> None:
        """Shelve a server; as by default in Nova, its host forgets it."""
        moves.check_state('shelve', server, 'active', 'stopped', 'paused',
                          'suspended')
        self._change(server, 'shelving', self.timing.power,
                     'instance.shelve.end', self._offload, vm_state='shelved',
                     power_state=moves.SHUTDOWN)

    def _offload(self, server: Server) -> None:
        self.state.release(server.allocations)
        self.state.move(server, None)
        self.state.touch(server, vm_state='shelved_offloaded')
        self.state.emit('instance.shelve_offload.end', server)

    def unshelve(self, server: Server) -> None:
        """Bring a server back to a host that the scheduler finds."""
        moves.check_state('unshelve', server, 'shelved_offloaded')
        try:
            host = self.scheduler.select(server, server.resources)
        except scheduling.NoValidHost as error:
            self.state.touch(server, fault=self._fault(error.message, 400))
            return
        self.state.claim(server.allocations, host, server.resources)
        self.state.move(server, host)
        self._change(server, 'unshelving', self.timing.power,
                     'instance.unshelve.end', vm_state='active',
                     power_state=moves.RUNNING)

    def set_lock(self, server: Server, locked: bool,
                 reason: str | None = None) -> None:
        """Lock a server, or take the lock away."""
        self.state.touch(server, locked=locked, locked_reason=reason)
        self.state.emit('instance.lock' if locked else 'instance.unlock',
                        server)

    # Creating and deleting.

    def create(self, server: Server, requested: str | None = None,
               placed: bool = False) -> None:
        """Build a new server on a host that the scheduler finds.

        :param placed: skip the waiting; the server is simply there.
        """
        server.vm_state, server.task_state = 'building', 'scheduling'
        server.power_state = 0
        self.state.add_server(server)
        group = self.state.groups.get(server.group_id or '')
        if group is not None:
            group.members.append(server.uuid)
            self.state.emit('server_group.add_member', group)
        try:
            host = self.scheduler.select(server, server.resources,
                                         requested=requested)
        except scheduling.NoValidHost as error:
            self._break(server, error.message)
            return
        self.state.claim(server.allocations, host, server.resources)
        self.state.move(server, host)
        if placed:
            self._built(server)
            return
        self.state.touch(server, task_state='spawning')
        self.state.emit('instance.create.start', server)
        self._later(self.timing.build, self._built, server)

    def _built(self, server: Server) -> None:
        if not self._is_there(server):
            return
        self.state.touch(server, vm_state='active', task_state=None,
                         power_state=moves.RUNNING,
                         launched_at=cloud_state.utcnow())
        self.state.emit('instance.create.end', server)

    def delete(self, server: Server) -> None:
        self.state.touch(server, task_state='deleting')
        self.state.emit('instance.delete.start', server)
        self._later(self.timing.delete, self._deleted, server)

    def _deleted(self, server: Server) -> None:
        if not self._is_there(server):
            return
        for migration in self.state.migrations_of(server.uuid):
            self.state.release(migration.allocations)
        self.state.remove_server(server)
        now = cloud_state.utcnow()
        self.state.touch(server, vm_state='deleted', task_state=None,
                         power_state=0, deleted_at=now)
        self.state.emit('instance.delete.end', server)

    # What happens to a cloud without anybody asking its API.

    def lose(self, server: Server) -> None:
        """Make a server vanish at once, without a trace."""
        for migration in self.state.migrations_of(server.uuid):
            self.state.release(migration.allocations)
        self.state.remove_server(server, remember=False)

    def set_host_state(self, host: Host, is_up: bool) -> None:
        """Let the nova-compute service of a host die, or come back."""
        host.state = 'up' if is_up else 'down'
        self.state.touch_host(host)

    def set_service(self, host: Host, status: str | None = None,
                    reason: str | None = None,
                    forced_down: bool | None = None) -> None:
        """Change what administrators may change of a service."""
        if status is not None:
            host.status = status
            host.disabled_reason = (
                reason if status == 'disabled' else None)
        if forced_down is not None:
            host.forced_down = forced_down
        self.state.touch_host(host)
        self.state.emit('service.update', host)
