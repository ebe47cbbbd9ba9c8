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
"""Which levels an operator may write."""

from oslo_config import cfg

from watcher.conf import notifications
from watcher.tests import base


class TestNotificationLevel(base.TestCase):

    def level(self, text):
        path = self.create_tempfiles(
            [('watcher', f'[DEFAULT]\nnotification_level = {text}\n')])[0]
        made = cfg.ConfigOpts()
        notifications.register_opts(made)
        made([], default_config_files=[path], default_config_dirs=[])
        return made.notification_level

    def test_names(self):
        for name in ('', 'debug', 'info', 'warning', 'error', 'critical'):
            self.assertEqual(name, self.level(name))

    def test_any_letter_case(self):
        self.assertEqual('info', self.level('INFO'))
        self.assertEqual('error', self.level('Error'))

    def test_other_spellings(self):
        self.assertEqual('warning', self.level('warn'))
        self.assertEqual('warning', self.level('WARN'))
        self.assertEqual('', self.level('None'))

    def test_unknown_names_are_refused(self):
        error = self.assertRaises(cfg.ConfigFileValueError,
                                  self.level, 'audit')
        self.assertIn('notification_level', str(error))
        self.assertIn('critical', str(error))
