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
"""Engines that die in every way, while audits run again and again.

Three engines, each a process, share audits over a database and a broker that
belong to this test alone and are killed as well. A strategy writes down when
it runs, see :mod:`.witness`; a trigger in the database writes down when a
result is stored. Out of these two follows, for every audit:

No audit runs twice at once
    A run lasts from its begin until its result is stored. Between the two no
    other run of the audit begins, whatever happens to whom. A run whose
    result is never stored lasts until it ends, or until its engine was
    killed or told to stop, was replaced by another one with its host name,
    or was frozen or without the database for about as long as its lease:
    from then on the engine cannot know that others have taken over, and all
    that counts is that it stores nothing. No result is stored twice.

None is forgotten
    After every few disturbances, and so in the end, each audit runs again.

Audits that run once are asked for all the time; some are interrupted. Each
succeeds, with one action plan.
"""

import collections
import json
import os
import statistics
import sys
import time

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.common import utils
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import daemons
from watcher.tests.fixtures import database
from watcher.tests.fixtures import servers
from watcher.tests.fixtures import services
from watcher.tests.functional.decision_engine import chaos
from watcher.tests.functional.decision_engine import witness

AUDITS = int(os.environ.get('WATCHER_TEST_ENGINES_AUDITS', '200'))
INTERVAL = int(os.environ.get('WATCHER_TEST_ENGINES_INTERVAL', '30'))
#: How often every kind of trouble is made.
ROUNDS = int(os.environ.get('WATCHER_TEST_ENGINES_ROUNDS', '1'))
SEED = int(os.environ.get('WATCHER_TEST_ENGINES_SEED', '1'))
#: How many kinds come one right after the other.
AT_A_TIME = 5
#: Seconds after which an engine counts as dead.
LEASE = 4

#: What the logs of engines tell, for the figures.
_TOLD = {
    'audits that run once begun again': 'it begins again here',
    'continuous audits taken over': 'before to engine-',
}


class TestVerdicts(base.TestCase):
    """What counts as two runs at once."""

    # From 10 to 20, by the processes 1 and 2; the dates are 1000 later.
    one = witness.Run('audit', 'one', 'engine-1', 1, 10, 1010, 20)

    def later(self, began):
        return witness.Run('audit', 'two', 'engine-2', 2, began,
                           1000 + began, began + 1)

    def verdicts(self, other, troubles=(), **results):
        return len(list(chaos.verdicts([self.one, other], results, [
            chaos.Trouble(frozenset([1]), *span) for span in troubles])))

    def test_one_after_the_other(self):
        self.assertEqual(0, self.verdicts(
            self.later(22), one=[1021], two=[1024]))
        self.assertEqual(0, self.verdicts(self.later(20)))

    def test_before_the_result_of_the_first_is_stored(self):
        for troubles in (), [(15, 40)]:
            self.assertEqual(1, self.verdicts(
                self.later(22), troubles, one=[1023], two=[1024]))

    def test_stored_twice(self):
        self.assertEqual(1, self.verdicts(self.later(22), one=[1021, 1021]))

    def test_during_a_run_that_stores_nothing(self):
        self.assertEqual(1, self.verdicts(self.later(15), two=[1017]))
        for trouble, found in (
                ((14, 40), 0), ((16, 40), 1), ((5, 9), 1), ((5, 12), 0)):
            self.assertEqual(
                found, self.verdicts(self.later(15), [trouble], two=[1017]),
                trouble)


class TestChaos(base.TestCase):

    def setUp(self):
        super().setUp()
        self.broker = self.useFixture(servers.RabbitMQ())
        self.database = self.useFixture(servers.MariaDB())
        self.configured = self.useFixture(services.Configured(
            database.MYSQL, self.broker.url,
            self.useFixture(cloud_fixture.SandboxCloud(
                hosts=1, placement={'compute-1': 1})),
            server=self.database.url, overrides={
                'DEFAULT': {'host': '@HOST@', 'service_down_time': LEASE},
                'database': {'idle_transaction_timeout': 3},
                'oslo_messaging_notifications': {'driver': 'messagingv2'},
                'watcher_decision_engine': {
                    'max_audit_workers': 4, 'max_audit_attempts': 1000,
                    'lease_renewal_interval': 1,
                    'continuous_audit_interval': 1}}))
        rpc.init(services.CONF)
        self.addCleanup(rpc.cleanup)
        objects.register_all()
        self.api = rpcapi.DecisionEngineAPI()
        self.context = watcher_context.make_context(is_admin=True)
        directory = self.configured.config_file.parent
        self.diary = witness.Diary(directory / 'diary')
        self.plugins = witness.install(directory)
        self.write_down_results()
        self.monkey = chaos.Monkey(
            self.engine, self.database, self.broker, self.diary, LEASE,
            self.wait_for_everybody, SEED)
        self.continuous = []
        self.single = []

    @staticmethod
    def write_down_results():
        """Have the database tell when what is stored."""
        with session.get_engine().begin() as connection:
            for statement in (
                    'CREATE TABLE results (id INT AUTO_INCREMENT '
                    'PRIMARY KEY, parameters TEXT, at DOUBLE)',
                    'CREATE TRIGGER result AFTER INSERT ON actions '
                    'FOR EACH ROW INSERT INTO results (parameters, at) '
                    'VALUES (NEW.input_parameters, '
                    'UNIX_TIMESTAMP(SYSDATE(6)))'):
                connection.exec_driver_sql(statement)

    def engine(self, host):
        return daemons.Daemon(
            self, 'decisionengine', host,
            self.configured.config_file.read_text(),
            self.configured.config_file.parent, self.plugins)

    # Audits ---------------------------------------------------------------

    def strategy(self):
        return next(iter(objects.Strategy.list(
            self.context, filters={'name': 'witness'})), None)

    def audit(self, strategy, number, **fields):
        return objects.Audit(
            self.context, name=utils.generate_uuid(), state='PENDING',
            goal_id=strategy.goal_id, strategy_id=strategy.id, scope=[],
            auto_trigger=False, parameters={
                'file': str(self.diary.file),
                # A few take long enough to be met by trouble.
                'seconds': 0.1 if number % 20 else 1.5}, **fields).create()

    def ask_for_some(self):
        """Ask for audits that run once; messages may be lost."""
        strategy = self.strategy()
        for number in range(4):
            audit = self.audit(strategy, number, audit_type='ONESHOT')
            self.single.append(audit)
            if number % 2:
                self.api.trigger_audit(self.context, audit.uuid)

    # The course of events -------------------------------------------------

    def run_all(self):
        began = time.monotonic()
        strategy = services.wait_until(
            self.strategy, what='the synchronisation of strategies')
        self.continuous = [
            self.audit(strategy, number, audit_type='CONTINUOUS',
                       interval=str(INTERVAL)) for number in range(AUDITS)]
        self.wait_for_everybody(began)
        for _number in range(ROUNDS):
            faults = self.monkey.faults()
            while faults:
                self.ask_for_some()
                # Some at a time, one right after the other.
                for fault in faults[:AT_A_TIME]:
                    self.monkey.strike(fault)
                del faults[:AT_A_TIME]
                self.wait_for_everybody(time.monotonic())
        services.wait_until(self.singles_are_over, 2 * services.PATIENCE,
                            'the end of all audits that run once')
        self.ended = time.monotonic()
        self.seconds = self.ended - began

    def wait_for_everybody(self, since):
        """Wait until each audit has begun a run since then."""
        wanted = {audit.uuid for audit in self.continuous}

        def have_run():
            self.monkey.supervise()
            return not wanted.difference(
                run.audit for run in self.diary.read().values()
                if run.began >= since)
        services.wait_until(
            have_run, 2 * services.PATIENCE + INTERVAL + AUDITS,
            'a run of every audit')

    def singles_are_over(self):
        try:
            return not objects.Audit.list_columns(
                self.context, ('uuid',), filters={
                    'audit_type': 'ONESHOT',
                    'state__in': ['PENDING', 'ONGOING']})['uuid']
        except db_exc.DBError:
            return False

    # What came of it ------------------------------------------------------

    def results(self):
        """When the result of each run was stored, and how often."""
        found = collections.defaultdict(list)
        with session.get_engine().connect() as connection:
            for parameters, date in connection.execute(sa.text(
                    'SELECT parameters, at FROM results ORDER BY id')):
                found[json.loads(parameters)['message']].append(date)
        return found

    def runs_of_audits(self):
        found = collections.defaultdict(list)
        for run in self.diary.read().values():
            found[run.audit].append(run)
        return found

    def judge(self, results):
        return [*(text for runs in self.runs_of_audits().values()
                  for text in chaos.verdicts(runs, results,
                                             self.monkey.troubles)),
                *self.judge_singles()]

    def judge_singles(self):
        for audit in self.single:
            audit.refresh()
            plans = objects.ActionPlan.list(
                self.context, filters={'audit_id': audit.id})
            states = [plan.state for plan in plans
                      if plan.state != 'CANCELLED']
            if (audit.state, states) != ('SUCCEEDED', ['RECOMMENDED']):
                yield (f'{audit.uuid} is {audit.state} '
                       f'({audit.status_message}), with plans: {states}')

    def gaps(self):
        """Seconds from one begin of an audit to its next, or to the end."""
        runs = self.runs_of_audits()
        for audit in self.continuous:
            moments = sorted(run.began for run in runs[audit.uuid])
            for first, second in zip(
                    moments, [*moments[1:], self.ended], strict=True):
                yield second - first

    def report(self, results):
        runs = self.diary.read().values()
        logs = self.monkey.logs()
        gaps = list(self.gaps())
        of_audits = [len(found) for found in self.runs_of_audits().values()
                     if found[0].audit in {
                         audit.uuid for audit in self.continuous}]
        figures = {
            'seconds': round(self.seconds, 1), **self.monkey.figures,
            'longest outage': round(max(self.monkey.outages), 1),
            'audits': len(self.continuous),
            'audits that run once': len(self.single),
            'runs': len(runs), 'results stored': len(results),
            'runs without an end': sum(
                run.ended == float('inf') for run in runs),
            'processes that ran audits': len({run.pid for run in runs}),
            'runs of an audit at least': min(of_audits),
            'at most': max(of_audits),
            'seconds between runs in the middle':
                round(statistics.median(gaps), 1),
            'longest': round(max(gaps), 1),
            **{name: logs.count(text) for name, text in _TOLD.items()}}
        # Standard output belongs to the protocol of the test runner.
        print(f'Engines (seed {SEED}): ' + ', '.join(
            f'{name} {value}' for name, value in figures.items()),
            file=sys.stderr)

    def test_no_audit_runs_twice_and_none_is_forgotten(self):
        self.run_all()
        results = self.results()
        self.report(results)
        self.assertEqual([], self.judge(results))
        # Whoever had an audit, another one goes on after this time. When the
        # machine is busy all runs come late, not only those of some audits.
        gaps = list(self.gaps())
        patience = max(services.PATIENCE, 5 * statistics.median(gaps))
        self.assertLess(
            max(gaps), max(self.monkey.outages) + LEASE + INTERVAL + patience)
