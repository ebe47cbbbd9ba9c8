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
"""Reads hosts that messages name and the compute model does not know."""

import functools
import threading
import time
from typing import Any

from oslo_log import log

from watcher.common import context
from watcher.common import exception
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import model_root

LOG = log.getLogger(__name__)

#: So many hosts may wait for being read; the next build finds the others.
LIMIT = 1000

#: Seconds before a host that could not be read is asked for again.
PAUSE = 60.0


def _joined(known, more):
    """Return what is known of hosts by class, and more; for views, anew."""
    if known is None or not more:
        return known
    return {**known, **{name: {**known.get(name, {}), **by_host}
                        for name, by_host in more.items()}}


class UnknownHosts:
    """Asks for hosts one after the other, in a thread of its own.

    Messages never wait for it. Many messages about one host lead to one
    reading, and so does a host that cannot be read for :data:`PAUSE`
    seconds.

    :param collector: its ``read_host`` returns a model of one host.
    """

    def __init__(self, collector: Any):
        self._collector = collector
        self._condition = threading.Condition()
        # Servers that were told to be there, by the name of the host.
        self._wanted: dict[str, set[str]] = {}
        self._failed: dict[str, float] = {}
        self._bare_metal: set[str] = set()
        self._running = False

    def is_bare_metal(self, name: str) -> bool:
        """Tell whether a compute service is known to be for bare metal."""
        return name in self._bare_metal

    def want(self, name: str, server: str | None = None) -> None:
        """Have a host read; returns at once.

        :param server: uuid of a server that is said to be there.
        """
        with self._condition:
            waiting = self._wanted.get(name)
            if waiting is None:
                if (len(self._wanted) >= LIMIT
                        or time.monotonic() < self._failed.get(name, 0)):
                    return
                waiting = self._wanted[name] = set()
            if server is not None:
                waiting.add(server)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name='unknown-hosts',
                                 daemon=True).start()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no host has to be read; False if time ran out."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not self._running, timeout)

    def _run(self):
        context.make_context(is_admin=True)
        while True:
            with self._condition:
                name = next(iter(self._wanted), None)
                if name is None:
                    self._running = False
                    self._condition.notify_all()
                    return
            problem = self._try(name)
            with self._condition:
                servers = self._wanted.pop(name)
                if problem is None:
                    self._failed.pop(name, None)
                else:
                    self._note_failure(name, problem, servers)

    def _note_failure(self, name, problem, servers):
        now = time.monotonic()
        self._failed = {known: until for known, until
                        in self._failed.items() if until > now}
        self._failed[name] = now + PAUSE
        LOG.warning(
            'Compute host %(host)s, which a notification names, cannot be '
            'read: %(reason)s. %(count)d servers stay in the model without '
            'a host, and audits leave them alone. Messages about it cause '
            'the next attempt after %(pause)d seconds.',
            {'host': name, 'reason': problem, 'count': len(servers),
             'pause': PAUSE})

    def _try(self, name):
        """Read a host; returns what went wrong, or None."""
        try:
            found = self._collector.read_host(name)
        except exception.WatcherException as exc:
            return exc
        except Exception as exc:
            LOG.exception('Reading compute host %s failed', name)
            return exc
        if found.incomplete_nodes:
            return '; '.join(found.incomplete_nodes.values())
        with self._condition:
            # It may grow until the model knows the host.
            servers = self._wanted[name]
            if not found.get_all_compute_nodes():
                self._bare_metal.add(name)
        self._collector.deliver(functools.partial(
            self._take, name, found, servers))
        return None

    def _take(self, name, found, servers):
        """Make the model know a host that was read.

        :param servers: that were told to be there.
        """
        model = self._collector.notified_model
        with model.lock:
            if not found.get_all_compute_nodes():
                self._forget(model, name, servers)
                return
            for uuid, node in found.get_all_compute_nodes().items():
                if uuid not in model:
                    model.add_node(node)
                model.touch(uuid, found.built_at, clocks.BUILD)
            model.inventories = _joined(model.inventories, found.inventories)
            model.units = _joined(model.units, found.units)
            for uuid, server in found.get_all_instances().items():
                if model.seen(uuid, found.built_at):
                    model.add_instance(server)
                    model.set_wishes(uuid, found.get_wishes(uuid))
            for uuid in {*servers, *found.get_all_instances()}:
                self._place(model, uuid, name)

    @staticmethod
    def _place(model: model_root.ModelRoot, uuid: str, name: str) -> None:
        try:
            server = model.get_instance_by_uuid(uuid)
        except exception.InstanceNotFound:
            return
        if server.get('host', '') == name:
            model.map_instance(server, model.get_node_by_name(name))

    @staticmethod
    def _forget(model, name, servers):
        """Remove what turned out to be on bare metal."""
        for uuid in servers:
            try:
                server = model.get_instance_by_uuid(uuid)
            except exception.InstanceNotFound:
                continue
            if server.get('host', '') == name:
                model.remove_instance(uuid)
