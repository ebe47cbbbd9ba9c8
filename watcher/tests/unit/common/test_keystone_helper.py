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

from watcher.common import exception
from watcher.common import keystone_helper
from watcher.common import rest
from watcher.tests import base


class FakeKeystone(rest.RestClient):

    def __init__(self, services):
        self.services = services

    def request(self, method, path, params=None, **kwargs):
        if isinstance(self.services, Exception):
            raise self.services
        return {'services': self.services.get(params['type'], [])}


class TestKeystoneHelper(base.TestCase):

    def enabled(self, services, wanted='block-storage'):
        return keystone_helper.KeystoneHelper(
            FakeKeystone(services)).is_service_enabled_by_type(wanted)

    def test_one(self):
        self.assertTrue(self.enabled({'block-storage': [{'enabled': True}]}))

    def test_older_name(self):
        self.assertTrue(self.enabled({'volumev3': [{'enabled': True}]}))

    def test_none(self):
        self.assertFalse(self.enabled({}))

    def test_disabled(self):
        self.assertFalse(self.enabled(
            {'block-storage': [{'enabled': False}]}))

    def test_several(self):
        self.assertFalse(self.enabled(
            {'block-storage': [{'enabled': True}, {'enabled': True}]}))
        self.assertIn('2 enabled services', self.logger.output)

    def test_several_of_which_one_is_enabled(self):
        self.assertTrue(self.enabled(
            {'block-storage': [{'enabled': True}, {'enabled': False}]}))

    def test_failure(self):
        error = self.assertRaises(
            exception.AuthorizationFailure, self.enabled,
            rest.RequestFailed('away'))
        self.assertIn('away', str(error))
