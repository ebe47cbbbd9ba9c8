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
"""Reasons are texts with codes, all of which are used and documented."""

import copy
import pathlib
import re

import watcher
from watcher.common import exception
from watcher.common import reasons
from watcher.tests import base

Code = reasons.Code

CODE_ROOT = pathlib.Path(watcher.__file__).parent
PAGE = CODE_ROOT.parent / 'doc' / 'source' / 'user' / 'reasons.rst'

WHY = reasons.Reason('Too much of it', Code.ACTION_FAILED, error='Odd',
                     host='é', nothing=None)


class TestCodes(base.TestCase):

    def test_all_are_documented(self):
        documented = re.findall(r'^   \* - ``(\w+)``$', PAGE.read_text(),
                                re.MULTILINE)
        self.assertEqual([str(code) for code in Code], documented)

    def test_all_are_used(self):
        used = set()
        for path in CODE_ROOT.rglob('*.py'):
            if CODE_ROOT / 'tests' not in path.parents:
                used.update(re.findall(r'\bCode\.([A-Z_]+)\b',
                                       path.read_text()))
        self.assertEqual(set(), {code.name for code in Code} - used)


class TestText(base.TestCase):
    """A reason is a text wherever it comes to."""

    def test_copies(self):
        for clone in (copy.copy(WHY), copy.deepcopy(WHY)):
            self.assertEqual((WHY, WHY.code, WHY.data),
                             (clone, clone.code, clone.data))

    def test_unknown_facts_are_left_out(self):
        self.assertEqual({'error': 'Odd', 'host': 'é'}, WHY.data)

    def test_the_same_in_other_words(self):
        other = WHY.saying('Much')
        self.assertEqual(('Much', WHY.code, WHY.data),
                         (other, other.code, other.data))

    def test_of_text(self):
        self.assertIs(WHY, reasons.of(WHY))
        self.assertEqual(('a', Code.OTHER, {}), (
            reasons.of('a'), reasons.of('a').code, reasons.of('a').data))

    def test_facts_of_an_exception(self):
        class Refused(Exception):
            http_status = 409

        self.assertEqual({'error': 'Refused', 'http_status': 409},
                         reasons.error(Refused()))
        self.assertEqual({'error': 'SystemExit'},
                         reasons.error(SystemExit(3)))
        self.assertEqual({'error': 'ValueError'},
                         reasons.error(ValueError('secret')))
        # What a service answered, not what our API would.
        self.assertEqual({'error': 'WatcherException'},
                         reasons.error(exception.WatcherException()))
        self.assertEqual(
            {'error': 'WatcherException', 'http_status': 503},
            reasons.error(exception.WatcherException(http_status=503)))
