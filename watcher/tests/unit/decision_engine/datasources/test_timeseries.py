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
"""Known series are taken apart into what they were made of."""

import datetime
import math

import numpy

from watcher.decision_engine.datasources import timeseries
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models

HOUR = 3600
#: A Monday, midnight.
MONDAY = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)


def known(weeks=4, slope=0.0, daily=0.0, weekly=0.0, noise=0.0, seed=1):
    """Parts of a series of hours; weekly: more on Saturday and Sunday."""
    hours = numpy.arange(weeks * 168)
    random = numpy.random.default_rng(seed)
    rhythm = numpy.where(hours % 168 >= 120, weekly, 0.0)
    return {
        'trend': 50 + slope * hours / 168,
        'daily': daily * numpy.sin(2 * numpy.pi * hours / 24),
        'weekly': rhythm - rhythm.mean(),
        'noise': noise * random.standard_normal(len(hours))}


def series(parts, start=MONDAY):
    return timeseries.TimeSeries(start, HOUR, sum(parts.values()))


class TestDecompose(base.TestCase):

    def close(self, expected, found, tolerance):
        self.assertLess(numpy.abs(expected - found).max(), tolerance)

    def test_all_parts(self):
        parts = known(slope=5, daily=10, weekly=8)
        found = series(parts).decompose()
        self.close(parts['trend'], found.trend, 0.5)
        self.close(parts['daily'], found.rhythms['daily'], 0.5)
        self.close(parts['weekly'], found.rhythms['weekly'], 0.5)
        self.assertLess(numpy.abs(found.residual).max(), 0.5)

    def test_noise_is_the_rest(self):
        parts = known(slope=5, daily=10, noise=1)
        found = series(parts).decompose({'daily': timeseries.DAY})
        self.close(parts['daily'], found.rhythms['daily'], 1)
        self.assertAlmostEqual(1.0, found.residual.std(), delta=0.15)

    def test_parts_add_up(self):
        parts = known(slope=-3, daily=2, weekly=7, noise=4)
        values = series(parts).values
        found = series(parts).decompose()
        self.close(values, found.trend + sum(found.rhythms.values())
                   + found.residual, 1e-9)

    def test_strength(self):
        calm = series(known(noise=1)).decompose()
        rhythmic = series(known(daily=10, noise=1)).decompose()
        self.assertGreater(rhythmic.strength('daily'), 0.95)
        self.assertLess(calm.strength('daily'), 0.2)
        self.assertLess(rhythmic.strength('weekly'), 0.5)
        self.assertEqual(0.0, rhythmic.strength('yearly'))

    def test_profile_begins_on_monday_whatever_the_start(self):
        parts = known(weekly=8)
        wednesday = {name: part[48:] for name, part in parts.items()}
        found = series(
            wednesday, MONDAY + datetime.timedelta(days=2)).decompose()
        profile = found.profiles['weekly'] + numpy.tile(
            found.profiles['daily'], 7)
        self.assertEqual(168, len(profile))
        self.assertGreater(profile[120:].min(), profile[:120].max() + 7)

    def test_gaps_stay_gaps(self):
        parts = known(slope=5, daily=10)
        whole = series(parts)
        gappy = whole.values.copy()
        gappy[100:130] = math.nan
        gappy[::17] = math.nan
        found = timeseries.TimeSeries(MONDAY, HOUR, gappy).decompose()
        self.assertTrue(numpy.array_equal(numpy.isnan(gappy),
                                          numpy.isnan(found.residual)))
        self.close(parts['trend'], found.trend, 1)
        self.close(parts['daily'] + parts['trend'],
                   found.trend + found.rhythms['daily']
                   + found.rhythms['weekly'], 1)

    def test_too_short_for_a_rhythm(self):
        parts = {name: part[:40] for name, part in known(slope=5).items()}
        found = series(parts).decompose()
        self.assertEqual({}, found.rhythms)
        self.close(parts['trend'], found.trend, 1e-9)

    def test_a_rhythm_of_ones_own(self):
        hours = numpy.arange(240)
        values = numpy.where(hours % 6 == 0, 6.0, 0.0)
        found = timeseries.TimeSeries(MONDAY, HOUR, values).decompose(
            {'backup': 6 * HOUR, 'odd': 5000})
        self.assertEqual(['backup'], list(found.rhythms))
        numpy.testing.assert_allclose([5, -1, -1, -1, -1, -1],
                                      found.profiles['backup'], atol=0.2)

    def test_nothing_known(self):
        empty = timeseries.TimeSeries(MONDAY, HOUR, [math.nan] * 400)
        self.assertTrue(numpy.isnan(empty.decompose().residual).all())

    def test_many_are_like_each(self):
        rows = [sum(known(slope=1, daily=number, noise=1,
                          seed=number).values()) for number in range(3)]
        many = timeseries.TimeSeries(MONDAY, HOUR, rows)
        together = many.decompose()
        strengths = together.strength('daily')
        for row in range(3):
            alone = many[row].decompose()
            numpy.testing.assert_allclose(alone.trend, together.trend[row])
            self.assertAlmostEqual(alone.strength('daily'), strengths[row])


class TestStationarity(base.TestCase):

    def setUp(self):
        super().setUp()
        self.random = numpy.random.default_rng(7)

    def judged(self, values, **kwargs):
        return timeseries.TimeSeries(MONDAY, HOUR, values).stationarity(
            **kwargs)

    def test_noise_is(self):
        self.assertTrue(self.judged(
            self.random.standard_normal(500)).stationary)

    def test_noise_around_a_rhythm_is(self):
        parts = known(daily=5, noise=1)
        self.assertTrue(series(parts).stationarity().stationary)

    def test_a_random_walk_is_not(self):
        walk = self.random.standard_normal(500).cumsum()
        found = self.judged(walk)
        self.assertFalse(found.stationary)
        # 5 % of the limit distribution, a little below for 500 values.
        self.assertAlmostEqual(-2.87, found.critical, 2)

    def test_growth_is_not(self):
        values = numpy.arange(500) + self.random.standard_normal(500)
        self.assertFalse(self.judged(values).stationary)

    def test_levels_differ(self):
        noise = self.random.standard_normal(100)
        self.assertLess(self.judged(noise, level=0.01).critical,
                        self.judged(noise, level=0.1).critical)

    def test_a_constant_is(self):
        self.assertTrue(self.judged([5.0] * 50).stationary)

    def test_gaps_are_bridged(self):
        noise = self.random.standard_normal(500)
        noise[::10] = math.nan
        noise[:30] = math.nan
        self.assertTrue(self.judged(noise).stationary)

    def test_too_few(self):
        self.assertRaises(ValueError, self.judged, [1.0] * 19)
        self.assertRaises(ValueError, self.judged, [math.nan] * 50)

    def test_several(self):
        found = self.judged([self.random.standard_normal(300),
                             self.random.standard_normal(300).cumsum()])
        self.assertEqual([True, False], [one.stationary for one in found])


class Series(metrics.FakeDataSource):
    def statistic_series(self, resource=None, resource_type=None,
                         meter_name=None, start_time=None, end_time=None,
                         granularity=300):
        return {start_time: float(len(resource.name)),
                end_time: 0.0}


class TestGrid(base.TestCase):

    def minutes(self, number):
        return MONDAY + datetime.timedelta(minutes=number)

    def test_values_find_their_place(self):
        found = timeseries.TimeSeries.of(
            {self.minutes(0): 1.0, self.minutes(5.1): 2.0,
             self.minutes(4.9): 4.0, self.minutes(15): math.nan,
             self.minutes(99): 7.0},
            MONDAY.replace(tzinfo=None), self.minutes(20), 300)
        self.assertEqual(5, len(found))
        numpy.testing.assert_array_equal(
            [1, 3, math.nan, math.nan, math.nan], found.values)
        self.assertEqual(0.4, found.coverage)
        self.assertEqual(self.minutes(20), found.times()[-1])

    def test_a_step_is_above_zero(self):
        self.assertRaises(ValueError, timeseries.TimeSeries, MONDAY, 0, [])

    def test_reading_in_parts(self):
        servers = [models.instance(str(number)) for number in range(205)]
        parts = list(timeseries.read(
            Series(), servers, 'instance', 'instance_cpu_usage', MONDAY,
            self.minutes(10), 300))
        self.assertEqual([100, 100, 5], [len(uuids) for uuids, _ in parts])
        self.assertEqual((100, 3), parts[0][1].values.shape)
        self.assertEqual(servers[204].uuid, parts[2][0][4])
        self.assertEqual([0.0] * 5, list(parts[2][1].values[:, 2]))
