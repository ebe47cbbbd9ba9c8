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

import random

import fixtures

from watcher.decision_engine.model import persistent
from watcher.decision_engine.model import tables
from watcher.tests import base


class TestRelation(base.TestCase):

    def children(self, relation):
        return {parent: list(relation.children(parent))
                for parent in ('A', 'B', 'C')}

    def change(self, relation, child, parent):
        """Move a child, or take it away."""
        relation.unlink(child)
        if parent is not None:
            relation.link(child, parent)

    def test_forks_are_independent_whatever_the_children_are_kept_in(self):
        self.useFixture(fixtures.MockPatchObject(tables, 'CROWD', 5))
        chosen = random.Random(4)
        relation = tables.Relation()
        expected = {'A': [], 'B': [], 'C': []}
        forks = []
        for step in range(600):
            child = chosen.randrange(25)
            parent = chosen.choice(['A', 'A', 'A', 'B', 'C', None])
            self.change(relation, child, parent)
            for children in expected.values():
                if child in children:
                    children.remove(child)
            if parent is not None:
                expected[parent].append(child)
            self.assertEqual(expected, self.children(relation))
            if step % 7 == 0:
                # Either of the two goes on, the other stays as it is.
                pair = [relation, relation.fork()]
                kept, relation = pair if step % 2 else reversed(pair)
                forks.append((kept, self.children(kept)))
        self.assertIsInstance(relation._children['A'],
                              persistent.ForkableTable)
        for fork, contents in forks:
            self.assertEqual(contents, self.children(fork))

    def test_a_crowd_is_not_copied_when_one_of_it_moves(self):
        """Counted, not timed: how many entries are copied."""
        copied = []
        own = persistent._Parts.own

        def count(parts, number):
            new = number not in parts.mine
            owned = own(parts, number)
            copied.append(new * len(owned))
            return owned
        relation = tables.Relation()
        for child in range(5000):
            relation.link(child, 'A')
        self.useFixture(fixtures.MockPatchObject(
            persistent._Parts, 'own', count))
        for child in (0, 1, 4999):
            copied.clear()
            relation = relation.fork()
            self.change(relation, child, 'B')
            self.assertLess(sum(copied), 500)
            self.assertIsInstance(relation._children['A'],
                                  persistent.ForkableTable)
        self.assertIsInstance(relation._children['B'], dict)

    def test_nothing_is_kept_of_parents_without_children(self):
        relation = tables.Relation()
        relation.link(1, 'A')
        self.change(relation.fork(), 1, None)
        self.assertEqual([(1, 'A')], list(relation.pairs()))
        self.assertEqual('A', relation.unlink(1))
        self.assertEqual(0, len(relation._children))
        self.assertIsNone(relation.unlink(1))
