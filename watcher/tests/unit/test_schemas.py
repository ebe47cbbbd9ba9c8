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
"""The JSON schemas of all installed plug-ins.

A keyword that the validator does not know is ignored without a word, and
what it should have refused is accepted. So no schema may contain one, and
for every parameter there has to be something that is refused. A new plug-in
is found by its entry point; nothing has to be added here.
"""

import copy
from importlib import metadata

import jsonschema
from jsonschema import validators

from watcher.applier.loading import default as applier_loading
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.scope import validation
from watcher.tests import base
from watcher.tests.unit.api import base as api_base

#: Keywords that say something about a schema without restricting values.
ANNOTATIONS = {'$schema', '$id', '$ref', '$defs', '$comment', 'id', 'title',
               'description', 'default', 'definitions', 'examples', 'format',
               'deprecated', 'readOnly', 'writeOnly'}

#: Keywords whose value is a schema, a list of them, or a mapping to them.
SCHEMAS = ('additionalProperties', 'additionalItems', 'items', 'not',
           'contains', 'if', 'then', 'else', 'propertyNames')
LISTS = ('allOf', 'anyOf', 'oneOf', 'items', 'prefixItems')
MAPPINGS = ('properties', 'patternProperties', 'definitions', '$defs')

#: No keywords, but targets: schemas of collectors of third parties refer to
#: "#/items/properties/compute/host_aggregates/name" and ".../host_aggr_id".
TARGETS = {('items', 'properties', 'compute', 'host_aggregates')}

#: Kinds of plug-ins, and whether what they register contains a schema.
GROUPS = {
    'watcher_goals': True,
    'watcher_strategies': True,
    'watcher_actions': True,
    'watcher_cluster_data_model_collectors': True,
    'watcher_planners': False,
    'watcher_scoring_engines': False,
    'watcher_scoring_engine_containers': False,
    'watcher_workflow_engines': False,
    'watcher_destination_filters': False,
}

VALUES = (None, True, -1e12, 1e12, 0.5, 'x', '', [], [None], {},
          {'nobody knows this': 1}, '5e463824-190f-4efd-befb-a766acce0d5a')


def unknown_keywords(schema, known, path=()):
    """Yield the paths of keywords that the draft does not know."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        where = (*path, keyword)
        if keyword not in known and where not in TARGETS:
            yield where
        if keyword in SCHEMAS and isinstance(value, dict):
            yield from unknown_keywords(value, known, where)
        if keyword in LISTS and isinstance(value, list):
            for number, item in enumerate(value):
                yield from unknown_keywords(item, known, (*where, number))
        if keyword in MAPPINGS:
            for name, item in value.items():
                yield from unknown_keywords(item, known, (*where, name))


def draft_of(schema):
    return validators.validator_for(schema,
                                    default=jsonschema.Draft4Validator)


def known_keywords(draft):
    return (ANNOTATIONS | set(draft.VALIDATORS)
            | set(draft.META_SCHEMA.get('properties', ())))


def refused_value(schema):
    """Return something that the schema refuses, at any depth."""
    validator = jsonschema.Draft4Validator(schema)
    return next((value for value in VALUES if not validator.is_valid(value)),
                Ellipsis)


def sample(schema):
    """Return the smallest document that has all that is required."""
    if 'default' in schema:
        return copy.deepcopy(schema['default'])
    if 'enum' in schema:
        return schema['enum'][0]
    if schema.get('type') == 'object' or 'properties' in schema:
        return {name: sample(schema['properties'][name])
                for name in schema.get('required', ())}
    validator = jsonschema.Draft4Validator(schema)
    return next(value for value in (*VALUES, 1, schema.get('minimum'))
                if validator.is_valid(value))


def strategies():
    found = loading.DefaultStrategyLoader().list_available()
    return {name: cls.get_schema() for name, cls in sorted(found.items())}


def actions():
    loader = applier_loading.DefaultActionLoader()
    return {name: loader.load(name)
            for name in sorted(loader.list_available())}


def specifications():
    """The efficacy specification of each goal."""
    loader = loading.DefaultGoalLoader()
    return {name: loader.load(name).efficacy_specification
            for name in sorted(loader.list_available())}


class TestKeywords(base.TestCase):

    def check(self, name, schema):
        draft = draft_of(schema)
        draft.check_schema(schema)
        self.assertEqual(
            [], list(unknown_keywords(schema, known_keywords(draft))), name)

    def test_unknown_ones_are_found(self):
        for schema in ({'typ': 'string'},
                       {'properties': {'a': {'minimun': 1}}},
                       {'items': {'oneOf': [{}, {'requird': []}]}},
                       {'items': [{}, {'maxLen': 1}]},
                       {'additionalProperties': {'rnage': [1, 2]}},
                       # of a later draft
                       {'const': 3}):
            self.assertEqual(1, len(list(unknown_keywords(
                schema, known_keywords(jsonschema.Draft4Validator)))))

    def test_strategies(self):
        for name, schema in strategies().items():
            self.check(name, schema)

    def test_actions(self):
        for name, action in actions().items():
            self.check(name, action.schema)

    def test_goals(self):
        for name, specification in specifications().items():
            self.check(name, specification.schema)
            for indicator in specification.indicators_specs:
                self.check(f'{name}: {indicator.name}', indicator.schema)

    def test_scope(self):
        self.check('scope', validation.get_schema())

    def test_every_kind_of_plugin_is_known(self):
        """Whoever adds a kind decides whether its schemas are looked at."""
        groups = {group for group in metadata.entry_points().groups
                  if group.startswith('watcher_')}
        self.assertIn('watcher_goals', groups)
        self.assertEqual(set(), groups - set(GROUPS))


class TestParameters(api_base.ApiTestCase):
    """Nothing is accepted just because nobody looks at it."""

    def _refused_value(self, name, parameter, schema):
        value = refused_value(schema)
        self.assertIsNot(Ellipsis, value,
                         f'{name} takes anything as {parameter}')
        return value

    def test_strategies(self):
        """The API refuses it, and names it whatever else is missing."""
        goal = self.records.goal()
        checked = set()
        for name, schema in strategies().items():
            self.records.strategy(goal, name=name, parameters_spec=schema)
            for parameter, its in schema.get('properties', {}).items():
                value = self._refused_value(name, parameter, its)
                response = self.post('/v1/audits', {
                    'audit_type': 'ONESHOT', 'goal': 'dummy',
                    'strategy': name, 'parameters': {parameter: value}})
                self.assert_refused(400, response, f'parameters.{parameter}')
                checked.add(name)
            response = self.post('/v1/audits', {
                'audit_type': 'ONESHOT', 'goal': 'dummy', 'strategy': name,
                'parameters': {'nobody knows this': 1}})
            self.assert_refused(400, response, 'nobody knows this')
        self.assertIn('dummy', checked)
        self.assertEqual([], self.get('/v1/audits').json['audits'])

    def test_required_parameters(self):
        goal = self.records.goal()
        for name, schema in strategies().items():
            self.records.strategy(goal, name=name, parameters_spec=schema)
            for parameter in schema.get('required', ()):
                if 'default' in schema['properties'][parameter]:
                    continue
                response = self.post('/v1/audits', {
                    'audit_type': 'ONESHOT', 'goal': 'dummy',
                    'strategy': name})
                self.assert_refused(400, response, f'parameters.{parameter}')

    def test_actions(self):
        for name, action in actions().items():
            schema = action.schema
            fine = sample(schema)
            action.input_parameters = fine
            self.assertTrue(action.validate_parameters(), name)
            for parameter, its in schema['properties'].items():
                value = self._refused_value(name, parameter, its)
                action.input_parameters = {**fine, parameter: value}
                error = self.assertRaises(jsonschema.ValidationError,
                                          action.validate_parameters)
                self.assertIn(parameter, str(error))
            for parameter in schema.get('required', ()):
                action.input_parameters = {
                    key: value for key, value in fine.items()
                    if key != parameter}
                error = self.assertRaises(jsonschema.ValidationError,
                                          action.validate_parameters)
                self.assertIn(parameter, error.message)
            action.input_parameters = {**fine, 'nobody knows this': 1}
            error = self.assertRaises(jsonschema.ValidationError,
                                      action.validate_parameters)
            self.assertIn('nobody knows this', error.message)

    def test_efficacy(self):
        for name, specification in specifications().items():
            fine = {indicator.name: sample(indicator.schema)
                    for indicator in specification.indicators_specs}
            specification.validate_efficacy_indicators(fine)
            for indicator in specification.indicators_specs:
                value = self._refused_value(name, indicator.name,
                                            indicator.schema)
                error = self.assertRaises(
                    jsonschema.ValidationError,
                    specification.validate_efficacy_indicators,
                    {**fine, indicator.name: value})
                self.assertIn(indicator.name, str(error))
