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
"""Claims on the database servers, where two transactions run together."""

from watcher.tests.fixtures import database
from watcher.tests.unit.applier import test_claims


class TestRaceMysql(test_claims.TestRace):
    engine = database.MYSQL

    def test_a_place_in_the_line(self):
        test_claims.TestQueue.test_saying_so_costs_no_place_in_the_line(self)


class TestRacePostgresql(TestRaceMysql):
    engine = database.POSTGRESQL
