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
import jsonschema

from watcher.common import exception
from watcher.common import utils
from watcher.tests import base


class TestStruct(base.TestCase):

    def test_items_are_attributes(self):
        struct = utils.Struct(a=1)
        struct.b = 2
        self.assertEqual({'a': 1, 'b': 2}, struct)
        self.assertEqual(2, struct['b'])
        del struct.a
        self.assertNotIn('a', struct)

    def test_missing_name(self):
        struct = utils.Struct()
        error = self.assertRaises(AttributeError, getattr, struct, 'nope')
        self.assertIn('nope', str(error))
        self.assertRaises(AttributeError, delattr, struct, 'nope')


class TestTypes(base.TestCase):

    def test_uuid(self):
        self.assertTrue(utils.is_uuid_like(utils.generate_uuid()))
        for value in ('abc', '', None, 3):
            self.assertFalse(utils.is_uuid_like(value), value)

    def test_int(self):
        for value in (0, '0', -5, '60'):
            self.assertTrue(utils.is_int_like(value), value)
        for value in ('', 'a', '1.5', None, 1.5):
            self.assertFalse(utils.is_int_like(value), value)

    def test_cron(self):
        for value in ('* * * * *', '*/5 1 * * 1-5', '0 0 1 1 * 30',
                      '* * * * * * 2030', '@hourly'):
            self.assertTrue(utils.is_cron_like(value), value)
        for value in ('', 'abc', '1.5', '* * * *', '61 * * * *', '60', None,
                      60, True, []):
            self.assertFalse(utils.is_cron_like(value), value)

    def test_check_cron_tells_why(self):
        self.assertEqual('@daily', utils.check_cron('@daily'))
        error = self.assertRaises(exception.CronFormatIsInvalid,
                                  utils.check_cron, '61 * * * *')
        self.assertEqual(400, error.code)
        self.assertIn('61 * * * *', str(error))
        self.assertRaises(exception.CronFormatIsInvalid,
                          utils.check_cron, 7)

    def test_import_path(self):
        self.assertEqual('watcher.common.utils.Struct',
                         utils.get_cls_import_path(utils.Struct))
        self.assertEqual('dict', utils.get_cls_import_path(dict))


class TestTruncate(base.TestCase):

    def test_short_text_stays(self):
        self.assertIsNone(utils.truncate(None))
        self.assertEqual('x' * 255, utils.truncate('x' * 255))

    def test_long_text_is_cut_and_marked(self):
        cut = utils.truncate('x' * 256)
        self.assertEqual(255, len(cut))
        self.assertTrue(cut.endswith('x...'))

    def test_tiny_limit(self):
        self.assertEqual('ab', utils.truncate('abcdef', 2))


class TestPickConfigArguments(base.TestCase):

    def test_foreign_arguments_are_left_out(self):
        self.assertEqual(
            ['--config-file', '/a', '--config-dir', '/b'],
            utils.pick_config_arguments(
                ['--http', ':80', '--config-file', '/a', '-p', '4',
                 '--config-dir=/b', '--config', 'gunicorn.py']))
        self.assertEqual([], utils.pick_config_arguments(['--master']))


class TestStrictValidator(base.TestCase):

    SCHEMA = {
        # "required" first: the order of keywords must not matter
        'required': ['name', 'level'],
        'properties': {
            'level': {'type': 'integer', 'default': 3},
            'name': {'type': 'string'},
            'tags': {'type': 'array', 'default': []},
            'inner': {
                'type': 'object', 'default': {},
                'properties': {'x': {'type': 'number', 'default': 0.5}}},
            'free': {'type': 'object'},
        }}

    def validate(self, document, schema=None):
        utils.StrictDefaultValidatingDraft4Validator(
            schema or self.SCHEMA).validate(document)
        return document

    def test_defaults_are_filled_in_at_every_level(self):
        self.assertEqual(
            {'name': 'n', 'level': 3, 'tags': [], 'inner': {'x': 0.5}},
            self.validate({'name': 'n'}))

    def test_given_values_stay(self):
        document = {'name': 'n', 'level': 1, 'tags': ['a'],
                    'inner': {'x': 2}}
        self.assertEqual(dict(document), self.validate(document))

    def test_defaults_are_not_shared(self):
        self.validate({'name': 'n'})['tags'].append('poison')
        self.assertEqual([], self.validate({'name': 'n'})['tags'])

    def test_unknown_members_are_refused_at_every_level(self):
        for document in ({'name': 'n', 'speed': 1},
                         {'name': 'n', 'inner': {'speed': 1}}):
            error = self.assertRaises(exception.AuditParameterNotAllowed,
                                      self.validate, document)
            self.assertIn('speed', str(error))

    def test_additional_properties_do_not_help(self):
        schema = {'properties': {'a': {}}, 'additionalProperties': True}
        self.assertRaises(exception.AuditParameterNotAllowed,
                          self.validate, {'b': 1}, schema)

    def test_objects_without_properties_take_anything(self):
        self.validate({'name': 'n', 'free': {'any': 'thing'}})
        self.validate({'any': 'thing'}, {'properties': {}})
        self.validate({'any': 'thing'}, {'type': 'object'})

    def test_required_without_default(self):
        self.assertRaises(jsonschema.ValidationError, self.validate, {})

    def test_draft_4_types(self):
        for value in (1.0, True, '1', None):
            self.assertRaises(jsonschema.ValidationError, self.validate,
                              {'name': 'n', 'level': value})

    def test_not_an_object(self):
        self.assertRaises(jsonschema.ValidationError, self.validate, [],
                          {'type': 'object', 'properties': {'a': {}}})


class TestHideCredentials(base.TestCase):

    def test_users_of_urls(self):
        for text, shown in (
                ('http://u:p@host:1/a', 'http://***@host:1/a'),
                ('at https://token@host, or http://a:b@c/',
                 'at https://***@host, or http://***@c/'),
                ('http://host/a@b?c=d@e', 'http://host/a@b?c=d@e'),
                ('mail a@b', 'mail a@b'), ('', '')):
            self.assertEqual(shown, utils.hide_credentials(text))
