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
"""Tests of the options that all strategies share."""

from oslo_config import cfg

from watcher.conf import strategies
from watcher.decision_engine.strategy.common import settings
from watcher.tests import base


class TestSettings(base.TestCase):

    def test_defaults_are_those_of_the_options(self):
        self.assertEqual(settings.Settings(),
                         settings.Settings.of_strategy('some'))

    def test_every_option_is_a_setting(self):
        self.assertEqual({option.name for option in strategies.OPTS},
                         set(vars(settings.Settings())))

    def test_own_value_wins(self):
        settings.Settings.of_strategy('one')
        self.config('watcher_strategies', max_migrations=5,
                    opt_out_tags=['keep'], min_residence=60)
        self.config('watcher_strategies.one', max_migrations=0,
                    opt_out_tags=[])
        one = settings.Settings.of_strategy('one')
        two = settings.Settings.of_strategy('two')
        self.assertEqual((0, frozenset(), 60), (
            one.max_migrations, one.opt_out_tags, one.min_residence))
        self.assertEqual((5, frozenset(('keep',)), 60), (
            two.max_migrations, two.opt_out_tags, two.min_residence))

    def test_options_of_others_with_our_names_are_theirs(self):
        self.conf.conf.register_opts(
            [cfg.StrOpt('dead_band', default='wide'),
             cfg.IntOpt('max_migrations', default=3)],
            group='watcher_strategies.theirs')
        self.config('watcher_strategies', max_migrations=5)
        found = settings.Settings.of_strategy('theirs')
        self.assertEqual((0.0, 5), (found.dead_band, found.max_migrations))
        self.assertEqual(3, self.conf.conf[
            'watcher_strategies.theirs'].max_migrations)

    def test_pairs(self):
        self.assertEqual(
            (('a', 'b'), ('c', None), ('d', 'e=f'), ('g', '')),
            settings.pairs(['a=B', 'c', 'd = e=F', 'g=']))

    def test_match(self):
        wanted = settings.pairs(['a=b', 'c'])
        self.assertEqual('a=B', settings.match(wanted, {'a': 'B'}))
        self.assertEqual('c=1', settings.match(wanted, {'a': 'x', 'c': 1}))
        for mapping in ({'a': 'x'}, {}, None):
            self.assertIsNone(settings.match(wanted, mapping))
