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
"""What it takes to read a cloud into the compute model and keep it fresh.

A simulated cloud answers each request after ten milliseconds. It and the
decision engine run in processes of their own, so that the time, processor
time and memory are those of the decision engine alone. What it takes to read
the cloud is compared with merely fetching the same pages, as many at the same
time, and decoding their JSON; views and notifications with those in a cloud
of 1,000 servers. All of it is measured by turns in one run, and the best of
several rounds counts, so that a busy machine is busy for both sides.

    python tools/benchmarks/model_build.py
    python tools/benchmarks/model_build.py --bus rabbit://user:pw@host/
    python tools/benchmarks/model_build.py --memory 10000 200000
"""

import argparse
import collections
import datetime
import gc
import itertools
import json
import logging
import multiprocessing
import random
import resource
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from concurrent import futures
from typing import Any

import oslo_messaging as messaging
import urllib3
from keystoneauth1 import loading as ka_loading
from oslo_config import cfg

from watcher import conf
from watcher.common import clients
from watcher.common import rpc
from watcher.common import utils
from watcher.decision_engine.messaging import notification_listener as listener
from watcher.decision_engine.model.collector import nova
from watcher.sandbox import settings
from watcher.sandbox.cloud import control
from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import nova_notifications
from watcher.sandbox.cloud import server as cloud_server

CONF = conf.CONF

#: Hosts and servers of the cloud that others are compared with.
SMALL = (50, 1000)
#: Steps of one round of what takes microseconds, and how many rounds.
STEPS, ROUNDS = 200, 15
#: Different messages that are made.
MESSAGES = 2000
#: Seconds that something on a bus may take to arrive.
PATIENCE = 60

#: What changes a server, as Nova names it.
EVENTS = ('instance.update', 'instance.power_off.end',
          'instance.resize_confirm.end',
          'instance.live_migration_post_dest.end')

Message = tuple[str, str, dict[str, Any]]


# Processes ----------------------------------------------------------------

class Remote:
    """An object in a process of its own; calls are made by name."""

    _context = multiprocessing.get_context('spawn')

    def __init__(self, cls: Callable, *args: Any) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(theirs, cls, args), daemon=True)
        self._process.start()
        self._answer()

    def __call__(self, name: str, *args: Any) -> Any:
        self._pipe.send((name, args))
        return self._answer()

    def _answer(self):
        answer, problem = self._pipe.recv()
        if problem:
            raise SystemExit(problem)
        return answer

    def close(self) -> None:
        self._process.kill()  # it has nothing to put in order
        self._process.join()


def _serve(pipe, cls, args):
    try:
        served = cls(*args)
        pipe.send((None, None))
        while True:
            name, arguments = pipe.recv()
            pipe.send((getattr(served, name)(*arguments), None))
    except BaseException:
        pipe.send((None, traceback.format_exc()))
        raise


class SimulatedCloud:
    """The process of the cloud."""

    def __init__(self, hosts: int, servers: int, latency: float) -> None:
        control.REMEMBERED = 100 * (hosts + servers)
        self.cloud = cloud_server.Cloud(generator.CloudSpec(
            hosts=hosts, servers=servers, vcpus=128, memory_mb=1 << 20,
            disk_gb=100000, every_volume_booted=4, every_stopped=10))
        self.cloud.faults.add(delay=latency)
        self.cloud.start()

    def credentials(self) -> dict[str, str]:
        return self.cloud.credentials(settings.USER, settings.PROJECT)

    def take_requests(self) -> list[tuple[str, str, str]]:
        """Return service, URL and microversion of all new requests."""
        prefixes = {
            service.type: self.cloud.url + service.prefix
            for service in self.cloud._server.wsgi_app._services.values()}
        taken = [
            (entry['service'], prefixes[entry['service']] + entry['path']
             + ('?' + entry['query'] if entry['query'] else ''),
             entry['version'])
            for entry in self.cloud.requests.entries()]
        self.cloud.requests.clear()
        return taken

    def messages(self) -> list[Message]:
        """Return what Nova would tell of changed and moved servers."""
        chosen = random.Random(1)
        servers = list(self.cloud.state.servers.values())
        hosts = list(self.cloud.state.hosts.values())
        return [self._message(event, chosen.choice(servers),
                              chosen.choice(hosts))
                for event in itertools.islice(
                    itertools.cycle(EVENTS), MESSAGES)]

    @staticmethod
    def _message(event, server, host):
        publisher, event, payload = nova_notifications.message(event, server)
        data = payload['nova_object.data']
        data['state'] = 'stopped' if 'power_off' in event else 'active'
        if 'migration' in event:
            data.update(host=host.name, node=host.hypervisor_hostname)
        return publisher, event, payload

    def publish(self, *args: Any) -> None:
        publish(*args)


def _bus(url: str) -> messaging.Transport:
    made = cfg.ConfigOpts()
    made([], default_config_files=[], default_config_dirs=[])
    messaging.TransportURL.parse(made, url)
    made.set_override('control_exchange', 'nova')
    transport = messaging.get_notification_transport(made, url=url)
    _leave_nothing_behind(made)
    return transport


def _leave_nothing_behind(options):
    if 'oslo_messaging_rabbit' in options:
        options.set_override('amqp_auto_delete', True,
                             'oslo_messaging_rabbit')


def publish(url: str, topic: str, messages: list[Message], rate: float,
            count: int) -> float:
    """Send so many messages a second; return the processor time of that."""
    transport = _bus(url)
    notifier = messaging.Notifier(transport, driver='messagingv2',
                                  topics=[topic])
    spent, start = time.thread_time(), time.monotonic()
    for number, (publisher, event, payload) in zip(
            range(count), itertools.cycle(messages)):
        pause = start + number / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        notifier.prepare(publisher_id=publisher).info({}, event, payload)
    return time.thread_time() - spent


# The decision engine ------------------------------------------------------

class DecisionEngine:
    """The process that keeps the model."""

    def __init__(self, credentials: dict[str, str]) -> None:
        logging.disable(logging.WARNING)
        CONF([], default_config_files=[], default_config_dirs=[])
        CONF.register_opts(
            ka_loading.get_auth_plugin_conf_options('password'),
            group='watcher_clients_auth')
        for name, value in {'auth_type': 'password', **credentials}.items():
            CONF.set_override(name, value, group='watcher_clients_auth')
        self.collector = nova.NovaClusterDataModelCollector(
            utils.Struct(period=3600))
        self.endpoints = self.collector.notification_endpoints
        self.distributor = listener.Distributor(self.endpoints)
        self.listener: listener.NotificationListener | None = None
        self.messages: list[Message] = []

    def build(self) -> tuple[float, float]:
        """Read the cloud; return seconds and those of the processor."""
        return _timed(self.collector.synchronize)

    def elements(self) -> int:
        return len(self.collector.current_model)

    def memory(self) -> float:
        """Return the largest memory so far in MB."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def rows(self) -> int:
        """Do what the listing of the data model does."""
        return len(self.collector.get_latest_cluster_data_model(
            float('inf')).to_list())

    # The same pages, without a model.

    def fetch(self, requests: list[tuple[str, str, str]]
              ) -> tuple[float, float]:
        """Fetch pages and decode them; return the same as a build."""
        token = clients.OpenStackClients().session.get_token()
        pool = urllib3.PoolManager(maxsize=32)

        def get(request):
            service, url, version = request
            return json.loads(pool.request('GET', url, headers={
                'X-Auth-Token': token, 'Accept': 'application/json',
                'OpenStack-API-Version': f'{service} {version}'}).data)

        def fetch_all():
            for request in requests:
                if request[0] == 'compute':
                    get(request)
            with futures.ThreadPoolExecutor(
                    CONF.watcher_decision_engine.max_general_workers) as some:
                collections.deque(some.map(get, (
                    request for request in requests
                    if request[0] == 'placement')), 0)
        return _timed(fetch_all)

    # What happens often. Each returns microseconds of the processor.

    def prepare(self, messages: list[Message]) -> None:
        self.messages = messages
        gc.collect()
        gc.freeze()  # a collection amid a round would hit one size only

    def view(self) -> float:
        return _each(self._view, range(STEPS))

    def message(self) -> float:
        return _each(self._apply, self._some())

    def message_and_view(self) -> float:
        """A message after each view: nothing is this model's own then."""
        def both(message):
            self._apply(message)
            self._view()
        return _each(both, self._some())

    def _view(self, step=None):
        return self.collector.get_latest_cluster_data_model(float('inf'))

    def _some(self):
        return random.Random(2).sample(self.messages, STEPS)

    def _apply(self, message):
        publisher, event, payload = message
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        self.distributor.info({}, publisher, event, payload,
                              {'timestamp': str(now), 'message_id': '1'})

    # A bus.

    def listen(self, url: str, topic: str) -> None:
        messaging.TransportURL.parse(CONF, url)  # registers the option
        CONF.set_override('transport_url', url)
        CONF.set_override('notification_topics', [f'nova.{topic}'],
                          'watcher_decision_engine')
        rpc.init(CONF)
        _leave_nothing_behind(CONF)
        self.listener = listener.NotificationListener(self.endpoints)
        self.listener.start()
        _wait(lambda: self.listener.listening)

    def begin(self) -> None:
        self._begun = time.process_time()

    def end(self, count: int, ours: float) -> float:
        """Return the processor time of a message since :meth:`begin`.

        :param count: so many messages are waited for.
        :param ours: processor time of what does not belong to them.
        """
        _wait(lambda: listener.STATISTICS.applied >= count)
        return (time.process_time() - self._begun - ours) / count

    def publish(self, *args: Any) -> float:
        """Send to a bus of this process; return its processor time."""
        with futures.ThreadPoolExecutor(1) as one:
            return one.submit(publish, *args).result()

    def stop_listening(self) -> None:
        self.listener.stop(PATIENCE)
        rpc.cleanup()


def _timed(function: Callable[[], Any]) -> tuple[float, float]:
    start, spent = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - spent


def _each(function: Callable[[Any], Any], arguments: Iterable) -> float:
    arguments = list(arguments)
    start = time.thread_time()  # other work of the machine does not count
    for argument in arguments:
        function(argument)
    return (time.thread_time() - start) / len(arguments) * 1e6


def _wait(condition: Callable[[], bool]) -> None:
    never = threading.Event()
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError('nothing arrives over the bus')
        never.wait(0.01)


# The report ---------------------------------------------------------------

def line(name: str, *figures: Any, bar: str = '') -> None:
    print(f'{name:<44}' + ''.join(f'{figure:>14}' for figure in figures)
          + (f'   (bar: {bar})' if bar else ''), flush=True)


class Pair:
    """A cloud and the decision engine that looks after it."""

    def __init__(self, size: tuple[int, int], latency: float) -> None:
        self.hosts, self.servers = size
        self.cloud = Remote(SimulatedCloud, *size, latency)
        self.engine = Remote(DecisionEngine, self.cloud('credentials'))

    def first_build(self) -> list[tuple[str, str, str]]:
        """Read the cloud and report it; return the requests."""
        begun = self.engine('memory')
        seconds, spent = self.engine('build')
        memory = self.engine('memory')
        requests = self.cloud('take_requests')
        if self.engine('elements') != self.hosts + self.servers:
            raise SystemExit('the model is not complete')
        bound = (self.servers / 1000 + 2 * self.hosts / 1000 + self.hosts
                 + 20)
        print(f'\n{self.hosts} hosts, {self.servers} servers')
        line('requests, with the login', len(requests), bar=f'{bound:.0f}')
        line('first reading, seconds', f'{seconds:.2f}')
        line('  of those, of the processor', f'{spent:.2f}')
        line('largest memory before and after, MB', f'{begun:.0f}',
             f'{memory:.0f}')
        return requests

    def close(self) -> None:
        self.engine.close()
        self.cloud.close()


def compare_build(pair: Pair, requests: list[tuple[str, str, str]],
                  rounds: int) -> None:
    read, fetched = [], []
    for _round in range(rounds):
        read.append(pair.engine('build'))
        fetched.append(pair.engine('fetch', requests))
    build, fetch = min(read), min(fetched)
    line('read anew, and merely fetch, seconds', f'{build[0]:.2f}',
         f'{fetch[0]:.2f}')
    line('  of those, of the processor', f'{build[1]:.2f}',
         f'{fetch[1]:.2f}')
    line('times as long as merely fetching', f'{build[0] / fetch[0]:.2f}',
         bar='3')


def compare_sizes(small: Pair, large: Pair) -> None:
    print(f'\nMicroseconds with {small.servers} and {large.servers} servers')
    for pair in (small, large):
        pair.engine('prepare', pair.cloud('messages'))
    for name, what, bar in (
            ('view', 'make a view', '2'),
            ('message', 'apply a notification', '2'),
            ('message_and_view', 'apply one and make a view', '')):
        best = [float('inf')] * 2
        for _round in range(ROUNDS):
            for number, pair in enumerate((small, large)):
                best[number] = min(best[number], pair.engine(name))
        line(what, *(f'{figure:.1f}' for figure in best),
             f'{best[1] / best[0]:.2f}', bar=bar)


def compare_buses(pair: Pair, url: str | None, rate: float,
                  seconds: float) -> None:
    print(f'\nCores used at {rate:g} messages a second')
    messages = pair.cloud('messages')
    count = int(rate * seconds)
    for bus, sender in (('fake://', pair.engine), (url, pair.cloud)):
        if bus is None:
            continue
        topic = f'benchmark-{uuid.uuid4().hex}'
        pair.engine('listen', bus, topic)
        pair.engine('begin')
        ours = sender('publish', bus, topic, messages, rate, count)
        # Of a message: a busy machine may not have sent them so fast.
        spent = pair.engine('end', count, ours or 0.0)
        pair.engine('stop_listening')
        line('over ' + bus.split(':')[0], f'{spent * rate:.2f}', bar='0.5')


def memory(size: tuple[int, int], latency: float) -> None:
    pair = Pair(size, latency)
    pair.first_build()
    line('read anew, seconds, of the processor',
         *(f'{figure:.2f}' for figure in pair.engine('build')))
    line('largest memory after that, MB', f"{pair.engine('memory'):.0f}",
         bar='3072')
    pair.engine('rows')
    line('largest memory after a listing of it, MB',
         f"{pair.engine('memory'):.0f}", bar='3072')
    pair.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--hosts', type=int, default=1000)
    parser.add_argument('--servers', type=int, default=20000)
    parser.add_argument('--latency', type=float, default=0.01,
                        help='seconds that each request waits in the cloud')
    parser.add_argument('--rounds', type=int, default=3,
                        help='how often the cloud is read')
    parser.add_argument('--rate', type=float, default=500,
                        help='messages a second')
    parser.add_argument('--seconds', type=float, default=10,
                        help='how long messages are sent')
    parser.add_argument('--bus', metavar='URL',
                        help='a RabbitMQ to send messages over as well')
    parser.add_argument('--memory', type=int, nargs=2,
                        metavar=('HOSTS', 'SERVERS'),
                        help='only measure the memory with a cloud like this')
    args = parser.parse_args()
    if args.memory:
        memory(tuple(args.memory), args.latency)
        return
    large = Pair((args.hosts, args.servers), args.latency)
    compare_build(large, large.first_build(), args.rounds)
    small = Pair(SMALL, args.latency)
    small.first_build()
    compare_sizes(small, large)
    small.close()
    compare_buses(large, args.bus, args.rate, args.seconds)
    large.close()


if __name__ == '__main__':
    main()
