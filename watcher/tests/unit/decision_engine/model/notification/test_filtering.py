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

from watcher.decision_engine.model.notification import filtering
from watcher.tests import base


class TestFilter(base.TestCase):

    def test_no_rules(self):
        rule = filtering.NotificationFilter()
        self.assertTrue(rule.match({}, 'p', 'e', {}, {}))
        self.assertTrue(rule.match(None, None, None, None, None))

    def test_texts_are_matched_at_their_start(self):
        rule = filtering.NotificationFilter(publisher_id='^nova-.*')
        self.assertTrue(rule.match({}, 'nova-api:c', 'x', {}, {}))
        self.assertFalse(rule.match({}, 'x-nova-api', 'x', {}, {}))
        self.assertFalse(rule.match({}, None, 'x', {}, {}))
        rule = filtering.NotificationFilter(event_type='volume')
        self.assertTrue(rule.match({}, 'p', 'volume.update.end', {}, {}))
        self.assertFalse(rule.match({}, 'p', 'update.volume', {}, {}))

    def test_a_mapping_refuses_when_all_of_it_fails(self):
        rule = filtering.NotificationFilter(
            payload={'state': 'active', 'host': {'name': 'h.'}})
        self.assertTrue(rule.match({}, '', '', {}, {'state': 'active'}))
        self.assertTrue(rule.match(
            {}, '', '', {}, {'state': 'x', 'host': {'name': 'h1'}}))
        self.assertFalse(rule.match({}, '', '', {}, {'state': 'stopped'}))
        self.assertFalse(rule.match({}, '', '', {}, {}))
        self.assertFalse(rule.match({}, '', '', {}, None))

    def test_callables_tell_what_is_not_wanted(self):
        rule = filtering.NotificationFilter(
            metadata={'size': lambda value: value is None or value > 5})
        self.assertTrue(rule.match({}, '', '', {'size': 5}, {}))
        self.assertFalse(rule.match({}, '', '', {'size': 6}, {}))
        self.assertFalse(rule.match({}, '', '', {}, {}))
