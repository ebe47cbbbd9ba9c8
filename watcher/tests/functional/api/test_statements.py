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
"""How many SQL statements each request takes, on every database.

Lists take as many for a thousand rows as for one. The numbers are part of
the specification: whoever needs another statement changes the number here,
and says why.
"""

import contextlib
import json
import os
import uuid

import sqlalchemy as sa
import webtest

from watcher.api.controllers import v1
from watcher.api.controllers.v1 import data_model
from watcher.api.controllers.v1 import webhook
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import database

LISTED = [cls for cls in v1.RESOURCES
          if cls not in (data_model.DataModel, webhook.Webhooks)]

#: Statements of a list besides the one that reads the page: the efficacy
#: indicators of plans, in detail the descriptions of action types, the
#: explanations of both, the records of runs, the schedules of audits, and the
#: reasons of what has a status message.
MORE = {'audits/detail': 3, 'action_plans': 1, 'action_plans/detail': 4,
        'actions/detail': 4}

#: A page behind a marker finds the marker, and what it is sorted by.
MARKER, SORT_VALUE = 1, 1

#: Filters of each collection: the parameters and the related row.
FILTERS = {
    'strategies': ('goal',),
    'audit_templates': ('goal', 'strategy'),
    'audits': ('goal', 'strategy'),
    'action_plans': ('audit_uuid', 'strategy'),
    'actions': ('action_plan_uuid', 'audit_uuid'),
}


class Statements:
    """Collects the SQL of a block, but for the frame of transactions."""

    FRAME = ('BEGIN', 'SAVEPOINT', 'RELEASE', 'ROLLBACK')

    @classmethod
    @contextlib.contextmanager
    def collected(cls):
        sent = []

        def note(connection, cursor, statement, *others):
            if not statement.startswith(cls.FRAME):
                sent.append(statement)

        engine = session.get_engine()
        sa.event.listen(engine, 'before_cursor_execute', note)
        try:
            yield sent
        finally:
            sa.event.remove(engine, 'before_cursor_execute', note)


class Rows:
    """Many rows with few statements: a thousand of everything."""

    def __init__(self, count):
        self.count = count

    def fill(self):
        if not self.count:
            return
        with session.get_engine().begin() as connection:
            self.connection = connection
            for cls, make in (
                    (models.Goal, self._named), (models.Strategy,
                                                 self._strategy),
                    (models.AuditTemplate, self._template),
                    (models.Audit, self._audit),
                    (models.ActionPlan, self._plan),
                    (models.EfficacyIndicator, self._indicator),
                    (models.Action, self._action),
                    (models.ScoringEngine, self._engine),
                    (models.Service, self._service)):
                self._insert(cls, make)

    def _insert(self, cls, make):
        has_uuid = 'uuid' in cls.__table__.columns
        first = self.connection.execute(sa.select(
            sa.func.coalesce(sa.func.max(cls.id), 0))).scalar() + 1
        rows = []
        for number in range(first, first + self.count):
            row = {'id': number, 'deleted': 0, **make(number)}
            if has_uuid:
                # In order, so that what is behind a marker is no luck.
                row['uuid'] = str(uuid.UUID(int=number, version=4))
            rows.append(row)
        self.connection.execute(sa.insert(cls), rows)

    @staticmethod
    def _named(number):
        return {'name': f'name{number}', 'display_name': 'd',
                'efficacy_specification': []}

    @staticmethod
    def _strategy(number):
        return {'name': f'name{number}', 'display_name': 'd', 'goal_id': 1,
                'parameters_spec': {}}

    @staticmethod
    def _template(number):
        return {'name': f'name{number}', 'goal_id': 1, 'strategy_id': 1,
                'scope': [], 'default_parameters': {}}

    @staticmethod
    def _audit(number):
        return {'name': f'name{number}', 'audit_type': 'ONESHOT',
                'state': 'SUCCEEDED', 'goal_id': 1, 'strategy_id': 1,
                'auto_trigger': False, 'force': False, 'parameters': {},
                'scope': [], 'status_message': 'm'}

    @staticmethod
    def _plan(number):
        return {'audit_id': 1, 'strategy_id': 1, 'state': 'RECOMMENDED',
                'global_efficacy': [], 'status_message': 'm'}

    @staticmethod
    def _indicator(number):
        return {'name': 'moves', 'action_plan_id': number, 'value': 1,
                'data': 1}

    @staticmethod
    def _action(number):
        return {'action_plan_id': 1, 'action_type': 'nop',
                'input_parameters': {}, 'state': 'PENDING', 'parents': [],
                'status_message': 'm'}

    @staticmethod
    def _engine(number):
        return {'name': f'name{number}', 'metainfo': '{}'}

    @staticmethod
    def _service(number):
        return {'name': 'watcher-applier', 'host': f'host{number}'}


class StatementTestCase(base.TestCase):
    engine = database.SQLITE

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = database.SERVERS.get(cls.engine)
        cls.available = server is None or server in os.environ

    def setUp(self):
        super().setUp()
        if not self.available:
            self.skipTest(f'no {self.engine} server')
        self.api = self.useFixture(api_fixture.Api(self.engine))
        self.records = self.api.records
        self.app = webtest.TestApp(self.api.app)
        # The rules are read from the disk once.
        self.request('GET', '/v1/goals')

    def request(self, method, path, body=None, deleted=False):
        headers = {'X-Roles': 'admin',
                   'OpenStack-API-Version': 'infra-optim latest'}
        if deleted:
            headers['X-Show-Deleted'] = 'true'
        response = self.app.request(
            path, method=method, headers=headers,
            body=b'' if body is None else json.dumps(body).encode(),
            content_type='application/json', expect_errors=True)
        self.assertLess(response.status_int, 300, response.text)
        return response.json if response.body else None

    def statements(self, method, path, body=None, deleted=False):
        with Statements.collected() as sent:
            self.request(method, path, body, deleted)
        return sent

    def check(self, expected, *request, **options):
        sent = self.statements(*request, **options)
        self.assertEqual(expected, len(sent),
                         '\n'.join([str(request), *sent]))


class TestLists(StatementTestCase):

    #: Rows of each table.
    rows = (3, 1000)

    def _second(self, collection):
        """Return an item with others before and behind it."""
        return self.request('GET', f'/v1/{collection}?limit=2')[collection][1]

    def _sort_keys(self, resource):
        """The default, another column, and every one of a relation."""
        keys = resource().sort_keys
        yield 'id'
        yield 'name' if 'name' in keys else 'uuid'
        for key in sorted(keys):
            if key.endswith(('_name', '_uuid')):
                yield key

    def _queries(self, resource):
        """Yield queries, and the statements they need besides the page's."""
        item = self._second(resource.collection)
        marker = f'marker={item[resource.key]}'
        yield '', 0
        yield marker, MARKER
        for key in self._sort_keys(resource):
            yield f'sort_key={key}', 0
            yield (f'sort_key={key}&sort_dir=desc&{marker}',
                   MARKER + (SORT_VALUE if key != 'id' else 0))
        for name in FILTERS.get(resource.collection, ()):
            yield f'{name}={self.related[name]}', 0
            yield f'{name}={self.related[name]}&{marker}', MARKER
            if not name.endswith('_uuid'):
                yield f'{name}=name1&sort_key={name}_name', 0

    def _check(self, limit):
        for resource in LISTED:
            for query, more in self._queries(resource):
                for kind in ('', '/detail'):
                    path = resource.collection + kind
                    # Sorting costs the same statements for shorter pages.
                    shown = min(limit, 10) if 'sort' in query else limit
                    self.check(1 + MORE.get(path, 0) + more, 'GET',
                               f'/v1/{path}?limit={shown}&{query}',
                               deleted=kind == '')

    def test_no_statement_for_each_row(self):
        Rows(3).fill()
        self.related = {
            'goal': self._second('audits')['goal_uuid'],
            'strategy': self._second('audits')['strategy_uuid'],
            'audit_uuid': self._second('action_plans')['audit_uuid'],
            'action_plan_uuid': self._second('actions')['action_plan_uuid']}
        for rows in self.rows:
            Rows(rows - 3).fill()
            for resource in LISTED:
                found = self.request(
                    'GET', f'/v1/{resource.collection}?limit={rows}')
                self.assertEqual(rows, len(found[resource.collection]))
            # With three rows, one is on the page behind the second.
            self._check(limit=rows if rows > 3 else 1)


class TestListsMySQL(TestLists):
    engine = database.MYSQL
    rows = (6,)


class TestListsPostgreSQL(TestLists):
    engine = database.POSTGRESQL
    rows = (6,)


class ItemTestCase(StatementTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)
        self.records.description()
        self.records.scoring_engine()
        self.records.service()
        self.template = self.records.template(self.goal, self.strategy)
        self.audit = self.records.audit(self.goal, self.strategy,
                                        state='SUCCEEDED')


class TestItems(ItemTestCase):
    """What finding and making one item takes."""

    #: To find a goal whose name was written in other letters.
    other_case = 2

    def test_show(self):
        plan = self.records.plan(self.audit, self.strategy, actions=1)
        action, = self.records.actions(plan)
        for path, count in (
                ('goals/dummy', 1), ('goals/1', 1),
                ('goals/DUMMY', self.other_case),
                (f'goals/{self.goal.uuid}', 1),
                ('strategies/dummy', 1), ('audit_templates/template', 1),
                ('audits/audit', 3), (f'audits/{self.audit.uuid}', 3),
                (f'action_plans/{plan.uuid}', 4),
                (f'actions/{action.uuid}', 4),
                ('scoring_engines/dummy_scorer', 1),
                ('services/watcher-applier', 1), ('services/1', 1)):
            for deleted in (False, True):
                self.check(count, 'GET', f'/v1/{path}', deleted=deleted)

    def test_create(self):
        # The goal, the strategy, the name in this case and in any, the row.
        self.check(5, 'POST', '/v1/audit_templates', {
            'name': 'new', 'goal': 'dummy', 'strategy': 'dummy'})
        # And what is known of the runs of the audit, and its schedule.
        self.check(7, 'POST', '/v1/audits', {
            'name': 'new', 'audit_type': 'ONESHOT', 'goal': 'dummy',
            'strategy': 'dummy'})
        # The template comes with its goal and its strategy.
        self.check(6, 'POST', '/v1/audits', {
            'audit_type': 'ONESHOT',
            'audit_template_uuid': self.template.uuid})


class TestItemsMySQL(TestItems):
    engine = database.MYSQL
    other_case = 1


class TestItemsPostgreSQL(TestItems):
    engine = database.POSTGRESQL


class TestChanges(ItemTestCase):
    """What changing one item takes."""

    def test_patch(self):
        # The item, the change, the item as it is then, its schedule and runs.
        self.check(5, 'PATCH', '/v1/audits/audit', [
            {'op': 'replace', 'path': '/interval', 'value': '60'}])
        # And the new name in this case and in any.
        self.check(7, 'PATCH', '/v1/audits/audit', [
            {'op': 'replace', 'path': '/name', 'value': 'other'}])
        self.check(3, 'PATCH', '/v1/audit_templates/template', [
            {'op': 'replace', 'path': '/description', 'value': 'd'}])

    def test_patch_of_windows(self):
        # The item, its lock, the item and its schedule as they are then, and
        # that for what comes of it; no row of it, a new one, the item twice,
        # and its schedule and its runs as they are shown.
        self.check(11, 'PATCH', '/v1/audits/audit', [
            {'op': 'add', 'path': '/run_windows/-', 'value': '20:00-21:00'}])

    def test_delete(self):
        # The item, its mark, the item as it is then.
        self.check(3, 'DELETE', '/v1/audits/audit')
        self.check(3, 'DELETE', '/v1/audit_templates/template')

    def test_skip(self):
        plan = self.records.plan(self.audit, self.strategy, actions=1)
        action, = self.records.actions(plan)
        # The action, the change, the action again, the reason, which is read
        # again, its description, its explanation and its run.
        self.check(8, 'PATCH', f'/v1/actions/{action.uuid}', [
            {'op': 'replace', 'path': '/state', 'value': 'SKIPPED'}])

    def test_start(self):
        plan = self.records.plan(self.audit, self.strategy, actions=2)
        self.check(7, 'POST', f'/v1/action_plans/{plan.uuid}/start', {})


class TestPlans(StatementTestCase):
    """Actions change together, 500 of them with two statements."""

    #: What is read and written however few actions there are.
    CANCEL = 9
    DELETE = 5

    def _plan(self, actions):
        goal = self.records.goal(name=f'goal{actions}')
        strategy = self.records.strategy(goal, name=f'strategy{actions}')
        audit = self.records.audit(goal, strategy, name=f'audit{actions}')
        plan = self.records.plan(audit, strategy, actions=actions)
        return f'/v1/action_plans/{plan.uuid}'

    def test_cancel(self):
        for actions, chunks in ((1, 1), (1000, 2)):
            self.check(self.CANCEL + 2 * chunks, 'PATCH', self._plan(actions),
                       [{'op': 'replace', 'path': '/state',
                         'value': 'CANCELLED'}])

    def test_delete(self):
        for actions, chunks in ((1, 1), (1000, 2)):
            self.check(self.DELETE + 2 * chunks, 'DELETE',
                       self._plan(actions))
