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
"""Names, versions and fields that others rely on: change them knowingly.

A change of the fields or of the remotable methods of a class needs a new
version, then a new fingerprint here.
"""

from oslo_versionedobjects import exception as ovo_exc
from oslo_versionedobjects import fixture

from watcher import objects
from watcher.common import context
from watcher.objects import base as objects_base
from watcher.tests import base

DATES = {'created_at?', 'updated_at?', 'deleted_at?'}

CONTRACT = {
    'Goal': ('1.0', 'id uuid name display_name efficacy_specification'),
    'Strategy': ('1.1', 'id uuid name display_name goal_id parameters_spec? '
                        'goal?'),
    'AuditTemplate': ('1.2', 'id uuid name description? scope? '
                             'default_parameters? goal_id strategy_id? '
                             'goal? strategy?'),
    'Audit': ('1.8', 'id uuid name audit_type state parameters? interval? '
                     'scope? goal_id strategy_id? auto_trigger '
                     'next_run_time? hostname? start_time? end_time? force '
                     'goal? strategy? status_message?'),
    'ActionPlan': ('2.3', 'id uuid audit_id strategy_id state? '
                          'global_efficacy? hostname? status_message? '
                          'audit? strategy?'),
    'Action': ('2.1', 'id uuid action_plan_id action_type? '
                      'input_parameters? state? parents? status_message? '
                      'action_plan?'),
    'EfficacyIndicator': ('1.0', 'id uuid action_plan_id name description? '
                                 'unit? value'),
    'ScoringEngine': ('1.0', 'id uuid name description? metainfo?'),
    'Service': ('1.0', 'id name host last_seen_up?'),
    'ActionDescription': ('1.0', 'id action_type description'),
}

# The methods take where= and fence=, which services call in their own process:
# no reason for a version that others do not know.
FINGERPRINTS = {
    'Goal': '1.0-7323a86e7544ff3bd14a88d4c3d8dc1a',
    'Strategy': '1.1-90134e08c2c3f9268daa03a6b4c13bbb',
    'AuditTemplate': '1.2-b32cc3cf9a9480c62c3af4b6578d8643',
    'Audit': '1.8-8073bcdb671fc4d1aa69935c8d1b7ce0',
    'ActionPlan': '2.3-aea9cd0ee80229c61400ddb0d36c635c',
    'Action': '2.1-01a0a6e5c2f8cb191cae7109a62adaed',
    'EfficacyIndicator': '1.0-702d3959f22982d01568325eedac6caa',
    'ScoringEngine': '1.0-f031c852ba71ff556eeb6e0938e38f40',
    'Service': '1.0-c53873c7986e4f7f91bc0c6de0067631',
    'ActionDescription': '1.0-ed15b4df509f13c2dcb74300d937e985',
}


class TestContract(base.TestCase):

    def test_ten_classes_in_order(self):
        self.assertEqual(
            ['Goal', 'Strategy', 'AuditTemplate', 'Audit', 'ActionPlan',
             'Action', 'EfficacyIndicator', 'ScoringEngine', 'Service',
             'ActionDescription'],
            [cls.obj_name() for cls in objects.register_all()])

    def test_versions_and_fields(self):
        for cls in objects.register_all():
            version, names = CONTRACT[cls.obj_name()]
            self.assertEqual(version, cls.VERSION, cls)
            found = {name + ('?' if field.nullable else '')
                     for name, field in cls.fields.items()}
            self.assertEqual(set(names.split()) | DATES, found, cls)

    def test_relations(self):
        found = {cls.obj_name(): set(cls.relations)
                 for cls in objects.register_all() if cls.relations}
        self.assertEqual(
            {'Strategy': {'goal'}, 'AuditTemplate': {'goal', 'strategy'},
             'Audit': {'goal', 'strategy'},
             'ActionPlan': {'audit', 'strategy'},
             'Action': {'action_plan'}}, found)

    def test_fingerprints(self):
        checker = fixture.ObjectVersionChecker(
            {cls.obj_name(): [cls] for cls in objects.register_all()})
        expected, found = checker.test_hashes(FINGERPRINTS)
        self.assertEqual(expected, found)

    def test_package_has_the_newest_version(self):
        for cls in objects.register_all():
            self.assertIs(cls, getattr(objects, cls.obj_name()))

    def test_promised_methods(self):
        for cls in objects.register_all():
            methods = {'get', 'list', 'create', 'save', 'refresh',
                       'soft_delete'}
            if cls.obj_name() not in ('Service', 'ActionDescription'):
                methods |= {'get_by_id', 'get_by_uuid'}
            if cls.obj_name() in ('Goal', 'Strategy', 'AuditTemplate',
                                  'Audit', 'ScoringEngine', 'Service'):
                methods.add('get_by_name')
            for name in methods:
                self.assertTrue(callable(getattr(cls, name)), (cls, name))
        self.assertTrue(callable(objects.ActionDescription.get_by_type))


class TestSerialisation(base.TestCase):

    def _goal(self):
        return objects.Goal(id=1, uuid='u', name='n', display_name='N',
                            efficacy_specification=[{'a': None}],
                            created_at=None)

    def test_primitive(self):
        primitive = self._goal().obj_to_primitive()
        self.assertEqual('Goal', primitive['watcher_object.name'])
        self.assertEqual('watcher', primitive['watcher_object.namespace'])
        self.assertEqual('1.0', primitive['watcher_object.version'])
        self.assertEqual([{'a': None}], primitive['watcher_object.data'][
            'efficacy_specification'])
        self.assertIn('name', primitive['watcher_object.changes'])

    def test_round_trip_with_unset_null_and_nested_fields(self):
        strategy = objects.Strategy(id=2, name='s', goal=self._goal(),
                                    parameters_spec=None)
        strategy.obj_reset_changes(recursive=True)
        strategy.obj_reset_changes()
        primitive = strategy.obj_to_primitive()
        self.assertNotIn('watcher_object.changes', primitive)
        back = objects_base.WatcherObject.obj_from_primitive(primitive)
        self.assertEqual('n', back.goal.name)
        self.assertEqual({}, back.parameters_spec)
        self.assertFalse(back.obj_attr_is_set('uuid'))
        self.assertEqual(set(), back.obj_what_changed())

    def test_versions(self):
        serializer = objects_base.WatcherObjectSerializer()
        ctxt = context.make_context()
        primitive = self._goal().obj_to_primitive()
        primitive['watcher_object.version'] = '1.0.1'
        back = serializer.deserialize_entity(ctxt, primitive)
        self.assertEqual(('n', '1.0'), (back.name, back.VERSION))
        primitive['watcher_object.version'] = '1.1'
        self.assertRaises(ovo_exc.IncompatibleObjectVersion,
                          serializer.deserialize_entity, ctxt, primitive)
        primitive['watcher_object.name'] = 'Nobody'
        self.assertRaises(ovo_exc.UnsupportedObjectError,
                          serializer.deserialize_entity, ctxt, primitive)

    def test_dictionary_access(self):
        goal = self._goal()
        self.assertEqual('n', goal['name'])
        self.assertEqual('n', goal.get('name'))
        self.assertIn('name', goal)
        self.assertNotIn('updated_at', goal)
        self.assertEqual(
            {'id', 'uuid', 'name', 'display_name', 'efficacy_specification',
             'created_at'}, set(goal))
        self.assertEqual(set(goal), set(goal.as_dict()))
        strategy = objects.Strategy(goal=goal)
        self.assertIs(goal, strategy.as_dict()['goal'])
        goal['name'] = 'other'
        self.assertEqual('other', goal.name)
