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

import contextlib
import io
import os
import re

import fixtures
from oslo_config import cfg
from oslo_log import log
from oslo_messaging import conffixture
from oslo_middleware import cors
from oslo_middleware import sizelimit

from watcher import conf
from watcher.common import config
from watcher.tests import base


class TestParseArgs(base.TestCase):

    def setUp(self):
        super().setUp()
        self.fresh = cfg.ConfigOpts()
        conf.register_opts(self.fresh)
        self.home = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.home))

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        return path

    def parse(self, *args, **kwargs):
        config.parse_args(['watcher-applier', *args], conf=self.fresh,
                          prog='watcher-applier', **kwargs)

    def test_both_files_are_found(self):
        self.write('.watcher/watcher.conf',
                   '[DEFAULT]\nhost = both\nservice_down_time = 30\n')
        self.write('watcher-applier.conf', '[DEFAULT]\nhost = applier\n')
        self.parse()
        self.assertEqual('applier', self.fresh.host)
        self.assertEqual(30, self.fresh.service_down_time)

    def test_first_hit_of_a_name_counts(self):
        self.write('.watcher/watcher.conf', '[DEFAULT]\nhost = first\n')
        self.write('watcher.conf',
                   '[DEFAULT]\nhost = second\nservice_down_time = 7\n')
        self.parse()
        self.assertEqual('first', self.fresh.host)
        self.assertEqual(90, self.fresh.service_down_time)

    def test_drop_in_directory(self):
        self.write('.watcher/watcher.conf', '[DEFAULT]\nhost = file\n')
        self.write('.watcher/watcher.conf.d/10-a.conf',
                   '[DEFAULT]\nhost = drop-in-a\n')
        self.write('.watcher/watcher.conf.d/20-b.conf',
                   '[DEFAULT]\nhost = drop-in-b\n')
        self.parse()
        self.assertEqual('drop-in-b', self.fresh.host)

    def test_explicit_file_replaces_the_search(self):
        self.write('.watcher/watcher.conf',
                   '[DEFAULT]\nhost = found\nservice_down_time = 7\n')
        path = self.write('other.conf', '[DEFAULT]\nhost = asked-for\n')
        self.parse('--config-file', path)
        self.assertEqual('asked-for', self.fresh.host)
        self.assertEqual(90, self.fresh.service_down_time)

    def test_missing_explicit_file_is_an_error(self):
        error = self.assertRaises(
            cfg.ConfigFilesNotFoundError,
            self.parse, '--config-file', '/no/such/watcher.conf')
        self.assertIn('/no/such/watcher.conf', str(error))

    def test_version_is_printed_alone(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            error = self.assertRaises(SystemExit, self.parse, '--version')
        self.assertEqual(0, error.code)
        self.assertTrue(re.fullmatch(r'\d+\.\d+\.\d+\S*\n',
                                     output.getvalue()), output.getvalue())

    def test_wrong_argument(self):
        output = io.StringIO()
        with contextlib.redirect_stderr(output):
            error = self.assertRaises(SystemExit, self.parse, '--nonsense')
        self.assertEqual(2, error.code)
        self.assertIn('--nonsense', output.getvalue())


class TestLibraryDefaults(base.TestCase):

    def setUp(self):
        super().setUp()
        config.set_lib_defaults()

    def test_log_levels(self):
        fresh = cfg.ConfigOpts()
        log.register_options(fresh)
        fresh([], default_config_files=[], default_config_dirs=[])
        self.assertIn('apscheduler=WARN', fresh.default_log_levels)
        self.assertIn('alembic.runtime.plugins=WARN',
                      fresh.default_log_levels)
        self.assertEqual(12, len(fresh.default_log_levels))

    def test_control_exchange(self):
        fresh = cfg.ConfigOpts()
        self.useFixture(conffixture.ConfFixture(fresh))
        fresh([], default_config_files=[], default_config_dirs=[])
        self.assertEqual('watcher', fresh.control_exchange)

    def test_size_of_bodies(self):
        fresh = cfg.ConfigOpts()
        fresh.register_opts(sizelimit.OPTS, group='oslo_middleware')
        fresh([], default_config_files=[], default_config_dirs=[])
        self.assertEqual(4 * 1024 * 1024,
                         fresh.oslo_middleware.max_request_body_size)

    def test_cors(self):
        fresh = cfg.ConfigOpts()
        fresh.register_opts(cors.OPTS, group='cors')
        fresh([], default_config_files=[], default_config_dirs=[])
        self.assertEqual(['GET', 'PUT', 'POST', 'DELETE', 'PATCH'],
                         fresh.cors.allow_methods)
        self.assertIn('X-Auth-Token', fresh.cors.allow_headers)
        self.assertIn('X-OpenStack-Request-ID', fresh.cors.expose_headers)
