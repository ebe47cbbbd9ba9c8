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
"""The thread that sends notifications."""

import os
import threading

import fixtures

from watcher.notifications import sender
from watcher.tests import base


def message(number, priority='info'):
    return sender.Message(context=None, publisher_id='infra-optim:here',
                          event_type=f'audit.number{number}',
                          priority=priority, payload={'n': number})


class TestSender(base.TestCase):

    def make(self, publish, **kwargs):
        made = sender.Sender(publish, **kwargs)
        self.addCleanup(made.stop, base.PATIENCE)
        return made

    def test_keeps_the_order(self):
        got = []
        made = self.make(got.append)
        for number in range(200):
            self.assertTrue(made.send(message(number)))
        self.assertTrue(made.flush(base.PATIENCE))
        self.assertEqual(list(range(200)), [m.payload['n'] for m in got])

    def test_a_blocked_bus_holds_up_nobody(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        entered = threading.Event()

        def publish(_message):
            entered.set()
            gate.wait(base.PATIENCE)

        made = self.make(publish, queue_size=3)
        self.assertTrue(made.send(message(0)))
        self.assertTrue(entered.wait(base.PATIENCE))
        for number in range(1, 4):
            self.assertTrue(made.send(message(number)))
        self.assertFalse(made.send(message(4)))
        self.assertFalse(made.send(message(5)))
        self.assertEqual(2, made.dropped)
        # One line for both: a dead broker does not flood the log.
        self.assertEqual(1, self.logger.output.count('were dropped so far'))
        gate.set()

    def test_says_what_was_lost_when_the_bus_is_back(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        entered = threading.Event()
        got = []

        def publish(one):
            entered.set()
            gate.wait(base.PATIENCE)
            got.append(one.payload['n'])

        made = self.make(publish, queue_size=2)
        made.send(message(0))
        self.assertTrue(entered.wait(base.PATIENCE))
        for number in range(1, 6):
            made.send(message(number))
        self.assertNotIn('takes notifications again', self.logger.output)
        gate.set()
        self.assertTrue(made.flush(base.PATIENCE))
        self.assertEqual([0, 1, 2], got)
        self.assertIn('3 were dropped meanwhile', self.logger.output)
        made.send(message(6))
        self.assertTrue(made.flush(base.PATIENCE))
        self.assertEqual(
            1, self.logger.output.count('takes notifications again'))

    def test_goes_on_after_a_failure(self):
        got = []

        def publish(one):
            if one.payload['n'] == 1:
                raise RuntimeError('broker says no')
            got.append(one.payload['n'])

        made = self.make(publish)
        for number in range(3):
            made.send(message(number))
        self.assertTrue(made.flush(base.PATIENCE))
        self.assertEqual([0, 2], got)
        self.assertIn('audit.number1', self.logger.output)

    def test_stop_sends_what_waits(self):
        got = []
        made = sender.Sender(got.append)
        for number in range(50):
            made.send(message(number))
        self.assertTrue(made.stop(base.PATIENCE))
        self.assertEqual(50, len(got))

    def test_stop_does_not_wait_for_ever(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        made = sender.Sender(lambda _message: gate.wait(base.PATIENCE))
        made.send(message(0))
        self.assertFalse(made.stop(0.05))
        self.assertIn('lost', self.logger.output)

    def test_can_be_used_again_after_a_stop(self):
        got = []
        made = self.make(got.append)
        made.send(message(0))
        made.stop(base.PATIENCE)
        made.send(message(1))
        self.assertTrue(made.flush(base.PATIENCE))
        self.assertEqual(2, len(got))

    def test_settling_waits_for_what_was_told_before(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        entered = threading.Event()
        got = []

        def publish(one):
            if one.payload['n'] == 1:
                entered.set()
                gate.wait(base.PATIENCE)
            got.append(one.payload['n'])

        made = self.make(publish)
        self.assertTrue(made.settle(0))
        made.send(message(0))
        made.send(message(1))
        self.assertTrue(entered.wait(base.PATIENCE))
        opener = threading.Thread(target=gate.set)
        opener.start()
        self.addCleanup(opener.join)
        self.assertTrue(made.settle(base.PATIENCE))
        self.assertEqual([0, 1], got)

    def test_nobody_waits_twice_for_a_bus_that_hangs(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        made = self.make(lambda _message: gate.wait(base.PATIENCE))
        made.send(message(0))
        self.assertFalse(made.settle(0.01))
        # With this patience the test would fail if it waited.
        self.assertFalse(made.settle(10 * base.PATIENCE))
        gate.set()
        self.assertTrue(made.flush(base.PATIENCE))
        made.send(message(1))
        self.assertTrue(made.settle(base.PATIENCE))

    def test_a_failed_message_is_not_waited_for(self):
        def publish(_message):
            raise RuntimeError('broker says no')

        made = self.make(publish)
        made.send(message(0))
        self.assertTrue(made.settle(base.PATIENCE))

    def test_flush_does_not_wait_for_what_comes_later(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        made = self.make(lambda one: one.payload['n'] and
                         gate.wait(base.PATIENCE))
        made.send(message(0))
        self.assertTrue(made.flush(base.PATIENCE))
        made.send(message(1))
        self.assertFalse(made.flush(0.01))
        gate.set()


class TestProcess(base.TestCase):
    """The sender that all of a process share."""

    def test_without_a_sender_everything_is_settled(self):
        self.assertTrue(sender.stop(base.PATIENCE))
        self.assertTrue(sender.settle())

    def test_settles_the_sender_of_the_process(self):
        gate = threading.Event()
        self.addCleanup(sender.stop, base.PATIENCE)
        self.addCleanup(gate.set)
        made = sender.Sender(lambda _message: gate.wait(base.PATIENCE))
        self.useFixture(fixtures.MockPatchObject(sender, '_sender', made))
        self.useFixture(fixtures.MockPatchObject(
            sender, '_sender_pid', os.getpid()))
        self.useFixture(fixtures.MockPatchObject(
            sender, 'SETTLE_TIMEOUT', 0.01))
        sender.get_sender().send(message(0))
        self.assertFalse(sender.settle())
