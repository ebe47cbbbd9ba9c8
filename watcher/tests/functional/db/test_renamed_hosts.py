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
"""All hosts get new names, as in a rolling restart under Kubernetes.

What the former ones had is taken over, nothing of them is left, and looking
after nothing costs what it cost before.
"""

import datetime

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher import objects
from watcher.applier import manager as applier_manager
from watcher.common import context as watcher_context
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.decision_engine.audit import dispatcher
from watcher.notifications import service_monitor
from watcher.objects import tenure
from watcher.tests.fixtures import database
from watcher.tests.unit.db import base

HOSTS = 4

PLAN = objects.action_plan.State
AUDIT = objects.audit.State

RETENTION = 3600


class RenamedHosts(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.context = watcher_context.admin_context()
        self.strategy = self.records.strategy(name='dummy')

    # Those that are gone --------------------------------------------------

    def leave_behind(self, number):
        """What an engine and an applier have that die together."""
        host = f'old-{number}'
        own = {'hostname': host, 'goal_id': self.strategy.goal_id,
               'strategy_id': self.strategy.id}
        for kind in tenure.KINDS.values():
            service = objects.Service.heartbeat(
                self.context, kind.service_name, host)
            objects.Lease.take(self.context, kind.lease_name(host), host,
                               -2 * RETENTION)
            self.age(service)
            self.leave_timer(service)
        self.records.audit(audit_type='CONTINUOUS', state=AUDIT.ONGOING,
                           interval='3600', name=f'c-{number}', parameters={},
                           scope=[], auto_trigger=False,
                           next_run_time=datetime.datetime(2100, 1, 1),
                           **own)
        audit = self.records.audit(state=AUDIT.SUCCEEDED, parameters={},
                                   scope=[], auto_trigger=False, **own)
        for state in (PLAN.ONGOING, PLAN.CANCELLING):
            self.records.action_plan(
                audit_id=audit.id, strategy_id=self.strategy.id, state=state,
                hostname=host)

    def age(self, service):
        self.dbapi.update_service(service.id, {
            'last_seen_up': timeutils.utcnow()
            - datetime.timedelta(seconds=2 * RETENTION)})

    def leave_timer(self, service):
        with session.get_engine().begin() as connection:
            connection.execute(sa.insert(models.SchedulerJob).values(
                id=f'{service.name}@{service.host}', job_state=b'',
                service_id=service.id))

    # Those that are new ---------------------------------------------------

    def begin(self):
        """An engine and an applier, in this process, without their loops."""
        self.config(host='new', service_retention=RETENTION,
                    notification_level='')
        for kind in tenure.KINDS.values():
            objects.Service.heartbeat(self.context, kind.service_name, 'new')
        lease = tenure.ENGINE.begin()
        self.dispatcher = dispatcher.AuditDispatcher(lease=lambda: lease)
        self.applier = applier_manager.ApplierManager()
        self.applier.pre_start()
        self.addCleanup(self.applier.stop, 0)
        self.monitors = [service_monitor.ServiceMonitor(name)
                         for name in tenure.KINDS]

    def look(self):
        """One round of everything that looks at the database by itself."""
        self.dispatcher._next_settle = 0
        self.dispatcher._round()
        self.applier._dispatch()
        for monitor in self.monitors:
            monitor.look()
        return self.dispatcher._pause, self.applier._seconds_to_rest()

    def cost(self):
        """Statements of a round, and the pauses after it."""
        with self.statements() as sent:
            pauses = self.look()
        return len(sent), pauses

    def left(self, model, *conditions):
        with session.get_engine().connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(
                model).where(*conditions))


class TestRenamedHosts(RenamedHosts):

    def test_nothing_is_left_and_rest_costs_the_same(self):
        self.begin()
        self.look()
        before = self.cost()
        for number in range(HOSTS):
            self.leave_behind(number)
        # One finds what is to be done, one finds it done.
        for _round in range(3):
            self.look()
        self.assertEqual(
            HOSTS, self.left(models.Audit, models.Audit.hostname == 'new'))
        self.assertEqual(
            2 * HOSTS, self.left(models.ActionPlan,
                                 models.ActionPlan.state == 'CANCELLED'))
        self.assertEqual(0, self.left(models.SchedulerJob))
        self.assertEqual(['new', 'new'], [
            service.host for service in objects.Service.list(self.context)])
        self.assertEqual(
            ['applier:new', 'engine:new'], sorted(
                known.name for kind in tenure.KINDS.values()
                for known in objects.Lease.known(self.context, kind.prefix)))
        self.assertEqual(before, self.cost())
        self.assertGreaterEqual(min(before[1]), 1)

    def test_records_that_stay_cost_nothing(self):
        """By default nobody is forgotten."""
        self.begin()
        self.config(service_retention=0)
        self.look()
        before = self.cost()
        for number in range(HOSTS):
            self.leave_behind(number)
        for _round in range(3):
            self.look()
        self.assertEqual(2 * HOSTS + 2, self.left(models.Service))
        self.assertEqual(0, self.left(models.SchedulerJob))
        self.assertEqual(before, self.cost())


class TestRenamedHostsMysql(TestRenamedHosts):
    engine = database.MYSQL


class TestRenamedHostsPostgresql(TestRenamedHosts):
    engine = database.POSTGRESQL
