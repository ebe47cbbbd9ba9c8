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

import itertools
from unittest import mock

from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import rest
from watcher.common import waiting
from watcher.tests import base

SERVER = '9766dff1-3c81-4de2-92ae-19e0d9adcec6'
OTHER = '1e2feb89-414c-443c-9027-c4d1c386bbc4'


def server(**fields):
    """A server as Nova sends it: ACTIVE and idle on c1."""
    short = {'host': 'OS-EXT-SRV-ATTR:host',
             'vm_state': 'OS-EXT-STS:vm_state',
             'task_state': 'OS-EXT-STS:task_state'}
    record = {
        'id': SERVER, 'name': 'web', 'status': 'ACTIVE', 'metadata': {},
        'created': '2026-01-09T12:00:00Z', 'tenant_id': 'p1',
        'locked': False, 'image': {'id': OTHER},
        'flavor': {'vcpus': 1, 'ram': 512, 'disk': 1},
        short['host']: 'c1', short['vm_state']: 'active',
        short['task_state']: None}
    for name, value in fields.items():
        record[short.get(name, name)] = value
    return record


def hypervisor(name, host=None, **fields):
    return {'id': OTHER, 'hypervisor_hostname': name,
            'hypervisor_type': 'QEMU', 'state': 'up', 'status': 'enabled',
            'service': {'id': 1, 'host': host or name,
                        'disabled_reason': None}, **fields}


def moving(**fields):
    return server(status='MIGRATING', task_state='migrating', **fields)


def refused(status, text='no'):
    return rest.RequestFailed(text, status=status)


def broken():
    return rest.RequestFailed('connection lost', connection_error=True)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class FakeNova(rest.RestClient):
    """Answers with what a test prepared.

    A list is used up from its front, its last element stays; exceptions are
    raised, functions called with the request's parameters.
    """

    def __init__(self, newest=(2, 103)):
        self.newest = newest
        self.requests = []
        self.answers = {}
        self.answer('GET', '/os-migrations', {'migrations': []})
        self.answer('GET', f'/servers/{SERVER}/os-instance-actions',
                    {'instanceActions': []})
        self.answer('POST', f'/servers/{SERVER}/action', {})

    def max_microversion(self):
        return self.newest

    def answer(self, method, path, *answers):
        self.answers[method, path] = list(answers)

    def servers(self, *records):
        self.answer('GET', f'/servers/{SERVER}', *[
            record if isinstance(record, Exception)
            else {'server': record} for record in records])

    def request(self, method, path, params=None, json=None,
                microversion=None):
        self.requests.append((method, path, params, json, microversion))
        answers = self.answers[method, path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(params) if callable(answer) else answer

    def sent(self, method):
        """Bodies of the requests with this method."""
        return [request[3] for request in self.requests
                if request[0] == method]

    def versions(self):
        return [request[4] for request in self.requests]


class NovaHelperTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = Clock()
        self._stop_time()
        self.nova = FakeNova()
        self.helper = nova_helper.NovaHelper(self.nova)

    def _stop_time(self):
        patcher = mock.patch.object(waiting, 'time', self.clock)
        patcher.start()
        self.addCleanup(patcher.stop)


class TestVersions(NovaHelperTestCase):

    def test_versions_are_pairs(self):
        self.assertGreater(nova_helper.parse_version('2.100'),
                           nova_helper.parse_version('2.99'))

    def test_too_old(self):
        self.config('nova', api_version='2.55')
        error = self.assertRaises(ValueError, nova_helper.NovaHelper,
                                  self.nova)
        self.assertIn('2.55', str(error))
        self.assertIn('2.56', str(error))

    def test_malformed(self):
        for text in ('2', 'latest', '2.x', ''):
            self.assertRaises(exception.Invalid,
                              nova_helper.check_api_version, text)

    def test_each_kind_has_its_own(self):
        self.nova.servers(server())
        self.nova.answer('GET', '/os-aggregates', {'aggregates': []})
        self.nova.answer('GET', '/os-hypervisors/detail',
                         {'hypervisors': []})
        self.helper.find_instance(SERVER)
        self.helper.get_aggregate_list()
        self.helper.get_compute_node_list()
        self.assertEqual(['2.98', '2.81', '2.87'], self.nova.versions())

    def test_server_groups_of_all_projects(self):
        def group(number, **fields):
            return {'id': f'g{number}', 'name': 'web', 'members': ['s'],
                    **fields}
        pages = [[group(1, policy='anti-affinity',
                        rules={'max_server_per_host': 3})],
                 [group(2, policies=['affinity'], rules={})], []]
        asked = []

        def answer(params):
            asked.append(params)
            return {'server_groups': pages[params['offset']]}
        self.nova.answer('GET', '/os-server-groups', answer)
        found = self.helper.get_server_groups()
        self.assertEqual(
            [('g1', 'anti-affinity', 3), ('g2', 'affinity', 1)],
            [(group.id, group.policy, group.max_server_per_host)
             for group in found])
        self.assertEqual(['True'] * 3,
                         [params['all_projects'] for params in asked])

    def test_a_nova_that_ignores_the_offset(self):
        self.nova.answer('GET', '/os-server-groups', {'server_groups': [
            {'id': 'g1', 'name': 'web', 'policy': 'affinity',
             'members': []}]})
        self.assertEqual(1, len(self.helper.get_server_groups()))

    def test_an_older_nova_gets_its_own_newest(self):
        self.nova.newest = (2, 60)
        self.nova.servers(server())
        self.helper.find_instance(SERVER)
        self.assertEqual(['2.60'], self.nova.versions())

    def test_a_nova_that_is_too_old(self):
        self.nova.newest = (2, 53)
        error = self.assertRaises(exception.NovaClientError,
                                  self.helper.find_instance, SERVER)
        self.assertIn('2.53', str(error))
        self.assertIn('2.56', str(error))

    def test_without_version_document_the_configured_one_is_sent(self):
        self.nova.newest = (0, 0)
        self.nova.servers(server())
        self.helper.find_instance(SERVER)
        self.assertEqual(['2.56'], self.nova.versions())

    def test_pinned_zone(self):
        self.assertFalse(self.helper.is_pinned_az_available())
        self.config('nova', api_version='2.100')
        self.assertTrue(nova_helper.NovaHelper(
            self.nova).is_pinned_az_available())


class TestReading(NovaHelperTestCase):

    def _serve_pages(self, count, size=1000):
        """Serve servers in pages of at most ``size``."""
        records = [server(id=f'{number:08x}-0000-4000-8000-000000000000')
                   for number in range(count)]

        def page(params):
            start = 0
            if 'marker' in params:
                start = 1 + [record['id'] for record in records].index(
                    params['marker'])
            limit = min(params['limit'], size)
            part = records[start:start + limit]
            body = {'servers': part}
            if start + limit < count:
                body['servers_links'] = [{'rel': 'next', 'href': 'x'}]
            return body
        self.nova.answer('GET', '/servers/detail', page)

    def test_requests_grow_with_pages(self):
        self._serve_pages(2500)
        self.assertEqual(2500, len(self.helper.get_instance_list()))
        self.assertEqual(3, len(self.nova.requests))
        self.assertEqual({'all_tenants': 'True', 'limit': 1000},
                         self.nova.requests[0][2])

    def test_a_full_last_page_costs_no_further_request(self):
        self._serve_pages(1000)
        self.helper.get_instance_list()
        self.assertEqual(1, len(self.nova.requests))

    def test_smaller_pages_than_asked_for(self):
        self._serve_pages(25, size=10)
        self.assertEqual(25, len(self.helper.get_instance_list()))
        self.assertEqual(3, len(self.nova.requests))

    def test_limit(self):
        self._serve_pages(2500)
        self.assertEqual(1500, len(
            self.helper.get_instance_list({'host': 'c1'}, limit=1500)))
        limits = [request[2]['limit'] for request in self.nova.requests]
        self.assertEqual([1000, 500], limits)
        self.assertEqual('c1', self.nova.requests[0][2]['host'])

    def test_limit_zero_asks_nothing(self):
        self.assertEqual([], self.helper.get_instance_list(limit=0))
        self.assertEqual([], self.nova.requests)

    def test_server_record(self):
        self.nova.servers(server(
            image='', fault={'message': 'disk full'},
            pinned_availability_zone='az1'))
        found = self.helper.find_instance(SERVER)
        self.assertEqual('c1', found.host)
        self.assertEqual('az1', found.pinned_availability_zone)
        self.assertEqual('disk full', found.fault)
        self.assertTrue(found.is_boot_from_volume)

    def test_ids_have_to_be_uuids(self):
        self.nova.servers(server(id='7'))
        self.assertRaises(exception.InvalidUUID,
                          self.helper.find_instance, SERVER)

    def test_missing_server(self):
        self.nova.servers(refused(404))
        error = self.assertRaises(exception.InstanceNotFound,
                                  self.helper.find_instance, SERVER)
        self.assertIn(SERVER, str(error))
        self.assertEqual([], self.helper.get_instance_by_uuid(SERVER))

    def test_other_errors_carry_the_status(self):
        self.nova.servers(refused(403, 'GET x: HTTP 403'))
        error = self.assertRaises(exception.NovaClientError,
                                  self.helper.find_instance, SERVER)
        self.assertEqual(403, error.kwargs['http_status'])
        self.assertIn('GET x: HTTP 403', str(error))
        self.assertEqual(1, len(self.nova.requests))

    def test_reading_is_repeated_after_connection_errors(self):
        self.nova.servers(broken(), broken(), broken(), server())
        self.assertEqual(SERVER, self.helper.find_instance(SERVER).uuid)
        self.assertEqual(1006.0, self.clock.now)

    def test_repeating_ends(self):
        self.nova.servers(broken())
        error = self.assertRaises(exception.NovaClientError,
                                  self.helper.find_instance, SERVER)
        self.assertEqual(4, len(self.nova.requests))
        self.assertTrue(error.kwargs['connection_error'])

    def test_node_names_are_compared_exactly(self):
        self.nova.answer('GET', '/os-hypervisors/detail', {'hypervisors': [
            hypervisor('c11'), hypervisor('c1'), hypervisor('c10')]})
        self.assertEqual('c1', self.helper.get_compute_node_by_hostname(
            'c1').hypervisor_hostname)
        self.assertEqual(['c1'], [
            node.hypervisor_hostname for node
            in self.helper.get_compute_node_by_name('c1')])

    def test_node_whose_hypervisor_has_another_name(self):
        def search(params):
            if 'hypervisor_hostname_pattern' in params:
                raise refused(404)
            return {'hypervisors': [hypervisor('c1.example', 'c1')]}
        self.nova.answer('GET', '/os-hypervisors/detail', search)
        self.assertEqual(
            'c1.example', self.helper.get_compute_node_by_hostname(
                'c1').hypervisor_hostname)

    def test_missing_node(self):
        self.nova.answer('GET', '/os-hypervisors/detail',
                         {'hypervisors': [hypervisor('c11')]})
        for find in (self.helper.get_compute_node_by_hostname,
                     self.helper.get_compute_node_by_name):
            self.assertRaises(exception.ComputeNodeNotFound, find, 'c1')

    def test_an_error_is_no_missing_node(self):
        self.nova.answer('GET', '/os-hypervisors/detail', refused(500))
        self.assertRaises(
            exception.NovaClientError,
            self.helper.get_compute_node_by_hostname, 'c1')

    def test_ironic_nodes(self):
        self.nova.answer('GET', '/os-hypervisors/detail', {'hypervisors': [
            hypervisor('c1'),
            hypervisor('b1', hypervisor_type='ironic')]})
        self.assertEqual(1, len(self.helper.get_compute_node_list()))
        self.assertEqual(2, len(self.helper.get_compute_node_list(
            filter_ironic_nodes=False)))

    def test_flavor_by_id_and_by_name(self):
        self.nova.answer('GET', '/flavors/7', {'flavor': {'id': 7}})
        self.nova.answer('GET', '/flavors/big', refused(404))
        self.nova.answer('GET', '/flavors/huge', refused(404))
        self.nova.answer('GET', '/flavors/detail', {'flavors': [
            {'id': '1', 'name': 'small', 'swap': ''},
            {'id': '2', 'name': 'big', 'swap': 512}]})
        self.assertEqual('7', self.helper.get_flavor_id('7'))
        self.assertEqual('2', self.helper.get_flavor_id('big'))
        error = self.assertRaises(exception.ComputeResourceNotFound,
                                  self.helper.get_flavor_id, 'huge')
        self.assertIn("flavor 'huge'", str(error))

    def test_services_without_host_are_left_out(self):
        self.nova.answer('GET', '/os-services', {'services': [
            {'id': OTHER, 'host': 'c1', 'binary': 'nova-compute'},
            {'binary': 'nova-compute', 'status': 'UNKNOWN'}]})
        self.assertEqual(['c1'], [service.host for service
                                  in self.helper.get_service_list()])


class TestLiveMigration(NovaHelperTestCase):

    def migrate(self, destination='c2', **kwargs):
        return self.helper.live_migrate_instance(
            SERVER, destination, **kwargs)

    def records(self, *statuses):
        """A migration record appears after the request."""
        self.nova.answer('GET', '/os-migrations', {'migrations': []}, *[
            {'migrations': [{'id': 5, 'status': status, 'migration_type':
                             'live-migration'}]} for status in statuses])

    def test_arrives(self):
        self.nova.servers(server(), moving(), moving(), server(host='c2'))
        self.assertTrue(self.migrate())
        self.assertEqual(
            [{'os-migrateLive': {'host': 'c2',
                                 'block_migration': 'auto'}}],
            self.nova.sent('POST'))
        post = [r for r in self.nova.requests if r[0] == 'POST'][0]
        self.assertEqual('2.30', post[4])

    def test_scheduler_chooses(self):
        self.nova.servers(server(), moving(), server(host='c9'))
        self.assertTrue(self.migrate(destination=None))
        self.assertIsNone(
            self.nova.sent('POST')[0]['os-migrateLive']['host'])

    def test_another_host_is_no_success(self):
        self.nova.servers(server(), moving(), server(host='c9'))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('c9 instead of c2', outcome.reason)

    def test_arriving_in_error_is_no_success(self):
        self.nova.servers(server(), moving(), server(
            host='c2', status='ERROR', fault={'message': 'no network'}))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('ERROR', outcome.reason)
        self.assertIn('no network', outcome.reason)

    def test_stopped_by_its_user_after_the_arrival(self):
        self.records('running', 'completed')
        self.nova.servers(server(), moving(), server(
            host='c2', status='SHUTOFF', vm_state='stopped'))
        self.assertTrue(self.migrate())
        self.assertLess(self.clock.now, 1010)

    def test_idle_before_the_migration_has_begun(self):
        self.records('preparing', 'running', 'running', 'running')
        self.nova.servers(server(), server(), server(), server(), server(),
                          moving(), server(host='c2'))
        self.assertTrue(self.migrate())

    def test_failed_migration(self):
        self.records('error')
        self.nova.servers(server(), moving(), server())
        path = f'/servers/{SERVER}/os-instance-actions'
        self.nova.answer('GET', path, {'instanceActions': [
            {'request_id': 'req-old', 'start_time': '2026-01-01'},
            {'request_id': 'req-new', 'start_time': '2026-01-02'}]})
        self.nova.answer('GET', f'{path}/req-new', {'instanceAction': {
            'events': [{'result': 'Error', 'start_time': '1',
                        'details': 'CPU not compatible'}]}})
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('still on host c1: CPU not compatible',
                      outcome.reason)

    def test_an_older_record_does_not_count(self):
        self.nova.answer('GET', '/os-migrations', {'migrations': [
            {'id': 5, 'status': 'error',
             'migration_type': 'live-migration'}]})
        self.nova.servers(server(), server(), moving(), server(host='c2'))
        self.assertTrue(self.migrate())

    def test_given_up_without_any_record(self):
        self.nova.servers(server())
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('still on host c1', outcome.reason)
        self.assertLess(self.clock.now, 1010)

    def test_deleted_meanwhile(self):
        self.nova.servers(server(), moving(), refused(404))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('was deleted', outcome.reason)

    def test_missing_from_the_start(self):
        self.nova.servers(refused(404))
        self.assertRaises(exception.InstanceNotFound, self.migrate)

    def test_time_is_over(self):
        self.nova.servers(server(), moving())
        outcome = self.migrate(retry=10, interval=3)
        self.assertFalse(outcome)
        self.assertEqual(1030, self.clock.now)
        for told in ('30 seconds', 'goes on in Nova',
                     'migration_max_retries', 'migrating'):
            self.assertIn(told, outcome.reason)

    def test_default_limit(self):
        self.config('nova', migration_max_retries=4,
                    migration_interval=2.0)
        self.nova.servers(server(), moving())
        self.migrate()
        self.assertEqual(1008, self.clock.now)

    def test_first_looks_come_quickly(self):
        self.nova.servers(server(), moving(), server(host='c2'))
        self.migrate(interval=60)
        self.assertLess(self.clock.now, 1001)

    def test_caller_stops_waiting(self):
        self.nova.servers(server(), moving())
        calls = itertools.count()
        outcome = self.migrate(should_stop=lambda: next(calls) > 10)
        self.assertFalse(outcome)
        self.assertTrue(outcome.interrupted)
        self.assertIn('goes on in Nova', outcome.reason)
        self.assertLess(self.clock.now, 1010)

    def test_nova_restarts_meanwhile(self):
        self.nova.servers(server(), moving(), refused(503), broken(),
                          broken(), broken(), broken(), refused(500),
                          server(host='c2'))
        self.assertTrue(self.migrate())

    def test_what_was_seen_before_nova_went_away_does_not_count(self):
        self.records('completed')
        self.nova.servers(server(), refused(503), refused(503),
                          refused(503), refused(503), server(host='c2'))
        self.assertTrue(self.migrate())

    def test_migration_record_newer_than_the_server(self):
        self.records('completed')
        self.nova.servers(server(), server(), server(host='c2'))
        self.assertTrue(self.migrate())

    def test_completed_but_not_moved(self):
        self.records('completed')
        self.nova.servers(server())
        self.assertIn('(completed)', self.migrate().reason)

    def test_a_refusal_is_raised(self):
        self.nova.servers(server())
        self.nova.answer('POST', f'/servers/{SERVER}/action',
                         refused(400, 'Compute host c2 not found'))
        error = self.assertRaises(exception.NovaClientError, self.migrate)
        self.assertIn('Compute host c2 not found', str(error))
        self.assertEqual(1, len(self.nova.sent('POST')))

    def test_lost_answer_of_a_received_request(self):
        self.nova.servers(server(), moving(), moving(), server(host='c2'))
        self.nova.answer('POST', f'/servers/{SERVER}/action', broken())
        self.assertTrue(self.migrate())
        self.assertEqual(1, len(self.nova.sent('POST')))

    def test_lost_request(self):
        self.nova.servers(server(), server(), moving(), server(host='c2'))
        self.nova.answer('POST', f'/servers/{SERVER}/action', broken(), {})
        self.assertTrue(self.migrate())
        self.assertEqual(2, len(self.nova.sent('POST')))

    def test_the_first_request_arrives_late(self):
        self.nova.servers(server(), server(), moving(), moving(),
                          server(host='c2'))
        self.nova.answer('POST', f'/servers/{SERVER}/action', broken(),
                         refused(409, 'already migrating'))
        self.assertTrue(self.migrate())

    def test_nova_stays_away(self):
        self.nova.servers(server())
        self.nova.answer('POST', f'/servers/{SERVER}/action', broken())
        self.assertRaises(exception.NovaClientError, self.migrate)
        self.assertEqual(4, len(self.nova.sent('POST')))

    def test_without_migration_records(self):
        self.nova.answer('GET', '/os-migrations', refused(403))
        self.nova.servers(server(), moving(), server(host='c2'))
        self.assertTrue(self.migrate())


class TestColdMigration(NovaHelperTestCase):

    def migrate(self, destination='c2', **kwargs):
        return self.helper.watcher_non_live_migrate_instance(
            SERVER, destination, **kwargs)

    resizing = staticmethod(
        lambda **fields: server(status='RESIZE',
                                task_state='resize_migrating', **fields))
    waiting = staticmethod(
        lambda host='c2', **fields: server(status='VERIFY_RESIZE',
                                           host=host, **fields))

    def test_is_confirmed(self):
        self.nova.servers(server(), self.resizing(), self.waiting(),
                          self.waiting(), server(host='c2'))
        self.assertTrue(self.migrate())
        self.assertEqual([{'migrate': {'host': 'c2'}},
                          {'confirmResize': None}], self.nova.sent('POST'))

    def test_scheduler_chooses(self):
        self.nova.servers(server(), self.waiting('c7'), server(host='c7'))
        self.assertTrue(self.migrate(destination=None))
        self.assertEqual({'migrate': None}, self.nova.sent('POST')[0])

    def test_a_stopped_server_stays_stopped(self):
        self.nova.servers(
            server(status='SHUTOFF', vm_state='stopped'), self.waiting(),
            server(host='c2', status='SHUTOFF', vm_state='stopped'))
        self.assertTrue(self.migrate())

    def test_slow_confirmation(self):
        self.nova.servers(server(), self.waiting(),
                          *[self.waiting()] * 40, server(host='c2'))
        self.assertTrue(self.migrate())
        self.assertGreater(self.clock.now, 1060)

    def test_nova_confirmed_by_itself(self):
        self.nova.servers(server(), self.resizing(), server(host='c2'))
        self.assertTrue(self.migrate())
        self.assertEqual(1, len(self.nova.sent('POST')))

    def test_back_on_the_same_host_is_confirmed_but_no_success(self):
        self.nova.servers(server(), self.waiting('c1'), server())
        outcome = self.migrate(destination=None)
        self.assertFalse(outcome)
        self.assertIn('came from', outcome.reason)
        self.assertEqual({'confirmResize': None},
                         self.nova.sent('POST')[-1])

    def test_another_host(self):
        self.nova.servers(server(), self.waiting('c3'), server(host='c3'))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('c3 instead of c2', outcome.reason)

    def test_refused_confirmation_tells_what_is_left(self):
        self.nova.servers(server(), self.waiting())
        self.nova.answer('POST', f'/servers/{SERVER}/action', {},
                         refused(500, 'oops'))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('VERIFY_RESIZE', outcome.reason)
        self.assertIn('oops', outcome.reason)

    def test_no_host_found(self):
        self.nova.servers(server(), self.resizing(), server())
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('given up by Nova', outcome.reason)

    def test_error(self):
        self.nova.servers(server(), self.resizing(),
                          server(status='ERROR', vm_state='error'))
        self.assertIn('ERROR', self.migrate().reason)

    def test_deleted_after_the_confirmation(self):
        self.nova.servers(server(), self.waiting(), server(host='c2'),
                          refused(404))
        outcome = self.migrate()
        self.assertFalse(outcome)
        self.assertIn('deleted', outcome.reason)


class TestResize(NovaHelperTestCase):

    def setUp(self):
        super().setUp()
        self.nova.answer('GET', '/flavors/2', {'flavor': {'id': '2'}})

    def test_waits_for_the_confirmation(self):
        bigger = {'vcpus': 2, 'ram': 1024, 'disk': 1}
        waiting = server(status='VERIFY_RESIZE', vm_state='resized',
                         flavor=bigger)
        self.nova.servers(server(), waiting, waiting, waiting,
                          server(flavor=bigger))
        self.assertTrue(self.helper.resize_instance(SERVER, '2'))
        self.assertEqual([{'resize': {'flavorRef': '2'}},
                          {'confirmResize': None}], self.nova.sent('POST'))
        self.assertEqual([{'server': server(flavor=bigger)}],
                         self.nova.answers['GET', f'/servers/{SERVER}'])

    def test_unknown_flavor_sends_nothing(self):
        self.nova.servers(server())
        self.nova.answer('GET', '/flavors/9', refused(404))
        self.nova.answer('GET', '/flavors/detail', {'flavors': []})
        self.assertRaises(exception.ComputeResourceNotFound,
                          self.helper.resize_instance, SERVER, '9')
        self.assertEqual([], self.nova.sent('POST'))

    def test_revert_resize(self):
        moved = server(host='c2', status='VERIFY_RESIZE', vm_state='resized')
        self.nova.servers(
            moved, server(host='c2', status='REVERT_RESIZE',
                          task_state='resize_reverting'), server())
        self.assertTrue(self.helper.revert_resize(SERVER))
        self.assertEqual([{'revertResize': None}], self.nova.sent('POST'))

    def test_revert_that_nova_gives_up(self):
        moved = server(host='c2', status='VERIFY_RESIZE', vm_state='resized')
        self.nova.servers(moved)
        outcome = self.helper.revert_resize(SERVER)
        self.assertFalse(outcome)
        self.assertIn('given up', outcome.reason)
        self.assertEqual(1 + 3, len(self.nova.requests) - 1)

    def test_nothing_to_revert(self):
        self.nova.servers(server())
        outcome = self.helper.revert_resize(SERVER)
        self.assertIn('no resize to revert', outcome.reason)
        self.assertEqual([], self.nova.sent('POST'))

    def test_confirm_resize(self):
        self.nova.servers(server(status='VERIFY_RESIZE'), server())
        found = self.helper.find_instance(SERVER)
        self.assertIs(True, self.helper.confirm_resize(found, 'ACTIVE'))


class TestPower(NovaHelperTestCase):

    stopped = staticmethod(
        lambda: server(status='SHUTOFF', vm_state='stopped'))

    def test_stop(self):
        self.nova.servers(server(), server(task_state='powering-off'),
                          self.stopped())
        self.assertTrue(self.helper.stop_instance(SERVER))
        self.assertEqual([{'os-stop': None}], self.nova.sent('POST'))

    def test_stopped_already(self):
        self.nova.servers(self.stopped())
        self.assertTrue(self.helper.stop_instance(SERVER))
        self.assertEqual([], self.nova.sent('POST'))

    def test_stop_of_a_server_that_disappears(self):
        self.nova.servers(server(), refused(404))
        self.assertTrue(self.helper.stop_instance(SERVER))

    def test_stop_takes_too_long(self):
        self.nova.servers(server(), server(task_state='powering-off'))
        outcome = self.helper.stop_instance(SERVER)
        self.assertFalse(outcome)
        self.assertIn('the stop of server', outcome.reason)
        # No option changes how long that may take.
        self.assertNotIn('[nova]', outcome.reason)
        self.assertEqual(1080, self.clock.now)

    def test_start(self):
        self.nova.servers(self.stopped(), server())
        self.assertTrue(self.helper.start_instance(SERVER))
        self.assertEqual([{'os-start': None}], self.nova.sent('POST'))

    def test_start_of_a_server_that_disappears(self):
        self.nova.servers(self.stopped(), refused(404))
        self.assertFalse(self.helper.start_instance(SERVER))

    def test_wait_for_a_state(self):
        self.nova.servers(server(), server(), self.stopped())
        found = self.helper.find_instance(SERVER)
        self.assertTrue(self.helper.wait_for_instance_state(
            found, 'stopped', 3, 10))
        self.assertEqual(1020, self.clock.now)
        self.assertFalse(self.helper.wait_for_instance_state(
            found, 'active', 2, 10))


class TestAbort(NovaHelperTestCase):

    def setUp(self):
        super().setUp()
        self.nova.answer('GET', f'/servers/{SERVER}/migrations',
                         {'migrations': [{'id': 7}]})
        self.nova.answer('DELETE', f'/servers/{SERVER}/migrations/7', {})

    def abort(self):
        return self.helper.abort_live_migrate(SERVER, 'c1', 'c2')

    def test_stays(self):
        self.nova.servers(moving(), server())
        self.assertTrue(self.abort())
        self.assertEqual(1, len(self.nova.sent('DELETE')))

    def test_forced_to_its_end(self):
        path = f'/servers/{SERVER}/migrations/7/action'
        self.nova.answer('POST', path, {})
        self.assertTrue(self.helper.force_live_migration(SERVER))
        self.assertEqual([{'force_complete': None}], self.nova.sent('POST'))
        self.nova.answer('POST', path, refused(400, 'not running'))
        self.assertRaises(exception.NovaClientError,
                          self.helper.force_live_migration, SERVER)

    def test_nothing_to_force(self):
        self.nova.answer('GET', f'/servers/{SERVER}/migrations',
                         {'migrations': []})
        self.assertFalse(self.helper.force_live_migration(SERVER))
        self.assertEqual([], self.nova.sent('POST'))

    def test_too_late(self):
        self.nova.answer('DELETE', f'/servers/{SERVER}/migrations/7',
                         refused(404))
        self.nova.servers(server(host='c2'))
        self.assertFalse(self.abort())

    def test_broken(self):
        self.nova.servers(server(status='ERROR'))
        self.assertRaises(exception.LiveMigrationFailed, self.abort)

    def test_never_ends(self):
        self.nova.servers(moving())
        self.assertRaises(exception.LiveMigrationFailed, self.abort)
        self.assertEqual(1480, self.clock.now)


class TestComputeServices(NovaHelperTestCase):

    def services(self, *statuses):
        self.nova.answer('GET', '/os-services', *[
            {'services': [{'id': OTHER, 'host': 'c1', 'status': status}]}
            for status in statuses])

    def change(self, *answers):
        self.nova.answer('PUT', f'/os-services/{OTHER}', *answers)

    def test_disable_with_reason(self):
        self.services('enabled')
        self.change({'service': {'status': 'disabled'}})
        self.assertTrue(self.helper.disable_service_nova_compute(
            'c1', 'watcher_maintaining'))
        self.assertEqual(
            [{'status': 'disabled',
              'disabled_reason': 'watcher_maintaining'}],
            self.nova.sent('PUT'))
        self.assertEqual({'binary': 'nova-compute', 'host': 'c1'},
                         self.nova.requests[0][2])

    def test_disable_without_reason(self):
        self.services('enabled')
        self.change({'service': {'status': 'disabled'}})
        self.helper.disable_service_nova_compute('c1')
        self.assertEqual([{'status': 'disabled'}], self.nova.sent('PUT'))

    def test_enable(self):
        self.services('disabled')
        self.change({'service': {'status': 'enabled'}})
        self.assertTrue(self.helper.enable_service_nova_compute('c1'))

    def test_no_service(self):
        self.nova.answer('GET', '/os-services', {'services': []})
        outcome = self.helper.enable_service_nova_compute('c1')
        self.assertFalse(outcome)
        self.assertIn('c1', outcome.reason)

    def test_not_obeyed(self):
        self.services('disabled')
        self.change({'service': {'status': 'disabled'}})
        outcome = self.helper.enable_service_nova_compute('c1')
        self.assertFalse(outcome)
        self.assertIn('disabled instead of enabled', outcome.reason)

    def test_lost_answer(self):
        self.services('enabled', 'disabled')
        self.change(broken())
        self.assertTrue(self.helper.disable_service_nova_compute('c1'))

    def test_lost_request(self):
        self.services('enabled')
        self.change(broken())
        self.assertRaises(exception.NovaClientError,
                          self.helper.disable_service_nova_compute, 'c1')
