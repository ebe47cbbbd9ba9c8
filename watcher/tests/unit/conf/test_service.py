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

from watcher.conf import service
from watcher.tests import base


class TestHeartbeatInterval(base.TestCase):

    def test_configured_value_is_used(self):
        self.config(heartbeat_interval=20, service_down_time=90)
        self.assertEqual(20, service.heartbeat_interval(self.conf.conf))
        self.assertEqual('', self.logger.output)

    def test_too_long_is_halved_and_reported(self):
        self.config(heartbeat_interval=60, service_down_time=60)
        self.assertEqual(30, service.heartbeat_interval(self.conf.conf))
        self.assertIn('heartbeat_interval is 60 s', self.logger.output)
        self.assertIn('service_down_time (60 s)', self.logger.output)

    def test_never_busy(self):
        self.config(heartbeat_interval=1, service_down_time=1)
        self.assertEqual(1, service.heartbeat_interval(self.conf.conf))
