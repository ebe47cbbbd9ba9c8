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
import os
import threading
import time

import fixtures
from oslo_policy import _checks
from oslo_policy import policy as oslo_policy

from watcher.common import context
from watcher.common import exception
from watcher.common import policies
from watcher.common import policy
from watcher.tests import base

RULES = [
    oslo_policy.RuleDefault('admin_api', 'role:admin'),
    oslo_policy.RuleDefault('thing:get', 'rule:admin_api'),
    oslo_policy.RuleDefault('thing:own', 'project_id:%(project_id)s'),
    oslo_policy.RuleDefault('thing:system', '@', scope_types=['system']),
    oslo_policy.RuleDefault('thing:token', "'s3cret':%(auth_token)s"),
]


#: The check of a rule that everybody passes.
ANYBODY = '@'

#: What policy files and the dashboard know the operations by.
OPERATIONS = (
    'action:detail', 'action:get', 'action:get_all', 'action:update',
    'action_plan:delete', 'action_plan:detail', 'action_plan:get',
    'action_plan:get_all', 'action_plan:update', 'action_plan:start',
    'action_plan:rollback', 'action_plan:retry', 'action_plan:pause',
    'action_plan:resume',
    'audit:create', 'audit:delete', 'audit:detail', 'audit:get',
    'audit:get_all', 'audit:update',
    'audit_template:create', 'audit_template:delete',
    'audit_template:detail', 'audit_template:get', 'audit_template:get_all',
    'audit_template:update',
    'data_model:get_all',
    'goal:detail', 'goal:get', 'goal:get_all',
    'scoring_engine:detail', 'scoring_engine:get', 'scoring_engine:get_all',
    'service:detail', 'service:get', 'service:get_all',
    'strategy:detail', 'strategy:get', 'strategy:get_all', 'strategy:state',
)


class PolicyTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.file = os.path.join(self.path, 'policy.yaml')
        policy.reset()
        self.addCleanup(policy.reset)
        # registers the options
        oslo_policy.Enforcer(self.conf.conf)
        self.config(group='oslo_policy', policy_file=self.file,
                    policy_dirs=[])
        self.admin = context.make_context(roles=['admin'], project_id='p')
        self.member = context.make_context(roles=['member'], project_id='p')

    def use_rules(self):
        self.useFixture(fixtures.MockPatchObject(
            policies, 'list_rules', lambda: RULES))

    def write(self, text):
        with open(self.file, 'w', encoding='utf-8') as stream:
            stream.write(text)


class TestEnforce(PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.use_rules()

    def test_allowed(self):
        self.assertIs(True, policy.enforce(self.admin, 'thing:get'))

    def test_refused(self):
        error = self.assertRaises(
            exception.PolicyNotAuthorized,
            policy.enforce, self.member, 'thing:get')
        self.assertEqual(403, error.code)
        self.assertIn('thing:get', str(error))

    def test_refused_without_raising(self):
        self.assertIs(False, policy.enforce(
            self.member, 'thing:get', do_raise=False))

    def test_target(self):
        self.assertTrue(policy.enforce(self.member, 'thing:own'))
        self.assertTrue(policy.enforce(
            self.member, 'thing:own', {'project_id': 'p'}))
        self.assertFalse(policy.enforce(
            self.member, 'thing:own', {'project_id': 'q'}, do_raise=False))

    def test_target_object(self):

        class Thing:
            def as_dict(self):
                return {'project_id': 'p'}

        self.assertTrue(policy.enforce(self.member, 'thing:own', Thing()))

    def test_wrong_scope_is_refused_like_a_role(self):
        error = self.assertRaises(
            exception.PolicyNotAuthorized,
            policy.enforce, self.admin, 'thing:system')
        self.assertIn('thing:system', str(error))
        self.assertIs(False, policy.enforce(
            self.admin, 'thing:system', do_raise=False))
        self.assertTrue(policy.enforce(
            context.make_context(system_scope='all'), 'thing:system'))

    def test_misspelt_rule_is_a_bug(self):
        self.assertRaises(oslo_policy.PolicyNotRegistered,
                          policy.enforce, self.admin, 'thing:gte')

    def test_file_overrides_and_is_read_again(self):
        self.write('"thing:get": "role:member"\n')
        self.assertTrue(policy.enforce(self.member, 'thing:get'))
        self.write('"thing:get": "role:nobody"\n')
        stamp = time.time() + 5
        os.utime(self.file, (stamp, stamp))
        self.assertFalse(policy.enforce(
            self.member, 'thing:get', do_raise=False))

    def rewrite(self, text, name=None, seconds=5):
        """Write a file so that the change is noticed, whatever the clock."""
        self.file = os.path.join(self.path, name or 'policy.yaml')
        self.write(text)
        self.stamp = getattr(self, 'stamp', time.time()) + seconds
        os.utime(self.file, (self.stamp, self.stamp))

    def test_broken_file_leaves_the_rules_as_they_are(self):
        self.write('"thing:get": "role:member"\n')
        self.assertTrue(policy.enforce(self.member, 'thing:get'))
        for broken in ('"thing:get": "role:nobody\n', '[1, 2]\n'):
            self.rewrite(broken)
            for _twice in range(2):
                self.assertTrue(policy.enforce(self.member, 'thing:get'))
        self.assertEqual(
            2, self.logger.output.count('policy files cannot be used'))
        self.assertIn(self.file, self.logger.output)
        self.rewrite('"thing:get": "role:nobody"\n')
        self.assertFalse(policy.enforce(
            self.member, 'thing:get', do_raise=False))
        self.assertIn('can be used again', self.logger.output)

    def test_broken_file_in_a_directory(self):
        """The rules of the other files are not forgotten."""
        directory = os.path.join(self.path, 'policy.d')
        os.mkdir(directory)
        self.config(group='oslo_policy', policy_dirs=[directory])
        self.write('{}')
        self.rewrite('"thing:get": "role:member"\n', 'policy.d/a.yaml')
        self.assertTrue(policy.enforce(self.member, 'thing:get'))
        self.rewrite('"thing:own": "role:member\n', 'policy.d/b.yaml')
        for _twice in range(2):
            self.assertTrue(policy.enforce(self.member, 'thing:get'))
        self.rewrite('"thing:own": "role:member"\n', 'policy.d/b.yaml')
        for rule in ('thing:get', 'thing:own'):
            self.assertTrue(policy.enforce(self.member, rule))

    def test_broken_file_from_the_beginning(self):
        self.write('"thing:get": "role:member\n')
        for _twice in range(2):
            self.assertRaises(ValueError, policy.enforce, self.admin,
                              'thing:get')
        self.assertIn('Every request fails', self.logger.output)
        self.rewrite('{}')
        self.assertTrue(policy.enforce(self.admin, 'thing:get'))

    def test_reload_never_shows_half_a_rule_set(self):
        self.write('"thing:get": "role:member"\n')
        policy.enforce(self.member, 'thing:get')
        stop = threading.Event()
        failures = []

        def check():
            while not stop.is_set():
                if not policy.enforce(self.admin, 'admin_api',
                                      do_raise=False):
                    failures.append(1)

        threads = [threading.Thread(target=check) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _round in range(50):
            # Only what is newer than before is read.
            self.rewrite('"thing:get": "role:member"\n')
            policy.enforce(self.member, 'thing:get')
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)

    def test_a_slow_check_holds_up_nobody(self):
        answered = threading.Event()

        class Slow(oslo_policy.Check):
            """As one that asks a remote server."""

            def __call__(self, target, creds, enforcer, current_rule=None):
                return answered.wait(2 * base.PATIENCE)

        oslo_policy.register('slow', Slow)
        self.addCleanup(_checks.registered_checks.pop, 'slow')
        self.write('"thing:own": "slow:"\n')
        results = []
        slow = threading.Thread(target=lambda: results.append(
            policy.enforce(self.admin, 'thing:own')))
        slow.start()
        quick = threading.Thread(target=lambda: results.append(
            policy.enforce(self.admin, 'thing:get')))
        quick.start()
        quick.join(base.PATIENCE)
        self.assertEqual([True], results)
        answered.set()
        slow.join(base.PATIENCE)
        self.assertEqual([True, True], results)

    def test_secrets_are_no_credentials(self):
        caller = context.make_context(auth_token='s3cret')
        self.assertNotIn('auth_token', policy._credentials(caller))


class TestRules(PolicyTestCase):

    def test_rules_of_the_service(self):
        enforcer = policy.init()
        self.assertIs(enforcer, policy.init())
        self.assertEqual({rule.name for rule in policies.list_rules()},
                         set(enforcer.registered_rules))

    def test_administrators_may(self):
        for role in ('admin', 'administrator', 'Admin'):
            self.assertTrue(policy.enforce(
                context.make_context(roles=[role]), 'goal:get'))
        self.assertFalse(policy.enforce(
            self.member, 'goal:get', do_raise=False))

    def test_reset_builds_a_new_one(self):
        first = policy.init()
        policy.reset()
        self.assertIsNot(first, policy.init())

    def test_enforcer_for_tools(self):
        self.assertIs(policy.init(), policy.get_enforcer())

    def test_tokens_of_any_scope(self):
        scopes = ({'system_scope': 'all'}, {'domain_id': 'd'},
                  {'project_id': 'p'}, {})
        for rule in policies.list_rules():
            if rule.check_str in (ANYBODY, '!'):
                continue
            for scope in scopes:
                self.assertTrue(policy.enforce(
                    context.make_context(roles=['admin'], **scope),
                    rule.name), (rule.name, scope))
                self.assertFalse(policy.enforce(
                    context.make_context(roles=['member'], **scope),
                    rule.name, do_raise=False), (rule.name, scope))

    def test_services_may_trigger(self):
        allowed = {rule.name for rule in policies.list_rules()
                   if policy.enforce(context.make_context(roles=['service']),
                                     rule.name, do_raise=False)}
        self.assertEqual({'admin_or_service_api', 'webhook:trigger',
                          'audit:auto_trigger'}, allowed)

    def test_names_and_defaults(self):
        defaults = {rule.name: rule.check_str
                    for rule in policies.list_rules()}
        self.assertEqual({
            'admin_api': 'role:admin or role:administrator',
            'admin_or_service_api': 'rule:admin_api or role:service',
            'show_password': '!',
            'webhook:trigger': 'rule:admin_or_service_api',
            'audit:auto_trigger': ANYBODY,
            **dict.fromkeys(OPERATIONS, 'rule:admin_api')}, defaults)

    def test_every_rule_is_documented(self):
        for rule in policies.list_rules():
            self.assertTrue(rule.description, rule.name)
            if ':' in rule.name:
                self.assertEqual(['system', 'domain', 'project'],
                                 rule.scope_types)
                self.assertTrue(rule.operations, rule.name)
