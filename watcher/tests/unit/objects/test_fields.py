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
"""What each type of field takes and makes of it."""

import datetime
import decimal

from watcher.objects import fields
from watcher.tests import base

UTC = datetime.UTC
PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
NOON = datetime.datetime(2026, 5, 1, 12, 0)


class TestFields(base.TestCase):

    def accepts(self, field, *pairs):
        for given, expected in pairs:
            found = field.coerce(None, 'x', given)
            self.assertEqual(expected, found)
            self.assertIs(type(expected), type(found), given)

    def refuses(self, field, *values):
        for value in values:
            error = self.assertRaises(ValueError, field.coerce, None, 'x',
                                      value)
            self.assertTrue(str(error))

    def test_uuid(self):
        self.accepts(fields.UUIDField(), ('anything', 'anything'))
        self.accepts(fields.UUIDField(nullable=True), ('', None),
                     (None, None))
        self.refuses(fields.UUIDField(), '', None)

    def test_list_of_uuids(self):
        self.assertEqual(['a', 'b'], fields.ListOfUUIDsField().coerce(
            None, 'x', ['a', 'b']))
        self.refuses(fields.ListOfUUIDsField(), 'ab', None)

    def test_numeric(self):
        self.accepts(fields.NumericField(), (3, 3), (1.5, 1.5), ('3', 3),
                     ('1.5', 1.5), (decimal.Decimal('1.5'), 1.5), (0, 0))
        self.accepts(fields.NumericField(nullable=True), (None, None))
        self.refuses(fields.NumericField(), 'three', None, [1])

    def test_dict(self):
        value = {'a': None, 'b': [1, {'c': ()}]}
        self.accepts(fields.DictField(), (value, value), ({}, {}))
        self.accepts(fields.DictField(nullable=True), (None, None))
        self.refuses(fields.DictField(), {1: 'a'}, [('a', 1)], 'text', None)

    def test_flexible_dict(self):
        field = fields.FlexibleDictField(nullable=True)
        self.accepts(field, ({'a': 1}, {'a': 1}), ([('a', 1)], {'a': 1}),
                     ('{"a": null, "b": true}', {'a': None, 'b': True}),
                     (None, {}), ({}, {}))
        self.refuses(field, "{'a': 1}", '[1', 5, [1], '__import__("os")')
        self.refuses(fields.FlexibleDictField(), None)

    def test_flexible_list(self):
        field = fields.FlexibleListOfDictField(nullable=True)
        self.accepts(field, ([{'a': 1}], [{'a': 1}]), (({},), [{}]),
                     ('[{"a": null}]', [{'a': None}]), (None, []), ([], []),
                     ({'name': 'x'}, [{'name': 'x'}]), ({}, []))
        self.refuses(field, "[{'a': 1}]", 5, 'os.system')
        self.refuses(fields.FlexibleListOfDictField(), None)

    def test_json(self):
        field = fields.JsonField(nullable=True)
        self.accepts(field, ('{"a": 1}', {'a': 1}), ([1], [1]), (None, None))
        self.refuses(field, '{')
        self.assertEqual('{"a": 1}', field.to_primitive(None, 'x', {'a': 1}))
        self.assertEqual({'a': 1}, field.from_primitive(None, 'x',
                                                        '{"a": 1}'))

    def test_aware_dates(self):
        field = fields.DateTimeField(nullable=True)
        self.accepts(field, (NOON, NOON.replace(tzinfo=UTC)),
                     (NOON.replace(tzinfo=PLUS_TWO),
                      NOON.replace(tzinfo=PLUS_TWO)), (None, None))
        self.assertEqual('2026-05-01T12:00:00Z', field.to_primitive(
            None, 'x', NOON.replace(tzinfo=UTC)))
        self.refuses(field, 5, 'yesterday')

    def test_naive_dates_are_converted_before_the_zone_is_dropped(self):
        field = fields.DateTimeField(tzinfo_aware=False, nullable=True)
        self.accepts(field, (NOON, NOON),
                     (NOON.replace(tzinfo=PLUS_TWO),
                      datetime.datetime(2026, 5, 1, 10, 0)))
        self.assertEqual('2026-05-01T12:00:00Z', field.to_primitive(
            None, 'x', NOON))

    def test_enumerations(self):
        for field, good in (
                (fields.NotificationPriorityField(), 'warning'),
                (fields.NotificationPhaseField(), 'start'),
                (fields.NotificationActionField(), 'planner')):
            self.accepts(field, (good, good))
            self.refuses(field, good.upper(), 'other', None)
