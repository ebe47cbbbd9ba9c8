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
"""What a consumer hears of the work, from beginning to end.

The tables are those of the documentation, ``doc/notification_samples/
sequences``. Set ``WATCHER_UPDATE_SAMPLES=1`` to write them anew after a
deliberate change, and read the difference.
"""

import contextlib
import datetime
import json
import os
import pathlib
import threading
import uuid

import fixtures
import sqlalchemy as sa
from oslo_messaging.notify import messaging as driver
from oslo_utils import timeutils

from watcher import objects
from watcher.applier.actions import nop
from watcher.common import context
from watcher.common import schedule
from watcher.decision_engine.planner import weight
from watcher.decision_engine.strategy.strategies import actuation
from watcher.notifications import base as payloads
from watcher.notifications import sender
from watcher.notifications import service as service_notifications
from watcher.tests import base
from watcher.tests.fixtures import consumer
from watcher.tests.fixtures import services

TABLES = (pathlib.Path(__file__).parents[3]
          / 'doc' / 'notification_samples' / 'sequences')

#: Told last by the test: everything before it has arrived.
MARK = 'service.delete'

#: Keys of the context that every message carries.
CONTEXT = {f'_context_{name}' for name in (
    'user', 'project_id', 'project', 'domain', 'user_domain',
    'project_domain', 'system_scope', 'is_admin', 'is_admin_project',
    'read_only', 'show_deleted', 'auth_token', 'auth_token_info',
    'request_id', 'global_request_id', 'resource_uuid', 'roles',
    'user_identity')}

#: Where the database has gone on when a message is sent: a transaction
#: tells all states that it passed through once the last is stored, and the
#: end of a strategy is told although somebody cancelled the audit.
LATER = {'empty': [('action_plan.create', 'RECOMMENDED', 'SUCCEEDED')],
         'cancel_audit': [('audit.strategy.end', 'ONGOING', 'CANCELLED')]}


def message(text, **switches):
    return {'action_type': 'nop',
            'input_parameters': {'message': text, **switches}}


def _is_payload(value):
    return isinstance(value, dict) and 'watcher_object.name' in value


class Table:
    """Turns messages into lines, with short names instead of UUIDs."""

    def __init__(self):
        self._names = {}
        self._counts = {}

    def _name(self, data, kind):
        if kind == 'service':
            return data['name'].removeprefix('watcher-')
        kind = kind.removeprefix('action_') if kind != 'action' else kind
        if data['uuid'] not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[data['uuid']] = f'{kind}{self._counts[kind]}'
        return self._names[data['uuid']]

    def line(self, received):
        data = received['payload']['watcher_object.data']
        kind = received['event_type'].partition('.')[0]
        parts = [f'{received["event_type"]:<28}',
                 f'{self._name(data, kind):<8}',
                 f'{data.get("state", data.get("sevice_host")):<12}']
        update = data.get('state_update', data.get('status_update'))
        if update is not None:
            update = update['watcher_object.data']
            parts.append('[-]' if update['state'] is None else
                         f"[{update['old_state']}>{update['state']}]")
        if data.get('fault') is not None:
            fault = data['fault']['watcher_object.data']
            parts.append(f"fault={fault['exception']}")
        if received['priority'] != 'INFO':
            parts.append(received['priority'])
        return ' '.join(parts).rstrip()


class Stored:
    """Compares each message with the database when it is sent.

    It looks through a connection of its own: what is not committed cannot
    be seen.
    """

    _TABLES = {'audit': 'audits', 'action_plan': 'action_plans',
               'action': 'actions'}

    def __init__(self, url):
        self._engine = sa.create_engine(
            url, connect_args={'timeout': base.PATIENCE})
        self.differences = []

    def look(self, sent):
        table = self._TABLES.get(sent.event_type.partition('.')[0])
        if table is None:
            return
        data = sent.payload['watcher_object.data']
        with self._engine.connect() as connection:
            state = connection.scalar(
                sa.text(f'SELECT state FROM {table} WHERE uuid = :uuid'),
                {'uuid': data['uuid']})
        if state != data['state']:
            self.differences.append((sent.event_type, data['state'], state))

    def close(self):
        self._engine.dispose()


class TestSequences(base.TestCase):

    def setUp(self):
        super().setUp()
        url = services.bus_url(services.RABBIT)
        name = uuid.uuid4().hex[:8]
        self.exchange, self.topic = f'watcher-{name}', f'notes-{name}'
        self.consumer = self.useFixture(consumer.Consumer(
            url, self.exchange, self.topic))
        never = {'reconcile_interval': 3600}
        self.watcher = self.useFixture(services.Watcher(
            transport=services.RABBIT, overrides={
                'DEFAULT': {'control_exchange': self.exchange,
                            'host': 'controller-1'},
                'oslo_messaging_notifications': {
                    'driver': 'messagingv2', 'topics': self.topic},
                # A message starts the work, never the clock: two services
                # that find the same row would tell of it in any order.
                'watcher_applier': never,
                'watcher_decision_engine': {
                    **never, 'continuous_audit_interval': 3600}}))
        self.client = self.watcher.client()
        self.stored = Stored(self.watcher.database.url)
        self.addCleanup(self.stored.close)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.notifications.sender.Sender.send', self._watched()))

    def _watched(self):
        send = sender.Sender.send

        def look_and_send(itself, sent):
            self.stored.look(sent)
            return send(itself, sent)
        return look_and_send

    # Waiting ------------------------------------------------------------

    @property
    def dispatcher(self):
        return self.watcher.services.decision_engine.manager._dispatcher

    def wait_until_idle(self):
        applier = self.watcher.services.applier.manager
        loops = (applier._dispatcher, self.dispatcher._loop)
        services.wait_until(
            lambda: (not applier.running and not self.dispatcher._running
                     and all(loop.resting or not loop.running
                             for loop in loops)),
            what='the end of all work')

    def hear(self):
        """All that was told since the last time."""
        self.wait_until_idle()
        service_notifications.send_delete(None, objects.Service(
            name='mark', host='mark', last_seen_up=None))
        self.assertTrue(self.consumer.wait_for(MARK, base.PATIENCE))
        received = self.consumer.take()[:-1]
        for routing_key, body in received:
            self.assertWellFormed(routing_key, body)
        return [json.loads(body['oslo.message'])
                for _routing_key, body in received]

    # What holds for every message ---------------------------------------

    def assertWellFormed(self, routing_key, body):
        """The envelope, the context and the fields are as documented."""
        self.assertEqual({'oslo.version', 'oslo.message'}, set(body))
        self.assertEqual('2.0', body['oslo.version'])
        heard = json.loads(body['oslo.message'])
        self.assertEqual(
            {'message_id', 'publisher_id', 'event_type', 'priority',
             'payload', 'timestamp', '_unique_id'},
            {key for key in heard if not key.startswith('_context_')})
        self.assertLessEqual(CONTEXT, set(heard))
        self.assertIsNone(heard['_context_auth_token'])
        self.assertEqual('infra-optim:controller-1', heard['publisher_id'])
        self.assertEqual(f"{self.topic}.{heard['priority'].lower()}",
                         routing_key)
        name = heard['event_type'].replace('.', '-')
        sample = json.loads((TABLES.parent / f'{name}.json').read_text())
        if heard['priority'] != sample['priority']:
            # The sample is a failure; this is a return.
            self.assertEqual(('service.update', 'INFO'), (
                heard['event_type'], heard['priority']))
        self.assertSameShape(sample['payload'], heard['payload'])

    def assertSameShape(self, sample, payload):
        """Same class, same version and same fields at every depth."""
        self.assertEqual(set(sample), set(payload))
        for key in ('watcher_object.name', 'watcher_object.namespace',
                    'watcher_object.version'):
            self.assertEqual(sample[key], payload[key])
        expected = sample['watcher_object.data']
        data = payload['watcher_object.data']
        self.assertEqual(set(expected), set(data))
        for name, value in data.items():
            if _is_payload(value) and _is_payload(expected[name]):
                self.assertSameShape(expected[name], value)

    # What is done -------------------------------------------------------

    def create(self, *actions, goal='unclassified', strategy='actuator',
               **fields):
        fields.setdefault('audit_type', 'ONESHOT')
        fields.setdefault('parameters', {'actions': list(actions)})
        return self.client.audit.create(goal=goal, strategy=strategy,
                                        **fields).uuid

    def ended(self, manager, ident):
        found = self.watcher.finished(manager, ident)
        self.wait_until_idle()
        return found

    def recommended(self, *actions):
        """Run an audit; returns it and its plan."""
        audit = self.create(*actions)
        self.ended(self.client.audit, audit)
        return audit, self.newest_plan(audit)

    def newest_plan(self, audit):
        return self.client.action_plan.list(
            audit=audit, sort_key='id', sort_dir='desc')[0].uuid

    def start(self, plan):
        self.client.action_plan.start(plan)

    def run_plan(self, plan):
        self.start(plan)
        self.ended(self.client.action_plan, plan)

    def patch(self, manager, ident, field, value):
        manager.update(ident, [
            {'op': 'replace', 'path': f'/{field}', 'value': value}])

    def trigger(self, audit):
        before = self.count_plans(audit)
        answer = self.watcher.http('POST', f'/v1/webhooks/{audit}', json={})
        self.assertEqual(202, answer.status_code, answer.text)
        services.wait_until(lambda: self.count_plans(audit) > before,
                            what='another action plan')
        self.ended(self.client.audit, audit)

    def count_plans(self, audit):
        return len(self.client.action_plan.list(audit=audit))

    @contextlib.contextmanager
    def gate(self, cls, method):
        """Let one call stand still while the body runs."""
        original = getattr(cls, method)
        entered, opened = threading.Event(), threading.Event()

        def wait(*args, **kwargs):
            if not entered.is_set():
                entered.set()
                opened.wait(base.PATIENCE)
            return original(*args, **kwargs)
        with fixtures.MonkeyPatch(
                f'{cls.__module__}.{cls.__qualname__}.{method}', wait):
            try:
                yield entered
            finally:
                opened.set()
            self.wait_until_idle()

    # The scenarios ------------------------------------------------------

    def scenario_oneshot(self):
        """A ONESHOT audit, its plan started, plan and audit deleted."""
        audit, plan = self.recommended(message('1'), message('2'),
                                       message('3'))
        self.run_plan(plan)
        self.client.action_plan.delete(plan)
        self.client.audit.delete(audit)

    def scenario_auto_trigger(self):
        audit = self.create(message('1'), auto_trigger=True)
        self.ended(self.client.audit, audit)
        self.ended(self.client.action_plan, self.newest_plan(audit))

    def scenario_empty(self):
        """Nothing to do: the plan is not executed."""
        audit = self.create(auto_trigger=True)
        self.ended(self.client.audit, audit)

    def scenario_cancel_running(self):
        _audit, plan = self.recommended(message('1'), message('2'),
                                        message('3'))
        with self.gate(nop.Nop, 'execute') as runs:
            self.start(plan)
            self.assertTrue(runs.wait(base.PATIENCE))
            self.client.action_plan.cancel(plan)

    def scenario_cancel_last(self):
        """Cancelled while the last action runs."""
        _audit, plan = self.recommended(message('1'))
        with self.gate(nop.Nop, 'execute') as runs:
            self.start(plan)
            self.assertTrue(runs.wait(base.PATIENCE))
            self.client.action_plan.cancel(plan)

    def scenario_cancel_recommended(self):
        _audit, plan = self.recommended(message('1'), message('2'))
        self.client.action_plan.cancel(plan)
        self.client.action_plan.delete(plan)

    def scenario_failing_action(self):
        """A failure does not stop the actions after it."""
        _audit, plan = self.recommended(
            message('1', fail_execute=True), message('2'))
        self.run_plan(plan)

    def scenario_failing_conditions(self):
        """A failed pre-condition, then a failed post-condition."""
        _audit, plan = self.recommended(
            message('1', fail_pre_condition=True),
            message('2', fail_post_condition=True))
        self.run_plan(plan)

    def scenario_skipped(self):
        """One action skips itself, one was skipped by the operator."""
        _audit, plan = self.recommended(
            message('1', skip_pre_condition=True), message('2'),
            message('3'))
        action = self.client.action.list(
            action_plan=plan, sort_key='id', sort_dir='asc')[2]
        answer = self.watcher.http(
            'PATCH', f'/v1/actions/{action.uuid}', json=[
                {'op': 'replace', 'path': '/state', 'value': 'SKIPPED'}])
        self.assertEqual(200, answer.status_code, answer.text)
        self.run_plan(plan)

    def scenario_failing_strategy(self):
        with fixtures.MockPatchObject(
                actuation.Actuator, 'do_execute',
                side_effect=ValueError('no such metric')):
            self.ended(self.client.audit, self.create())

    def scenario_failing_planner(self):
        with fixtures.MockPatchObject(
                weight.WeightPlanner, 'schedule',
                side_effect=ValueError('no way')):
            self.ended(self.client.audit, self.create(message('1')))

    def scenario_refused(self):
        """A plan runs: a second audit is not begun."""
        _audit, plan = self.recommended(message('1'))
        with self.gate(nop.Nop, 'execute') as runs:
            self.start(plan)
            self.assertTrue(runs.wait(base.PATIENCE))
            self.watcher.finished(self.client.audit, self.create())

    def scenario_cancel_audit(self):
        """Cancelled while its strategy runs: it ends there."""
        with self.gate(actuation.Actuator, 'do_execute') as runs:
            audit = self.create(message('1'))
            self.assertTrue(runs.wait(base.PATIENCE))
            self.patch(self.client.audit, audit, 'state', 'CANCELLED')

    def scenario_event(self):
        """An EVENT audit that is triggered twice."""
        audit = self.create(message('1'), audit_type='EVENT')
        self.trigger(audit)
        self.trigger(audit)

    def scenario_expired(self):
        """Nobody started the plan in time."""
        self.recommended(message('1'))
        self.config(group='watcher_decision_engine', action_plan_expiry=-1)
        objects.ActionPlan.supersede_expired(context.admin_context())

    def scenario_applier_restarted(self):
        """It finds a plan that it was executing when it was killed."""
        _audit, plan = self.recommended(message('1'), message('2'))
        admin = context.admin_context()
        objects.ActionPlan.get_by_uuid(admin, plan, eager=True).transition(
            'ONGOING', hostname='controller-1')
        objects.Action.list(
            admin, filters={'action_plan_uuid': plan}, eager=True,
            sort_key='id', sort_dir='asc')[0].transition('ONGOING')
        self.watcher.services.applier.manager.pre_start()

    def scenario_engine_restarted(self):
        """It finds an audit that it was running when it was killed."""
        admin = context.admin_context()
        goal = objects.Goal.get_by_name(admin, 'dummy')
        objects.Audit(
            admin, name='interrupted', audit_type='ONESHOT', state='ONGOING',
            goal_id=goal.id, auto_trigger=False, parameters={},
            hostname='controller-1').create()
        self.dispatcher._loop.wake()
        services.wait_until(
            lambda: not objects.Audit.list(admin, filters={
                'state': 'ONGOING'}), what='the end of the audit')

    def scenario_service_failed(self):
        """Another host dies and comes back."""
        admin = context.admin_context()
        monitor = self.watcher.services.applier.manager._monitor
        other = objects.Service.heartbeat(
            admin, 'watcher-applier', 'controller-2')
        for seconds_ago in (0, 1000, 0):
            other.last_seen_up = timeutils.utcnow() - datetime.timedelta(
                seconds=seconds_ago)
            other.save()
            monitor.look()

    def scenario_continuous(self):
        """Two runs, suspended, resumed with a third run, cancelled."""
        # The test says when the engine looks, and what the time is then.
        self.assertTrue(self.dispatcher._loop.stop(base.PATIENCE))
        self.now = schedule.whole_seconds(timeutils.utcnow())
        for part in (self.dispatcher._scheduler,
                     *self.dispatcher._handlers.values()):
            part._clock = lambda: self.now
        audit = self.create(message('1'), audit_type='CONTINUOUS',
                            interval='600')
        self.look()
        self.look(later=600)
        self.patch(self.client.audit, audit, 'state', 'SUSPENDED')
        self.look()
        self.patch(self.client.audit, audit, 'state', 'ONGOING')
        self.look(later=600)
        self.patch(self.client.audit, audit, 'state', 'CANCELLED')
        self.look()
        self.client.audit.delete(audit)

    def look(self, later=0):
        """One round of the engine, with all runs that it starts."""
        self.now += datetime.timedelta(seconds=later)
        self.dispatcher._next_settle = 0.0
        self.dispatcher._round()
        self.wait_until_idle()

    # The tests ----------------------------------------------------------

    def test_tables(self):
        scenarios = [name.removeprefix('scenario_') for name in vars(
            type(self)) if name.startswith('scenario_')]
        self.assertEqual(
            sorted(scenarios),
            sorted(path.stem for path in TABLES.glob('*.txt')))
        self.assertEqual(
            ['watcher-applier', 'watcher-decision-engine'],
            sorted(one['payload']['watcher_object.data']['name']
                   for one in self.hear()
                   if one['event_type'] == 'service.create'))
        for name in scenarios:
            with self.subTest(scenario=name):
                self._compare(name)

    def _compare(self, name):
        self.stored.differences.clear()
        getattr(self, f'scenario_{name}')()
        heard = self.hear()
        table = Table()
        text = ''.join(table.line(one) + '\n' for one in heard)
        path = TABLES / f'{name}.txt'
        if os.environ.get('WATCHER_UPDATE_SAMPLES'):
            path.write_text(text)
        self.assertEqual(path.read_text(), text)
        self.assertEqual(LATER.get(name, []), self.stored.differences)
        self._clean_up()

    def _clean_up(self):
        """No plan of this scenario shall be part of the next one."""
        for plan in objects.ActionPlan.list(
                context.admin_context(), filters={'state': 'RECOMMENDED'},
                eager=True):
            plan.transition('CANCELLED')
        self.hear()

    def test_a_bus_that_blocks_and_fails(self):
        """The work goes on; what was waiting is told in its order."""
        self.hear()
        opened = threading.Event()
        self.addCleanup(opened.set)
        notify = driver.MessagingDriver.notify
        broken = threading.Event()

        def fail(*args, **kwargs):
            opened.wait(base.PATIENCE)
            if broken.is_set():
                raise OSError('the broker is on fire')
            return notify(*args, **kwargs)
        self.useFixture(fixtures.MonkeyPatch(
            'oslo_messaging.notify.messaging.MessagingDriver.notify', fail))

        self.scenario_oneshot()
        self.assertEqual([], self.consumer.take())
        opened.set()
        table = Table()
        self.assertEqual((TABLES / 'oneshot.txt').read_text(),
                         ''.join(table.line(one) + '\n'
                                 for one in self.hear()))

        broken.set()
        self.scenario_oneshot()
        self.assertTrue(sender.get_sender().flush(base.PATIENCE))
        self.assertIn('the broker is on fire', self.logger.output)
        broken.clear()
        self.assertEqual([], self.hear())

    def test_payloads_that_cannot_be_built(self):
        """Requests, audits and plans don't notice."""
        self.hear()
        with fixtures.MockPatchObject(
                payloads.NotificationPayloadBase, '__init__',
                side_effect=RuntimeError('the goal is gone')):
            self.scenario_oneshot()
            self.wait_until_idle()
        self.assertEqual([], self.hear())
        for event in ('audit.create', 'audit.planner.end',
                      'action_plan.execution.end', 'audit.delete'):
            self.assertIn(f'Notification {event} could not be built',
                          self.logger.output)
