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
"""The samples of the API reference are what the API really answers.

After a change of the API write them anew::

    WATCHER_WRITE_API_SAMPLES=1 python -m unittest \
        watcher.tests.functional.api.test_samples
"""

import json
import os
import pathlib
import re

from watcher.api import versions
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.unit.api import base

SAMPLES = (pathlib.Path(__file__).parents[4] / 'api-ref' / 'source'
           / 'samples')

WRITE = 'WATCHER_WRITE_API_SAMPLES'

UUID = re.compile(r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')
TIME = re.compile(r'202\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?')
FIXED_TIME = '2026-11-20T21:07:12.354311'
HOST = 'http://controller:9322'

SCOPE = [{'compute': [{'availability_zones': [{'name': 'AZ1'}]},
                      {'exclude': [{'instances': [
                          {'uuid': '6ae05517-a512-462d-9d83-90c313b5a8ff'}
                      ]}]}]}]


class TestSamples(base.ApiTestCase):

    maxDiff = None

    def setUp(self):
        super().setUp()
        self.seen = {}
        self.written = set()
        # What the samples show of the engines is fixed already.
        self.fixed = set(UUID.findall(json.dumps(
            [api_fixture.MODELS, api_fixture.ABOUT_MODEL, SCOPE])))

    def _uuid(self, match):
        value = match.group()
        if value in self.fixed:
            return value
        number = self.seen.setdefault(value, len(self.seen) + 1)
        return f'{number:08x}-0000-4000-8000-{number:012x}'

    def _stable(self, document):
        """Replace what differs from run to run."""
        text = json.dumps(document, indent=4, ensure_ascii=False)
        text = UUID.sub(self._uuid, text)
        text = TIME.sub(FIXED_TIME, text)
        return text.replace('http://localhost', HOST) + '\n'

    def sample(self, name, document):
        """Compare the document with the sample, or write it."""
        path = SAMPLES / f'{name}.json'
        self.written.add(path.name)
        text = self._stable(document)
        if os.environ.get(WRITE):
            path.write_text(text, encoding='utf-8')
            return
        self.assertEqual(path.read_text(encoding='utf-8'), text,
                         f'{path.name} is not what the API answers')

    def shown(self, name, path):
        document = self.get(path).json
        self.sample(name, document)
        return document

    def sent(self, name, method, path, body, status):
        self.sample(f'{name}-request', body)
        response = self.request(method, path, body, status=status)
        if response.body:
            self.sample(f'{name}-response', response.json)
        return response

    def collection(self, name, path):
        self.shown(f'{name}-list-response', path)
        self.shown(f'{name}-list-detailed-response', f'{path}/detail')

    def test_samples(self):
        self.shown('api-root-response', '/')
        self.shown('api-v1-root-response', '/v1')
        self._read_only()
        self._templates()
        self._audits()
        self._plans()
        self._others()
        on_disk = {path.name for path in SAMPLES.glob('*.json')}
        self.assertEqual(set(), on_disk - self.written)

    def _read_only(self):
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)
        self.collection('goal', '/v1/goals')
        self.shown('goal-show-response', '/v1/goals/dummy')
        self.collection('strategy', '/v1/strategies')
        self.shown('strategy-show-response', '/v1/strategies/dummy')
        self.shown('strategy-state-response', '/v1/strategies/dummy/state')
        self.records.scoring_engine(
            uuid='e8370ede-4f39-11e6-9ffa-08002722cb22')
        self.collection('scoring-engine', '/v1/scoring_engines')
        self.shown('scoring-engine-show-response',
                   '/v1/scoring_engines/dummy_scorer')
        self.records.service()
        self.records.service(name='watcher-decision-engine')
        self.collection('service', '/v1/services')
        self.shown('service-show-response', '/v1/services/1')

    def _templates(self):
        path = '/v1/audit_templates'
        self.sent('audit-template-create', 'POST', path, {
            'name': 'at1', 'goal': 'dummy', 'strategy': 'dummy',
            'description': 'a prepared audit', 'scope': SCOPE,
            'default_parameters': {'para1': 4.5}}, 201)
        self.collection('audit-template', path)
        self.shown('audit-template-show-response', f'{path}/at1')
        self.sent('audit-template-update', 'PATCH', f'{path}/at1', [
            {'op': 'replace', 'path': '/description',
             'value': 'another description'}], 200)

    def _audits(self):
        path = '/v1/audits'
        template = self.get('/v1/audit_templates/at1').json['uuid']
        self.sent('audit-create', 'POST', path, {
            'name': 'audit1', 'audit_type': 'ONESHOT',
            'audit_template_uuid': template,
            'parameters': {'para1': 3.2}}, 201)
        self.sent('audit-create-continuous', 'POST', path, {
            'name': 'audit2', 'audit_type': 'CONTINUOUS', 'goal': 'dummy',
            'interval': '*/5 * * * *',
            'start_time': '2030-01-01T10:00:00+02:00',
            'end_time': '2030-06-01T10:00:00Z'}, 201)
        self.sent('audit-create-night', 'POST', path, {
            'name': 'audit3', 'audit_type': 'CONTINUOUS', 'goal': 'dummy',
            'interval': '0 1 * * *', 'time_zone': 'Europe/Berlin',
            'run_windows': ['Mon-Fri 22:00-05:00', 'Sat,Sun 00:00-24:00'],
            'execution_windows': ['01:00-04:30',
                                  '!2030-12-24/2030-12-26']}, 201)
        self.collection('audit', path)
        self.shown('audit-show-response', f'{path}/audit1')
        self.sent('audit-cancel', 'PATCH', f'{path}/audit1', [
            {'op': 'replace', 'path': '/state', 'value': 'CANCELLED'}], 200)
        self.sent('audit-update', 'PATCH', f'{path}/audit2', [
            {'op': 'replace', 'path': '/interval', 'value': '60'}], 200)
        self.sent('audit-update-windows', 'PATCH', f'{path}/audit3', [
            {'op': 'remove', 'path': '/run_windows/1'},
            {'op': 'add', 'path': '/execution_windows/-',
             'value': '!2031-01-01'}], 200)
        self.records.audit(self.goal, name='event', audit_type='EVENT')
        self.sent('webhook-trigger', 'POST', '/v1/webhooks/event',
                  {'alarm_name': 'cpu_high'}, 202)

    def _plans(self):
        audit = self.records.audit(self.goal, self.strategy, name='finished',
                                   state='SUCCEEDED')
        plan = self.records.plan(audit, self.strategy, actions=2)
        other = self.records.plan(audit, self.strategy)
        self.records.description()
        path = '/v1/action_plans'
        self.collection('action-plan', path)
        self.shown('action-plan-show-response', f'{path}/{plan.uuid}')
        self.collection('action', '/v1/actions')
        action = self.records.actions(plan)[0]
        self.shown('action-show-response', f'/v1/actions/{action.uuid}')
        self.sent('action-skip', 'PATCH', f'/v1/actions/{action.uuid}', [
            {'op': 'replace', 'path': '/state', 'value': 'SKIPPED'},
            {'op': 'replace', 'path': '/status_message',
             'value': 'this server stays'}], 200)
        self.shown_from('action-plan-start-response', self.post(
            f'{path}/{plan.uuid}/start', {}, status=200))
        for action in ('pause', 'resume'):
            self.shown_from(f'action-plan-{action}-response', self.post(
                f'{path}/{plan.uuid}/{action}', {}, status=200))
        self.sent('action-plan-cancel', 'PATCH', f'{path}/{other.uuid}', [
            {'op': 'replace', 'path': '/state', 'value': 'CANCELLED'}], 200)
        for kind in ('rollback', 'retry'):
            failed = self.records.plan(audit, self.strategy, actions=1,
                                       state='FAILED')
            self.shown_from(f'action-plan-{kind}-response', self.post(
                f'{path}/{failed.uuid}/{kind}', {}, status=200))

    def shown_from(self, name, response):
        self.sample(name, response.json)

    def _others(self):
        for name, kind in (('data-model', 'compute'),
                           ('data-model-storage', 'storage'),
                           ('data-model-baremetal', 'baremetal')):
            self.shown(f'{name}-response',
                       f'/v1/data_model?data_model_type={kind}')
        self.sample('error-response', self.get('/v1/goals/nope',
                                               status=404).json)


class TestMicroversionPage(base.base.TestCase):

    def test_page_is_the_history(self):
        page = (SAMPLES.parent / 'watcher-api-versions.inc').read_text()
        words = ' '.join(page.split())
        for version, text in versions.HISTORY.items():
            self.assertIn(f'**{version}**', words)
            self.assertIn(' '.join(text.split()), words)
