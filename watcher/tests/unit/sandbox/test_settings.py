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
"""How the service is configured for a simulated cloud."""

from watcher.sandbox import settings
from watcher.tests import base
from watcher.tests.fixtures import cloud


class TestSettings(base.TestCase):

    def models(self, **spec):
        made = self.useFixture(cloud.SandboxCloud(
            hosts=1, servers=0, **spec))
        return settings.for_cloud(made.cloud, 'sqlite://')[
            'collector']['collector_plugins']

    def test_models_of_what_the_cloud_has(self):
        self.assertEqual('compute', self.models())
        self.assertEqual('compute,storage', self.models(backends=1))
        self.assertEqual('compute,storage,baremetal', self.models(
            backends=1, bare_metal=True))
