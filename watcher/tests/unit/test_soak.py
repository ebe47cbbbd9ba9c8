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
"""How tools/soak.py judges what it has seen; it runs for an hour itself."""

import importlib
import pathlib
import sys

import fixtures

import watcher
from watcher.tests import base

TOOLS = pathlib.Path(watcher.__file__).parents[1] / 'tools'

HOUR = 3600


class TestVerdict(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [str(TOOLS), *sys.path]))
        self.verdict = importlib.import_module('soaking.verdict')
        self.samples = importlib.import_module('soaking.samples')

    def judge(self, name, function, settled=lambda seconds: True):
        samples = [self.samples.Sample(
            seconds, settled(seconds), {name: function(seconds)})
            for seconds in range(30, HOUR + 1, 30)]
        (line,) = self.verdict.judge(samples)
        return line

    def test_flat(self):
        line = self.judge('engine-1 threads', lambda seconds: 30)
        self.assertTrue(line.flat)
        self.assertEqual((30, 30, 0), (line.first, line.last, line.slope))

    def test_a_leak(self):
        line = self.judge('engine-1 threads', lambda seconds: seconds // 300)
        self.assertFalse(line.flat)
        self.assertAlmostEqual(12, line.slope, delta=0.3)

    def test_what_fills_in_the_beginning(self):
        self.assertTrue(self.judge(
            'engine-1 threads', lambda seconds: min(seconds / 10, 50)).flat)

    def test_what_goes_up_and_down(self):
        line = self.judge('rows actions',
                          lambda seconds: 500 + 100 * (seconds // 60 % 3))
        self.assertTrue(line.flat)

    def test_restarts_do_not_count(self):
        def unsettled(seconds):
            return seconds > 3000 and seconds % 120 < 90
        line = self.judge('broker queues',
                          lambda seconds: 900 if unsettled(seconds) else 9,
                          lambda seconds: not unsettled(seconds))
        self.assertEqual((9, 9), (line.first, line.last))

    def test_processor_time_counts_by_what_it_grows(self):
        line = self.judge('api CPU s', lambda seconds: seconds / 10)
        self.assertTrue(line.flat)
        self.assertEqual('api CPU', line.name)
        self.assertAlmostEqual(0.1, line.last)
        self.assertFalse(self.judge(
            'api CPU s', lambda seconds: seconds ** 2 / HOUR).flat)

    def test_work_that_stops(self):
        name = 'done audit.strategy.end'
        self.assertTrue(self.judge(name, lambda seconds: seconds).flat)
        self.assertFalse(self.judge(
            name, lambda seconds: min(seconds, HOUR / 2)).flat)

    def test_one_more_is_too_much_where_nothing_is_added(self):
        for name, limit in (('rows strategies', 0), ('rows services', 3),
                            ('rows audits', 50)):
            with self.subTest(name=name):
                for more in (limit, limit + 1):
                    line = self.judge(
                        name, lambda seconds, more=more: (
                            more if seconds > HOUR / 2 else 0))
                    self.assertEqual(more == limit, line.flat)

    def test_the_table_names_what_grows(self):
        lines = [self.judge('api threads', lambda seconds: seconds),
                 self.judge('api files', lambda seconds: 7)]
        head, threads, files = self.verdict.table(lines).splitlines()
        self.assertIn('per hour', head)
        self.assertRegex(threads, r'^api threads .* \+3600.00 .* NOT FLAT$')
        self.assertRegex(files, r'^api files +7.00 +7.00 .* flat$')
