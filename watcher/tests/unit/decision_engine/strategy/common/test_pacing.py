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

import hypothesis
from hypothesis import strategies as st

from watcher.decision_engine.solution import default
from watcher.decision_engine.strategy.common import pacing
from watcher.tests import base


def paced(places, limits):
    """Return actions at these places."""
    pace, actions = pacing.Pace(), []
    for names in places:
        action = default.PlannedAction('nop', {'number': len(actions)})
        pace.add(action, {name: limits[name] for name in names})
        actions.append(action)
    return actions


class TestPace(base.TestCase):

    def test_one_place(self):
        first, second, third, fourth = paced(['a'] * 4, {'a': 2})
        self.assertEqual([[], [], [first], [second]], [
            action.after for action in (first, second, third, fourth)])

    def test_nobody_waits_twice_for_the_same(self):
        first, second = paced(['ab', 'ab'], {'a': 1, 'b': 1})
        self.assertEqual([first], second.after)

    @hypothesis.settings(derandomize=True, max_examples=80, deadline=None)
    @hypothesis.given(
        st.lists(st.sets(st.sampled_from('abc'), min_size=1), max_size=12),
        st.fixed_dictionaries(dict.fromkeys('abc', st.integers(1, 3))))
    def test_never_more_at_once(self, places, limits):
        """Whoever may start at any time: as many as possible do."""
        actions = paced(places, limits)
        done: set[int] = set()
        while len(done) < len(actions):
            running = [
                number for number, action in enumerate(actions)
                if number not in done and all(
                    other['input_parameters']['number'] in done
                    for other in action.after)]
            self.assertTrue(running)
            for name, limit in limits.items():
                self.assertLessEqual(
                    sum(name in places[number] for number in running), limit)
            # One of them ends; the others go on.
            done.add(running[-1])
