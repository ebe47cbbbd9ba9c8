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
"""The compute model follows Nova's notifications of a simulated cloud."""

import datetime
import random
import uuid
from unittest import mock

import hypothesis
from hypothesis import strategies as st
from oslo_log import log
from oslo_messaging import conffixture

from watcher.common import rpc
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.messaging import notification_listener as listener
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.model.collector import nova
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import notifications
from watcher.sandbox.cloud import nova_notifications
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web
from watcher.tests import base
from watcher.tests.fixtures import services
from watcher.tests.functional import cloud

LOG = log.getLogger(__name__)

ADMIN = keystone.Identity('admin', 'admin', frozenset(['admin']))


class NotifiedTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 4, 'servers': 8, 'hypervisor_domain': 'example'}
    TIMING = {'live_migration': 0, 'cold_migration': 0, 'confirm': 0,
              'power': 0, 'build': 0, 'delete': 0}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = nova.NovaClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600, max_age=None))
        self.endpoint, = self.collector.notification_endpoints
        self.messages = []
        self.state = self.cloud.state
        self.compute = self.cloud.cloud.compute
        self.state.subscribe(self._publish)

    def _publish(self, event, subject):
        found = nova_notifications.message(event, subject)
        if found:
            now = datetime.datetime.now(datetime.UTC)
            self.messages.append(
                (*found, {'timestamp': str(now.replace(tzinfo=None))}))

    def deliver(self, messages):
        for publisher, event, payload, metadata in messages:
            self.endpoint.info({}, publisher, event, payload, metadata)
        self.assertTrue(
            self.endpoint.unknown_hosts.wait_idle(base.PATIENCE))

    def settle(self):
        """Wait for the cloud, then take what it has published."""
        self.assertTrue(self.cloud.cloud.timeline.wait_idle())
        with self.state.lock:
            messages, self.messages = self.messages, []
        return messages

    def contents(self, model):
        return (
            {uuid: node.as_dict() for uuid, node
             in model.get_all_compute_nodes().items()},
            {uuid: server.as_dict() for uuid, server
             in model.get_all_instances().items()},
            {uuid: sorted(server.uuid for server
                          in model.get_node_instances(uuid))
             for uuid in model.get_all_compute_nodes()},
            {uuid: model.get_node_used_resources(uuid)
             for uuid in model.get_all_compute_nodes()},
            {aggregate.id: aggregate for aggregate in model.aggregates})

    def check(self):
        """Compare the notified model with what is read anew."""
        notified = self.contents(self.collector.current_model)
        for told, read in zip(
                notified, self.contents(nova.NovaModelBuilder().execute()),
                strict=True):
            self.assertEqual(read, told)

    def act(self, action, number):
        """Let something happen to a server or a host, if it is possible."""
        with self.state.lock:
            servers = sorted(self.state.servers.values(),
                             key=lambda server: server.number)
            hosts = list(self.state.hosts.values())
            try:
                if action in SERVER_ACTIONS:
                    if servers:
                        SERVER_ACTIONS[action](
                            self, servers[number % len(servers)], number)
                else:
                    HOST_ACTIONS[action](
                        self, hosts[number % len(hosts)], number)
            except web.HTTPError as refusal:
                LOG.debug('%s: %s', action, refusal.message)

    def flavor(self, number, but=None):
        small = [self.state.flavors[ident] for ident in ('1', '2', '3')]
        wanted = [flavor for flavor in small if flavor is not but]
        return wanted[number % len(wanted)]

    def boot(self, host, number):
        now = cloud_state.utcnow()
        index = next(self.state.sequence)
        image = next(iter(self.state.images)) if number % 2 else None
        self.compute.create(cloud_state.Server(
            uuid=str(uuid.uuid4()), number=index, name=f'new-{index}',
            project_id=uuid.uuid4().hex, user_id=uuid.uuid4().hex,
            flavor=self.flavor(number), image_id=image, host=None,
            created=now, updated=now))

    def live_migrate(self, server, number):
        self.compute.live_migrate(server, None, ADMIN, True)

    def cold_migrate(self, server, number):
        self.compute.cold_migrate(server, None, ADMIN)

    def resize(self, server, number):
        self.compute.resize(
            server, self.flavor(number, but=server.flavor), ADMIN)

    def rename(self, server, number):
        self.state.touch(server, name=f'renamed-{number}')

    def replay(self, steps, seed):
        """Live through a history of which messages come late and mixed.

        :param seed: of what happens to the messages.
        """
        chance = random.Random(seed)
        self.collector.synchronize()
        late = []
        for action, number in steps:
            if action == 'rebuild':
                self.collector.synchronize()
            else:
                self.act(action, number)
            if chance.random() < 0.5:
                late += self.settle()
            else:
                with self.state.lock:
                    late += self.messages
                    self.messages = []
            late += chance.sample(late, min(len(late), 2))
            window = late[:8]
            chance.shuffle(window)
            now, window = window[:4], window[4:]
            late[:8] = window
            self.deliver(now)
        late += self.settle()
        chance.shuffle(late)
        self.deliver(late)


def _simple(name):
    return lambda self, server, number: getattr(self.compute, name)(server)


def _service(**changes):
    return lambda self, host, number: self.compute.set_service(
        host, **changes)


SERVER_ACTIONS = {
    'live': NotifiedTestCase.live_migrate,
    'cold': NotifiedTestCase.cold_migrate,
    'resize': NotifiedTestCase.resize,
    'confirm': _simple('confirm_resize'),
    'revert': _simple('revert_resize'),
    'rename': NotifiedTestCase.rename,
    'lock': lambda self, server, number: self.compute.set_lock(
        server, not server.locked),
    **{name: _simple(name) for name in (
        'delete', 'stop', 'start', 'pause', 'unpause', 'suspend', 'resume',
        'shelve', 'unshelve')}}

HOST_ACTIONS = {
    'boot': NotifiedTestCase.boot,
    'disable': _service(status='disabled', reason='spare'),
    'enable': _service(status='enabled'),
    'force_down': _service(forced_down=True),
    'bring_up': _service(forced_down=False)}

STEPS = st.lists(
    st.tuples(st.sampled_from([*SERVER_ACTIONS, *HOST_ACTIONS, 'rebuild']),
              st.integers(0, 999)),
    min_size=1, max_size=25)


class TestHistories(NotifiedTestCase):

    @hypothesis.settings(
        max_examples=15, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(steps=STEPS, seed=st.integers(0, 10 ** 6))
    def test_the_model_equals_a_fresh_one(self, steps, seed):
        self.replay(steps, seed)
        self.check()

    @hypothesis.settings(
        max_examples=8, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(early=STEPS, late=STEPS, seed=st.integers(0, 10 ** 6))
    def test_messages_that_arrive_during_a_rebuild(self, early, late, seed):
        """Field report test 21: while it is read, mixed and doubled."""
        chance = random.Random(seed)
        self.collector.synchronize()
        build = self.collector.execute

        def live(steps):
            for action, number in steps:
                if action != 'rebuild':
                    self.act(action, number)
            messages = self.settle()
            messages += chance.sample(messages, len(messages) // 2)
            chance.shuffle(messages)
            self.deliver(messages)

        def execute():
            live(early)
            model = build()
            live(late)
            return model
        with mock.patch.object(self.collector, 'execute', execute):
            self.collector.synchronize()
        self.check()

    def test_every_action_does_something(self):
        self.collector.synchronize()
        server = next(iter(self.state.servers.values()))
        for action in ('stop', 'start', 'pause', 'unpause', 'suspend',
                       'resume', 'live', 'cold', 'confirm', 'resize',
                       'revert', 'lock', 'rename', 'shelve', 'unshelve',
                       'delete'):
            SERVER_ACTIONS[action](self, server, 0)
            messages = self.settle()
            self.assertNotEqual([], messages, action)
            self.deliver(messages)
            self.check()
        for action, act in HOST_ACTIONS.items():
            act(self, next(iter(self.state.hosts.values())), 1)
            messages = self.settle()
            self.assertNotEqual([], messages, action)
            self.deliver(messages)
            self.check()


class TestHosts(NotifiedTestCase):

    def test_an_unknown_host_is_read_with_its_servers_once(self):
        self.collector.synchronize()
        name = 'compute-1'
        model = self.collector.current_model
        gone = model.get_node_by_name(name)
        for server in model.get_node_instances(gone):
            model.remove_instance(server)
        model.remove_node(gone)
        with self.state.lock:
            for server in self.state.hosts[name].servers.values():
                self.rename(server, 7)
        self.cloud.forget_requests()
        self.deliver(self.settle())
        self.check()

    def test_requests_about_an_unknown_host(self):
        self.collector.synchronize()
        with self.state.lock:
            host = self.state.hosts['compute-1']
            self.collector.current_model.remove_node(host.uuid)
            for number in range(50):
                self.rename(next(iter(host.servers.values())), number)
        self.cloud.forget_requests()
        self.deliver(self.settle())
        # 50 messages; the first cause one reading, and perhaps some that
        # come while it goes on cause another one.
        self.assertEqual(1, len(self.cloud.requests(
            service='placement', path='/inventories')))
        self.check()

    def test_a_host_that_cannot_be_read(self):
        self.collector.synchronize()
        with self.state.lock:
            host = self.state.hosts['compute-1']
            server = next(iter(host.servers.values()))
            self.collector.current_model.remove_node(host.uuid)
            self.cloud.faults.add(service='placement', status=503)
            self.rename(server, 1)
            self.rename(server, 2)
        self.deliver(self.settle())
        model = self.collector.current_model
        self.assertNotIn(host.uuid, model.get_all_compute_nodes())
        self.assertEqual('renamed-2',
                         model.get_instance_by_uuid(server.uuid).name)
        self.cloud.forget_requests()
        with self.state.lock:
            self.rename(server, 3)
        self.deliver(self.settle())
        self.assertEqual([], self.cloud.requests())
        self.assertIn('compute-1, which a notification names, cannot be',
                      self.logger.output)

    def test_aggregates(self):
        self.collector.synchronize()
        compute = self.cloud.connect().compute
        aggregate = compute.create_aggregate(
            name='fast', availability_zone='zone-9')
        compute.add_host_to_aggregate(aggregate.id, 'compute-2')
        compute.set_aggregate_metadata(aggregate.id, {'ssd': 'true'})
        self.deliver(self.settle())
        self.check()
        model = self.collector.current_model
        self.assertEqual('zone-9', model.zones['compute-2'])
        compute.remove_host_from_aggregate(aggregate.id, 'compute-2')
        compute.delete_aggregate(aggregate.id)
        self.deliver(self.settle())
        self.check()
        self.assertEqual('nova', model.zones['compute-2'])


    def groups(self, model):
        return {group.id: (group.policy, group.max_per_host,
                           set(group.members))
                for group in model.server_groups if group.members}

    def test_server_groups(self):
        self.collector.synchronize()
        compute = self.cloud.connect().compute
        compute.default_microversion = '2.64'
        group = compute.create_server_group(
            name='apart', policy='anti-affinity',
            rules={'max_server_per_host': 2})
        server = compute.create_server(
            name='one', flavor_id='1', networks='none',
            image_id=next(iter(self.state.images)),
            scheduler_hints={'group': group.id})
        self.deliver(self.settle())
        told = self.groups(self.collector.current_model)
        self.assertEqual({group.id: ('anti-affinity', 2, {server.id})}, told)
        self.assertEqual(
            self.groups(nova.NovaModelBuilder().execute()), told)
        compute.delete_server_group(group.id)
        self.deliver(self.settle())
        self.assertEqual((), self.collector.current_model.server_groups)


class _OnABus:
    """From a change of the cloud over a bus into the model."""

    def transport_url(self):
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        self.config(group='collector', collector_plugins=['compute'])
        exchange = 'nova-' + uuid.uuid4().hex
        self.config(group='watcher_decision_engine',
                    notification_topics=[exchange + '.versioned', 'other'])
        # The fixture hides overrides that come after it.
        self.useFixture(conffixture.ConfFixture(
            self.conf.conf, transport_url=self.transport_url()))
        rpc.init(self.conf.conf)
        self.addCleanup(rpc.cleanup)
        self.publisher = notifications.Publisher(
            self.state, self.transport_url(),
            ((exchange, 'versioned', nova_notifications.message),))
        self.addCleanup(self.publisher.stop)

    def listen(self, host):
        """Start to listen as the decision engine of a host does."""
        self.config(host=host + '-' + uuid.uuid4().hex)
        engine = manager.CollectorManager()
        self.addCleanup(engine.stop, base.PATIENCE)
        engine.start()
        services.wait_until(lambda: (
            listener.STATISTICS.listening and self.collector.current_model))
        return engine

    def test_the_model_follows_the_cloud(self):
        self.listen('one')
        self.collector.freshness = None
        for action in ('stop', 'live', 'lock'):
            for server in list(self.state.servers.values()):
                self.act(action, server.number)
        for number in range(3):
            self.act('boot', number)
        self.act('disable', 1)
        self.act('delete', 1)
        self.assertTrue(self.cloud.cloud.timeline.wait_idle())
        # The last one is told last.
        with self.state.lock:
            last = next(iter(self.state.servers.values()))
            self.rename(last, 4711)
        model = self.collector.current_model
        services.wait_until(lambda: model.get_instance_by_uuid(
            last.uuid).name == 'renamed-4711')
        self.assertIs(model, self.collector.current_model)
        self.check()
        text = listener.STATISTICS.as_text()
        self.assertIn('failed 0', text)
        self.assertNotIn('never', text)

    def test_two_engines_get_every_message(self):
        class Recorder:
            def __init__(self):
                self.seen = []

            def info(self, ctxt, publisher_id, event_type, payload,
                     metadata):
                self.seen.append(event_type)

        recorders = [Recorder(), Recorder()]
        for number, recorder in enumerate(recorders):
            self.config(host=f'engine-{number}-{uuid.uuid4().hex}')
            engine = listener.NotificationListener([recorder])
            self.addCleanup(engine.stop, base.PATIENCE)
            engine.start()
            services.wait_until(lambda: engine.listening)  # noqa: B023
        with self.state.lock:
            for number in range(20):
                self.rename(next(iter(self.state.servers.values())), number)
        for recorder in recorders:
            services.wait_until(lambda: len(recorder.seen) == 20)  # noqa: B023
        self.assertEqual(['instance.update'] * 20, recorders[0].seen)


class TestInMemoryBus(_OnABus, NotifiedTestCase):

    def transport_url(self):
        return 'fake://'


class TestRabbitMQ(_OnABus, NotifiedTestCase):

    def setUp(self):
        services.bus_url(services.RABBIT)
        super().setUp()

    def transport_url(self):
        return services.bus_url(services.RABBIT)
