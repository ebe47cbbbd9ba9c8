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
"""Tests of what keeps servers from being moved to and fro."""

import datetime

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import stability
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base as db_base

NOW = datetime.datetime(2027, 1, 2, 12, 0, tzinfo=datetime.UTC)


def minutes(count):
    return datetime.timedelta(minutes=count)


class TestResidence(base.TestCase):

    def residence(self, seconds):
        state = cluster.ClusterState.from_model(models.cloud(
            {models.node('A'): [models.instance('a'),
                                models.instance('b')]}))
        return stability.Residence(
            state, settings.Settings(min_residence=seconds),
            {models.uuid('a'): NOW - minutes(10)}, NOW)

    def test_moved_lately(self):
        residence = self.residence(601)
        self.assertEqual('it was moved 600 seconds ago and stays for 601',
                         residence.why_not(0))
        self.assertIsNone(residence.why_not(1))

    def test_long_enough_ago(self):
        self.assertIsNone(self.residence(600).why_not(0))

    def test_off(self):
        self.assertIsNone(self.residence(0).why_not(0))


class TestGain(base.TestCase):

    def gain(self, **options):
        return stability.Gain(settings.Settings(**options))

    def server(self, **fields):
        return cluster.ClusterState.from_model(models.cloud(
            {models.node('A'): [models.instance('a', **fields)]})).servers[0]

    def test_dead_band(self):
        self.assertEqual(80, self.gain().target(80))
        self.assertEqual(72, self.gain(dead_band=10).target(80))

    def test_what_is_transferred(self):
        for state, amount in (('active', 24), ('paused', 24),
                              ('stopped', 20)):
            self.assertEqual(
                amount, stability.transferred(self.server(state=state)))

    def test_off(self):
        self.assertIsNone(self.gain().why_not_worth(self.server(), 1, 2))

    def test_improvement(self):
        gain = self.gain(min_improvement=10)
        self.assertIsNone(gain.why_not_worth(self.server(), 0.5, 0.45))
        self.assertIn('improve things by 9.0 %, and 10.0 % are wanted',
                      gain.why_not_worth(self.server(), 0.5, 0.455))
        self.assertIn('by 0.0 %', gain.why_not_worth(self.server(), 0, 0))

    def test_cost(self):
        gain = self.gain(migration_cost=50)
        small, large = self.server(), self.server(disk=496)
        self.assertEqual((12, 250), (gain.needed(small),
                                     gain.needed(large)))
        self.assertIsNone(gain.why_not_worth(small, 1, 0.88))
        self.assertIsNotNone(gain.why_not_worth(large, 1, 0.88))


class TestRecentMoves(db_base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.plan = self.records.action_plan()

    def action(self, server, ago, **fields):
        self.records.action(**{
            'action_type': 'migrate', 'state': 'SUCCEEDED',
            'action_plan_id': self.plan.id,
            'input_parameters': {'resource_id': server},
            'updated_at': NOW - minutes(ago), **fields})

    def test_last_moves_in_one_query(self):
        self.action('a', 20)
        self.action('a', 10)
        self.action('b', 61)
        self.action('c', 5, state='FAILED')
        self.action('d', 5, action_type='resize')
        with self.statements() as sent:
            found = stability.recent_moves(self.context, 3600, NOW)
        self.assertEqual({'a': NOW - minutes(10)}, found)
        self.assertEqual(1, len(sent))

    def test_volumes(self):
        self.action('a', 20)
        self.action('v', 10, action_type='volume_migrate')
        self.assertEqual(
            {'v': NOW - minutes(10)}, stability.recent_moves(
                self.context, 3600, NOW, stability.VOLUME_MIGRATE))

    def test_nothing_to_remember(self):
        self.action('a', 0)
        with self.statements() as sent:
            self.assertEqual(
                {}, stability.recent_moves(self.context, 0, NOW))
        self.assertEqual([], sent)
