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
import json

from watcher.tests.functional.cmd import base

NOVA = 'Minimum Nova API Version'
POLICY = 'Policy File JSON to YAML Migration'
TABLES = 'Tables of This Release'


class TestStatus(base.CommandTestCase):

    def check(self, code, **groups):
        self.write_config(**groups)
        result = self.run_command('watcher-status', 'upgrade', '--json',
                                  'check')
        self.assertEnds(code, result)
        answer = json.loads(result.stdout)
        self.assertEqual([NOVA, POLICY, TABLES],
                         [check['check'] for check in answer['checks']])
        return {check['check']: check for check in answer['checks']}

    def test_all_is_well(self):
        for check in self.check(0).values():
            self.assertEqual(0, check['result'])
            self.assertIsNone(check['details'])

    def test_table(self):
        self.write_config()
        result = self.run_command('watcher-status', 'upgrade', 'check')
        self.assertEnds(0, result)
        for line in (f'Check: {NOVA}', f'Check: {POLICY}',
                     f'Check: {TABLES}',
                     'Result: Success', 'Details: None'):
            self.assertIn(line, result.stdout)

    def test_old_place_of_the_nova_api_version(self):
        checks = self.check(2, nova_client={'api_version': '2.53'})
        self.assertIn('2.53', checks[NOVA]['details'])

    def test_policy_file(self):
        for text, code in (('{"admin_api": "role:admin"}', 2),
                           ('"admin_api": "role:admin"\n', 0)):
            with open(self.path('policy.x'), 'w', encoding='utf-8') as out:
                out.write(text)
            checks = self.check(code, oslo_policy={
                'policy_file': self.path('policy.x')})
            self.assertEqual(code, checks[POLICY]['result'])

    def test_incomplete_command(self):
        self.write_config()
        for arguments in (('upgrade',), ('downgrade', 'check')):
            self.assertFails(
                self.run_command('watcher-status', *arguments),
                'usage:', code=2)
