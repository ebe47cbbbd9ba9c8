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
"""Claims of plans with the locks of a real server."""

import sqlalchemy as sa

from watcher.applier import claims
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.fixtures import database
from watcher.tests.unit.applier import test_claims


class TestPauseMysql(test_claims.ClaimsTestCase):
    engine = database.MYSQL

    def test_no_pause_is_stored_behind_the_first_look(self):
        """What MySQL reads after that would not show it."""
        plan = self.make_plan(test_claims.move('a'))
        refusals = []
        running = claims.Queue._running

        def look(queue):
            found = running(queue)
            if session.in_transaction():
                refusals.append(self.try_to_lock(plan))
            return found
        self.patch(claims.Queue, '_running', look)
        self.assertEqual(plan.uuid, self.claim())
        self.assertEqual([True], refusals)

    @staticmethod
    def try_to_lock(plan):
        """Tell whether somebody else has locked the row of a plan."""
        with session.get_engine().connect() as connection:
            try:
                connection.execute(
                    sa.select(models.ActionPlan.id).where(
                        models.ActionPlan.id == plan.id
                    ).with_for_update(nowait=True)).all()
            except Exception:
                return True
        return False


class TestPausePostgresql(TestPauseMysql):
    engine = database.POSTGRESQL
