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
"""Time zones, windows and runs of audits over HTTP."""

import datetime
from unittest import mock

from oslo_db import exception as db_exc

from watcher import objects
from watcher.api.controllers.v1 import schedules
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import events
from watcher.tests.unit.api.controllers.v1 import test_audit
from watcher.tests.unit.api.controllers.v1 import test_races

PATH = test_audit.PATH

NIGHT = {'time_zone': 'Europe/Berlin',
         'run_windows': ['Mon-Fri 22:00-05:00', '!2090-12-24'],
         'execution_windows': ['01:00-04:30']}

SILENCE = {'time_zone': None, 'run_windows': [], 'execution_windows': []}

MOMENT = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)


class ScheduleTestCase(test_audit.AuditTestCase):

    def said(self, document):
        return {name: document[name] for name in schedules.NAMES}

    def shown(self, name='a'):
        return self.said(self.get(f'{PATH}/{name}').json)

    def stored(self, document):
        audit = objects.Audit.get_by_uuid(None, document['uuid'])
        return objects.AuditSchedule.get(None, audit.id)

    def create_event(self, **values):
        return self.create(audit_type='EVENT', name='a', **values)

    def change(self, *operations, **kwargs):
        kwargs.setdefault('status', 200)
        return self.patch(f'{PATH}/a', *operations, **kwargs)


class TestSchedules(ScheduleTestCase):

    def test_stored_as_sent(self):
        document = self.create_event(**NIGHT).json
        self.assertEqual(NIGHT, self.said(document))
        self.assertEqual(NIGHT, self.shown())
        found, = self.get(f'{PATH}/detail').json['audits']
        self.assertEqual(NIGHT, self.said(found))
        self.assertEqual(
            ('Europe/Berlin', ('Mon-Fri 22:00-05:00', '!2090-12-24'),
             ('01:00-04:30',)),
            (lambda said: (said.time_zone, said.run_windows,
                           said.execution_windows))(self.stored(document)))

    def test_who_says_nothing_has_no_row(self):
        document = self.create_event(time_zone=None, run_windows=None).json
        self.assertEqual(SILENCE, self.said(document))
        self.assertIsNone(self.stored(document))
        self.change(('replace', '/interval', '60'))
        self.assertIsNone(self.stored(document))

    def test_every_type_of_audit(self):
        for kind, values in (('ONESHOT', {}), ('EVENT', {}),
                             ('CONTINUOUS', {'interval': '0 1 * * *'})):
            self.assertEqual(NIGHT, self.said(self.create(
                audit_type=kind, **values, **NIGHT).json))

    def test_what_is_not_changed_stays(self):
        self.create_event(**NIGHT)
        document = self.change(('replace', '/time_zone', 'UTC'),
                               ('remove', '/run_windows/1')).json
        expected = {**NIGHT, 'time_zone': 'UTC',
                    'run_windows': ['Mon-Fri 22:00-05:00']}
        self.assertEqual(expected, self.said(document))
        self.assertEqual(expected, self.shown())
        for name in schedules.NAMES:
            expected[name] = SILENCE[name]
            self.assertEqual(expected, self.said(
                self.change(('remove', f'/{name}')).json))

    def test_with_the_state(self):
        self.create_event()
        document = self.change(('replace', '/time_zone', 'UTC'),
                               ('replace', '/state', 'CANCELLED')).json
        self.assertEqual(('CANCELLED', 'UTC'),
                         (document['state'], document['time_zone']))
        self.change(('replace', '/time_zone', 'Asia/Tokyo'),
                    ('replace', '/state', 'ONGOING'), status=400)
        self.assertEqual('UTC', self.shown()['time_zone'])

    def test_somebody_else_changes_the_same(self):
        self.create_event(run_windows=['20:00-21:00'])
        for number in range(22, 24):
            self.change(('add', '/run_windows/-', f'{number}:00-{number}:30'))
        self.assertEqual(['20:00-21:00', '22:00-22:30', '23:00-23:30'],
                         self.shown()['run_windows'])

    def test_who_watches_audits_hears_of_it(self):
        document = self.create_event().json
        listener = mock.Mock()
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)
        changed = self.change(('replace', '/time_zone', 'UTC')).json
        self.assertIsNone(document['updated_at'])
        self.assertIsNotNone(changed['updated_at'])
        (audit, old_state), = [
            call.args for call in listener.on_update.call_args_list]
        self.assertEqual((document['uuid'], None), (audit.uuid, old_state))
        self.change(('replace', '/time_zone', 'Asia/Tokyo'),
                    ('replace', '/interval', '60'))
        self.assertEqual(2, listener.on_update.call_count)

    def test_gone_with_the_audit(self):
        document = self.create_event(**NIGHT).json
        self.change(('replace', '/state', 'CANCELLED'))
        self.delete(f'{PATH}/a', status=204)
        deleted = self.get(f'{PATH}/{document["uuid"]}',
                           headers={'X-Show-Deleted': 'True'}).json
        self.assertEqual(NIGHT, self.said(deleted))

    def test_names_of_zones(self):
        for name in ('', 'nope', 'localtime', '../UTC', 'UTC+1', 'x' * 65):
            self.assert_refused(400, self.create_event(
                time_zone=name, status=400), 'time_zone', name[:60])

    def test_refused(self):
        many = ['20:00-21:00'] * (schedules.MOST_WINDOWS + 1)
        for windows, words in (
                ('20:00-21:00', ['20:00-21:00', 'array']),
                ({}, ['{}', 'array']), ([7], ['[7]', 'text']),
                ([None], ['null', 'text']), ([['20:00-21:00']], ['text']),
                ([''], ['HH:MM-HH:MM']), (['x' * 81], ['80']),
                (['24:00-25:00'], ['24:00-25:00', 'HH:MM-HH:MM']),
                (['0001-01-01'], ['0001-01-01', '1970']),
                (['Mon'], ['Mon']), (many, ['100', '101'])):
            for name in ('run_windows', 'execution_windows'):
                response = self.create_event(**{name: windows}, status=400)
                self.assert_refused(400, response, name, *words)
        self.get(f'{PATH}/a', status=404)

    def test_windows_that_never_open(self):
        for windows in (['2020-01-01'], ['!00:00-24:00'],
                        ['20:00-21:00', '!19:00-22:00']):
            response = self.create_event(run_windows=windows, status=400)
            self.assert_refused(400, response, 'run_windows', windows[0],
                                'never be open')
        # Nothing of it is stored.
        self.get(f'{PATH}/a', status=404)
        self.create_event(run_windows=['20:00-21:00'])
        self.assert_refused(400, self.change(
            ('replace', '/interval', '60'),
            ('add', '/run_windows/-', '!00:00-24:00'), status=400),
            'run_windows', 'never be open')
        document = self.get(f'{PATH}/a').json
        self.assertEqual((None, ['20:00-21:00']),
                         (document['interval'], document['run_windows']))

    def test_interval_that_never_is_in_the_windows(self):
        noon, words = '0 12 * * *', ('interval', 'run_windows')
        late = ['20:00-21:00']
        self.assert_refused(400, self.create(
            audit_type='CONTINUOUS', name='a', version='1.10', interval=noon,
            run_windows=late, status=400), *words)
        self.get(f'{PATH}/a', status=404)
        self.create(audit_type='CONTINUOUS', name='a', version='1.10',
                    interval='60', run_windows=late)
        self.assert_refused(400, self.change(
            ('replace', '/interval', noon), status=400), *words)
        self.change(('replace', '/interval', '30 20 * * *'))
        self.assert_refused(400, self.change(
            ('replace', '/run_windows', ['10:00-11:00']), status=400), *words)
        # Both together are fine.
        self.change(('replace', '/interval', noon),
                    ('replace', '/run_windows', ['11:00-13:00']))
        document = self.get(f'{PATH}/a').json
        self.assertEqual((noon, ['11:00-13:00']),
                         (document['interval'], document['run_windows']))

    def test_refused_before(self):
        self.create_event()
        for name, value in NIGHT.items():
            self.assert_refused(406, self.create(
                audit_type='EVENT', name='b', version='1.9', status=406,
                **{name: value}), name, '1.10')
            for operation in (('replace', f'/{name}', value),
                              ('remove', f'/{name}')):
                self.assert_refused(406, self.change(
                    operation, version='1.9', status=406), name, '1.10')

    def test_tried_again_after_a_deadlock(self):
        """As a whole: nothing of the first attempt is left, or missing."""
        for attempt in (lambda: self.create_event(**NIGHT),
                        lambda: self.change(
                            ('replace', '/time_zone', 'UTC'),
                            ('replace', '/interval', '60'))):
            store = objects.AuditSchedule.dbapi.set_run
            with mock.patch.object(
                    objects.AuditSchedule.dbapi, 'set_run',
                    side_effect=[db_exc.DBDeadlock(), mock.DEFAULT],
                    wraps=store) as stored:
                attempt()
            self.assertEqual(2, stored.call_count)
        document = self.get(f'{PATH}/a').json
        self.assertEqual({**NIGHT, 'time_zone': 'UTC'}, self.said(document))
        self.assertEqual('60', document['interval'])
        self.assertEqual(1, len(self.get(PATH).json['audits']))


class TestRuns(ScheduleTestCase):

    def runs(self, document):
        return [document[name] for name in (
            'failures', 'last_error', 'last_run_started_at',
            'last_run_finished_at', 'waiting_triggers')]

    def test_shown(self):
        document = self.create_event().json
        self.assertEqual([0, None, None, None, 0], self.runs(document))
        audit = objects.Audit.get_by_uuid(None, document['uuid'])
        objects.AuditRun.set(
            None, audit.id, failures=2, last_error='no metrics',
            started_at=MOMENT,
            finished_at=MOMENT + datetime.timedelta(minutes=5))
        self.post('/v1/webhooks/a', {}, status=202)
        expected = [2, 'no metrics', '2026-05-04T03:02:01+00:00',
                    '2026-05-04T03:07:01+00:00', 1]
        self.assertEqual(expected, self.runs(self.get(f'{PATH}/a').json))
        found, = self.get(f'{PATH}/detail').json['audits']
        self.assertEqual(expected, self.runs(found))

    def test_not_given_or_changed(self):
        self.create_event()
        for name, value in (('failures', 0), ('last_error', None),
                            ('last_run_started_at', None),
                            ('last_run_finished_at', None),
                            ('waiting_triggers', 0)):
            self.assert_refused(400, self.create(status=400, **{name: value}),
                                name, 'read-only')
            self.assert_refused(400, self.change(
                ('replace', f'/{name}', value), status=400), name,
                'only these can be changed')


class TestRaces(test_races.RaceTestCase):

    def test_windows_added_at_the_same_time(self):
        def send(number):
            return self.request(
                'PATCH', f'{PATH}/audit', test_races.add(
                    '/run_windows/-', f'{number:02}:00-{number:02}:30'),
                status=200)

        self.together(4, send)
        self.assertEqual(
            {f'{number:02}:00-{number:02}:30' for number in range(4)},
            set(self.get(f'{PATH}/audit').json['run_windows']))


class TestNotUpgraded(ScheduleTestCase):
    """The database has no tables of ours yet."""

    def setUp(self):
        super().setUp()
        self.tables = [models.AuditSchedule.__table__,
                       models.AuditRun.__table__]
        self.addCleanup(self._change, 'create')
        self._change('drop')

    def _change(self, how):
        with session.get_engine().begin() as connection:
            for table in self.tables:
                getattr(table, how)(connection)

    def test_everything_else_works(self):
        document = self.create_event().json
        self.assertEqual({**SILENCE, 'failures': 0, 'last_error': None},
                         {name: document[name] for name in (
                             *schedules.NAMES, 'failures', 'last_error')})
        self.assertEqual(SILENCE, self.said(
            self.change(('replace', '/interval', '60')).json))
        found, = self.get(f'{PATH}/detail').json['audits']
        self.assertEqual(SILENCE, self.said(found))

    def test_what_has_to_be_stored_is_refused(self):
        for response in (
                self.create(audit_type='EVENT', name='b', status=503,
                            **NIGHT),
                self.change(('replace', '/interval', '60'),
                            ('replace', '/time_zone', 'UTC'), status=503)
                if self.create_event() else None):
            self.assert_refused(503, response, 'audit_schedules',
                                'watcher-db-manage upgrade')
        # As a whole.
        self.get(f'{PATH}/b', status=404)
        self.assertIsNone(self.get(f'{PATH}/a').json['interval'])
