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
"""CONTINUOUS audits in random courses of events: what always holds."""

import bisect
import datetime

import hypothesis
from hypothesis import strategies as st

from watcher.tests.fixtures import virtual_time
from watcher.tests.fixtures.virtual_time import every
from watcher.tests.functional.decision_engine import test_calendar

HOUR = 3600
BEGIN = '2026-02-27'
DAYS = 3
END = datetime.datetime(2026, 3, 2)

#: Seconds after which an engine counts as dead.
DOWN = 60
#: Until every engine has looked at all rows again.
LOOK = 20


def moment(seconds):
    return virtual_time.date(BEGIN) + datetime.timedelta(seconds=seconds)


#: An interval, with all dates of a cron expression; those of an interval in
#: seconds follow from its first run.
INTERVALS = st.sampled_from([
    (str(4 * HOUR), None),
    (str(7 * HOUR + 11), None),
    ('0 */6 * * *', every('2026-02-27 06:00', 6 * HOUR, 4 * DAYS - 1)),
    ('30 1,13 * * *', sorted(every('2026-02-27 01:30', 24 * HOUR, DAYS)
                             + every('2026-02-27 13:30', 24 * HOUR, DAYS))),
    ('0 0 28 2 *', [virtual_time.date('2026-02-28')]),
])

#: What happens to which engine, when, and after how long it is over.
EVENTS = st.lists(st.tuples(
    st.integers(0, DAYS * 24 * 60).map(lambda minutes: minutes * 60 + 7),
    st.integers(0, 1), st.sampled_from(['kill', 'stop', 'freeze']),
    st.sampled_from([5, 45, 600, 5 * HOUR, 20 * HOUR])), max_size=5)


class Course:
    """A world in which things happen, and a record of who was there."""

    def __init__(self, world, events):
        self.world = world
        self.engines = [world.engine('one'), world.engine('two')]
        #: For each engine, from when to when it did not work.
        self.absences = [[], []]
        busy_until = [0, 0]
        for begin, index, kind, seconds in sorted(events):
            if begin <= busy_until[index]:
                continue
            busy_until[index] = begin + seconds
            engine = self.engines[index]
            back = engine.thaw if kind == 'freeze' else engine.start
            world.at(moment(begin), getattr(engine, kind))
            world.at(moment(begin + seconds), back)
            self.absences[index].append((moment(begin),
                                         moment(begin + seconds)))

    def someone_worked(self, begin, end):
        """Whether an engine worked all that time."""
        return any(all(until <= begin or since >= end
                       for since, until in absences)
                   for absences in self.absences)


class TestProperty(test_calendar.VirtualTimeTestCase):

    @hypothesis.settings(max_examples=8, deadline=None, derandomize=True,
                         database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(INTERVALS, EVENTS, st.sampled_from([0, 30, 5 * HOUR]))
    def test_each_date_once(self, schedule, events, lasts):
        self.config(service_down_time=DOWN)
        # Runs may last as long as they like.
        self.config(group='watcher_decision_engine', max_audit_duration=0)
        interval, matches = schedule
        with virtual_time.World(BEGIN) as world:
            course = Course(world, events)
            world.audit(interval, lasts=lasts)
            world.until(END)
            runs, results = world.runs, world.results()
        if matches is None:
            # The rhythm begins with the first date, whoever was there.
            first = runs[0].due if runs else END
            matches = every(str(first), int(interval), DAYS * 24)
        dues = [run.due for run in runs]
        # Nothing runs at a date that is not one of the schedule, nor before.
        self.assertEqual(set(), set(dues) - set(matches))
        self.assertEqual([], [run for run in runs if run.date < run.due])
        # In order; a date has one result, whatever died meanwhile.
        self.assertEqual(sorted(dues), dues)
        self.assertLessEqual(results, len(set(dues)))
        self.assertGreaterEqual(results, len(set(dues)) - 1)
        self.check_repeated(course, runs, lasts)
        self.check_missing(course, runs, matches, lasts)

    def check_repeated(self, course, runs, lasts):
        """A date comes again only if its run was interrupted."""
        for run, later in zip(runs, runs[1:], strict=False):
            if later.due == run.due:
                ended = run.date + datetime.timedelta(seconds=lasts)
                index = ('one', 'two').index(run.host)
                self.assertTrue(any(
                    since <= ended and until >= run.date
                    for since, until in course.absences[index]),
                    (run, later, course.absences))

    def check_missing(self, course, runs, matches, lasts):
        """A date is left out only while a run lasts, or nobody is there."""
        patience = datetime.timedelta(seconds=DOWN + LOOK)
        dues = {run.due for run in runs}
        begun = [run.date for run in runs]
        for date in matches:
            if date in dues or date + patience >= END:
                continue
            # A run before it may still have been going on, or have been
            # late, then for the last date of all that were missed.
            index = bisect.bisect_right(begun, date) - 1
            busy = index >= 0 and begun[index] + datetime.timedelta(
                seconds=lasts) >= date
            self.assertTrue(
                busy or not course.someone_worked(date - patience,
                                                  date + patience),
                (date, begun, course.absences))
