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
"""Running tasks along a graph: order, breaking off, reverting, cost."""

import threading
from concurrent import futures

from taskflow import task as flow_task

from watcher.applier import threads
from watcher.applier.workflow_engine import graph
from watcher.tests import base


class Step(flow_task.Task):
    """Notes what is done with it."""

    def __init__(self, name, journal, hook=None):
        super().__init__(name=name)
        self._journal = journal
        self._hook = hook

    def execute(self):
        self._journal.append(self.name)
        if self._hook is not None:
            self._hook()

    def revert(self, *args, **kwargs):
        self._journal.append(f'-{self.name}')


class Here(futures.Executor):
    """Runs what is submitted at once, in the calling thread."""

    def submit(self, fn, /, *args, **kwargs):
        future = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def fail():
    raise ValueError('as told')


class TestTaskGraph(base.TestCase):

    def setUp(self):
        super().setUp()
        self.journal = []

    def steps(self, size, **hooks):
        return [Step(f's{number}', self.journal, hooks.get(f's{number}'))
                for number in range(size)]

    def make(self, parents, **hooks):
        steps = self.steps(len(parents), **hooks)
        return graph.TaskGraph({
            steps[number]: [steps[one] for one in before]
            for number, before in enumerate(parents)})

    def pool(self, size=3):
        pool = threads.DaemonPool(size, name='steps')
        self.addCleanup(pool.shutdown, wait=False)
        return pool

    def test_nothing_to_do(self):
        self.make([]).run(Here())
        self.assertEqual([], self.journal)

    def test_parents_first_else_as_given(self):
        self.make([[3], [], [0, 1, 1], []]).run(Here())
        self.assertEqual(['s1', 's3', 's0', 's2'], self.journal)

    def test_a_graph_can_run_again(self):
        made = self.make([[], [0]])
        made.run(Here())
        made.run(Here())
        self.assertEqual(['s0', 's1'] * 2, self.journal)

    def test_cycles(self):
        for parents in ([[0]], [[1], [0]], [[], [0, 3], [1], [2]]):
            self.assertRaises(graph.CycleError, self.make, parents)

    def test_a_failure_ends_everything_behind_and_beside(self):
        made = self.make([[], [0], [1], [0]], s1=fail)
        self.assertRaises(ValueError, made.run, Here())
        # s3 was submitted together with s1; s2 waits for s1.
        self.assertEqual(['s0', 's1', 's3', '-s3', '-s1', '-s0'],
                         self.journal)

    def test_what_runs_ends_before_anything_is_reverted(self):
        failed, waiting = threading.Event(), threading.Event()

        def fail_when_the_other_runs():
            waiting.wait(base.PATIENCE)
            failed.set()
            fail()

        def outlast():
            waiting.set()
            failed.wait(base.PATIENCE)
            self.journal.append('end of s1')

        made = self.make([[], []], s0=fail_when_the_other_runs, s1=outlast)
        self.assertRaises(ValueError, made.run, self.pool())
        self.assertEqual(['end of s1', '-s1', '-s0'], self.journal[-3:])

    def test_the_first_failure_is_told(self):
        def fail_otherwise():
            raise KeyError('later')
        made = self.make([[], []], s0=fail, s1=fail_otherwise)
        self.assertRaises(ValueError, made.run, Here())

    def test_a_failing_revert_keeps_the_others(self):
        steps = self.steps(3, s2=fail)
        steps[1].revert = fail
        made = graph.TaskGraph({steps[0]: [], steps[1]: [steps[0]],
                                steps[2]: [steps[1]]})
        self.assertRaises(ValueError, made.run, Here())
        self.assertEqual(['-s2', '-s0'], self.journal[-2:])
        self.assertIn('s1 could not be reverted', self.logger.output)

    def test_the_hooks_of_taskflow(self):
        step = Step('s', self.journal, fail)
        for name in ('pre_execute', 'post_execute', 'pre_revert',
                     'post_revert'):
            setattr(step, name, lambda name=name: self.journal.append(name))
        self.assertRaises(ValueError,
                          graph.TaskGraph({step: []}).run, Here())
        self.assertEqual(['pre_execute', 's', 'post_execute', 'pre_revert',
                          '-s', 'post_revert'], self.journal)

    def test_a_long_chain(self):
        """With a cost that grows with the square this took ten minutes."""
        size = 5000
        chain = [[number - 1] if number else [] for number in range(size)]
        made = self.make(chain, **{f's{size - 1}': fail})
        self.assertRaises(ValueError, made.run, self.pool())
        self.assertEqual(2 * size, len(self.journal))
        self.assertEqual(['s0', 's1'], self.journal[:2])
        self.assertEqual(['-s1', '-s0'], self.journal[-2:])
