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
"""The API answers the same on every database.

What databases disagree about: where null sorts, comparing text and JSON,
letter case, lengths, characters, and who wins a race.
"""

from watcher.tests.fixtures import database
from watcher.tests.unit.api.controllers import test_body
from watcher.tests.unit.api.controllers.v1 import test_action_plan
from watcher.tests.unit.api.controllers.v1 import test_audit
from watcher.tests.unit.api.controllers.v1 import test_lists
from watcher.tests.unit.api.controllers.v1 import test_races
from watcher.tests.unit.api.controllers.v1 import test_resources
from watcher.tests.unit.api.controllers.v1 import test_schedules


class MySQL:
    database = database.MYSQL


class PostgreSQL:
    database = database.POSTGRESQL


class TestPagesMySQL(MySQL, test_lists.TestPages):
    pass


class TestPagesPostgreSQL(PostgreSQL, test_lists.TestPages):
    pass


class TestSortingMySQL(MySQL, test_lists.TestSorting):
    pass


class TestSortingPostgreSQL(PostgreSQL, test_lists.TestSorting):
    pass


class TestFiltersMySQL(MySQL, test_lists.TestFilters):
    pass


class TestFiltersPostgreSQL(PostgreSQL, test_lists.TestFilters):
    pass


class TestAuditsMySQL(MySQL, test_audit.TestCreate):
    pass


class TestAuditsPostgreSQL(PostgreSQL, test_audit.TestCreate):
    pass


class TestValuesMySQL(MySQL, test_body.TestValuesNobodyCanStore):
    pass


class TestValuesPostgreSQL(PostgreSQL, test_body.TestValuesNobodyCanStore):
    pass


class Rules:
    test_names = (
        test_resources.TestIdentifiers.test_names_are_unique_in_any_case)
    test_dates = test_resources.TestRepresentations.test_timestamps
    test_null = test_resources.TestRepresentations.test_null_in_rows
    test_next = (test_resources.TestQueryParameters
                 .test_next_keeps_every_filter_and_the_order)
    test_reuse = test_resources.TestDeletion.test_names_are_free_again


class TestRulesMySQL(Rules, MySQL, test_resources.ResourceTestCase):
    pass


class TestRulesPostgreSQL(Rules, PostgreSQL,
                          test_resources.ResourceTestCase):
    pass


class Races:
    test_cancel = (
        test_action_plan.TestStates.test_cancel_leaves_skipped_actions)
    test_start = test_action_plan.TestStates.test_only_one_start_wins


class TestRacesMySQL(Races, MySQL, test_action_plan.PlanTestCase):
    pass


class TestRacesPostgreSQL(Races, PostgreSQL, test_action_plan.PlanTestCase):
    pass


class TestPatchRacesMySQL(MySQL, test_races.TestPatch):
    pass


class TestPatchRacesPostgreSQL(PostgreSQL, test_races.TestPatch):
    pass


class TestDeleteRacesMySQL(MySQL, test_races.TestDelete):
    pass


class TestDeleteRacesPostgreSQL(PostgreSQL, test_races.TestDelete):
    pass


class TestSchedulesMySQL(MySQL, test_schedules.TestSchedules):
    pass


class TestSchedulesPostgreSQL(PostgreSQL, test_schedules.TestSchedules):
    pass


class TestNotUpgradedMySQL(MySQL, test_schedules.TestNotUpgraded):
    pass


class TestNotUpgradedPostgreSQL(PostgreSQL, test_schedules.TestNotUpgraded):
    pass


class TestScheduleRacesMySQL(MySQL, test_schedules.TestRaces):
    pass


class TestScheduleRacesPostgreSQL(PostgreSQL, test_schedules.TestRaces):
    pass
