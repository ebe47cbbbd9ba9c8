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
"""The API reference documents everything the API takes and returns."""

import pathlib
import re

from watcher.api import versions
from watcher.api.controllers import v1
from watcher.api.controllers.v1 import data_model
from watcher.common import policies
from watcher.tests import base

SOURCE = pathlib.Path(__file__).parents[4] / 'api-ref' / 'source'

PLACEHOLDER = re.compile(r'\{[^}]*\}')
METHOD = re.compile(r'^\.\. rest_method:: (\w+) (\S+)$', re.MULTILINE)
NAME = re.compile(r'^   - ([\w-]+): \w+$', re.MULTILINE)

DISCOVERY = {('GET', '/'), ('GET', '/v1')}


class TestReference(base.TestCase):

    def setUp(self):
        super().setUp()
        self.operations = {}
        for page in SOURCE.glob('*.inc'):
            text = page.read_text()
            starts = [match.start() for match in METHOD.finditer(text)]
            for start, end in zip(starts, starts[1:] + [None],
                                  strict=False):
                section = text[start:end]
                match = METHOD.match(section)
                key = (match[1], PLACEHOLDER.sub('{}', match[2]))
                self.assertNotIn(key, self.operations)
                self.operations[key] = section

    def _names(self, method, path, part):
        section = self.operations[method, path].partition(
            'Response\n--------')[0 if part == 'request' else 2]
        return set(NAME.findall(section))

    def _resources(self):
        return [cls() for cls in v1.RESOURCES if hasattr(cls, 'fields')]

    def test_every_operation(self):
        operations = {(operation['method'],
                       PLACEHOLDER.sub('{}', operation['path']))
                      for rule in policies.list_rules()
                      for operation in getattr(rule, 'operations', ())}
        self.assertEqual(operations | DISCOVERY, set(self.operations))

    def test_every_field_returned(self):
        for resource in self._resources():
            shown = {field.name for field in resource.fields
                     if field.visible(versions.MAX)} | {'links'}
            summary = {field.name for field in resource.fields
                       if field.visible(versions.MAX)
                       and field.summary} | {'links'}
            path = f'/v1/{resource.collection}'
            self.assertEqual(summary | {'next'},
                             self._names('GET', path, 'response'))
            self.assertEqual(shown | {'next'},
                             self._names('GET', f'{path}/detail', 'response'))
            self.assertEqual(shown,
                             self._names('GET', f'{path}/{{}}', 'response'))

    def test_every_field_taken(self):
        for resource in self._resources():
            path = f'/v1/{resource.collection}'
            taken = {field.name for field in resource.fields if field.create}
            if taken:
                self.assertEqual(
                    taken, self._names('POST', path, 'request')
                    - {versions.HEADER})
            for field in resource.fields:
                if field.patch:
                    self.assertIn(f'``/{field.name}``',
                                  self.operations['PATCH', f'{path}/{{}}'])

    def test_every_query_parameter(self):
        for resource in self._resources():
            expected = {'limit', 'marker', 'sort_key', 'sort_dir',
                        versions.HEADER}
            expected |= {declared.name for declared in resource.filters}
            for path in (f'/v1/{resource.collection}',
                         f'/v1/{resource.collection}/detail'):
                self.assertEqual(expected,
                                 self._names('GET', path, 'request'))

    def test_data_model(self):
        self.assertEqual(
            set(data_model.MEMBERS) | {'context'},
            self._names('GET', '/v1/data_model', 'response'))
