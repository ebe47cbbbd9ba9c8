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
"""Options that change while a service runs, for better or worse."""

import pathlib

import fixtures
from oslo_config import cfg

from watcher.common import reloading
from watcher.conf import windows
from watcher.tests import base


class TestReloader(base.TestCase):

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        windows.register_opts(self.conf)
        self.conf.register_opts([cfg.IntOpt('limit', mutable=True),
                                 cfg.IntOpt('size', default=1)])
        self.file = pathlib.Path(
            self.useFixture(fixtures.TempDir()).join('a.conf'))
        self.write('limit = 5', nights='22:00-06:00')
        self.conf([], default_config_files=[str(self.file)])
        self.reloader = reloading.Reloader(self.conf)

    def write(self, *lines, nights):
        self.file.write_text('\n'.join(
            ['[DEFAULT]', *lines, '[watcher_decision_engine]',
             f'run_windows = {nights}', '']))

    def reload(self, *lines, nights):
        self.write(*lines, nights=nights)
        self.reloader.reload()
        return (self.conf.limit, self.conf.size,
                self.conf.watcher_decision_engine.run_windows)

    def test_changes_are_used(self):
        self.assertEqual((6, 1, ['23:00-06:00']), self.reload(
            'limit = 6', 'size = 2', nights='23:00-06:00'))
        self.assertEqual((None, 1, []), self.reload(nights=''))

    def test_wrong_values_are_not_used(self):
        self.assertEqual((5, 1, ['22:00-06:00']), self.reload(
            'limit = many', 'size = huge', nights='noon'))
        self.assertIn('[watcher_decision_engine] run_windows is not used',
                      self.logger.output)
        self.assertIn("'noon' is not a window", self.logger.output)
        self.assertIn('[DEFAULT] limit is not used', self.logger.output)

    def test_others_of_the_same_file_are(self):
        self.assertEqual((6, 1, ['22:00-06:00']), self.reload(
            'limit = 6', nights='noon'))

    def test_still_wrong_and_then_mended(self):
        self.reload('limit = 5', nights='noon')
        self.assertEqual((5, 1, ['22:00-06:00']), self.reload(
            'limit = 5', nights='noon'))
        self.assertEqual((5, 1, ['22:00-06:00']), self.reload(
            'limit = 5', nights='midnight'))
        self.assertEqual((5, 1, ['21:00-06:00']), self.reload(
            'limit = 5', nights='21:00-06:00'))
        # As before: nothing is left of what was kept.
        self.assertEqual((5, 1, ['20:00-06:00']), self.reload(
            'limit = 5', nights='20:00-06:00'))

    def test_broken_file(self):
        self.file.write_text('[DEFAULT\n')
        self.reloader.reload()
        self.assertEqual(5, self.conf.limit)
        self.assertIn('The changed configuration is not used',
                      self.logger.output)
