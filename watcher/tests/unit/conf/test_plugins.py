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

from unittest import mock

import stevedore
from oslo_config import cfg

from watcher.conf import plugins
from watcher.tests import base


class Talkative:
    @classmethod
    def get_config_opts(cls):
        return [cfg.IntOpt('loudness', default=3, help='How loud.')]


class Silent:
    @classmethod
    def get_config_opts(cls):
        return []


class Faulty:
    @classmethod
    def get_config_opts(cls):
        raise ValueError('no such luck')


def fake_manager(namespace, on_load_failure_callback):
    """Stand in for stevedore: entry points need an installed package."""
    classes = {'watcher_actions': [Talkative, Silent, Faulty]}
    return [
        stevedore.extension.Extension(
            cls.__name__.lower(),
            mock.Mock(value=f'third.party:{cls.__name__}'), cls, None)
        for cls in classes.get(namespace, [])]


@mock.patch.object(stevedore, 'ExtensionManager', fake_manager)
class TestPlugins(base.TestCase):

    def test_options_of_third_party_plugins_are_listed(self):
        [(group, options)] = plugins.list_opts()
        self.assertEqual('watcher_actions.talkative', group)
        self.assertEqual(['loudness'], [option.name for option in options])

    def test_faulty_plugin_is_reported_and_left_out(self):
        plugins.list_opts()
        self.assertIn('faulty', self.logger.output)
        self.assertIn('no such luck', self.logger.output)

    def test_table(self):
        table = plugins.show_plugins()
        for name in ('Talkative', 'Silent', 'Faulty'):
            self.assertRegex(
                table, rf'\| watcher_actions\.{name.lower()} +'
                       rf'\| {name.lower()} +\| third\.party\.{name} +\|')
