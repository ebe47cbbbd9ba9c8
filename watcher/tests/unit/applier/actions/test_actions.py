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
"""The supplied actions: schemas, pre-conditions, how results are judged.

Nova is a few lines in memory here; the functional tests talk to a simulated
cloud over HTTP.
"""

import dataclasses
import threading
import time

import fixtures
import jsonschema

from watcher.applier.actions import factory
from watcher.applier.loading import default as loading
from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import utils
from watcher.tests import base

SERVER = '5c1ee2bd-d6ae-4b5b-b9b9-3c4b0b5f0f01'
OTHER = '5c1ee2bd-d6ae-4b5b-b9b9-3c4b0b5f0f02'

REAL = nova_helper.NovaHelper

MIGRATE = {'resource_id': SERVER, 'migration_type': 'live',
           'source_node': 'host1', 'destination_node': 'host2'}


@dataclasses.dataclass
class Item:
    uuid: str = SERVER
    host: str = 'host1'
    status: str = 'ACTIVE'
    vm_state: str = 'active'
    task_state: str | None = None
    flavor: dict = dataclasses.field(default_factory=dict)
    flavor_name: str = 'small'
    is_boot_from_volume: bool = True
    disabled_reason: str | None = None


class FakeNova:
    """As much of Nova as the actions ask for."""

    def __init__(self):
        self.servers = {SERVER: Item()}
        self.nodes = {'host2': Item(status='enabled')}
        self.flavors = {'big': '7', 'small': '1'}
        self.services = {'host1': Item(host='host1', status='enabled')}
        self.calls = []
        self.outcome = nova_helper.Outcome(True)

    def find_instance(self, uuid):
        if uuid not in self.servers:
            raise exception.InstanceNotFound(name=uuid)
        return self.servers[uuid]

    def get_compute_node_by_hostname(self, host):
        node = self.nodes.get(host)
        if node is None:
            raise exception.ComputeNodeNotFound(name=host)
        if isinstance(node, Exception):
            raise node
        return node

    def get_flavor_id(self, flavor):
        if flavor not in self.flavors:
            raise exception.ComputeResourceNotFound(name=flavor)
        return self.flavors[flavor]

    def get_service_list(self, host=None):
        return [service for service in self.services.values()
                if host in (None, service.host)]

    def __getattr__(self, name):
        if not hasattr(REAL, name):
            raise AttributeError(name)

        def call(*args, **kwargs):
            kwargs.pop('should_stop', None)
            kwargs.pop('watch', None)
            self.calls.append((name, *args, *kwargs.values()))
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome
        return call


class ActionTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.nova = FakeNova()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.nova_helper.NovaHelper',
            lambda *args, **kwargs: self.nova))

    def make(self, action_type, **parameters):
        action = loading.DefaultActionLoader().load(action_type, osc=object())
        action.input_parameters = parameters
        return action

    def assertSkips(self, action, *words):
        error = self.assertRaises(exception.ActionSkipped,
                                  action.pre_condition)
        for word in words:
            self.assertIn(word, str(error))

    def assertRefuses(self, action, *words):
        error = self.assertRaises(exception.WatcherException,
                                  action.pre_condition)
        self.assertNotIsInstance(error, exception.ActionSkipped)
        for word in words:
            self.assertIn(word, str(error))


class TestSchemas(ActionTestCase):

    VALID = {
        'nop': [{'message': 'hello'}, {'message': None},
                {'message': '', 'fail_execute': True}],
        'sleep': [{'duration': 0}, {'duration': 0.5}],
        'migrate': [
            MIGRATE,
            {**MIGRATE, 'migration_type': 'cold', 'resource_name': 'web'},
            {key: value for key, value in MIGRATE.items()
             if key != 'destination_node'}],
        'stop': [{'resource_id': SERVER.upper()},
                 {'resource_id': SERVER, 'resource_name': 'web'}],
        'start': [{'resource_id': SERVER, 'resource_name': 'web'}],
        'resize': [{'resource_id': SERVER, 'flavor': 'big'},
                   {'resource_id': SERVER, 'flavor': '7',
                    'resource_name': 'web'}],
        'change_nova_service_state': [
            {'resource_id': 'host1', 'state': 'enabled'},
            {'resource_id': SERVER, 'resource_name': 'host1',
             'state': 'disabled', 'disabled_reason': 'watcher_disabled'}],
    }

    VALID['volume_migrate'] = [
        {'resource_id': SERVER, 'migration_type': kind,
         'destination_node': 'a@b#c', 'resource_name': 'data'}
        for kind in ('migrate', 'swap')] + [
        {'resource_id': SERVER, 'migration_type': 'retype',
         'destination_type': 'fast', 'destination_node': 'a@b#c'},
        {'resource_id': SERVER, 'migration_type': 'retype'}]
    VALID['change_node_power_state'] = [
        {'resource_id': SERVER, 'state': 'on'},
        {'resource_id': 'ab3xyz', 'resource_name': 'host1',
         'state': 'off'}]

    INVALID = {
        'nop': [{}, {'message': 1}, {'message': 'x', 'fail_execute': 'yes'},
                {'message': 'x', 'unknown': 1}],
        'sleep': [{}, {'duration': -0.1}, {'duration': '1'},
                  {'duration': 1, 'unknown': 1}],
        'migrate': [
            {**MIGRATE, 'resource_id': 'web'},
            {**MIGRATE, 'resource_id': ''},
            {**MIGRATE, 'migration_type': 'warm'},
            {**MIGRATE, 'source_node': ''},
            {**MIGRATE, 'destination_node': ''},
            {**MIGRATE, 'destination_node': 5},
            {**MIGRATE, 'destination_node': None},
            {**MIGRATE, 'unknown': 1},
            {'resource_id': SERVER, 'migration_type': 'live'}],
        'stop': [{}, {'resource_id': 'web'},
                 {'resource_id': SERVER, 'unknown': 1}],
        'start': [{}, {'resource_id': 'web'},
                  {'resource_id': SERVER, 'unknown': 1}],
        'resize': [{'resource_id': SERVER},
                   {'resource_id': SERVER, 'flavor': ''},
                   {'resource_id': SERVER, 'flavor': 7}],
        'change_nova_service_state': [
            {'resource_id': 'host1'},
            {'resource_id': '', 'state': 'enabled'},
            {'resource_id': 'host1', 'state': 'up'},
            {'resource_id': 'host1', 'state': 'down'},
            {'resource_id': 'host1', 'state': 'enabled', 'unknown': 1}],
        'volume_migrate': [
            {'resource_id': SERVER},
            {'migration_type': 'migrate', 'destination_node': 'a@b#c'},
            {'resource_id': 'data', 'migration_type': 'migrate'},
            {'resource_id': SERVER, 'migration_type': 'cold'},
            {'resource_id': SERVER, 'migration_type': 'migrate',
             'destination_node': ''},
            {'resource_id': SERVER, 'migration_type': 'migrate',
             'destination_node': None},
            {'resource_id': SERVER, 'migration_type': 'retype',
             'destination_type': 7},
            {'resource_id': SERVER, 'migration_type': 'retype',
             'unknown': 1}],
        'change_node_power_state': [
            {'resource_id': SERVER}, {'state': 'on'},
            {'resource_id': '', 'state': 'on'},
            {'resource_id': SERVER, 'state': 'power on'},
            {'resource_id': SERVER, 'state': 'on', 'unknown': 1}],
    }

    #: Every word of JSON schema that the schemas may use.
    KEYWORDS = {'type', 'properties', 'required', 'additionalProperties',
                'minimum', 'minLength', 'pattern', 'enum', 'default'}

    def test_every_action_has_examples(self):
        available = set(loading.DefaultActionLoader().list_available())
        self.assertEqual(set(), set(self.VALID) - available)
        self.assertEqual(9, len(self.VALID))
        self.assertEqual(set(self.VALID), set(self.INVALID))

    def test_valid(self):
        for action_type, examples in self.VALID.items():
            for parameters in examples:
                action = self.make(action_type, **parameters)
                self.assertIs(True, action.validate_parameters())

    def test_invalid(self):
        for action_type, examples in self.INVALID.items():
            for parameters in examples:
                action = self.make(action_type, **parameters)
                self.assertRaises(jsonschema.ValidationError,
                                  action.validate_parameters)

    def test_only_real_keywords(self):
        def check(schema):
            self.assertLessEqual(set(schema), self.KEYWORDS)
            for part in schema.get('properties', {}).values():
                check(part)
        for action_type in self.VALID:
            check(self.make(action_type).schema)


class TestFactory(ActionTestCase):

    def test_invalid_parameters_name_what_is_wrong(self):
        stored = utils.Struct(action_type='sleep',
                              input_parameters={'duration': 'long'})
        error = self.assertRaises(
            exception.Invalid, factory.ActionFactory().make_action, stored)
        self.assertIn('$.duration', str(error))
        self.assertIn("'long' is not of type 'number'", str(error))

    def test_unknown_type(self):
        stored = utils.Struct(action_type='teleport', input_parameters={})
        self.assertRaises(
            exception.LoadingError, factory.ActionFactory().make_action,
            stored)


class TestBase(ActionTestCase):

    def test_check_abort(self):
        self.assertTrue(self.make('nop').check_abort())
        self.assertTrue(self.make('sleep').check_abort())
        self.assertTrue(self.make('migrate', **MIGRATE).check_abort())
        # It is reverted before it is confirmed.
        self.assertTrue(self.make('migrate', **{
            **MIGRATE, 'migration_type': 'cold'}).check_abort())
        self.assertFalse(self.make('stop').check_abort())

    def test_descriptions(self):
        for action_type in TestSchemas.VALID:
            self.assertTrue(self.make(action_type).get_description())


class TestNopAndSleep(ActionTestCase):

    def test_nop_logs(self):
        self.assertIs(True, self.make('nop', message='hello').execute())
        self.assertIn('hello', self.logger.output)

    def test_nop_switches(self):
        for hook in ('pre_condition', 'post_condition'):
            action = self.make('nop', message='', **{f'fail_{hook}': True})
            self.assertRaises(exception.WatcherException,
                              getattr(action, hook))
        self.assertSkips(
            self.make('nop', message='', skip_pre_condition=True))
        self.assertFalse(
            self.make('nop', message='', fail_execute=True).execute())

    def test_sleep_does_not_cut_fractions(self):
        started = time.monotonic()
        self.assertIs(True, self.make('sleep', duration=0.2).execute())
        self.assertGreaterEqual(time.monotonic() - started, 0.2)

    def test_sleep_ends_when_the_applier_stops(self):
        action = self.make('sleep', duration=60)
        stopping = threading.Event()
        action.watch_stop(stopping)
        stopping.set()
        self.assertRaises(exception.WaitInterrupted, action.execute)


class TestMigrate(ActionTestCase):

    def test_fine(self):
        self.make('migrate', **MIGRATE).pre_condition()
        self.make('migrate', **{
            key: value for key, value in MIGRATE.items()
            if key != 'destination_node'}).pre_condition()

    def test_the_server_is_gone(self):
        self.assertSkips(
            self.make('migrate', **{**MIGRATE, 'resource_id': OTHER}), OTHER)

    def test_the_server_is_elsewhere(self):
        self.nova.servers[SERVER].host = 'host3'
        self.assertSkips(self.make('migrate', **MIGRATE),
                         SERVER, 'host1', 'host3')

    def test_the_destination_is_unknown(self):
        self.assertRefuses(
            self.make('migrate', **{**MIGRATE, 'destination_node': 'x9'}),
            'x9', 'not found')

    def test_the_destination_is_disabled(self):
        self.nova.nodes['host2'].status = 'disabled'
        self.assertRefuses(self.make('migrate', **MIGRATE),
                           'host2', 'not enabled')

    def test_an_unreachable_nova_is_not_an_unknown_destination(self):
        self.nova.nodes['host2'] = exception.NovaClientError(
            reason='time-out')
        self.assertRefuses(self.make('migrate', **MIGRATE), 'time-out')

    def test_a_live_migration_needs_an_active_server(self):
        self.nova.servers[SERVER].status = 'SHUTOFF'
        self.assertRefuses(self.make('migrate', **MIGRATE), 'SHUTOFF')
        self.make('migrate', **{
            **MIGRATE, 'migration_type': 'cold'}).pre_condition()

    def test_live(self):
        self.assertIs(True, self.make('migrate', **MIGRATE).execute())
        self.assertEqual([('live_migrate_instance', SERVER, 'host2')],
                         self.nova.calls)

    def test_cold_to_a_host_that_nova_chooses(self):
        self.assertIs(True, self.make(
            'migrate', resource_id=SERVER, migration_type='cold',
            source_node='host1').execute())
        self.assertEqual(
            [('watcher_non_live_migrate_instance', SERVER, None)],
            self.nova.calls)

    def test_the_reason_of_a_failure_is_kept(self):
        self.nova.outcome = nova_helper.Outcome(False, 'no valid host')
        error = self.assertRaises(
            exception.ActionExecutionFailure,
            self.make('migrate', **MIGRATE).execute)
        self.assertEqual('no valid host', str(error))

    def test_an_interrupted_wait(self):
        self.nova.outcome = nova_helper.Outcome(
            False, 'it goes on', interrupted=True)
        error = self.assertRaises(
            exception.WaitInterrupted,
            self.make('migrate', **MIGRATE).execute)
        self.assertEqual('it goes on', str(error))

    def test_revert_and_abort(self):
        action = self.make('migrate', **MIGRATE)
        self.assertIs(True, action.revert())
        self.make('migrate', **MIGRATE).abort()
        self.assertEqual(
            [('live_migrate_instance', SERVER, 'host1'),
             ('abort_live_migrate', SERVER, 'host1', 'host2')],
            self.nova.calls)
        self.nova.outcome = nova_helper.Outcome(False, 'nothing to revert')
        self.assertFalse(self.make('migrate', **{
            **MIGRATE, 'migration_type': 'cold'}).abort())


class TestStop(ActionTestCase):

    def test_pre_condition(self):
        self.make('stop', resource_id=SERVER).pre_condition()
        self.nova.servers[SERVER].status = 'SHUTOFF'
        self.assertSkips(self.make('stop', resource_id=SERVER), 'stopped')
        self.assertSkips(self.make('stop', resource_id=OTHER), OTHER)

    def test_execute_and_revert(self):
        action = self.make('stop', resource_id=SERVER)
        self.assertIs(True, action.execute())
        self.assertIs(True, action.revert())
        self.assertEqual([('stop_instance', SERVER),
                          ('start_instance', SERVER)], self.nova.calls)

    def test_a_deleted_server_needs_no_stopping(self):
        self.nova.outcome = exception.InstanceNotFound(name=SERVER)
        self.assertIs(True, self.make('stop', resource_id=SERVER).execute())

    def test_failures(self):
        action = self.make('stop', resource_id=SERVER)
        self.nova.outcome = nova_helper.Outcome(False, 'it hangs')
        self.assertRaises(exception.ActionExecutionFailure, action.execute)
        self.assertFalse(action.abort())


class TestResize(ActionTestCase):

    def test_pre_condition(self):
        self.make('resize', resource_id=SERVER,
                  flavor='big').pre_condition()
        self.assertSkips(self.make('resize', resource_id=OTHER,
                                   flavor='big'), OTHER)
        self.assertRefuses(self.make('resize', resource_id=SERVER,
                                     flavor='huge'), 'huge')

    def test_execute(self):
        action = self.make('resize', resource_id=SERVER, flavor='big')
        self.assertIs(True, action.execute())
        self.assertEqual([('resize_instance', SERVER, 'big')],
                         self.nova.calls)
        self.assertFalse(action.revert())


class TestChangeNovaServiceState(ActionTestCase):

    def test_host(self):
        self.assertEqual('host1', self.make(
            'change_nova_service_state', resource_id=SERVER,
            resource_name='host1', state='enabled').host)
        self.assertEqual('host1', self.make(
            'change_nova_service_state', resource_id='host1',
            state='enabled').host)

    def test_pre_condition(self):
        self.make('change_nova_service_state', resource_id='host1',
                  state='disabled').pre_condition()
        self.assertSkips(self.make(
            'change_nova_service_state', resource_id='host1',
            state='enabled'), 'already enabled')
        self.assertSkips(self.make(
            'change_nova_service_state', resource_id='host9',
            state='enabled'), 'host9')

    def test_disable_and_revert(self):
        action = self.make(
            'change_nova_service_state', resource_id='host1',
            state='disabled', disabled_reason='watcher_disabled')
        self.assertIs(True, action.execute())
        self.assertIs(True, action.revert())
        self.assertEqual(
            [('disable_service_nova_compute', 'host1', 'watcher_disabled'),
             ('enable_service_nova_compute', 'host1')], self.nova.calls)
