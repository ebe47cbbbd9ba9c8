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
"""Engines that take over from each other, on the database servers."""

from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine.audit import test_takeover


class TestTakeoverMysql(test_takeover.TestTakeover):
    engine = database.MYSQL


class TestTakeoverPostgresql(test_takeover.TestTakeover):
    engine = database.POSTGRESQL


class TestTriggersMysql(test_takeover.TestTriggers):
    engine = database.MYSQL


class TestTriggersPostgresql(test_takeover.TestTriggers):
    engine = database.POSTGRESQL


class TestFencedOffMysql(test_takeover.TestFencedOff):
    engine = database.MYSQL


class TestFencedOffPostgresql(test_takeover.TestFencedOff):
    engine = database.POSTGRESQL
