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
"""Requests that change the same item at the same time."""

import functools
import threading

import fixtures

from watcher.api.controllers import resource
from watcher.tests.unit.api import base

TEMPLATE = '/v1/audit_templates/template'
DELETED = {'X-Show-Deleted': 'true'}


def add(path, value):
    return [{'op': 'add', 'path': path, 'value': value}]


class RaceTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        goal = self.records.goal()
        strategy = self.records.strategy(goal)
        self.records.template(
            goal, strategy, default_parameters={'para1': 1.0},
            scope=[{'compute': []}])
        self.records.audit(goal, strategy, parameters={'para1': 1.0},
                           state='SUCCEEDED')

    def after_the_look(self, status, request):
        """Let another request come when the next one has read its item.

        :param status: that it is answered with.
        """
        authorized = resource.Resource.authorized

        def interrupted(this, *args):
            item = authorized(this, *args)
            patch.cleanUp()
            answers = []
            other = threading.Thread(
                target=lambda: answers.append(request().status_int))
            other.start()
            other.join()
            self.assertEqual([status], answers)
            return item

        patch = fixtures.MockPatchObject(
            resource.Resource, 'authorized', interrupted)
        patch.setUp()

    def together(self, count, request):
        """Send requests at the same time, and return their results."""
        barrier, results = threading.Barrier(count), []

        def send(number):
            barrier.wait(base.base.PATIENCE)
            results.append(request(number))

        threads = [threading.Thread(target=send, args=(number,))
                   for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


class TestPatch(RaceTestCase):

    def test_other_member_of_a_field(self):
        for path, field in ((TEMPLATE, 'default_parameters'),
                            ('/v1/audits/audit', 'parameters')):
            self.after_the_look(200, functools.partial(
                self.request, 'PATCH', path, add(f'/{field}/para1', 5.0)))
            shown = self.request('PATCH', path, add(f'/{field}/para2', 'b'),
                                 status=200).json
            self.assertEqual({'para1': 5.0, 'para2': 'b'}, shown[field])
            self.assertEqual(shown[field], self.get(path).json[field])

    def test_other_rule_of_a_scope(self):
        rules = [{'host_aggregates': [{'id': number}]}
                 for number in range(2)]
        self.after_the_look(200, lambda: self.request(
            'PATCH', TEMPLATE, add('/scope/0/compute/0', rules[0])))
        shown = self.request('PATCH', TEMPLATE,
                             add('/scope/0/compute/-', rules[1]),
                             status=200).json
        self.assertEqual([{'compute': rules}], shown['scope'])

    def test_all_rules_of_many(self):
        rules = [{'host_aggregates': [{'id': number}]}
                 for number in range(6)]
        self.together(len(rules), lambda number: self.request(
            'PATCH', TEMPLATE, add('/scope/0/compute/-', rules[number]),
            status=200))
        found = self.get(TEMPLATE).json['scope'][0]['compute']
        self.assertEqual(rules, sorted(
            found, key=lambda rule: rule['host_aggregates'][0]['id']))

    def test_deleted_meanwhile(self):
        self.after_the_look(204, lambda: self.delete(TEMPLATE))
        self.request('PATCH', TEMPLATE, add('/default_parameters/para1', 2.0),
                     status=404)

    def test_what_is_refused_changes_nothing(self):
        before = self.get(TEMPLATE).json
        self.request('PATCH', TEMPLATE, add('/default_parameters/para1', 99),
                     status=400)
        self.request('PATCH', TEMPLATE, [
            {'op': 'remove', 'path': '/default_parameters/nope'}], status=400)
        self.assertEqual(before, self.get(TEMPLATE).json)


class TestDelete(RaceTestCase):

    def test_deleted_meanwhile(self):
        for path in (TEMPLATE, '/v1/audits/audit'):
            self.after_the_look(204, functools.partial(self.delete, path))
            self.delete(path, status=404)

    def test_only_one_wins(self):
        self.assertEqual([204, 404, 404, 404], sorted(self.together(
            4, lambda number: self.delete(TEMPLATE).status_int)))


class TestDeleted(RaceTestCase):
    """What is deleted can be looked at, not changed."""

    def test_patch(self):
        for path in (TEMPLATE, '/v1/audits/audit'):
            self.delete(path, status=204)
        for path, field, value in (
                (TEMPLATE, 'description', 'other'),
                (TEMPLATE, 'default_parameters/para1', 2.0),
                ('/v1/audits/audit', 'auto_trigger', True),
                ('/v1/audits/audit', 'parameters/para1', 2.0)):
            before = self.get(path, headers=DELETED, status=200).json
            self.request('PATCH', path, add(f'/{field}', value),
                         headers=DELETED, status=404)
            self.assertEqual(before, self.get(path, headers=DELETED).json)
