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
"""Two decision engines and one database: each run happens once."""

import datetime
import threading
from unittest import mock

import testscenarios

from watcher import objects
from watcher.common import rpcapi
from watcher.common import utils
from watcher.decision_engine.audit import base as audit_base
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import scheduler
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import default
from watcher.decision_engine.strategy.context import default as contexts
from watcher.objects import tenure
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine import factories

load_tests = testscenarios.load_tests_apply_scenarios

HOSTS = ('engine-1', 'engine-2')
BEGIN = datetime.datetime(2026, 3, 28, 12, 0)


class Options(threading.local):
    """The options, with a host for each thread."""

    host = None

    def __getattr__(self, name):
        return getattr(audit_base.conf.CONF, name)


class TestTwoEngines(base.TestCase):

    scenarios = [(engine, {'engine': engine}) for engine in database.ENGINES]

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(self.engine))
        self.config(group='database', db_retry_interval=1)
        self.config(service_down_time=3600)
        self.now = BEGIN
        self.options = Options()
        for module in (audit_base, continuous, scheduler):
            self.patch(module, 'CONF', self.options)
        self.patch(rpcapi.ApplierAPI, 'launch_action_plan', mock.Mock())
        self.patch(contexts.DefaultStrategyContext, 'execute_strategy',
                   self.strategy)
        self.runs = []
        goal = factories.goal()
        factories.strategy(goal)
        self.audits = [
            factories.audit(goal, audit_type=factories.CONTINUOUS,
                            interval='600') for _number in range(4)]
        for host in HOSTS:
            self.beat(host)

    def patch(self, owner, name, value):
        patcher = mock.patch.object(owner, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    @staticmethod
    def beat(host, age=0):
        service = objects.Service.heartbeat(
            factories.context(), tenure.ENGINE.service_name, host)
        service.last_seen_up = (
            datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
            - datetime.timedelta(seconds=age))
        service.save()

    def strategy(self, audit, request_context):
        self.runs.append((audit.uuid, self.options.host))
        return default.DefaultSolution(
            goal=goals.Dummy(utils.Struct()),
            strategy=utils.Struct(name='dummy', planner='weight'))

    def together(self, late=None):
        """Both engines look, and run what they find, at the same time.

        :param late: the engine that does so much later than it has looked
        """
        self.runs.clear()
        errors = []
        both_have_looked = threading.Barrier(len(HOSTS))
        other_is_done = threading.Event()
        living = scheduler.ContinuousScheduler._living

        def think(*args):
            both_have_looked.wait(60)
            if self.options.host == late:
                other_is_done.wait(60)
            return living(*args)

        def look(host):
            try:
                self.options.host = host
                engine = scheduler.ContinuousScheduler(lambda: self.now)
                handler = continuous.ContinuousAuditHandler(lambda: self.now)
                engine.settle(())
                for _since, uuid in engine.upcoming(60, 1000)[0]:
                    context = factories.context()
                    handler.execute(context, objects.Audit.get_by_uuid(
                        context, uuid, eager=True))
            except Exception as exc:
                errors.append(exc)
            other_is_done.set()
        threads = [threading.Thread(target=look, args=(host,))
                   for host in HOSTS]
        with mock.patch.object(scheduler.ContinuousScheduler, '_living',
                               staticmethod(think)):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual([], errors)
        return sorted(self.runs)

    def owners(self):
        return sorted((audit.uuid, factories.reread(audit).hostname)
                      for audit in self.audits)

    def test_each_run_once(self):
        # New audits: who is faster takes each.
        self.check_each_run_once(self.together())
        # All have run, and none is due.
        self.assertEqual([], self.together())
        for audit in self.audits:
            self.assertEqual(BEGIN + datetime.timedelta(seconds=600),
                             factories.reread(audit).next_run_time)
        # Each engine runs its own.
        before = self.owners()
        self.now += datetime.timedelta(seconds=600)
        self.assertEqual(before, self.together())
        self.assertEqual(before, self.owners())
        # All belong to an engine that is gone: they are shared out anew.
        for audit in self.audits:
            objects.Audit.dbapi.update_audit(audit.uuid,
                                             {'hostname': 'engine-3'})
        self.beat('engine-3')
        self.now += datetime.timedelta(seconds=600)
        self.assertEqual([], self.together())
        self.beat('engine-3', age=7200)
        self.check_each_run_once(self.together())
        # An engine that has slept since it looked takes nothing from others.
        for audit in self.audits:
            objects.Audit.dbapi.update_audit(audit.uuid, {'hostname': None})
        self.now += datetime.timedelta(seconds=600)
        runs = self.together(late='engine-1')
        self.check_each_run_once(runs)
        self.assertEqual({'engine-2'}, {host for _uuid, host in runs})
        self.assertEqual(
            4 * len(self.audits),
            len(objects.ActionPlan.list(factories.context())))

    def check_each_run_once(self, runs):
        self.assertEqual(sorted(audit.uuid for audit in self.audits),
                         [uuid for uuid, _host in runs])
        self.assertEqual(runs, self.owners())
