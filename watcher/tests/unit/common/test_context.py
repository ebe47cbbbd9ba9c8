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
import pickle

from oslo_context import context as oslo_context
from oslo_context import fixture as context_fixture

from watcher.common import context
from watcher.tests import base

KEYS = {
    'user', 'project_id', 'system_scope', 'project', 'domain', 'user_domain',
    'project_domain', 'is_admin', 'read_only', 'show_deleted', 'auth_token',
    'request_id', 'global_request_id', 'resource_uuid', 'roles',
    'user_identity', 'is_admin_project', 'auth_token_info'}


class TestRequestContext(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(context_fixture.ClearRequestContext())

    def test_defaults(self):
        values = context.RequestContext().to_dict()
        self.assertEqual(KEYS, set(values))
        self.assertIsNone(values['is_admin'])
        self.assertIs(True, values['is_admin_project'])
        self.assertIs(False, values['read_only'])
        self.assertIs(False, values['show_deleted'])
        self.assertEqual([], values['roles'])
        self.assertTrue(values['request_id'].startswith('req-'))
        self.assertEqual('- - - - -', values['user_identity'])

    def test_dictionary_round_trip(self):
        original = context.RequestContext(
            user_id='u', project_id='p', domain_id='d', user_domain_id='ud',
            project_domain_id='pd', system_scope='all', is_admin=True,
            is_admin_project=False, read_only=True, show_deleted=True,
            auth_token='t', roles=['admin'], resource_uuid='r',
            global_request_id='req-g', auth_token_info={'token': {}})
        rebuilt = context.RequestContext.from_dict(original.to_dict())
        self.assertEqual(original.to_dict(), rebuilt.to_dict())

    def test_any_subset_of_keys_is_enough(self):
        full = context.RequestContext(
            user_id='u', project_id='p', domain_id='d', is_admin=True,
            roles=['admin']).to_dict()
        for key in full:
            rebuilt = context.RequestContext.from_dict({key: full[key]})
            if key not in ('user_identity', 'project'):
                self.assertEqual(full[key], rebuilt.to_dict()[key], key)
        rebuilt = context.RequestContext.from_dict({})
        self.assertIsNone(rebuilt.is_admin)
        self.assertIs(True, rebuilt.is_admin_project)

    def test_other_names_of_ids_are_understood(self):
        rebuilt = context.RequestContext.from_dict(
            {'user_id': 'u', 'project': 'p'})
        self.assertEqual(('u', 'p'), (rebuilt.user_id, rebuilt.project_id))

    def test_unknown_keys_are_ignored(self):
        rebuilt = context.RequestContext.from_dict({'weather': 'rain'})
        self.assertNotIn('weather', rebuilt.to_dict())

    def test_text_masks_the_token(self):
        text = str(context.RequestContext(
            user_id='mallory', auth_token='s3cret',
            auth_token_info={'access': 's3cret'}))
        self.assertTrue(text.startswith('<Context {'))
        self.assertIn('mallory', text)
        self.assertNotIn('s3cret', text)

    def test_positional_is_admin(self):
        self.assertIs(True, context.RequestContext(
            None, None, None, None, None, None, True).is_admin)

    def test_construction_makes_it_current(self):
        first = context.make_context(user_id='a')
        self.assertIs(first, context.get_current())
        second = context.make_context(user_id='b')
        self.assertIs(second, oslo_context.get_current())

    def test_pickle(self):
        original = context.RequestContext(user_id='u', is_admin=True)
        copied = pickle.loads(pickle.dumps(original))
        self.assertEqual(original.to_dict(), copied.to_dict())


class TestAdminContext(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(context_fixture.ClearRequestContext())

    def test_rights(self):
        admin = context.admin_context()
        self.assertIs(True, admin.is_admin)
        self.assertIs(False, admin.show_deleted)
        self.assertIs(True, context.admin_context(
            show_deleted=True).show_deleted)

    def test_continues_the_current_request(self):
        request = context.make_context(
            user_id='u', global_request_id='req-global')
        admin = context.admin_context()
        self.assertEqual(request.request_id, admin.request_id)
        self.assertEqual('req-global', admin.global_request_id)
        self.assertIs(request, context.get_current())

    def test_becomes_current_where_there_is_none(self):
        admin = context.admin_context()
        self.assertIs(admin, context.get_current())
