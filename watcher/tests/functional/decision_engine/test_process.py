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
"""The engine as a process that is ended while an audit runs.

There is no API here and nothing comes over the bus: the engine finds what to
do in the database.
"""

import os
import signal

import psutil

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import utils
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import services

AUDIT = objects.audit.State


class TestProcess(base.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=2, placement={'compute-1': 2}, flavor='m1.small'))
        self.configured = self.useFixture(services.Configured(
            cloud=self.cloud))
        objects.register_all()

    def engine(self):
        return self.useFixture(services.Process(
            'decisionengine', self.configured.config_file))

    def stored(self, cls, name):
        try:
            return cls.get_by_name(watcher_context.admin_context(), name)
        except exception.ResourceNotFound:
            return None

    def maintenance(self):
        """Store a waiting audit once the engine knows its strategy."""
        strategy = services.wait_until(
            lambda: self.stored(objects.Strategy, 'host_maintenance'),
            60, 'the synchronisation of strategies')
        return objects.Audit(
            watcher_context.admin_context(), name=utils.generate_uuid(),
            audit_type='ONESHOT', state=AUDIT.PENDING, auto_trigger=False,
            goal_id=strategy.goal_id, strategy_id=strategy.id, scope=[],
            parameters={'maintenance_node': 'compute-1'}).create()

    def wait_for(self, audit, state):
        def reached():
            audit.refresh()
            return audit.state == state
        services.wait_until(reached, 60, f'{state} of the audit')

    def test_audit_is_found_without_a_message(self):
        self.engine()
        audit = self.maintenance()
        self.wait_for(audit, AUDIT.SUCCEEDED)
        plan, = objects.ActionPlan.list(watcher_context.admin_context())
        self.assertEqual(('RECOMMENDED', audit.id),
                         (plan.state, plan.audit_id))

    def test_sigterm(self):
        self.cloud.faults.add(service='compute', delay=3600)
        engine = self.engine()
        audit = self.maintenance()
        self.wait_for(audit, AUDIT.ONGOING)
        code, seconds = engine.terminate()
        self.assertEqual(0, code)
        self.assertLess(seconds, 30)
        audit.refresh()
        # Given back: any engine runs it again at once.
        self.assertEqual((AUDIT.ONGOING, None),
                         (audit.state, audit.hostname))
        self.assertNotIn('Traceback', engine.log_text())

    def test_sigkill(self):
        fault = self.cloud.faults.add(service='compute', delay=3600)
        engine = self.engine()
        audit = self.maintenance()
        self.wait_for(audit, AUDIT.ONGOING)
        master = psutil.Process(engine.process.pid)
        for process in [master, *master.children(recursive=True)]:
            os.kill(process.pid, signal.SIGKILL)
        engine.process.wait()
        audit.refresh()
        self.assertEqual(AUDIT.ONGOING, audit.state)
        self.cloud.faults.remove(fault.id)
        meanwhile = self.maintenance()
        self.engine()
        self.wait_for(audit, AUDIT.SUCCEEDED)
        self.wait_for(meanwhile, AUDIT.SUCCEEDED)
        self.assertEqual(
            [1, 1], [len(objects.ActionPlan.list(
                watcher_context.admin_context(),
                filters={'audit_id': one.id})) for one in (audit, meanwhile)])
