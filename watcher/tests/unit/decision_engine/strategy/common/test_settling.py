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
"""Hosts whose metrics still tell of the time before a plan."""

import datetime

import sqlalchemy as sa
from oslo_utils import fixture as utils_fixture
from oslo_utils import timeutils

from watcher import objects
from watcher.db.sqlalchemy import models as tables
from watcher.db.sqlalchemy import session as db_session
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settling
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base as db_base

NOW = datetime.datetime(2027, 1, 2, 12, 0)


def ago(minutes):
    return NOW - datetime.timedelta(minutes=minutes)


def state():
    return cluster.ClusterState.from_model(models.cloud({
        models.node('A'): [models.instance('a')],
        models.node('B'): [models.instance('b')], models.node('C'): []}))


class TestLastChanges(base.TestCase):

    def ends(self, *changes):
        found = settling.last_changes(state(), [
            settling.Change(parameters, before, ended)
            for parameters, before, ended in changes])
        return {'ABC'[host]: ended for host, ended in found.items()}

    def test_both_ends_of_a_move(self):
        self.assertEqual({'A': ago(5), 'B': ago(5)}, self.ends(
            ({'source_node': 'host-A', 'destination_node': 'host-B'}, {},
             ago(5))))

    def test_where_the_server_is_now(self):
        self.assertEqual({'A': ago(5), 'B': ago(5)}, self.ends(
            ({'resource_id': models.uuid('b')}, {'host': 'host-A'},
             ago(5))))

    def test_unknown_hosts_and_servers(self):
        self.assertEqual({}, self.ends(
            ({'source_node': 'host-Z', 'destination_node': None,
              'resource_id': models.uuid('gone')}, {}, ago(5)),
            ({}, {}, None)))

    def test_the_last_one_counts(self):
        one, two = ({'source_node': f'host-{name}'} for name in 'AB')
        self.assertEqual({'A': ago(2), 'B': None}, self.ends(
            (one, {}, ago(2)), (one, {}, ago(9)), (two, {}, ago(1)),
            (two, {}, None), (two, {}, ago(1))))


class TestSettling(db_base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(utils_fixture.TimeFixture(NOW))
        self.plan = self.records.action_plan()
        self.settling = settling.Settling(state())

    def action(self, source, ended=None, started=60, **fields):
        action = self.records.action(**{
            'action_type': 'migrate', 'state': 'SUCCEEDED',
            'action_plan_id': self.plan.id, 'updated_at': NOW,
            'input_parameters': {'source_node': f'host-{source}'}, **fields})
        times = {'started_at': ago(started)} if started else {}
        if ended is not None:
            times['finished_at'] = ago(ended)
        objects.ActionRun.set(self.context, action.id, **times)

    def unsettled(self, minutes):
        return [*map('ABC'.__getitem__,
                     sorted(self.settling.unsettled(minutes * 60)))]

    def test_within_the_period(self):
        self.action('A', 10)
        self.action('B', 9)
        self.assertEqual(['B'], self.unsettled(10))
        self.assertEqual(['A', 'B'], self.unsettled(11))
        self.assertEqual([], self.unsettled(9))

    def test_one_query_for_one_period(self):
        self.action('A', 5)
        with self.statements() as sent:
            for minutes in (10, 10, 3):
                self.unsettled(minutes)
        self.assertEqual(1, len(sent), sent)

    def test_whatever_became_of_it(self):
        self.action('A', 5, state='FAILED')
        self.action('B', state='ONGOING', updated_at=ago(50))
        # Its applier died: nobody knows when it ended but for its state.
        self.action('C', state='CANCELLED', updated_at=ago(5))
        self.assertEqual(['A', 'B', 'C'], self.unsettled(10))

    def test_what_changed_nothing(self):
        self.action('A', 5, action_type='nop')
        self.action('B', started=None, state='FAILED')
        self.action('C', started=None, state='PENDING')
        self.assertEqual([], self.unsettled(10))

    def test_database_is_not_upgraded(self):
        with db_session.get_engine().begin() as connection:
            connection.execute(sa.schema.DropTable(
                tables.ActionRun.__table__))
        self.assertEqual([], self.unsettled(10))

    def test_clock(self):
        self.action('A', 5)
        timeutils.advance_time_seconds(3600)
        # A run of a strategy has one point in time.
        self.assertEqual(['A'], self.unsettled(10))
