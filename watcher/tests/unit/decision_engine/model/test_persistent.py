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

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from watcher.decision_engine.model import persistent
from watcher.tests import base


class TestForkableTable(base.TestCase):

    def setUp(self):
        super().setUp()
        self.table = persistent.ForkableTable(
            (number, str(number)) for number in range(1000))

    def test_order_is_that_of_addition(self):
        self.table[5] = 'again'
        del self.table[7]
        self.table[7] = 'back'
        expected = [number for number in range(1000) if number != 7] + [7]
        self.assertEqual(expected, list(self.table))
        self.assertEqual(expected, [key for key, _v in self.table.pairs()])
        self.assertEqual(('again', 'back'), (self.table[5], self.table[7]))

    def test_missing(self):
        self.assertIsNone(self.table.get(1000))
        self.assertEqual('d', self.table.get(1000, 'd'))
        self.assertRaises(KeyError, lambda: self.table[1000])
        self.assertRaises(KeyError, self.table.pop, 1000)
        self.assertNotIn(1000, self.table)

    def test_removals_are_packed(self):
        for number in range(990):
            del self.table[number]
        self.assertEqual(list(range(990, 1000)), list(self.table))
        self.assertGreater(16, self.table._parts.count)

    def test_a_fork_shares_what_is_not_written(self):
        made = self.table.fork()
        made[500] = 'x'
        shared = sum(one is two for one, two in zip(
            self.table._parts, made._parts, strict=True))
        self.assertEqual(self.table._parts.count - 1, shared)
        self.assertEqual(('500', 'x'), (self.table[500], made[500]))

    def test_writing_costs_no_more_copies_in_larger_tables(self):
        large = persistent.ForkableTable.fork(persistent.ForkableTable(
            (number, number) for number in range(20000)))
        for table in (self.table.fork(), large):
            table[3] = 'x'
            self.assertEqual(2, len(table._parts.mine))


class Machine(stateful.RuleBasedStateMachine):
    """Forks of one kind of mapping beside dictionaries."""

    pairs = stateful.Bundle('pairs')
    keys = st.integers(0, 600)
    kind: type

    @stateful.initialize(target=pairs)
    def start(self):
        return self.kind(), {}

    @stateful.rule(target=pairs, pair=pairs)
    def fork(self, pair):
        made, plain = pair
        return made.fork(), dict(plain)

    @stateful.rule(pair=pairs, start=keys, count=st.integers(1, 300))
    def add(self, pair, start, count):
        for mapping in pair:
            for number in range(start, start + count):
                mapping[number] = (start, count)

    @stateful.rule(pair=pairs, start=keys, count=st.integers(1, 300))
    def remove(self, pair, start, count):
        for mapping in pair:
            for number in range(start, start + count):
                mapping.pop(number, None)

    @stateful.rule(pair=pairs, start=keys, step=st.integers(1, 4))
    def remove_many(self, pair, start, step):
        made, plain = pair
        keys = [key for key in plain if key >= start and not key % step]
        made.remove_many(keys)
        for key in keys:
            del plain[key]

    @stateful.rule(pair=pairs, key=keys)
    def read(self, pair, key):
        made, plain = pair
        assert made.get(key) == plain.get(key)
        assert (key in made) == (key in plain)
        assert len(made) == len(plain)
        self.compare(made, plain)

    def compare(self, made, plain):
        assert made == plain


class DictMachine(Machine):
    kind = persistent.ForkableDict


class TableMachine(Machine):
    kind = persistent.ForkableTable

    def compare(self, made, plain):
        assert list(made.pairs()) == list(plain.items())


TestDictMachine = DictMachine.TestCase
TestTableMachine = TableMachine.TestCase
for case in (TestDictMachine, TestTableMachine):
    case.settings = settings(max_examples=30, stateful_step_count=25,
                             deadline=None, derandomize=True)
del case
