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
"""What values may look like in requests, and how they are shown."""

import datetime
import os
import time

import fixtures
import wsme.exc

from watcher.api import types
from watcher.api.schemas import scope
from watcher.common import schedule
from watcher.tests import base

UUID = '5e463824-190f-4efd-befb-a766acce0d5a'


class TypeTestCase(base.TestCase):

    def accepts(self, datatype, value, expected):
        loaded = types.load(datatype, 'field', value)
        self.assertEqual(expected, loaded, repr(value))
        self.assertIs(type(expected), type(loaded), repr(value))

    def refuses(self, datatype, value, *words):
        """Check that the error names field, value and what is allowed."""
        error = self.assertRaises(wsme.exc.InvalidInput, types.load,
                                  datatype, 'field', value)
        self.assertEqual(400, error.code)
        for word in ('field', types.shown(value)[:30], *words):
            self.assertIn(word, error.faultstring)
        self.assertNotIn('<class', error.faultstring)
        return error.faultstring


class TestNull(TypeTestCase):

    def test_null_stays_null(self):
        for datatype in (types.text, types.uuid, types.boolean,
                         types.interval, types.time, types.obj, types.array,
                         scope.scope):
            self.assertIsNone(types.load(datatype, 'field', None))

    def test_containers_are_never_null_in_responses(self):
        self.assertEqual({}, types.obj.dump(None))
        for datatype in (types.array, scope.scope):
            self.assertEqual([], datatype.dump(None))
        self.assertIsNone(types.time.dump(None))

    def test_value_of_what_a_patch_removes(self):
        for datatype, empty in (
                (types.text, None), (types.interval, None),
                (types.time, None), (types.strict_boolean, False),
                (types.obj, {}), (types.array, []), (scope.scope, [])):
            self.assertEqual(empty, datatype.empty)

    def test_empty_values_are_not_shared(self):
        types.obj.empty['x'] = 1
        self.assertEqual({}, types.obj.empty)


class TestText(TypeTestCase):

    def test_texts(self):
        for value in ('', 'a b', 'ü漢\U0001f600', 'x' * 1000):
            self.accepts(types.text, value, value)
        for value, kind in ((3, 'a number'), (1.5, 'a number'),
                            (True, 'true or false'), ([], 'an array'),
                            ({}, 'an object')):
            for datatype in (types.text, types.interval):
                self.refuses(datatype, value, f'text is expected, not {kind}')

    def test_length(self):
        limited = types.Text(3, min_length=1)
        self.accepts(limited, '漢漢漢', '漢漢漢')
        self.refuses(limited, 'xxxx', '3', '4')
        self.refuses(limited, '', '1')

    def test_long_values_are_cut_in_errors(self):
        text = self.refuses(types.Text(63), 'x' * 100000, '63')
        self.assertLess(len(text), 300)


class TestUUID(TypeTestCase):

    def test_forms(self):
        # Compared as they are: only the canonical form finds something.
        for value in (UUID, UUID.upper(), UUID.replace('-', ''),
                      '{%s}' % UUID, f'urn:uuid:{UUID}'):
            self.accepts(types.uuid, value, value)
        for value in ('', 'x', UUID[1:], UUID + '0', 3, [UUID]):
            self.refuses(types.uuid, value, 'UUID')


class TestInteger(TypeTestCase):

    def test_numbers(self):
        for text, number in (('2', 2), (' 2 ', 2), ('+2', 2), ('-2', -2),
                             ('9' * 30, int('9' * 30))):
            self.accepts(types.integer, text, number)
        for value in ('', ' ', 'x', '2.0', '1_0', '٣', '0x1', '1e3', '--1',
                      '9' * 5000):
            self.refuses(types.integer, value, 'whole number')


class TestBoolean(TypeTestCase):

    def test_creation(self):
        for value in (True, 1, 5, -1, 'true', 't', 'yes', 'y', 'on', '1'):
            self.accepts(types.boolean, value, True)
        for value in (False, 0, 'false', 'f', 'no', 'n', 'off', '0'):
            self.accepts(types.boolean, value, False)
        for value in ('True', 'YES', 'maybe', '', ' true', '2', 1.0, [], {}):
            self.refuses(types.boolean, value, 'true or false')

    def test_patch(self):
        for value in (True, False):
            self.accepts(types.strict_boolean, value, value)
        for value in (1, 0, 'true', 'false', '', 1.0, [], {}):
            self.refuses(types.strict_boolean, value, 'true or false')
        self.assertFalse(types.strict_boolean.takes_null)


class TestInterval(TypeTestCase):

    def test_seconds(self):
        for value in ('1', '60', '604800', str(schedule.LONGEST_INTERVAL)):
            self.accepts(types.interval, value, value)
        for value in ('0', '-5', '1.5', '+5', ' 60', '060', '1e3', '٣',
                      '9' * 36, str(schedule.LONGEST_INTERVAL + 1)):
            self.refuses(types.interval, value, 'seconds', 'cron')

    def test_cron_expressions(self):
        for value in ('*/5 * * * *', '0 3 * * mon-fri', '@hourly', '@yearly',
                      '0 0 1 1 * 30', '0 0 29 2 *', '0 0 1 1 * 30 2050'):
            self.accepts(types.interval, value, value)
        for value in ('', 'often', '* * * *', '* * * 13 *', '60 * * * *',
                      '*/0 * * * *', '* * * * * * * *', '@reboot',
                      'H * * * *'):
            self.refuses(types.interval, value, 'seconds', 'cron')

    def test_expressions_that_never_match(self):
        for value in ('0 0 30 2 *', '0 0 31 4,6,9,11 *',
                      '0 0 1 1 * 0 2001'):
            self.refuses(types.interval, value, 'No date')

    def test_types(self):
        for value in (60, 1.5, True, [], {}):
            self.refuses(types.interval, value, 'text')

    def test_length_of_the_column(self):
        self.refuses(types.interval, '0,' * 18 + '0 * * * *', '36')


class TestTime(TypeTestCase):

    def setUp(self):
        super().setUp()
        self.local('America/New_York')

    def local(self, zone):
        self.useFixture(fixtures.EnvironmentVariable('TZ', zone))
        time.tzset()
        # Cleanups run backwards: the variable is the old one by then.
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.pop, 'TZ', None)

    def shows(self, value, shown):
        loaded = types.load(types.time, 'field', value)
        self.assertIsNone(loaded.tzinfo)
        self.assertEqual(shown, types.time.dump(loaded), value)

    def test_with_offset(self):
        for value, shown in (
                ('2030-01-01T10:00:00Z', '2030-01-01T10:00:00'),
                ('2030-01-01 10:00:00Z', '2030-01-01T10:00:00'),
                ('2030-01-01t10:00:00z', '2030-01-01T10:00:00'),
                (' 2030-01-01T10:00:00Z ', '2030-01-01T10:00:00'),
                ('2030-01-01T10:00:00+02:00', '2030-01-01T08:00:00'),
                ('2030-01-01T10:00:00+0200', '2030-01-01T08:00:00'),
                ('2030-01-01T10:00:00+02', '2030-01-01T08:00:00'),
                ('2030-01-01T10:00:00-03:30', '2030-01-01T13:30:00'),
                ('2030-01-01T01:00:00+02:00', '2029-12-31T23:00:00'),
                ('2030-01-01T10:00:00.5Z', '2030-01-01T10:00:00.500000'),
                ('2030-01-01T10:00:00,5Z', '2030-01-01T10:00:00.500000'),
                ('2030-01-01T10:00:00.123456789Z',
                 '2030-01-01T10:00:00.123456'),
                ('2030-01-01T10:00:00.000Z', '2030-01-01T10:00:00'),
                ('20300101T100000Z', '2030-01-01T10:00:00'),
                ('2030-01-01T10:00Z', '2030-01-01T10:00:00')):
            self.shows(value, shown)

    def test_without_offset_is_local_time(self):
        for value, shown in (
                ('2030-01-01T10:00:00', '2030-01-01T15:00:00'),
                ('2030-01-01 10:00:00', '2030-01-01T15:00:00'),
                ('2030-07-01T10:00:00', '2030-07-01T14:00:00'),
                ('2030-01-01', '2030-01-01T05:00:00'),
                ('2030-01-01T10:00', '2030-01-01T15:00:00'),
                ('20300101T100000', '2030-01-01T15:00:00'),
                ('20300101', '2030-01-01T05:00:00')):
            self.shows(value, shown)

    def test_when_clocks_change(self):
        # 1:30 comes twice, the first one is meant; 2:30 does not exist.
        self.shows('2030-11-03T01:30:00', '2030-11-03T05:30:00')
        loaded = types.load(types.time, 'field', '2030-03-10T02:30:00')
        self.assertIn(types.time.dump(loaded),
                      ('2030-03-10T06:30:00', '2030-03-10T07:30:00'))

    def test_the_zone_is_that_of_the_host(self):
        self.local('Asia/Kolkata')
        self.shows('2030-01-01T10:00:00', '2030-01-01T04:30:00')

    def test_past_and_future_are_not_checked(self):
        self.shows('1999-01-01T00:00:00Z', '1999-01-01T00:00:00')
        self.shows('9999-12-31T23:59:59Z', '9999-12-31T23:59:59')

    def test_refused(self):
        for value in ('', 'soon', '2030', '2030-13-01', '2030-02-30',
                      '2030-01-01T25:00:00', '2030-01-01T10:00:00+25:00',
                      '1893456000', 1893456000, 1.5, True, [], {}):
            self.refuses(types.time, value, 'ISO 8601', '2030-01-31')

    def test_beyond_the_calendar(self):
        for value in ('9999-12-31T23:59:59-05:00',
                      '0001-01-01T00:00:00+05:00'):
            self.refuses(types.time, value, 'UTC')

    def test_dates_of_rows_carry_an_offset(self):
        moment = datetime.datetime(2030, 1, 1, 10, tzinfo=datetime.UTC)
        self.assertEqual('2030-01-01T10:00:00+00:00',
                         types.time.dump(moment))
        self.assertEqual(
            '2030-01-01T10:00:00.000007+00:00',
            types.time.dump(moment.replace(microsecond=7)))


class TestContainers(TypeTestCase):

    def test_objects(self):
        for value in ({}, {'a': [1, None, {'b': True}]}):
            self.accepts(types.obj, value, value)
        for value in ([], 'x', 3, True):
            self.refuses(types.obj, value, 'object')

    def test_arrays(self):
        for value in ([], [1, None, {}]):
            self.accepts(types.array, value, value)
        for value in ({}, 'x', 3, True):
            self.refuses(types.array, value, 'array')

    def test_scope(self):
        zones = [{'availability_zones': [{'name': 'a'}]}]
        for value, stored in (([], []), ({}, []),
                              (zones, [{'compute': zones}]),
                              ([{'storage': []}], [{'storage': []}])):
            self.accepts(scope.scope, value, stored)
        for value in ('x', 3, True, {'compute': []}):
            self.refuses(scope.scope, value, 'array')
        self.refuses(scope.scope, [{'compute': [{'nope': []}]}],
                     'scope[0].compute[0]', 'nope')
