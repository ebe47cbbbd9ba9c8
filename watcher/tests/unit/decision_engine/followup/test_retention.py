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
"""When the engine removes what is old, and what it says."""

import datetime
from unittest import mock

from oslo_db import exception as db_exc
from oslo_utils import fixture as utils_fixture
from oslo_utils import timeutils

from watcher import objects
from watcher.common import metrics
from watcher.db import retention as stored
from watcher.decision_engine.followup import retention
from watcher.tests.unit.db import base

GROUP = 'watcher_decision_engine'


class TestRetention(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.config(retention_days=7, group=GROUP)
        self.patch(retention, 'PAUSE', 0)
        self.engine = retention.Retention()

    def old_audit(self, days=8):
        past = timeutils.utcnow() - datetime.timedelta(days=days)
        return self.records.audit(state='SUCCEEDED', created_at=past)

    def left(self):
        return len(self.dbapi.get_audit_list(self.all_context))

    def test_off_by_default(self):
        self.config(retention_days=0, group=GROUP)
        self.old_audit(9999)
        with self.statements() as sent:
            self.engine.remove_old()
        self.assertEqual([], sent)
        self.assertEqual(1, self.left())
        self.assertEqual(0, retention._interval())

    def test_what_is_old_goes_and_is_told(self):
        instruments = metrics.begin()
        self.addCleanup(metrics.end)
        self.old_audit(6)
        for _number in range(2):
            self.old_audit()
        self.engine.remove_old()
        self.assertEqual(1, self.left())
        self.assertRegex(self.logger.output, r'before .* UTC .*: audits: 2')
        (family,) = instruments.removed.collect()
        self.assertIn(('audits', 2.0), [
            (sample.labels['table'], sample.value)
            for sample in family.samples if sample.name.endswith('_total')])

    def test_nothing_old_is_not_told(self):
        self.engine.remove_old()
        self.assertNotIn('Removed', self.logger.output)

    def test_half_a_day(self):
        self.config(retention_days=0.5, group=GROUP)
        self.old_audit(0.4)
        self.old_audit(0.6)
        self.engine.remove_old()
        self.assertEqual(1, self.left())

    def test_one_engine_at_a_time(self):
        self.old_audit()
        other = objects.Lease.take(self.context, retention.LEASE, 'o', 60)
        self.engine.remove_old()
        self.assertEqual(1, self.left())
        other.release()
        self.engine.remove_old()
        self.assertEqual(0, self.left())

    def test_who_loses_the_lease_stops(self):
        def steps(limits):
            yield {'audits': 1}
            objects.Lease.take(self.context, retention.LEASE, 'other', 60)
            yield {'audits': 2}
            self.fail('it goes on without the lease')
        self.patch(stored, 'remove', steps)
        self.engine.remove_old()
        self.assertIn('audits: 3', self.logger.output)

    def test_a_stopping_engine_begins_no_further_step(self):
        def steps(limits):
            self.engine.stop()
            yield {'audits': 1}
            self.fail('it goes on')
        self.patch(stored, 'remove', steps)
        self.engine.remove_old()

    def test_what_went_before_an_error_is_told(self):
        def steps(limits):
            yield {'audits': 1}
            raise db_exc.DBConnectionError()
        self.patch(stored, 'remove', steps)
        self.assertRaises(db_exc.DBConnectionError, self.engine.remove_old)
        self.assertIn('audits: 1', self.logger.output)
        # The next round need not wait for the lease to expire.
        self.assertIsNotNone(objects.Lease.seize(
            self.context, retention.LEASE, 'other', 60))

    def test_a_database_that_is_not_upgraded(self):
        self.old_audit()
        with mock.patch.object(type(self.dbapi._load()), 'missing_tables',
                               lambda _self: ['plan_runs']):
            self.engine.remove_old()
        self.assertEqual(1, self.left())
        self.assertIn('watcher-db-manage upgrade', self.logger.output)

    def test_limits(self):
        now = timeutils.utcnow()
        self.useFixture(utils_fixture.TimeFixture(now))
        for options, ended, maintenance in (
                ({}, 7, 7),
                ({'retention_days': 2}, 2, 7),
                ({'action_plan_expiry': 24 * 9}, 9, 9),
                ({'rollback_max_age': 86400 * 8}, 8, 7),
                ({'rollback_max_age_of_strategies': {}}, 7, None)):
            with self.subTest(**options):
                for name, value in {
                        'retention_days': 7, 'action_plan_expiry': 24,
                        'rollback_max_age': 3600,
                        'rollback_max_age_of_strategies': {
                            'host_maintenance': 604800}, **options}.items():
                    self.config(**{name: value}, group=GROUP)
                limits = retention.limits_now()
                self.assertEqual(ended, (now - limits.ended).days)
                self.assertEqual(
                    maintenance, limits.plans and (
                        now - limits.plans['host_maintenance']).days or None)
