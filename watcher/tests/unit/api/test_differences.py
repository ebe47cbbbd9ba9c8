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
"""The page of differences names every known defect once."""

import pathlib
import re

from watcher.tests import base

REFERENCE = (pathlib.Path(__file__).parents[4] / 'doc' / 'source'
             / 'reference')

ROW = re.compile(r'^   \* - F(\d+)\n((?:     - .*\n(?:       .*\n)*)+)',
                 re.MULTILINE)

#: Numbers that were given to defects of the previous service.
NUMBERS = range(1, 57)


class TestDifferences(base.TestCase):

    def setUp(self):
        super().setUp()
        self.page = (REFERENCE / 'differences.rst').read_text()

    def test_every_defect_has_one_row(self):
        rows = ROW.findall(self.page)
        self.assertEqual(list(NUMBERS),
                         sorted(int(number) for number, _cells in rows))
        for number, cells in rows:
            # what it was, what it is, and why clients are not hurt
            self.assertEqual(3, cells.count('     - '), f'F{number}')

    def test_the_page_is_found(self):
        index = (REFERENCE / 'index.rst').read_text()
        self.assertIn('\n   differences\n', index)
