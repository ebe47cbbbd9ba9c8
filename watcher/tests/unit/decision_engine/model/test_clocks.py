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

import datetime
from unittest import mock

from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.tests import base

UTC = datetime.UTC


def at(minute):
    return datetime.datetime(2026, 1, 9, 12, minute, tzinfo=UTC)


class ClocksTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = model_root.BaremetalModelRoot()
        self.model.add_node(element.IronicNode(uuid='N1'))


class TestSeen(ClocksTestCase):

    def test_newer_and_repeated_news_are_believed_older_are_not(self):
        self.assertIsNone(self.model.heard_at('N1'))
        self.assertEqual(
            [True, True, True, False, True],
            [self.model.seen('N1', at(minute))
             for minute in (2, 2, 3, 2, 4)])
        self.assertEqual(at(4), self.model.heard_at('N1'))

    def test_elements_have_clocks_of_their_own(self):
        self.model.seen('N1', at(5))
        self.assertTrue(self.model.seen('N2', at(1)))

    def test_reading_the_cluster_counts_for_everything(self):
        self.model.built_at = at(5)
        self.assertFalse(self.model.seen('N1', at(4)))
        self.assertFalse(self.model.seen('unknown', at(4)))
        self.assertTrue(self.model.seen('N1', at(5)))
        self.assertTrue(self.model.seen('N1', at(6)))
        self.assertFalse(self.model.seen('N1', at(5)))
        self.assertEqual(at(5), self.model.heard_at('N2'))

    def test_how_times_are_given(self):
        self.model.seen('N1', at(5))
        for older in ('2026-01-09 12:04:59.999999', '2026-01-09T12:04:00Z',
                      datetime.datetime(2026, 1, 9, 12, 4)):
            self.assertFalse(self.model.seen('N1', older))
        self.assertTrue(self.model.seen('N1', '2026-01-09 12:05:00'))
        self.assertTrue(self.model.seen('N1', None))
        self.assertRaises(ValueError, self.model.seen, 'N1', 'noon')

    def test_late_news_do_not_bring_back_what_was_removed(self):
        self.model.seen('N1', at(3))
        self.model.remove_node('N1')
        self.assertFalse(self.model.seen('N1', at(2)))
        self.assertTrue(self.model.seen('N1', at(4)))

    def test_news_of_the_creation_count_afterwards(self):
        self.model.seen('N2', at(3))
        self.model.add_node(element.IronicNode(uuid='N2'))
        self.forget_the_dead()
        self.assertFalse(self.model.seen('N2', at(2)))

    def forget_the_dead(self):
        for number in range(5):
            self.model.seen(f'dead-{number}', at(1))

    @mock.patch.object(clocks, 'TOMBSTONES', 2)
    def test_removed_elements_are_forgotten_in_the_end(self):
        self.model.seen('N1', at(3))
        self.model.remove_node('N1')
        self.assertFalse(self.model.seen('N1', at(2)))
        self.forget_the_dead()
        self.assertTrue(self.model.seen('N1', at(2)))
        known = self.model._clocks
        self.assertGreaterEqual(
            4, len(known._present) + len(known._young) + len(known._old))

    @mock.patch.object(clocks, 'TOMBSTONES', 2)
    def test_present_elements_are_never_forgotten(self):
        self.model.seen('N1', at(3))
        self.model.seen('N2', at(3))
        self.model.add_node(element.IronicNode(uuid='N2'))
        self.forget_the_dead()
        for uuid in ('N1', 'N2'):
            self.assertFalse(self.model.seen(uuid, at(2)))

    def test_views_have_clocks_of_their_own(self):
        self.model.seen('N1', at(3))
        made = self.model.copy()
        self.assertFalse(made.seen('N1', at(2)))
        made.seen('N1', at(9))
        self.assertTrue(self.model.seen('N1', at(4)))


    def test_the_next_model_inherits_what_is_newer(self):
        self.model.seen('N1', at(3))
        for uuid in ('N2', 'N3', 'N4'):
            self.model.add_node(element.IronicNode(uuid=uuid))
            self.model.seen(uuid, at(7))
        self.model.remove_node('N4')
        following = model_root.BaremetalModelRoot()
        following.built_at = at(5)
        for uuid in ('N1', 'N2'):
            following.add_node(element.IronicNode(uuid=uuid))
        following.inherit_clocks(self.model)
        self.assertEqual(
            [at(5), at(7), at(7), at(7)],
            [following.heard_at(f'N{number}') for number in range(1, 5)])
        self.assertFalse(following.seen('N4', at(6)))
        # What is not part of the model does not stay for ever.
        self.assertEqual({'N2': at(7)}, dict(following._clocks._present))

    def test_without_a_date_the_next_model_inherits_all(self):
        self.model.seen('N1', at(3))
        following = model_root.BaremetalModelRoot()
        following.inherit_clocks(self.model)
        self.assertFalse(following.seen('N1', at(2)))


class TestFreshness(ClocksTestCase):

    def test_build_and_notifications(self):
        self.assertEqual({}, self.model.freshness)
        self.model.touch('N1', at(1), 'build')
        self.assertEqual(
            clocks.Freshness(at(1), 'build', None, at(1)),
            self.model.freshness['N1'])
        self.model.touch('N1', at(3))
        self.assertEqual(
            clocks.Freshness(at(3), 'notification', None, at(1)),
            self.model.freshness['N1'])
        self.assertTrue(self.model.freshness['N1'].complete)

    def test_late_news(self):
        self.model.touch('N1', at(3))
        self.model.touch('N1', at(1))
        self.model.touch('N1', at(2), 'build')
        self.assertEqual(
            clocks.Freshness(at(3), 'notification', None, at(2)),
            self.model.freshness['N1'])

    def test_a_notification_does_not_make_complete_a_build_does(self):
        self.model.touch('N1', at(1), 'build', reason='HTTP 500')
        self.model.touch('N1', at(2))
        self.assertFalse(self.model.freshness['N1'].complete)
        self.assertEqual({'N1': 'HTTP 500'}, self.model.incomplete_nodes)
        self.model.touch('N1', at(3), 'build')
        self.assertTrue(self.model.freshness['N1'].complete)
        self.assertEqual({}, self.model.incomplete_nodes)

    def test_incomplete_nodes_can_be_written(self):
        self.model.built_at = at(1)
        known = self.model.incomplete_nodes
        known['N8'] = 'why'
        known['N9'] = 'too'
        self.assertEqual(2, len(self.model.incomplete_nodes))
        self.assertEqual(
            clocks.Freshness(at(1), 'build', 'why', None),
            self.model.freshness['N8'])
        del known['N8']
        self.assertEqual({'N9': 'too'}, self.model.incomplete_nodes)
        self.assertTrue(self.model.freshness['N8'].complete)
        self.assertRaises(KeyError, known.pop, 'N8')
        self.assertEqual("{'N9': 'too'}", repr(known))

    def test_removed_hosts_are_forgotten_unless_incomplete(self):
        self.model.touch('N1', at(1), 'build')
        self.model.remove_node('N1')
        self.assertEqual({}, self.model.freshness)
        self.model.add_node(element.IronicNode(uuid='N1'))
        self.model.touch('N1', at(1), 'build', 'HTTP 500')
        self.model.remove_node('N1')
        self.assertEqual(['N1'], list(self.model.incomplete_nodes))
        self.model.forget('N1')
        self.assertEqual([], list(self.model.incomplete_nodes))
        self.assertEqual({}, self.model.freshness)

    def test_views_have_freshness_of_their_own(self):
        self.model.touch('N1', at(1), 'build')
        made, before = self.model.copy(), self.model.freshness
        made.touch('N1', at(2), 'build', 'HTTP 500')
        for known in (before, self.model.freshness):
            self.assertEqual(at(1), known['N1'].when)
        self.assertEqual({}, self.model.incomplete_nodes)

    def test_rows(self):
        self.model.touch('N1', at(1), 'build', 'HTTP 500')
        self.model.add_node(element.IronicNode(uuid='N2'))
        self.model.touch('N2', at(1), 'build')
        self.model.touch('N2', at(2))
        self.model.add_node(element.IronicNode(uuid='N3'))
        rows = self.model.to_list(with_freshness=True)
        age = rows[1].pop('node_age')
        self.assertGreater(age, 0)
        self.assertEqual(age, round(age, 1))
        self.assertEqual([
            {'node_updated_at': at(1).isoformat(), 'node_source': 'build',
             'node_read_at': None, 'node_age': None,
             'node_incomplete_reason': 'HTTP 500'},
            {'node_updated_at': at(2).isoformat(),
             'node_source': 'notification',
             'node_read_at': at(1).isoformat(),
             'node_incomplete_reason': None},
            {}],
            [{name: value for name, value in row.items()
              if name not in ('node_uuid', 'node_human_id')}
             for row in rows])
        for row in self.model.to_list():
            self.assertEqual({'node_uuid', 'node_human_id'}, set(row))

    def test_age_is_never_negative(self):
        ahead = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            days=1)
        self.model.touch('N1', ahead, 'build')
        self.assertEqual(
            0, self.model.to_list(with_freshness=True)[0]['node_age'])

    def test_changes_are_counted(self):
        self.assertEqual((0, None),
                         (self.model.changes, self.model.changed_at))
        for when in (at(2), at(1), None):
            self.model.seen('N1', when)
        self.assertEqual((2, at(2)),
                         (self.model.changes, self.model.changed_at))
        self.model.seen('N2', at(1))
        made = self.model.copy()
        self.model.seen('N1', at(3))
        self.assertEqual((3, at(2)), (made.changes, made.changed_at))
        self.assertEqual((4, at(3)),
                         (self.model.changes, self.model.changed_at))
