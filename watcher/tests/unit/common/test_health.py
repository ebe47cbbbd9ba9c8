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
import threading
from unittest import mock

import fixtures

from watcher.common import asking
from watcher.common import health
from watcher.tests import base


class Hanging:
    """A question that is answered when the test says so."""

    def __init__(self, test):
        self.times = 0
        self.answer = threading.Event()
        test.addCleanup(self.answer.set)

    def __call__(self):
        self.times += 1
        self.answer.wait(base.PATIENCE)
        return health.Finding(True)


class TestQuestion(base.TestCase):

    def test_one_thread_hangs_however_often_is_asked(self):
        hanging = Hanging(self)
        question = asking.Question('q', hanging)
        for _number in range(3):
            self.assertRaises(TimeoutError, question.answer, 0.01)
        pending = question.begin()
        hanging.answer.set()
        self.assertTrue(asking.answer_of(pending, base.PATIENCE).ok)
        self.assertEqual(1, hanging.times)
        # What was known then is not an answer to who asks now.
        self.assertTrue(question.answer(base.PATIENCE).ok)
        self.assertEqual(2, hanging.times)

    def test_what_asking_raises(self):
        def broken():
            raise KeyError('bug')
        self.assertRaises(
            KeyError, asking.Question('q', broken).answer, base.PATIENCE)

    def test_no_thread_can_be_started(self):
        question = asking.Question('q', lambda: 'yes')
        with mock.patch('threading.Thread.start', side_effect=RuntimeError):
            self.assertRaises(RuntimeError, question.begin)
        self.assertEqual('yes', question.answer(base.PATIENCE))


class TestHealth(base.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def test_a_check_that_hangs(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.health.PATIENCE', 0.2))
        hanging = Hanging(self)
        one = health.Health({'database': hanging,
                             'lease': lambda: health.Finding(True)})
        ready, found = one.look()
        self.assertFalse(ready)
        self.assertEqual({'ok': False, 'needed': True,
                          'reason': 'TimeoutError'},
                         found['checks']['database'])

    def test_nobody_needs_a_broker_that_hangs(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.health.PATIENCE', 0.2))
        hanging = Hanging(self)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.rpc.bus_reachable', lambda timeout: hanging()))
        ready, found = health.Health({'bus': health.bus}).look()
        self.assertEqual({'bus': {'ok': False, 'needed': False}},
                         found['checks'])
        self.assertTrue(ready)

    def test_what_is_wrong_is_said_once(self):
        state = {'ok': False}
        one = health.Health(
            {'lease': lambda: health.Finding(state['ok'])})
        one.look()
        one.look()
        self.assertEqual(1, self.log.output.count('Not ready for work'))
        state['ok'] = True
        self.assertTrue(one.look()[0])
        self.assertEqual(1, self.log.output.count('nothing wrong any more'))
