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
"""Plans because of which an audit is not run now.

Field report, part 2.2 row 12 and part 5 test 14.
"""

import datetime
from unittest import mock

from oslo_utils import timeutils

from watcher import objects
from watcher.common import exception
from watcher.decision_engine import touched
from watcher.decision_engine.audit import blocked
from watcher.decision_engine.audit import dispatcher
from watcher.decision_engine.audit import event
from watcher.decision_engine.audit import obstacles
from watcher.decision_engine.audit import oneshot
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.scope import compute
from watcher.decision_engine.scope import storage
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.audit import test_run

AUDIT = objects.audit.State
PLAN = objects.action_plan.State


def zone(name):
    """Return the scope of the audits of one zone."""
    return [{'compute': [{'availability_zones': [{'name': name}]}]}]


def move(server, source, destination):
    return {'action_type': 'migrate', 'input_parameters': {
        'resource_id': models.uuid(server), 'resource_name': f'vm-{server}',
        'migration_type': 'live', 'source_node': f'host-{source}',
        'destination_node': destination and f'host-{destination}'}}


def service(host, state='disabled'):
    return {'action_type': 'change_nova_service_state', 'input_parameters': {
        'resource_id': models.uuid(host), 'resource_name': f'host-{host}',
        'state': state}}


def retype(volume):
    return {'action_type': 'volume_migrate', 'input_parameters': {
        'resource_id': models.uuid(volume), 'resource_name': volume,
        'migration_type': 'retype', 'destination_type': 'fast'}}


class ObstacleTestCase(test_run.AuditTestCase):
    """Hosts A and B are in the zone east, C and D in the zone west.

    The servers a, b, c and d are on them, the volume v is in the pool p.
    """

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine',
                    blocking_plans='overlapping')
        goal = factories.goal('workload_balancing')
        # Looks at the compute model only.
        self.balance = factories.strategy(goal, 'workload_balance')
        self.compute = models.cloud({
            models.node(name): [models.instance(name.lower())]
            for name in 'ABCD'})
        self.compute.zones = {'host-A': 'east', 'host-B': 'east',
                              'host-C': 'west', 'host-D': 'west'}
        self.storage = models.storage({'s@b#p': ({}, [models.volume('v')])})
        self.replace(
            collectors.CollectorManager, 'get_cluster_model_collector',
            lambda this, name, osc=None: {
                'compute': self.collector(compute.ComputeScope, 'compute'),
                'storage': self.collector(storage.StorageScope, 'storage'),
            }[name])

    def collector(self, handler, name):
        return mock.Mock(
            get_latest_cluster_data_model=lambda: getattr(self, name).copy(),
            get_audit_scope_handler=lambda scope: handler(scope, None))

    def run_plan(self, *actions, state=PLAN.ONGOING, audit=None):
        """Have a plan of some other audit run."""
        other = audit or factories.audit(self.goal, self.strategy,
                                         state=AUDIT.SUCCEEDED)
        plan = objects.ActionPlan.create_with(
            self.context, {'audit_id': other.id, 'state': state,
                           'strategy_id': self.strategy.id},
            [{'parents': [], **action} for action in actions], [])
        self.heard.clear()
        return plan

    def find(self, scope, strategy=None):
        audit = factories.audit(self.goal, strategy or self.balance,
                                scope=scope)
        return obstacles.find(self.context, objects.Audit.get_by_uuid(
            self.context, audit.uuid, eager=True))


class TestOverlap(ObstacleTestCase):

    def assert_blocks(self, expected, scope, *actions, strategy=None):
        plan = self.run_plan(*actions)
        found = self.find(scope, strategy)
        self.assertEqual(plan.uuid if expected else None,
                         found and found.plan, actions)
        plan.transition(PLAN.CANCELLED)

    def test_plans_in_the_scope_block_and_others_do_not(self):
        for in_east, action in (
                (True, move('a', 'A', 'B')), (False, move('c', 'C', 'D')),
                # Only one end is in the scope.
                (True, move('a', 'A', 'C')), (True, move('c', 'C', 'A')),
                # The server of which nobody says where it goes.
                (True, move('a', 'A', None)), (False, move('c', 'C', None)),
                (True, service('B')), (False, service('D')),
                (True, {'action_type': 'stop', 'input_parameters': {
                    'resource_id': models.uuid('b')}}),
                (False, {'action_type': 'nop', 'input_parameters': {
                    'message': 'host-A'}}),
                # Only its machine is named otherwise.
                (True, {'action_type': 'change_node_power_state',
                        'input_parameters': {
                            'resource_id': models.uuid('machine'),
                            'resource_name': 'host-A', 'state': 'off'}}),
                # An action of somebody else.
                (True, {'action_type': 'defragment', 'input_parameters': {
                    'where': [{'host': 'host-A'}], 'speed': 3}}),
                (False, {'action_type': 'defragment', 'input_parameters': {
                    'where': [{'host': 'host-C'}], 'speed': 3}})):
            self.assert_blocks(in_east, zone('east'), action)

    def test_one_action_of_many_is_enough(self):
        self.assert_blocks(True, zone('west'), move('a', 'A', 'B'),
                           move('b', 'B', 'A'), move('d', 'D', 'C'))

    def test_actions_that_are_given_up_do_not_count(self):
        plan = self.run_plan(move('a', 'A', 'B'))
        action, = objects.Action.list(
            self.context, eager=True, filters={'action_plan_id': plan.id})
        self.assertIsNotNone(self.find(zone('east')))
        action.transition('CANCELLED')
        self.assertIsNone(self.find(zone('east')))

    def test_any_plan_blocks_an_audit_without_a_scope(self):
        self.assert_blocks(True, [], move('c', 'C', 'D'))

    def test_by_default_any_plan_blocks_any_audit(self):
        self.config(group='watcher_decision_engine', blocking_plans='any')
        self.assert_blocks(True, zone('east'), move('c', 'C', 'D'))

    def test_volumes_count_for_strategies_that_look_at_them(self):
        volumes = factories.strategy(factories.goal('hardware_maintenance'),
                                     'zone_migration')
        self.assert_blocks(False, zone('east'), retype('v'))
        # The scope says nothing of volumes: it means all of them.
        self.assert_blocks(True, zone('east'), retype('v'), strategy=volumes)
        self.assert_blocks(
            False, [*zone('east'), {'storage': [{'exclude': [
                {'volumes': [{'uuid': models.uuid('v')}]}]}]}],
            retype('v'), strategy=volumes)
        # Nobody knows what others' strategies look at.
        self.assert_blocks(True, zone('east'), retype('v'),
                           strategy=self.strategy)

    def test_what_is_not_known_may_be_in_the_scope(self):
        self.compute.incomplete_nodes[models.uuid('E')] = 'Nova: no answer'
        self.assert_blocks(True, zone('east'), move('e', 'E', 'F'))
        self.assert_blocks(False, zone('east'), move('c', 'C', 'D'))

        def fail(this, name, osc=None):
            raise exception.ClusterDataModelCollectionError(cdm=name)
        self.replace(collectors.CollectorManager,
                     'get_cluster_model_collector', fail)
        self.assert_blocks(True, zone('east'), move('c', 'C', 'D'))

    def test_every_type_of_action_says_what_it_names(self):
        """Those that are not named here count with all their words."""
        named = {'nop', 'sleep', 'migrate', 'resize', 'start', 'stop',
                 'volume_migrate', 'change_nova_service_state',
                 'change_node_power_state'}
        self.assertEqual(named, set(touched._NAMED))


class TestBlockedAudits(ObstacleTestCase):

    def test_disjoint_audits_run_beside_a_plan(self):
        """Field report, part 5 test 14."""
        plan = self.run_plan(move('c', 'C', 'D'))
        fields = {'strategy_row': self.balance}
        east, west = (factories.audit(self.goal, scope=zone(name), **fields)
                      for name in ('east', 'west'))
        self.assertEqual(AUDIT.SUCCEEDED, self.run_audit(east).state)
        blocked = self.run_audit(west)
        self.assertEqual(AUDIT.CANCELLED, blocked.state)
        self.assertEqual(
            f'The action plan {plan.uuid} is ONGOING (migrate vm-c is in the '
            f'scope). Wait for its end or create the audit with force.',
            blocked.status_message)

    def test_a_oneshot_audit_waits_if_it_is_told_to(self):
        self.config(group='watcher_decision_engine', blocked_audits='wait')
        plan = self.run_plan(move('c', 'C', 'D'), state=PLAN.CANCELLING)
        audit = factories.audit(self.goal, self.balance, scope=zone('west'))
        self.heard.clear()
        for _turn in range(2):
            found = self.run_audit(audit)
            self.assertEqual(
                (AUDIT.PENDING, f'The action plan {plan.uuid} is CANCELLING '
                 f'(migrate vm-c is in the scope). The audit waits for its '
                 f'end.'), (found.state, found.status_message))
            # Said once.
            self.assertEqual([('audit.update', None, 'PENDING')], self.heard)
        plan.transition(PLAN.CANCELLED)
        found = self.run_audit(audit)
        self.assertEqual((AUDIT.SUCCEEDED, None),
                         (found.state, found.status_message))

    def test_an_event_says_what_it_waits_for(self):
        plan = self.run_plan(move('c', 'C', 'D'))
        audit = factories.audit(self.goal, self.balance, scope=zone('west'),
                                audit_type=factories.EVENT)
        objects.AuditRun.trigger(self.context, audit.id)
        found = self.run_audit(audit, event.EventAuditHandler)
        self.assertEqual(
            (AUDIT.PENDING, f'The triggered run waits for the end of the '
             f'action plan {plan.uuid} (migrate vm-c is in the scope)'),
            (found.state, found.status_message))

    def test_who_waits_is_looked_at_once(self):
        self.config(group='watcher_decision_engine', blocked_audits='wait')
        plan = self.run_plan(move('c', 'C', 'D'))
        audits = [
            factories.audit(self.goal, self.balance, scope=zone('west'),
                            audit_type=kind)
            for kind in (factories.ONESHOT, factories.EVENT)]
        objects.AuditRun.trigger(self.context, audits[1].id)
        found = mock.Mock(wraps=obstacles.find)
        self.replace(obstacles, 'find', found)
        engine = dispatcher.AuditDispatcher()

        def run_round():
            engine._round()
            for thread in list(engine._running.values()):
                thread.join(base.PATIENCE)
        for _number in range(3):
            run_round()
            self.assertEqual(2, found.call_count)
            for audit in audits:
                after = factories.reread(audit)
                self.assertEqual(AUDIT.PENDING, after.state)
                self.assertIn(plan.uuid, after.status_message)
        plan.transition(PLAN.SUCCEEDED)
        run_round()
        self.assertEqual([AUDIT.SUCCEEDED] * 2, [
            factories.reread(audit).state for audit in audits])

    def test_who_waits_hears_of_changes(self):
        """Even of those within the second in which the wait began."""
        self.config(group='watcher_decision_engine', blocked_audits='wait')
        self.run_plan(move('c', 'C', 'D'))
        moment = datetime.datetime(2030, 3, 28, 12)
        self.replace(timeutils, 'utcnow', lambda with_timezone=False: (
            moment.replace(tzinfo=datetime.UTC) if with_timezone else moment))
        memory = blocked.Blocked()
        handler = oneshot.OneShotAuditHandler()

        def wait():
            audit = factories.reread(factories.audit(
                self.goal, self.balance, scope=zone('west')))
            memory.add(audit, handler.execute(self.context, audit))
            self.assertEqual({audit.uuid}, memory.still(moment)[0])
            return audit
        for change in ({'force': True}, {'scope': zone('east')}):
            stored = factories.reread(wait())
            stored.swap({}, **change)
            self.assertEqual(set(), memory.still(moment)[0])
        wait()
        self.config(group='watcher_decision_engine', blocked_audits='cancel')
        self.assertEqual(set(), memory.still(moment)[0])
