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
"""Tests of workload characters beside a state."""

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import workloads
from watcher.tests import base
from watcher.tests.fixtures import models

CPU = 'instance_cpu_usage'


class TestWorkloads(base.TestCase):

    def setUp(self):
        super().setUp()
        texts = ('web: vcpus = 2 and cpu_util < 50 weight -5',
                 'memory >= 8 GB or disk < 20', 'cpu_util is high', None)
        self.workloads = workloads.Workloads(
            cluster.ClusterState.from_model(models.cloud({models.node('A'): [
                models.instance(f'a{number}', metadata={
                    'workload_character': text} if text else {})
                for number, text in enumerate(texts)]})))

    def test_what_is_there(self):
        found = self.workloads
        self.assertEqual([0, 1], list(found.characters))
        self.assertEqual('web', found.of(0).name)
        self.assertIsNone(found.of(3))
        self.assertEqual([-5, 0, 0, 0],
                         [found.weight(server) for server in range(4)])

    def test_what_cannot_be_used_is_named(self):
        [remark] = self.workloads.remarks()
        self.assertIn('of 1 server ', remark)
        self.assertIn('vm-a2', remark)

    def test_with_loads(self):
        found = self.workloads
        for load, truth in ((49.0, True), (50.0, False), (0.0, True),
                            (numpy.nan, None)):
            loads = {CPU: numpy.array([load, 0.0, 0.0, 0.0])}
            self.assertIs(truth, found.holds(0, loads))
        self.assertIsNone(found.holds(0, {}))
        self.assertEqual([CPU], [unit.resource for unit in found.broken(
            0, {CPU: numpy.array([60.0])})])

    def test_what_was_given(self):
        self.assertEqual({'memory': 4096, 'disk': 20},
                         self.workloads.values(1, {}))
        self.assertIs(False, self.workloads.holds(1, {}))

    def test_servers_without_a_character(self):
        self.assertIsNone(self.workloads.holds(3, {}))
        self.assertEqual([], self.workloads.broken(3, {}))
        self.assertEqual({}, self.workloads.values(3, {}))
