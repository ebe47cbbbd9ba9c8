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
"""Loading from a distribution that is installed like a third-party one."""

import os
import shutil
import sys
import tempfile
import textwrap
import uuid

import fixtures
from oslo_config import cfg
from stevedore import extension

from watcher.common import exception
from watcher.common.loader import default
from watcher.tests import base

PLUGINS = '''
    from oslo_config import cfg

    from watcher.common.loader import loadable


    class Plugin(loadable.Loadable):
        @classmethod
        def get_config_opts(cls):
            return [cfg.IntOpt('zz', default=7),
                    cfg.ListOpt('datasources'),
                    cfg.DictOpt('weights', default={'nop': '1'})]


    class Plain(loadable.Loadable):
        def __init__(self, config, osc=None):
            super().__init__(config)
            self.osc = osc

        @classmethod
        def get_config_opts(cls):
            return []


    class OldStyle(Plain):
        def __init__(self, osc=None):
            super().__init__(None, osc)

        @classmethod
        def get_config_opts(cls):
            return [cfg.IntOpt('never_seen')]


    class Clash(Plain):
        kind = cfg.StrOpt

        @classmethod
        def get_config_opts(cls):
            return [cls.kind('same')]
'''

ENTRY_POINTS = '''
    [{group}]
    s1 = {module}:Plugin
    plain = {module}:Plain
    old = {module}:OldStyle
    clash = {module}:Clash
    broken = {module}_that_is_not_there:Nothing
'''


class TestDefaultLoader(base.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A distribution as pip leaves it: a module and its metadata. Once:
        # with each new path all entry points there are get read.
        suffix = uuid.uuid4().hex
        cls.group = f'watcher_test_{suffix}'
        cls.module = f'third_party_{suffix}'
        cls.path = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.path)
        cls.write(f'{cls.module}.py', PLUGINS)
        cls.write(f'{cls.module}-1.0.dist-info/METADATA',
                  f'Metadata-Version: 2.1\nName: {cls.module}\n'
                  'Version: 1.0\n')
        cls.write(f'{cls.module}-1.0.dist-info/entry_points.txt',
                  ENTRY_POINTS.format(group=cls.group, module=cls.module))

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [self.path, *sys.path]))
        self.addCleanup(extension.ExtensionManager.ENTRY_POINT_CACHE.pop,
                        self.group, None)
        self.addCleanup(sys.modules.pop, self.module, None)
        self.opts = cfg.ConfigOpts()

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(textwrap.dedent(text))
        return path

    def configure(self, text=''):
        path = self.write('watcher.conf', text)
        self.opts([], default_config_files=[path])
        return path

    def loader(self):
        return default.DefaultLoader(self.group, conf=self.opts)

    def test_available_classes(self):
        self.configure()
        available = self.loader().list_available()
        self.assertEqual({'s1', 'plain', 'old', 'clash'}, set(available))
        self.assertEqual('Plugin', available['s1'].__name__)
        self.assertIn('broken', self.logger.output)

    def test_values_of_the_file_reach_the_plugin(self):
        self.configure(f'''
            [{self.group}.s1]
            zz = 9
            datasources = gnocchi
            weights = migrate:5,nop:100
        ''')
        plugin = self.loader().load('s1')
        self.assertEqual({'zz': 9, 'datasources': ['gnocchi'],
                          'weights': {'migrate': '5', 'nop': '100'}},
                         plugin.config)
        self.assertEqual(9, plugin.config.zz)

    def test_defaults(self):
        self.configure()
        plugin = self.loader().load('s1')
        self.assertEqual({'zz': 7, 'datasources': None,
                          'weights': {'nop': '1'}}, plugin.config)

    def test_no_options_no_group(self):
        self.configure()
        plugin = self.loader().load('plain', osc='cloud')
        self.assertEqual({}, plugin.config)
        self.assertEqual('cloud', plugin.osc)
        self.assertNotIn(f'{self.group}.plain', self.opts)

    def test_each_load_builds_a_new_object(self):
        self.configure()
        loader = self.loader()
        self.assertIsNot(loader.load('s1'), loader.load('s1'))

    def test_a_changed_file_is_seen_by_the_next_load(self):
        path = self.configure()
        loader = self.loader()
        before = loader.load('s1')
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(f'[{self.group}.s1]\nzz = 11\n')
        after = loader.load('s1')
        self.assertEqual((7, 11), (before.config.zz, after.config.zz))

    def test_files_are_read_again_only_when_changed(self):
        self.configure()
        loader = self.loader()
        loader.load('s1')
        reads = []
        self.useFixture(fixtures.MockPatchObject(
            self.opts, 'reload_config_files',
            side_effect=lambda: reads.append(1)))
        loader.load('s1')
        self.assertEqual([], reads)

    def test_a_file_broken_meanwhile_leaves_the_known_values(self):
        path = self.configure(f'[{self.group}.s1]\nzz = 9\n')
        loader = self.loader()
        loader.load('s1')
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write('this is no configuration file\n')
        self.assertEqual(9, loader.load('s1').config.zz)
        self.assertIn(path, self.logger.output)

    def test_works_without_any_parsed_configuration(self):
        self.assertRaises(exception.LoadingError, self.loader().load, 's2')

    def test_unknown_name(self):
        self.configure()
        error = self.assertRaises(exception.LoadingError,
                                  self.loader().load, 'nope')
        self.assertIn('nope', str(error))
        self.assertEqual('nope', error.kwargs['name'])
        self.assertNotIn('Traceback', self.logger.output)

    def test_module_that_cannot_be_imported(self):
        self.configure()
        error = self.assertRaises(exception.LoadingError,
                                  self.loader().load, 'broken')
        self.assertIn(f'{self.module}_that_is_not_there', str(error))
        self.assertIn('Traceback', self.logger.output)

    def test_constructor_of_another_shape(self):
        self.configure()
        self.assertRaises(exception.LoadingError,
                          self.loader().load, 'old', osc='cloud')

    def test_one_option_defined_in_two_ways(self):
        self.configure()
        loader = self.loader()
        loader.load('clash')
        sys.modules[self.module].Clash.kind = cfg.IntOpt
        self.assertRaises(exception.LoadingError, loader.load, 'clash')

    def test_entry_name(self):
        self.assertEqual(f'{self.group}.s1',
                         self.loader().get_entry_name('s1'))
