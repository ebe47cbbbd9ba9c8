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
"""What all lists share: pages, order, filters, links, deleted rows."""

import datetime

import fixtures
import sqlalchemy as sa
from oslo_utils import uuidutils

from watcher import objects
from watcher.api import versions
from watcher.api.controllers import v1
from watcher.api.controllers.v1 import action_plan
from watcher.api.controllers.v1 import audit as audit_api
from watcher.api.controllers.v1 import data_model
from watcher.api.controllers.v1 import webhook
from watcher.db.sqlalchemy import session
from watcher.tests.unit.api import base

LISTED = [cls for cls in v1.RESOURCES
          if cls not in (data_model.DataModel, webhook.Webhooks)]


class TestPages(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goals = [self.records.goal(name=name) for name in 'cabed']

    def _names(self, path, **kwargs):
        return [goal['name'] for goal in self.get(path, **kwargs).json[
            'goals']]

    def _walk(self, path):
        names = []
        while path:
            page = self.get(path).json
            names += [goal['name'] for goal in page['goals']]
            path = page.get('next', '').removeprefix('http://localhost')
        return names

    def test_default_order_is_creation(self):
        self.assertEqual(list('cabed'), self._names('/v1/goals'))

    def test_sorted(self):
        self.assertEqual(list('abcde'), self._names(
            '/v1/goals?sort_key=name'))
        self.assertEqual(list('edcba'), self._names(
            '/v1/goals?sort_key=name&sort_dir=desc'))

    def test_walk_through_pages(self):
        self.assertEqual(list('cabed'), self._walk('/v1/goals/?limit=2'))
        self.assertEqual(list('edcba'), self._walk(
            '/v1/goals?limit=2&sort_key=name&sort_dir=desc'))

    def test_next(self):
        page = self.get('/v1/goals/detail?limit=2').json
        self.assertEqual(
            'http://localhost/v1/goals/detail?sort_key=id&sort_dir=asc'
            f'&limit=2&marker={self.goals[1].uuid}', page['next'])
        self.assertNotIn('next', self.get('/v1/goals?limit=6').json)
        self.assertIn('next', self.get('/v1/goals?limit=5').json)

    def test_no_next_on_an_empty_page(self):
        path = f'/v1/goals?limit=2&marker={self.goals[-1].uuid}'
        self.assertEqual({'goals': []}, self.get(path).json)

    def test_max_limit(self):
        self.config(max_limit=3, group='api')
        self.assertEqual(list('cab'), self._names('/v1/goals'))
        self.assertEqual(list('cab'), self._names('/v1/goals?limit=100'))
        self.assertEqual(list('cabed'), self._walk('/v1/goals'))

    def test_max_limit_off(self):
        self.config(max_limit=0, group='api')
        self.assertEqual({'goals'}, set(self.get('/v1/goals').json))
        self.assertEqual(list('cabed'), self._names('/v1/goals'))
        self.assertEqual(list('ca'), self._names('/v1/goals?limit=2'))

    def test_refused(self):
        for query, word in (
                ('limit=0', 'limit'), ('limit=x', 'limit'),
                ('limit=', 'limit'), ('limit=-1', 'limit'),
                ('foo=1', 'foo'), ('sort_dir=ASC', 'sort_dir'),
                ('sort_dir=', 'sort_dir'), ('sort_key=foo', 'sort_key'),
                ('sort_key=', 'sort_key'), ('limit=1&limit=2', 'limit'),
                ('name=x', 'name')):
            for path in ('/v1/goals', '/v1/goals/detail'):
                response = self.get(f'{path}?{query}', status=400)
                self.assert_refused(400, response, word)

    def test_blanks_around_a_number(self):
        self.assertEqual(list('ca'), self._names('/v1/goals?limit=%202%20'))

    def test_marker(self):
        self.get(f'/v1/goals?marker={uuidutils.generate_uuid()}', status=404)
        self.get('/v1/goals?marker=x', status=404)
        self.assertEqual(list('cabed'), self._names('/v1/goals?marker='))
        for collection in ('audit_templates', 'audits', 'action_plans',
                           'actions', 'services'):
            self.get(f'/v1/{collection}?marker=', status=400)
            self.get(f'/v1/{collection}?marker=x', status=400)

    def test_unknown_parameter_on_an_item(self):
        for path in ('/v1/goals/a?goal=b', '/v1/goals/a?foo=1'):
            self.assert_refused(400, self.get(path, status=400), 'query')


class TestSorting(base.ApiTestCase):

    def _fill(self):
        goal = self.records.goal()
        strategy = self.records.strategy(goal)
        for name in ('one', 'two'):
            # One without strategy: null has to be sorted too.
            self.records.template(goal, name=name)
            self.records.audit(goal, name=name)
        self.records.template(goal, strategy, name='three')
        audit = self.records.audit(goal, strategy, name='three')
        self.records.plan(audit, strategy, actions=2)
        self.records.service()
        self.records.service(name='watcher-decision-engine')
        self.records.scoring_engine()

    def test_every_key_of_every_resource(self):
        """Whatever the key, pages are pieces of the list; so is HTTP's."""
        self._fill()
        for cls in LISTED:
            found = getattr(objects, cls.model)
            for key in sorted(cls().sort_keys):
                ordered = {
                    direction: self._idents(cls, found.list(
                        self.records.context, sort_key=key,
                        sort_dir=direction))
                    for direction in ('asc', 'desc')}
                self.assertEqual(ordered['asc'], ordered['desc'][::-1], key)
                for direction, expected in ordered.items():
                    self.assertEqual(
                        expected,
                        self._idents(cls, self._walk(found, key, direction)),
                        f'{cls.collection} {key} {direction}')
                path = f'/v1/{cls.collection}?sort_key={key}&sort_dir=desc'
                self.assertEqual(ordered['desc'], [
                    item[cls.key] for item in self.get(path).json[
                        cls.collection]], path)

    def _idents(self, cls, found):
        return [getattr(item, cls.key) for item in found]

    def _walk(self, found, key, direction):
        """Read the list in pages of one."""
        walked, page = [], [None]
        while page:
            page = found.list(self.records.context, limit=1, marker=page[0],
                              sort_key=key, sort_dir=direction)
            walked += page
        return walked

    def test_null_is_first_when_ascending(self):
        goal = self.records.goal()
        strategy = self.records.strategy(goal)
        for name in ('with', 'without'):
            self.records.audit(goal, strategy if name == 'with' else None,
                               name=name)
        for key in ('strategy_name', 'strategy_uuid', 'strategy_id',
                    'interval'):
            for direction, expected in (('asc', ['without', 'with']),
                                        ('desc', ['with', 'without'])):
                if key == 'interval':
                    # Null for both: the id decides.
                    expected = expected[::-1]
                path, walked = (f'/v1/audits?sort_key={key}&limit=1'
                                f'&sort_dir={direction}'), []
                while path:
                    page = self.get(path).json
                    walked += [item['name'] for item in page['audits']]
                    path = page.get('next', '').removeprefix(
                        'http://localhost')
                self.assertEqual(expected, walked, f'{key} {direction}')

    def test_what_is_not_shown_does_not_sort(self):
        """A deleted goal reads null, and its name has no place."""
        for name in 'abc':
            goal = self.records.goal(name=name)
            self.records.audit(goal, name=name)
            if name == 'b':
                goal.soft_delete()
        for direction, names in (('asc', [None, 'a', 'c']),
                                 ('desc', ['c', 'a', None])):
            for key in ('goal_name', 'goal_name&limit=1'):
                path, found = (f'/v1/audits?sort_dir={direction}'
                               f'&sort_key={key}'), []
                while path:
                    page = self.get(path).json
                    found += [item['goal_name'] for item in page['audits']]
                    path = page.get('next', '').removeprefix(
                        'http://localhost')
                self.assertEqual(names, found)
        found = self.get('/v1/audits?sort_key=goal_name', headers={
            'X-Show-Deleted': 'true'}).json['audits']
        self.assertEqual(list('abc'), [item['goal_name'] for item in found])

    def test_keys_are_those_of_the_contract(self):
        dates = {'created_at', 'updated_at', 'deleted_at'}
        pair = {'goal_id', 'strategy_id', 'goal_uuid', 'goal_name',
                'strategy_uuid', 'strategy_name'}
        expected = {
            'goals': {'id', 'uuid', 'name', 'display_name',
                      'efficacy_specification'} | dates,
            'strategies': {'id', 'uuid', 'name', 'display_name', 'goal_id',
                           'parameters_spec', 'goal_uuid',
                           'goal_name'} | dates,
            'audit_templates': {'id', 'uuid', 'name', 'description', 'scope',
                                'default_parameters'} | dates | pair,
            'audits': {'id', 'uuid', 'name', 'audit_type', 'state',
                       'parameters', 'interval', 'scope', 'auto_trigger',
                       'next_run_time', 'hostname', 'start_time', 'end_time',
                       'force', 'status_message'} | dates | pair,
            'action_plans': {'id', 'uuid', 'audit_id', 'strategy_id',
                             'state', 'global_efficacy', 'hostname',
                             'status_message', 'audit_uuid', 'strategy_uuid',
                             'strategy_name'} | dates,
            'actions': {'id', 'uuid', 'action_plan_id', 'action_type',
                        'input_parameters', 'state', 'parents',
                        'status_message', 'action_plan_uuid'} | dates,
            'services': {'id', 'name', 'host', 'last_seen_up'} | dates,
            'scoring_engines': {'id', 'uuid', 'name', 'description',
                                'metainfo'} | dates,
        }
        self.assertEqual(expected, {cls.collection: set(cls().sort_keys)
                                    for cls in LISTED})

    def test_joined_key_orders_over_pages(self):
        goals = {name: self.records.goal(name=name) for name in 'abc'}
        for number, name in enumerate('cab'):
            self.records.audit(goals[name], name=str(number))
        seen, path = [], '/v1/audits?sort_key=goal_name&limit=1'
        while path:
            page = self.get(path).json
            seen += [audit['goal_name'] for audit in page['audits']]
            path = page.get('next', '').removeprefix('http://localhost')
        self.assertEqual(list('abc'), seen)


class TestFilters(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.other = self.records.goal(name='other')
        self.strategy = self.records.strategy(self.goal)
        self.second = self.records.strategy(self.goal, name='second')
        self.audits = [
            self.records.audit(self.goal, self.strategy, name='a'),
            self.records.audit(self.goal, self.second, name='b'),
            self.records.audit(self.other, name='c'),
        ]

    def _names(self, query, collection='audits'):
        for path in (f'/v1/{collection}', f'/v1/{collection}/detail'):
            items = self.get(f'{path}?{query}').json[collection]
            names = [item['name'] for item in items]
        return names

    def test_by_name_and_uuid(self):
        self.assertEqual(['a', 'b'], self._names('goal=dummy'))
        self.assertEqual(['c'], self._names(f'goal={self.other.uuid}'))
        self.assertEqual(['b'], self._names('strategy=second'))
        self.assertEqual(['dummy', 'second'],
                         self._names('goal=dummy', 'strategies'))

    def test_both_hold(self):
        self.assertEqual(['a'], self._names('goal=dummy&strategy=dummy'))
        self.assertEqual([], self._names('goal=other&strategy=dummy'))

    def test_nothing_matches(self):
        self.assertEqual([], self._names('goal=nope'))
        self.assertEqual([], self._names('goal=3'))
        self.assertEqual(
            [], self._names(f'goal={uuidutils.generate_uuid()}'))

    def test_empty_is_ignored(self):
        self.assertEqual(['a', 'b', 'c'], self._names('goal=&strategy='))

    def test_next_keeps_the_filter(self):
        page = self.get('/v1/audits?goal=dummy&limit=1').json
        self.assertIn('goal=dummy', page['next'])
        page = self.get(page['next'].removeprefix('http://localhost')).json
        self.assertEqual(['b'], [item['name'] for item in page['audits']])

    def test_plans_by_audit(self):
        plan = self.records.plan(self.audits[0], self.strategy)
        self.records.plan(self.audits[1], self.second)
        path = f'/v1/action_plans?audit_uuid={self.audits[0].uuid}'
        self.assertEqual([plan.uuid], [
            item['uuid'] for item in self.get(path).json['action_plans']])
        path = f'/v1/action_plans?audit_uuid={self.audits[0].uuid}&strategy='
        self.assertEqual(1, len(self.get(path + 'dummy').json[
            'action_plans']))
        self.assertEqual(0, len(self.get(path + 'second').json[
            'action_plans']))
        self.get('/v1/action_plans?audit_uuid=x', status=400)

    def test_actions_by_plan_or_audit(self):
        plan = self.records.plan(self.audits[0], self.strategy, actions=2)
        self.records.plan(self.audits[1], self.second, actions=1)
        by_plan = f'action_plan_uuid={plan.uuid}'
        by_audit = f'audit_uuid={self.audits[0].uuid}'
        for query in (by_plan, by_audit):
            actions = self.get(f'/v1/actions?{query}').json['actions']
            self.assertEqual([plan.uuid] * 2, [
                action['action_plan_uuid'] for action in actions])
        self.get(f'/v1/actions?{by_plan}&{by_audit}', status=400)

    def test_filters_that_do_not_exist(self):
        for path in ('audits?audit_template=x', 'audits?state=PENDING',
                     'action_plans?audit=x', 'actions?action_plan=x',
                     'audit_templates?name=x'):
            self.get(f'/v1/{path}', status=400)


class TestRepresentations(base.ApiTestCase):
    """Lists show of each item what showing the item does."""

    def setUp(self):
        super().setUp()
        goal, gone = (self.records.goal(name=name) for name in 'ab')
        strategy = self.records.strategy(goal)
        self.records.description()
        for number, values in enumerate((
                {}, {'interval': '60', 'force': True,
                     'start_time': datetime.datetime(2030, 1, 1, 10),
                     'status_message': 'é', 'scope': [{'compute': []}],
                     'parameters': {'para1': 2.5, 'deep': {'a': [1]}}})):
            name = f'name{number}'
            self.records.template(
                goal, strategy if number else None, name=name,
                description=name)
            audit = self.records.audit(
                gone if number else goal, strategy, name=name,
                state='SUCCEEDED', **values)
            self.records.plan(audit, strategy, actions=2)
        audit.soft_delete()
        gone.soft_delete()
        self.records.scoring_engine()
        self.records.service()
        # What rows of older releases hold.
        with session.get_engine().begin() as connection:
            for change in (
                    'UPDATE audits SET name = NULL, parameters = NULL, '
                    'scope = NULL WHERE id = 2',
                    'UPDATE audit_templates SET default_parameters = NULL',
                    'UPDATE actions SET parents = NULL WHERE id = 1',
                    'UPDATE efficacy_indicators SET data = NULL WHERE id = 1',
                    'UPDATE action_plans SET global_efficacy = '
                    """'{"name": "n"}' WHERE id = 1"""):
                connection.exec_driver_sql(change)

    def _check(self, resource, **options):
        path = f'/v1/{resource.collection}'
        plain = self.get(path, **options).json[resource.collection]
        detail = self.get(f'{path}/detail', **options).json[
            resource.collection]
        self.assertEqual(len(plain), len(detail))
        for short, full in zip(plain, detail, strict=True):
            shown = self.get(f'{path}/{full[resource.key]}', **options).json
            self.assertEqual(list(shown.items()), list(full.items()))
            self.assertEqual(short, {name: full[name] for name in short})
        return detail

    def test_same_in_every_version(self):
        for version in versions.HISTORY:
            for deleted in (None, 'true'):
                for resource in LISTED:
                    found = self._check(resource, version=str(version),
                                        headers={'X-Show-Deleted': deleted})
                    self.assertNotEqual([], found)

    def test_rows_of_older_releases(self):
        audit = self._check(audit_api.Audits, headers={
            'X-Show-Deleted': 'true'})[1]
        self.assertEqual(f"audit-{audit['uuid']}", audit['name'])
        self.assertEqual(({}, []), (audit['parameters'], audit['scope']))
        plan = self._check(action_plan.ActionPlans)[0]
        self.assertEqual([{'name': 'n'}], plan['global_efficacy'])
        self.assertEqual(3.0, plan['efficacy_indicators'][0]['value'])

    def test_lists_read_what_they_show(self):
        sent = []

        def note(connection, cursor, statement, *others):
            sent.append(statement)

        engine = session.get_engine()
        sa.event.listen(engine, 'before_cursor_execute', note)
        self.addCleanup(sa.event.remove, engine, 'before_cursor_execute',
                        note)
        self.get('/v1/audits')
        self.get('/v1/actions')
        for column in ('parameters', 'efficacy_specification',
                       'parameters_spec', 'global_efficacy'):
            self.assertNotIn(column, ' '.join(sent))

    def test_indicators_of_more_plans_than_one_statement_takes(self):
        path = '/v1/action_plans'
        expected = self.get(path).json
        self.assertEqual(2, len(expected['action_plans']))
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.api.controllers.v1.action_plan.MOST_PLANS', 1))
        self.assertEqual(expected, self.get(path).json)
