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
"""Measured loads as arrays."""

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import loads
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models


class TestLoads(base.TestCase):

    def setUp(self):
        super().setUp()
        self.state = cluster.ClusterState.from_model(models.cloud({
            models.node('A'): [models.instance('a1'), models.instance('a2')],
            models.node('B'): []}))
        self.source = metrics.FakeDataSource()
        self.loads = loads.Loads(self.source, self.state)

    def test_zero_is_a_value_and_nothing_is_nan(self):
        self.source.set('host_cpu_usage', {models.uuid('A'): 0.0})
        values = self.loads.of_hosts('host_cpu_usage')
        self.assertEqual(0.0, values[0])
        self.assertTrue(numpy.isnan(values[1]))

    def test_one_question_for_all_servers(self):
        self.source.set('instance_cpu_usage', {
            models.uuid('a1'): 12.5, models.uuid('a2'): 50.0})
        values = self.loads.of_servers('instance_cpu_usage')
        self.assertEqual([12.5, 50.0], values.tolist())
        self.assertEqual([('batch', 'instance_cpu_usage', 2)],
                         self.source.questions)
        self.assertEqual([], self.loads.remarks())

    def test_some_servers_only(self):
        self.source.set('instance_cpu_usage', {
            models.uuid('a1'): 12.5, models.uuid('a2'): 50.0})
        values = self.loads.of_servers('instance_cpu_usage', servers=[1])
        self.assertTrue(numpy.isnan(values[0]))
        self.assertEqual(50.0, values[1])
        self.assertEqual(1, self.source.questions[0][2])

    def test_no_server_asks_nothing(self):
        self.loads.of_servers('instance_cpu_usage', servers=[])
        self.assertEqual([], self.source.questions)

    def test_remarks_name_what_is_unknown(self):
        self.source.set('host_cpu_usage', {models.uuid('A'): 5.0},
                        stale=True)
        values = self.loads.of_hosts('host_cpu_usage')
        self.assertTrue(numpy.isnan(values).all())
        self.assertEqual(
            ['host_cpu_usage is known of 0 of 2, 1 values are outdated; '
             'nothing is assumed about host-B, host-A'],
            self.loads.remarks())

    def test_hosts_that_have_not_settled(self):
        asked = []

        def unsettled(period):
            asked.append(period)
            return {1}
        values = {models.uuid(name): 5.0 for name in ('A', 'B', 'a1')}
        for metric in ('host_cpu_usage', 'instance_cpu_usage'):
            self.source.set(metric, values)
        read = loads.Loads(self.source, self.state, unsettled)
        numpy.testing.assert_equal(
            read.of_hosts('host_cpu_usage', 60), [5.0, numpy.nan])
        numpy.testing.assert_equal(
            read.of_hosts('host_cpu_usage', 90, hosts=[1]), [numpy.nan] * 2)
        self.assertEqual([60, 90], asked)
        self.assertEqual(
            ['action plans have changed what runs on 1 host too lately for '
             'metrics to tell; nothing is assumed about host-B'],
            read.remarks())
        self.assertEqual(5.0, read.of_servers('instance_cpu_usage',
                                              servers=[0])[0])

    def test_settled_hosts_need_no_remark(self):
        self.source.set('host_cpu_usage', {models.uuid('A'): 5.0})
        read = loads.Loads(self.source, self.state, lambda period: {1})
        read.of_hosts('host_cpu_usage', hosts=[0])
        self.assertEqual([], read.remarks())

    def test_highest_first(self):
        chosen = numpy.array([True, True, False, True, True])
        self.assertEqual([3, 0, 1, 4], loads.highest_first(
            chosen, numpy.array([2.0, 2.0, 9.0, 5.0, 0.0])))
