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
"""JSON patch: the form of operations, and what they do to an object."""

import types as python_types
from unittest import mock

import wsme.exc

from watcher.api import types
from watcher.api.controllers import body
from watcher.api.controllers import json_patch
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Input
from watcher.common import exception
from watcher.tests import base

FIELDS = {field.name: field for field in (
    Field('name', types.text, patch=True, nullable=False),
    Field('note', types.text, patch=True),
    Field('flag', types.boolean, patch=True,
          patch_type=types.strict_boolean),
    Field('tags', types.array, patch=True),
    Field('options', types.obj, patch=True),
    Input('parent', types.text, patch=True,
          start=lambda obj: obj.parent_uuid),
)}


def op(operation, path, *value):
    return dict(zip(('op', 'path', 'value'), (operation, path, *value),
                    strict=False))


class PatchTestCase(base.TestCase):

    def read(self, document):
        with mock.patch.object(body, 'read', return_value=document):
            return json_patch.read(FIELDS)


class TestRead(PatchTestCase):

    def test_operations(self):
        for raw in (op('add', '/name', 'x'), op('replace', '/name', None),
                    op('remove', '/note'), op('remove', '/note', 'ignored'),
                    op('add', '/tags/-', 1), op('replace', '/tags/0', 1),
                    op('add', '/options/a/b-c/0', {})):
            self.assertEqual(
                (raw['op'], raw['path']),
                [(found.op, found.path) for found in self.read([raw])][0])
        self.assertEqual([], self.read([]))

    def test_wrong_operations(self):
        for raw, word in (
                (None, 'object'), (3, 'object'), ('x', 'object'),
                ([], 'object'),
                (op('test', '/name', 'x'), 'add, replace, remove'),
                (op('move', '/name', 'x'), 'add, replace, remove'),
                (op('copy', '/name', 'x'), 'add, replace, remove'),
                (op('ADD', '/name', 'x'), 'add, replace, remove'),
                (op(None, '/name', 'x'), 'add, replace, remove'),
                ({'path': '/name', 'value': 1}, 'add, replace, remove'),
                ({'op': 'add', 'value': 1}, 'path'),
                (op('add', 'name', 'x'), 'path'),
                (op('add', '', 'x'), 'path'), (op('add', '/', 'x'), 'path'),
                (op('add', '//name', 'x'), 'path'),
                (op('add', '/name/', 'x'), 'path'),
                (op('add', '/na me', 'x'), 'path'),
                (op('add', '/name\n', 'x'), 'path has to look like'),
                (op('add', '/na~1me', 'x'), 'path'),
                (op('add', 3, 'x'), 'path'), (op('add', None, 'x'), 'path'),
                (op('add', '/name'), 'value'),
                (op('replace', '/name'), 'value'),
                ({**op('add', '/name', 'x'), 'from': '/note'}, 'from')):
            error = self.assertRaises(exception.PatchError, self.read,
                                      [op('add', '/note', 'fine'), raw])
            self.assertEqual(400, error.code)
            self.assertIn(word, str(error))

    def test_fields_that_cannot_be_changed(self):
        for path in ('/nope', '/uuid', '/id', '/links/0', '/created_at',
                     '/Name'):
            error = self.assertRaises(exception.PatchError, self.read,
                                      [op('replace', path, 'x')])
            for word in (path, '/name', '/options'):
                self.assertIn(word, str(error))

    def test_no_array(self):
        for document in (None, {}, 'x', 3):
            error = self.assertRaises(wsme.exc.ClientSideError, self.read,
                                      document)
            self.assertIn('array', error.faultstring)


class TestApply(PatchTestCase):

    def setUp(self):
        super().setUp()
        self.obj = python_types.SimpleNamespace(
            name='n', note='x', flag=True, tags=['a', 'b'],
            options={'a': {'b': 1}}, parent_uuid='p')

    def apply(self, *operations):
        return json_patch.apply(self.read(list(operations)), self.obj,
                                FIELDS)

    def test_results(self):
        for operations, changes in (
                ([], {}),
                ([op('replace', '/name', 'm')], {'name': 'm'}),
                ([op('add', '/name', 'm')], {'name': 'm'}),
                ([op('replace', '/note', None)], {'note': None}),
                ([op('remove', '/note')], {'note': None}),
                ([op('remove', '/flag')], {'flag': False}),
                ([op('remove', '/tags')], {'tags': []}),
                ([op('remove', '/options')], {'options': {}}),
                ([op('replace', '/tags', None)], {'tags': []}),
                ([op('add', '/tags/-', 'c')], {'tags': ['a', 'b', 'c']}),
                ([op('add', '/tags/0', 'c')], {'tags': ['c', 'a', 'b']}),
                ([op('replace', '/tags/0', 'c')], {'tags': ['c', 'b']}),
                ([op('remove', '/tags/0')], {'tags': ['b']}),
                ([op('add', '/options/c', 2)],
                 {'options': {'a': {'b': 1}, 'c': 2}}),
                ([op('replace', '/options/a/b', 2)],
                 {'options': {'a': {'b': 2}}}),
                ([op('remove', '/options/a/b')], {'options': {'a': {}}}),
                ([op('remove', '/parent')], {'parent': None}),
                # in their order, the last one counts
                ([op('replace', '/name', 'm'), op('replace', '/name', 'o')],
                 {'name': 'o'}),
                ([op('remove', '/options'), op('add', '/options', {}),
                  op('add', '/options/x', 1)], {'options': {'x': 1}}),
                ([op('remove', '/name'), op('add', '/name', 'm')],
                 {'name': 'm'})):
            self.assertEqual(changes, self.apply(*operations), operations)

    def test_the_object_is_left_alone(self):
        self.apply(op('add', '/tags/-', 'c'), op('remove', '/options/a'),
                   op('replace', '/name', 'm'))
        self.assertEqual(
            ['n', ['a', 'b'], {'a': {'b': 1}}],
            [self.obj.name, self.obj.tags, self.obj.options])

    def test_paths_into_nothing(self):
        for operation in (op('replace', '/name/x', 1),
                          op('add', '/note/0', 1),
                          op('replace', '/tags/7', 1),
                          op('add', '/tags/7', 1), op('remove', '/tags/7'),
                          op('replace', '/tags/x', 1),
                          op('replace', '/options/x', 1),
                          op('remove', '/options/x'),
                          op('add', '/options/x/y', 1),
                          op('add', '/options/a/b/c', 1)):
            error = self.assertRaises(exception.PatchError, self.apply,
                                      operation)
            self.assertEqual(400, error.code)
            self.assertIn(operation['path'], str(error))
            for inside in ('<class', 'Document', 'token'):
                self.assertNotIn(inside, str(error))

    def test_removed_twice(self):
        self.assertRaises(exception.PatchError, self.apply,
                          op('remove', '/note'), op('remove', '/note'))

    def test_wrong_values(self):
        for operation, word in (
                (op('replace', '/name', None), 'cannot be removed'),
                (op('remove', '/name'), 'cannot be removed'),
                (op('replace', '/name', 3), 'text'),
                (op('replace', '/flag', None), 'null'),
                (op('replace', '/flag', 'true'), 'true or false'),
                (op('replace', '/tags', {}), 'array'),
                (op('replace', '/options', []), 'object')):
            error = self.assertRaises(wsme.exc.InvalidInput, self.apply,
                                      operation)
            self.assertEqual(400, error.code)
            for expected in (operation['path'][1:], word):
                self.assertIn(expected, error.faultstring)
