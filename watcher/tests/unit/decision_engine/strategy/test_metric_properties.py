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
"""Tests of the tests for strategies that go by measured loads."""

import numpy

from watcher.decision_engine.strategy.common import loads
from watcher.tests import base
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import test_properties

CPU = 'host_cpu_usage'


class LeastLoad(test_properties.FirstFit):
    """Moves some servers to the host with the least load."""

    DATASOURCE_METRICS = [CPU]

    def do_execute(self, audit=None):
        state = self.found_state()
        rules = self.rules_for(state)
        asked = self.eligibility_for(state)
        load = self.read(self.loads_for(state))
        for server in range(0, len(state.servers), 3):
            kind = asked.migration_type(server)
            hosts = [host for host in rules.select(server)
                     if not numpy.isnan(load[host])]
            if kind and hosts and not asked.why_not_touch(server):
                self.plan(state, server, kind,
                          min(hosts, key=load.__getitem__))

    def read(self, values):
        return values.of_hosts(CPU)


class TestLeastLoad(metric_properties.MetricProperties, base.TestCase):
    STRATEGY = LeastLoad


class TestCareless(base.TestCase):

    def assertNoticed(self, strategy, name):
        class Tested(metric_properties.MetricProperties, base.TestCase):
            STRATEGY = strategy

        self.assertFalse(Tested(name).run().wasSuccessful(), name)

    def test_silence_taken_for_idleness_is_noticed(self):
        class Naive(LeastLoad):
            def read(self, values):
                return numpy.nan_to_num(super().read(values))

        for name in ('test_silence_makes_no_host_more_attractive',
                     'test_zero_is_not_silence'):
            self.assertNoticed(Naive, name)

    def test_zero_taken_for_silence_is_noticed(self):
        class Falsy(LeastLoad):
            def read(self, values):
                found = super().read(values)
                return numpy.where(found == 0, numpy.nan, found)

            def do_execute(self, audit=None):
                # Not even a remark tells them apart.
                super().do_execute()
                self.solution.remarks.clear()

        self.assertNoticed(Falsy, 'test_zero_is_not_silence')

    def test_failures_for_lack_of_values_are_noticed(self):
        class Fragile(LeastLoad):
            def read(self, values):
                found = super().read(values)
                if numpy.isnan(found).any():
                    raise TypeError('NoneType')
                return found

        self.assertNoticed(Fragile, 'test_silence_fails_no_audit')

    def test_what_has_not_settled_taken_for_a_load_is_noticed(self):
        class Hasty(LeastLoad):
            def loads_for(self, state):
                return loads.Loads(self.datasource_backend, state)

        self.assertNoticed(
            Hasty, 'test_hosts_that_have_not_settled_are_like_silent_ones')
