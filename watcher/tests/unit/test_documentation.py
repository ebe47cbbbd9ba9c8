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
"""What the documents say about code and options is true."""

import datetime
import math
import pathlib
import re
import textwrap
import types

import numpy

from watcher import conf
from watcher.applier.actions import base as action_base
from watcher.conf import opts
from watcher.decision_engine.strategy.strategies import base as strategy_base
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.conf import test_options

ROOT = pathlib.Path(conf.__file__).parent.parent.parent
PAGES = [*(ROOT / 'doc' / 'source').rglob('*.rst'), *ROOT.glob('*.rst'),
         *(ROOT / 'releasenotes' / 'notes').glob('*.yaml')]

#: Options of libraries in a group that is also ours.
LIBRARY_OPTIONS = {('DEFAULT', 'executor_thread_pool_size'),
                   ('DEFAULT', 'rpc_response_timeout'),
                   ('DEFAULT', 'transport_url')}


def code_blocks(page: str) -> list[str]:
    """Return the Python blocks of a page, without their indentation."""
    text = (ROOT / 'doc' / 'source' / page).read_text(encoding='utf-8')
    return [textwrap.dedent(block) for block in re.findall(
        r'\.\. code-block:: python\n\n((?:(?: {3}.*)?\n)+)', text)]


class TestOptions(base.TestCase):

    def test_every_option_that_is_named_exists(self):
        known = {(group, option.dest) for group, options in opts.list_opts()
                 for option in options}
        known |= {(group, name.replace('-', '_'))
                  for group, name in test_options.load_expected()}
        known |= LIBRARY_OPTIONS
        groups = {group for group, _name in known}
        wrong = set()
        found = 0
        for page in PAGES:
            text = ' '.join(page.read_text(encoding='utf-8').split())
            for group, name in re.findall(r'\[([\w.]+)\] ([a-z_]+)', text):
                if group in groups and group not in ('database',):
                    found += 1
                    if (group, name) not in known:
                        wrong.add(f'{page.name}: [{group}] {name}')
        self.assertEqual(set(), wrong)
        self.assertGreater(found, 20)


class TestExamples(base.TestCase):

    def setUp(self):
        super().setUp()
        self.names = {}
        # The first block shows one option, not a module.
        for block in code_blocks('contributor/howto.rst')[1:]:
            # Each is a module of its own.
            names = {}
            exec(compile(block, 'howto.rst', 'exec'), names)
            self.names.update(names)

    def test_action(self):
        lock = self.names['Lock']
        self.assertTrue(issubclass(lock, action_base.BaseAction))
        action = lock(None)
        action.input_parameters = {
            'resource_id': '1b0b3ee4-7d5c-4b2f-8a66-3d2a8c1c8f5d'}
        self.assertTrue(action.validate_parameters())

    def test_strategy(self):
        quiet = self.names['Quiet']
        self.assertTrue(issubclass(quiet, strategy_base.BaseStrategy))
        self.assertEqual(frozenset(), quiet.__abstractmethods__)
        self.assertEqual('unclassified', quiet.get_goal_name())

    def test_decision(self):
        host = self.names['Host']
        hosts = [host('a', 0), host('b', 3)]
        self.assertEqual([host('a', 0)], self.names['choose'](hosts, 0))
        self.assertEqual(hosts, self.names['choose'](hosts, 3))


class TestDatasourceExamples(base.TestCase):

    HOSTS = [models.node('a'), models.node('b')]

    def setUp(self):
        super().setUp()
        self.source = metrics.FakeDataSource()

    def test_strategy(self):
        [block] = code_blocks('datasources/writing.rst')
        names = {'base': strategy_base}
        exec(compile(block, 'writing.rst', 'exec'), names)
        self.source.set('host_cpu_usage', {self.HOSTS[1]: 3.0})
        strategy = types.SimpleNamespace(
            datasource_backend=self.source,
            compute_model=models.cloud({host: [] for host in self.HOSTS}))
        hosts, loads = names['Cooler'].gather(strategy)
        self.assertEqual([host.uuid for host in self.HOSTS],
                         [host.uuid for host in hosts])
        numpy.testing.assert_array_equal([math.nan, 3.0], loads)

    def test_series(self):
        [block] = code_blocks('datasources/timeseries.rst')
        monday = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
        hour = datetime.timedelta(hours=1)

        def series(resource, type_, meter, start, end, granularity):
            first = start.replace(minute=0, second=0, microsecond=0)
            moments = [first + number * hour for number in range(672)]
            return {moment: float((moment - monday) % (168 * hour)
                                  == 30 * hour) for moment in moments}
        self.source.statistic_series = lambda **question: series(
            *question.values())
        names = {'self': types.SimpleNamespace(
            datasource_backend=self.source),
            'instances': [models.instance('a')]}
        exec(compile(block, 'timeseries.rst', 'exec'), names)
        # Tuesday, six in the morning.
        self.assertIn(names['busiest'], (29, 30))
