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
"""Appliers that die in every way, while plans change a cloud."""

import collections
import os
import sys
import threading
import time
from urllib import parse

from watcher import objects
from watcher.common import exception
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.tests.fixtures import daemons
from watcher.tests.fixtures import database
from watcher.tests.fixtures import proxy
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base
from watcher.tests.functional.applier import chaos
from watcher.tests.functional.applier import deeds

#: Plans of all runs together, and which order of events is played.
PLANS = int(os.environ.get('WATCHER_TEST_CHAOS_PLANS', '40'))
SEED = int(os.environ.get('WATCHER_TEST_CHAOS_SEED', '1'))
#: Seconds between two events at most: how long outages last.
_LONGEST_WAIT = 2.0

#: What the logs of appliers tell, for the figures.
_TOLD = {
    'plans taken over': 'is taken over',
    'plans resumed': 'was interrupted and is resumed',
    'plans cancelled': 'was stopped while it ran',
    'plans given back': 'the next free applier resumes it',
    'actions found done': 'left behind, is done',
    'actions followed on': 'left behind, is running',
    'actions begun anew': 'left behind, is not started',
    'appliers taken for dead': 'for dead',
}


class ChaosTestCase(base.OverCloud):
    """Half of the plans, with one way to treat interrupted ones.

    :cvar interrupted: the way
    """

    db_engine = database.MYSQL
    transport = services.RABBIT
    spec = deeds.cloud_for(PLANS // 2)
    timing = {'live_migration': 0.6, 'cold_migration': 0.6, 'power': 0.3}
    interrupted: str

    def overrides(self):
        return {
            'DEFAULT': {'host': '@HOST@', 'service_down_time': 4},
            'database': {'idle_transaction_timeout': 3},
            'nova': {'migration_interval': 0.3},
            'watcher_applier': {
                'workers': 4, 'reconcile_interval': 1,
                'interrupted_plans': self.interrupted},
            'watcher_workflow_engines.taskflow': {'max_workers': 3}}

    def setUp(self):
        super().setUp()
        rpc.init(self.conf.conf)
        self.addCleanup(rpc.cleanup)
        self.api = rpcapi.ApplierAPI()
        self.ledger = deeds.Ledger(self.cloud)
        self.text = self.service.config_file.read_text()
        self.monkey = chaos.Monkey(
            self.start_applier, self.ledger,
            self.interpose(self.service.database.url),
            self.interpose(os.environ['WATCHER_TEST_RABBIT_URL']), SEED)
        self.servers = self.cloud.servers_of(deeds.SOURCE)
        self.steps = {}
        self.unwanted = set()
        self.cancelled = set()

    def interpose(self, url):
        """Have appliers reach a server through a proxy."""
        address = parse.urlsplit(url)
        between = self.useFixture(proxy.Proxy(
            (address.hostname, address.port)))
        between.open()
        self.text = self.text.replace(
            f'@{address.hostname}:{address.port}/',
            f'@127.0.0.1:{between.port}/')
        return between

    def start_applier(self, host):
        return daemons.Daemon(self, 'applier', host, self.text,
                              self.service.config_file.parent)

    # The course of events -------------------------------------------------

    def run_all(self):
        began = time.monotonic()
        waiting = list(deeds.make(PLANS // 2, self.servers))
        faults = self.monkey.faults
        # Enough events for a whole round.
        share = min(4, max(1, len(waiting) // len(faults)))
        while waiting:
            faults = faults or self.monkey.faults
            for _number in range(min(share, len(waiting))):
                self.launch_steps(waiting.pop(0))
            self.wait_for_work()
            # What was away is so for some seconds.
            self.monkey.heal()
            self.monkey.supervise()
            self.monkey.strike(faults.pop())
            threading.Event().wait(self.monkey.pause())
            self.cancel_unwanted()
        self.wait_for_the_end()
        self.seconds = time.monotonic() - began

    def launch_steps(self, steps):
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id,
             'strategy_id': self.audit.strategy_id, 'state': 'PENDING',
             'global_efficacy': []},
            [{'uuid': step.uuid, 'action_type': step.kind,
              'state': 'PENDING', 'input_parameters': step.parameters,
              'parents': [steps[number].uuid for number in step.after]}
             for step in steps])
        self.steps[plan.uuid] = steps
        if self.monkey.chance(0.1):
            self.unwanted.add(plan.uuid)
        # Messages are lost, or come twice.
        for _number in range(2 * self.monkey.chance(0.7)):
            self.api.launch_action_plan(self.context, plan.uuid)

    def states(self):
        return collections.Counter(plan.state for plan in self.plans())

    def plans(self):
        return objects.ActionPlan.list(self.context)

    def wait_for_work(self):
        """Wait until something is done that can be interrupted."""
        seen = len(self.ledger.deeds)
        until = time.monotonic() + _LONGEST_WAIT
        services.wait_until(
            lambda: len(self.ledger.deeds) > seen
            or time.monotonic() > until, what='something to happen')

    def cancel_unwanted(self):
        for plan in self.plans():
            if plan.uuid in self.unwanted and plan.state == 'ONGOING':
                try:
                    plan.transition('CANCELLING', expected='ONGOING')
                except exception.StateConflict:
                    continue  # it has just ended
                self.unwanted.discard(plan.uuid)
                self.cancelled.add(plan.uuid)

    def wait_for_the_end(self):
        self.monkey.heal()
        self.ledger.disarm()

        def over():
            self.monkey.supervise()
            return not set(self.states()) - set(base.FINAL)
        services.wait_until(over, 3 * services.PATIENCE + PLANS,
                            'the end of all plans')
        self.monkey.thaw_all()
        self.monkey.stop_all()
        services.wait_until(
            lambda: not any(server.task_state for server
                            in self.cloud.state.servers.values()),
            what='that the cloud is at rest')

    # What came of it ------------------------------------------------------

    def judge(self):
        wrong = []
        for plan in self.plans():
            steps = self.steps[plan.uuid]
            actions = {action.uuid: action
                       for action in self.actions_of(plan)}
            found = list(deeds.verdicts(steps, actions, self.ledger))
            found += self.judge_plan(plan, actions)
            found += [
                f'server {server} is on {self.cloud.host_of(server)} '
                f'and not on {host}'
                for server, host in deeds.places(steps, actions).items()
                if self.cloud.host_of(server) != host]
            wrong += [f'{plan.uuid} ({plan.state}, {plan.status_message}): '
                      f'{text}' for text in found]
        return wrong

    def judge_plan(self, plan, actions):
        if plan.state == 'SUCCEEDED':
            if {a.state for a in actions.values()} != {'SUCCEEDED'}:
                yield 'not all of it was done'
        elif plan.state != 'CANCELLED':
            yield 'it failed'
        elif plan.uuid not in self.cancelled:
            if self.interrupted == 'resume':
                yield 'nobody had cancelled it'
            elif 'was stopped while' not in (plan.status_message or ''):
                yield 'it does not say why'

    def report(self):
        logs = self.monkey.logs()
        done = collections.Counter(self.ledger.deeds)
        figures = {
            'seconds': round(self.seconds, 1), **self.states(),
            **self.monkey.figures,
            **{name: logs.count(text) for name, text in _TOLD.items()},
            'requests to the cloud': done.total(),
            'done twice': sum(times > 1 for times in done.values())}
        # Standard output belongs to the protocol of the test runner.
        print(f'Chaos ({self.interrupted}, seed {SEED}): ' + ', '.join(
            f'{name} {value}' for name, value in figures.items()),
            file=sys.stderr)

    def check(self):
        self.run_all()
        self.report()
        self.assertEqual(PLANS // 2, self.states().total())
        self.assertEqual([], self.judge())


class TestChaosResume(ChaosTestCase):

    interrupted = 'resume'

    def test_every_plan_is_carried_out_once(self):
        self.check()


class TestChaosCancel(ChaosTestCase):

    interrupted = 'cancel'

    def test_every_plan_ends_and_nothing_is_done_twice(self):
        self.check()
