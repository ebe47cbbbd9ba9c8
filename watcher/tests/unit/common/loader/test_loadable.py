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
from watcher.common.loader import loadable
from watcher.tests import base


class Plugin(loadable.Loadable):

    @classmethod
    def get_config_opts(cls):
        return []


class Single(loadable.LoadableSingleton):

    def __init__(self, config, osc=None):
        super().__init__(config)
        self.osc = osc

    @classmethod
    def get_config_opts(cls):
        return []


class Other(Single):
    pass


class TestLoadable(base.TestCase):

    def test_keeps_its_configuration(self):
        self.assertEqual({'a': 1}, Plugin({'a': 1}).config)

    def test_each_call_builds_an_object(self):
        self.assertIsNot(Plugin({}), Plugin({}))

    def test_options_have_to_be_declared(self):

        class Silent(loadable.Loadable):
            pass

        self.assertRaises(TypeError, Silent, {})


class TestLoadableSingleton(base.TestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(loadable.LoadableSingletonMeta._instances.clear)

    def test_first_arguments_count(self):
        first = Single({'a': 1}, osc='cloud')
        self.assertIs(first, Single({'a': 2}))
        self.assertEqual(({'a': 1}, 'cloud'), (first.config, first.osc))

    def test_each_class_has_its_own(self):
        self.assertIsNot(Single({}), Other({}))

    def test_clearing_the_table_forgets(self):
        first = Single({})
        loadable.LoadableSingletonMeta._instances.clear()
        self.assertIsNot(first, Single({}))
