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
"""The simulated cloud as a whole, served over HTTP.

One port, a path for each service as in many real clouds: ``/identity``,
``/compute``, ``/placement``, ``/image``, ``/volume`` when it has storage
backends and ``/baremetal`` when it has nodes; ``/sandbox`` controls it. A new
service is a module with a :class:`~watcher.sandbox.cloud.openstack.Service`,
added in ``_make_services``.
"""

from __future__ import annotations

import threading

from cheroot import wsgi

from watcher.sandbox.cloud import cinder
from watcher.sandbox.cloud import compute as cloud_compute
from watcher.sandbox.cloud import control
from watcher.sandbox.cloud import faults as cloud_faults
from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import glance
from watcher.sandbox.cloud import ironic
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import machines as cloud_machines
from watcher.sandbox.cloud import monitoring
from watcher.sandbox.cloud import nova
from watcher.sandbox.cloud import placement
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import timeline as cloud_timeline
from watcher.sandbox.cloud import volumes as cloud_volumes
from watcher.sandbox.cloud import web

#: Connections served at the same time; clients keep theirs open.
THREADS = 24


class Cloud:
    """A cloud in this process.

    The port is taken at once, so that :attr:`url` is known; requests are
    answered between :meth:`start` and :meth:`stop`.

    :param spec: what the cloud consists of.
    :param timing: how long its work takes.
    :param host: address to listen on.
    :param port: 0 takes a free one.
    :raises OSError: when the port is taken.
    """

    def __init__(self, spec: generator.CloudSpec | None = None,
                 timing: cloud_compute.Timing | None = None,
                 host: str = '127.0.0.1', port: int = 0) -> None:
        self.spec = spec or generator.CloudSpec()
        self.state = cloud_state.CloudState()
        self.faults = cloud_faults.Faults()
        self.requests = control.RequestLog()
        self.timeline = cloud_timeline.Timeline()
        self.identity = keystone.Keystone(list(self.spec.projects))
        self.compute = cloud_compute.Compute(
            self.state, self.timeline, self.faults,
            timing or cloud_compute.Timing())
        self.storage = cloud_volumes.BlockStorage(
            self.state, self.timeline, self.faults)
        self.machines = cloud_machines.Machines(self.state, self.timeline)
        self.loads = monitoring.Loads()
        generator.Generator(self.spec, self.state, self.identity,
                            self.storage, self.machines).fill()
        self._server = wsgi.Server(
            (host, port), None, numthreads=THREADS, request_queue_size=128,
            server_name='watcher-sandbox')
        # Stopping takes as long as one round of the server.
        self._server.expiration_interval = 0.05
        self._server.prepare()
        self.url = 'http://%s:%d' % self._server.bind_addr[:2]
        self._server.wsgi_app = web.Dispatcher(
            self._make_services(), self.url, self.faults.apply,
            self.requests.add)
        self._thread: threading.Thread | None = None

    def _make_services(self) -> list[web.Service]:
        answers = monitoring.Answers(self.state, self.loads)
        services: list[web.Service] = [
            self.identity,
            nova.Nova(self.compute, self.identity, self.url),
            placement.Placement(self.state, self.identity),
            glance.Glance(self.state, self.identity),
            monitoring.Aetos(answers, self.state, self.identity)]
        if self.spec.backends:
            services.append(
                cinder.Cinder(self.storage, self.identity, self.url))
        if self.machines.nodes:
            services.append(
                ironic.Ironic(self.machines, self.identity, self.url))
        for service in services:
            self.identity.add_endpoint(
                service.type, service.name,
                self.url + service.prefix + service.endpoint_path)
        return [*services, monitoring.Prometheus(answers),
                control.Control(self.compute, self.faults, self.requests,
                                self.loads)]

    @property
    def auth_url(self) -> str:
        """What clients get as ``auth_url``."""
        return self.url + self.identity.prefix

    def credentials(self, user: str = 'admin',
                    project: str = 'admin') -> dict[str, str]:
        """Arguments for keystoneauth's password plug-in."""
        return {'auth_url': self.auth_url, 'username': user,
                'password': self.identity.passwords[user],
                'project_name': project, 'user_domain_name': 'Default',
                'project_domain_name': 'Default'}

    def start(self) -> None:
        self.timeline.start()
        self._thread = threading.Thread(
            target=self._server.serve, name='sandbox-cloud', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and stop all simulated work."""
        self.faults.end()
        self._server.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.timeline.stop()
