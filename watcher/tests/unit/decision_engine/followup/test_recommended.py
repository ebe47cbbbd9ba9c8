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
"""Recommended plans of which the cloud has moved on."""

from unittest import mock

from watcher import objects
from watcher.decision_engine.followup import recommended
from watcher.objects import events
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.followup import cases


class TestRecommendedPlans(cases.FollowUpTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine',
                    check_recommended_plans='changed')
        self.plans = recommended.RecommendedPlans()
        self.heard = []
        listener = mock.Mock(on_update=lambda obj, old: self.heard.append(
            (obj.uuid, old, obj.state)))
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)

    def state(self, plan):
        self.plans.check()
        return factories.reread(plan).state

    def test_only_what_a_plan_is_about_counts(self):
        moved, kept = (self.make_plan(self.move(name)) for name in 'ab')
        self.assertEqual('RECOMMENDED', self.state(moved))
        self.migrate('a')
        self.assertEqual('SUPERSEDED', self.state(moved))
        self.assertEqual('RECOMMENDED', self.state(kept))
        message = factories.reread(moved).status_message
        self.assertIn('The cloud is not as the plan found it any more: '
                      'migrate vm-a (', message)
        self.assertIn('the server is on host-B already', message)
        self.assertEqual([(moved.uuid, 'RECOMMENDED', 'SUPERSEDED')],
                         self.heard)

    def test_by_default_they_are_left_alone(self):
        self.config(group='watcher_decision_engine',
                    check_recommended_plans='off')
        plan = self.make_plan(self.move('a'))
        self.migrate('a')
        with mock.patch.object(objects.ActionPlan, 'list') as listed:
            self.plans.check()
        listed.assert_not_called()
        self.assertEqual('RECOMMENDED', self.state(plan))

    def test_what_else_may_have_changed(self):
        plan = self.make_plan(self.move('a'))
        changes = {
            'does not exist any more': lambda model: model.remove_instance(
                model.get_instance_by_uuid(models.uuid('a'))),
            'is not known': lambda model: model.remove_node(
                model.get_node_by_name('host-B')),
            'disabled': lambda model: setattr(
                model.get_node_by_name('host-B'), 'status', 'disabled'),
            'down': lambda model: setattr(
                model.get_node_by_name('host-B'), 'state', 'down'),
            'too little': lambda model: setattr(
                model.get_node_by_name('host-B'), 'vcpus', 1)}
        whole = self.model
        for words, change in changes.items():
            self.model = whole.copy()
            change(self.model)
            self.plans.check()
            found = factories.reread(plan)
            self.assertEqual((words, 'SUPERSEDED'), (words, found.state))
            self.assertIn(words, found.status_message)
            plan = self.make_plan(self.move('a'))

    def test_as_long_as_something_is_possible(self):
        self.config(group='watcher_decision_engine',
                    check_recommended_plans='gone')
        plan = self.make_plan(self.move('a'), self.move('b'),
                              self.disable('A'))
        self.migrate('a')
        self.assertEqual('RECOMMENDED', self.state(plan))
        self.migrate('b')
        # The host can still be disabled.
        self.assertEqual('RECOMMENDED', self.state(plan))
        self.model.get_node_by_name('host-A').status = 'disabled'
        self.assertEqual('SUPERSEDED', self.state(plan))

    def test_host_that_is_disabled_already_is_no_obstacle(self):
        plan = self.make_plan(self.move('a'), self.disable('A'))
        self.model.get_node_by_name('host-A').status = 'disabled'
        self.assertEqual('RECOMMENDED', self.state(plan))

    def test_actions_of_which_nothing_is_known(self):
        plan = self.make_plan({'action_type': 'nop', 'parents': [],
                               'input_parameters': {'message': 'hi'}})
        self.assertEqual('RECOMMENDED', self.state(plan))

    def test_odd_plans_keep_nobody_waiting(self):
        odd = self.make_plan(
            {'action_type': 'migrate', 'parents': [],
             'input_parameters': {'resource_id': ['a']}})
        plan = self.make_plan(self.move('a'))
        self.migrate('a')
        self.assertEqual('SUPERSEDED', self.state(plan))
        self.assertEqual('RECOMMENDED', self.state(odd))
        self.assertIn(odd.uuid, self.logger.output)

    def test_server_that_somebody_is_resizing(self):
        plan = self.make_plan(self.move('a'), self.move('b'))
        self.migrate('a')
        server = self.model.get_instance_by_uuid(models.uuid('b'))
        server.state = 'resized'
        self.assertEqual('RECOMMENDED', self.state(plan))
        server.state = 'active'
        self.assertEqual('SUPERSEDED', self.state(plan))

    def test_what_is_not_seen_need_not_be_gone(self):
        plan = self.make_plan(self.move('a'))
        self.migrate('a')
        self.model.gaps = ('Nova does not describe 3 servers',)
        self.assertEqual('RECOMMENDED', self.state(plan))
        self.model.gaps = ()
        self.failure = 'Nova is away'
        self.assertEqual('RECOMMENDED', self.state(plan))
        self.failure = None
        self.assertEqual('SUPERSEDED', self.state(plan))

    def test_not_while_a_plan_runs(self):
        plan = self.make_plan(self.move('a'))
        running = self.make_plan(self.move('b'), state='ONGOING')
        self.migrate('a')
        self.assertEqual('RECOMMENDED', self.state(plan))
        running.transition('SUCCEEDED')
        self.assertEqual('SUPERSEDED', self.state(plan))

    def test_whoever_starts_it_at_this_moment_wins(self):
        plan = self.make_plan(self.move('a'))
        self.migrate('a')
        real = recommended.compare

        def start_meanwhile(*args):
            factories.reread(plan).transition('PENDING')
            return real(*args)
        with mock.patch.object(recommended, 'compare', start_meanwhile):
            self.assertEqual('PENDING', self.state(plan))
        self.assertIsNone(factories.reread(plan).status_message)
        # It is the applier's now.
        self.assertEqual('PENDING', self.state(plan))

    def test_rounds_go_on_where_the_last_one_ended(self):
        plans = [self.make_plan(self.move('a')) for _number in range(3)]
        self.migrate('a')
        with mock.patch.object(recommended, 'BATCH', 2):
            self.plans.check()
            self.assertEqual(
                ['SUPERSEDED', 'SUPERSEDED', 'RECOMMENDED'],
                [factories.reread(plan).state for plan in plans])
            self.assertEqual('SUPERSEDED', self.state(plans[2]))
