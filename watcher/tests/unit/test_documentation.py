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

import pathlib
import re
import textwrap

from watcher import conf
from watcher.applier.actions import base as action_base
from watcher.conf import opts
from watcher.decision_engine.strategy.strategies import base as strategy_base
from watcher.tests import base
from watcher.tests.unit.conf import test_options

ROOT = pathlib.Path(conf.__file__).parent.parent.parent
PAGES = [*(ROOT / 'doc' / 'source').rglob('*.rst'), *ROOT.glob('*.rst'),
         *(ROOT / 'releasenotes' / 'notes').glob('*.yaml')]

#: Options of libraries in a group that is also ours.
LIBRARY_OPTIONS = {('DEFAULT', 'rpc_response_timeout'),
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
            exec(compile(block, 'howto.rst', 'exec'), self.names)

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
