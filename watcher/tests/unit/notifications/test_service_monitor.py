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
"""Who tells that a service died or came back, and how often."""

import datetime
from unittest import mock

from oslo_utils import timeutils

from watcher import objects
from watcher.common import context
from watcher.notifications import service as service_notifications
from watcher.notifications import service_monitor
from watcher.objects import events
from watcher.tests import base
from watcher.tests.fixtures import database

NAME = 'watcher-applier'


class TestServiceMonitor(base.TestCase):

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.useFixture(database.Database())
        self.told = []
        patcher = mock.patch.object(
            service_notifications, 'send_service_update', self._tell)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.monitors = {}

    def hosts(self):
        return sorted(service.host for service in objects.Service.list(
            context.admin_context()))

    def leases(self):
        return [known.name for known in objects.Lease.known(
            context.admin_context(), 'applier:')]

    def _tell(self, _context, service, old_state, state):
        self.told.append((service.name, service.host, old_state, state))

    def set_up(self, *hosts, name=NAME):
        for host in hosts:
            objects.Service.heartbeat(context.admin_context(), name, host)
            self.monitors[host] = service_monitor.ServiceMonitor(name)

    def beat(self, host, ago=0, name=NAME):
        service, = [one for one in objects.Service.list(
            context.admin_context()) if (one.name, one.host) == (name, host)]
        service.last_seen_up = (timeutils.utcnow()
                                - datetime.timedelta(seconds=ago))
        service.save()

    def look(self, *hosts):
        """A round on these hosts; returns what was told by any of them."""
        self.told.clear()
        for host in hosts or sorted(self.monitors):
            self.config(host=host)
            self.monitors[host].look()
        return self.told

    def test_one_failure_and_one_return_with_three_engines(self):
        self.set_up('a', 'b', 'c')
        self.assertEqual([], self.look())
        self.beat('b', ago=1000)
        self.assertEqual([(NAME, 'b', 'ACTIVE', 'FAILED')],
                         self.look('a', 'c'))
        self.assertEqual([], self.look('a', 'c'))
        self.beat('b')
        self.monitors['b'] = service_monitor.ServiceMonitor(NAME)
        self.assertEqual([(NAME, 'b', 'FAILED', 'ACTIVE')], self.look())
        self.assertEqual([], self.look())

    def test_the_host_that_sorts_first_returns(self):
        """It leads again at once, but the second told of its failure."""
        self.set_up('a', 'b', 'c')
        self.look()
        self.beat('a', ago=1000)
        self.assertEqual([(NAME, 'a', 'ACTIVE', 'FAILED')],
                         self.look('b', 'c'))
        self.beat('a')
        self.monitors['a'] = service_monitor.ServiceMonitor(NAME)
        self.assertEqual([(NAME, 'a', 'FAILED', 'ACTIVE')], self.look())

    def test_what_is_seen_first_is_not_told(self):
        self.set_up('a', 'b')
        self.beat('b', ago=1000)
        self.assertEqual([], self.look('a'))

    def test_each_kind_watches_its_own(self):
        self.set_up('a')
        objects.Service.heartbeat(
            context.admin_context(), 'watcher-decision-engine', 'b')
        self.look()
        self.beat('b', ago=1000, name='watcher-decision-engine')
        self.assertEqual([], self.look())

    def test_a_service_whose_record_was_removed(self):
        self.set_up('a', 'b')
        self.look('a')
        self.beat('b', ago=1000)
        self.look('a')
        service, = [one for one in objects.Service.list(
            context.admin_context()) if one.host == 'b']
        service.soft_delete()
        self.assertEqual([], self.look('a'))
        self.set_up('b')
        self.assertEqual([], self.look('a'))

    def test_dead_hosts_are_remembered_by_default(self):
        self.set_up('a', 'b')
        self.beat('b', ago=10 ** 8)
        self.look('a')
        self.assertEqual(['a', 'b'], self.hosts())

    def test_dead_hosts_are_forgotten(self):
        self.config(service_retention=600)
        listener = mock.Mock()
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)
        self.set_up('a', 'b', 'c')
        self.beat('b', ago=599)
        self.look('a', 'c')
        self.beat('b', ago=601)
        self.look('c')
        self.assertEqual(['a', 'b', 'c'], self.hosts())
        self.look('a')
        self.assertEqual(['a', 'c'], self.hosts())
        (told,), = (call.args for call in listener.on_delete.call_args_list)
        self.assertEqual('b', told.host)
        self.assertIn('host b is forgotten', self.logger.output)
        # A host that comes back is new.
        self.set_up('b')
        self.assertEqual([], self.look())
        self.assertEqual(['a', 'b', 'c'], self.hosts())

    def test_nobody_is_forgotten_who_may_be_alive(self):
        self.config(service_retention=1, service_down_time=300)
        self.set_up('a', 'b')
        self.beat('b', ago=590)
        self.look('a')
        self.assertEqual(['a', 'b'], self.hosts())
        self.beat('b', ago=610)
        self.look('a')
        self.assertEqual(['a'], self.hosts())

    def test_clocks_that_differ_forget_nobody(self):
        self.config(service_retention=600, service_down_time=90)
        self.set_up('a', 'b')
        objects.Lease.take(context.admin_context(), 'applier:b', 'b', 60)
        self.beat('b', ago=10 ** 6)
        tidied = []
        self.monitors['a'] = service_monitor.ServiceMonitor(
            NAME, tidied.append)
        self.look('a')
        self.assertEqual(['a', 'b'], self.hosts())
        self.assertEqual([], tidied)

    def test_the_leases_of_dead_hosts_go(self):
        self.config(service_retention=600, service_down_time=90)
        self.set_up('a')
        taken = [objects.Lease.take(
            context.admin_context(), f'applier:{host}', host, seconds)
            for host, seconds in (('a', 60), ('b', -599), ('c', -601))]
        self.look()
        self.assertEqual(['applier:a', 'applier:b'], self.leases())
        # One that was only asleep cannot go on.
        self.assertFalse(taken[2].renew())

    def test_each_kind_forgets_its_own(self):
        self.config(service_retention=600)
        self.set_up('a')
        objects.Service.heartbeat(
            context.admin_context(), 'watcher-decision-engine', 'b')
        self.beat('b', ago=10 ** 6, name='watcher-decision-engine')
        self.look()
        self.assertEqual(['a', 'b'], self.hosts())

    def test_what_cannot_be_tidied_is_tried_again(self):
        self.config(service_retention=600)
        self.set_up('a', 'b', 'c')
        self.beat('b', ago=601)
        answers, asked = [False, True], []

        def tidy(host):
            asked.append(host)
            return answers.pop(0)

        self.monitors['a'] = service_monitor.ServiceMonitor(NAME, tidy)
        self.look('a')
        self.assertEqual(['a', 'b', 'c'], self.hosts())
        self.look('a')
        self.assertEqual(['a', 'c'], self.hosts())
        self.assertEqual(['b', 'b'], asked)
