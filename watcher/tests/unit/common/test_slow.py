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
"""What takes long is told while it does."""

import threading

import fixtures

from watcher.common import context
from watcher.common import slow
from watcher.tests import base


class TestRequests(base.TestCase):

    def test_the_one_that_waits_longest(self):
        requests = slow.Requests()
        self.assertIsNone(requests.oldest())
        with requests.note('Nova', 'GET /servers/detail', 60):
            with requests.note('Placement', 'GET /traits', None):
                self.assertEqual('Nova', requests.oldest().service)
            self.assertEqual('GET /servers/detail', requests.oldest().what)
        self.assertIsNone(requests.oldest())

    def test_forgets_those_that_fail(self):
        requests = slow.Requests()

        def fail():
            with requests.note('Nova', 'GET /', 60):
                raise ValueError('no answer')

        self.assertRaises(ValueError, fail)
        self.assertIsNone(requests.oldest())

    def test_text(self):
        now = fixtures.MockPatchObject(
            slow.time, 'monotonic', return_value=109.4)
        self.assertEqual('Nova (GET /) for 9 seconds of 60 at most',
                         self.text(now, limit=60))
        self.assertEqual('Nova (GET /) for 9 seconds',
                         self.text(now, limit=None))

    @staticmethod
    def text(now, limit):
        with now:
            return str(slow.Request('Nova', 'GET /', limit, begun=100.0))


class TestNotice(base.TestCase):

    def test_told_once_under_the_context_of_the_block(self):
        told = threading.Event()
        seen = []

        def tell():
            seen.append(context.get_current().request_id)
            told.set()

        current = context.make_context()
        with slow.notice(0, tell):
            self.assertTrue(told.wait(base.PATIENCE))
        self.assertEqual([current.request_id], seen)

    def test_quick_blocks_are_not_told(self):
        told = []
        before = set(threading.enumerate())
        with slow.notice(base.PATIENCE, lambda: told.append('told')):
            timers = [thread for thread in threading.enumerate()
                      if thread not in before
                      and isinstance(thread, threading.Timer)]
        # They end at once instead of waiting for their time.
        for timer in timers:
            timer.join(base.PATIENCE / 2)
            self.assertFalse(timer.is_alive())
        self.assertEqual((1, []), (len(timers), told))

    def test_a_failing_notice_fails_nothing(self):
        told = threading.Event()

        def tell():
            told.set()
            raise KeyError('bug')

        with slow.notice(0, tell):
            self.assertTrue(told.wait(base.PATIENCE))
