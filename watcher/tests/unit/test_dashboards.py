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
"""The dashboards and alerts in etc/: do they ask for what there is?"""

import json
import pathlib
import re
import shutil
import subprocess
from unittest import mock

import fixtures
import prometheus_client
import yaml

import watcher
from watcher.applier import figures as applier_figures
from watcher.common import exporter
from watcher.common import metrics
from watcher.db.sqlalchemy import pool
from watcher.decision_engine import figures as engine_figures
from watcher.decision_engine.messaging import notification_listener
from watcher.objects import figures
from watcher.tests import base
from watcher.tests.unit.db import base as db_base

ROOT = pathlib.Path(watcher.__file__).parent.parent
ETC = ROOT / 'etc' / 'watcher'
BOARDS = sorted((ETC / 'dashboards').glob('*.json'))
ALERTS = ETC / 'prometheus' / 'alerts.yaml'

#: Labels that Prometheus adds, and those of histograms.
GIVEN = {'instance', 'job', 'le'}

#: Values of the variables that Grafana itself has.
BUILT_IN = {'__rate_interval': '5m'}

OURS = re.compile(r'\b(watcher_\w+)(?:\{([^}]*)\})?')
GROUPING = re.compile(r'\b(?:by|on|group_left) \(([^)]*)\)')
VARIABLE = re.compile(r'\$(?:\{(\w+)\}|(\w+))')


def load(path):
    return json.loads(path.read_text(encoding='utf-8'))


def panels(board):
    return [panel for panel in board['panels'] if panel['type'] != 'row']


def variables(board):
    """What Grafana puts in for variables as the board is opened."""
    values = dict(BUILT_IN)
    for variable in board['templating']['list']:
        current = variable.get('current') or {}
        values[variable['name']] = (
            variable.get('allValue') or current.get('value') or 'any')
    return values


def queries(board):
    """All expressions of a board, as Prometheus gets them."""
    values = variables(board)

    def put_in(match):
        return values[match[1] or match[2]]

    return [VARIABLE.sub(put_in, target['expr'])
            for panel in panels(board) for target in panel['targets']]


def rules():
    found = yaml.safe_load(ALERTS.read_text(encoding='utf-8'))
    return [rule for group in found['groups'] for rule in group['rules']]


def promtool(test, *arguments):
    """Run the tool of Prometheus; skip the test where there is none."""
    tool = shutil.which('promtool')
    if tool is None:
        test.skipTest('promtool is not installed: tools/ci-services.sh '
                      'start installs it with Prometheus')
    done = subprocess.run([tool, *arguments], capture_output=True, text=True,
                          check=False)
    test.assertEqual(0, done.returncode, done.stdout + done.stderr)


class TestBoards(base.TestCase):

    def test_there_are_boards(self):
        self.assertEqual(['noisy-neighbors.json', 'operations.json'],
                         [path.name for path in BOARDS])

    def test_boards_can_be_told_apart(self):
        boards = [load(path) for path in BOARDS]
        for key in ('uid', 'title'):
            self.assertEqual(len(boards), len({
                board[key] for board in boards}))
        for board in boards:
            # Grafana gives the number.
            self.assertIsNone(board['id'])
            self.assertEqual('datasource', board['templating']['list'][0][
                'type'])

    def test_panels_are_complete(self):
        for path in BOARDS:
            board = load(path)
            numbers = [panel['id'] for panel in board['panels']]
            self.assertEqual(sorted(set(numbers)), sorted(numbers))
            for panel in panels(board):
                self.assertTrue(panel['title'] and panel['targets'], path)
                self.assertEqual('${datasource}', panel['datasource']['uid'])
                refs = [target['refId'] for target in panel['targets']]
                self.assertEqual(sorted(set(refs)), refs)

    def test_panels_do_not_overlap(self):
        for path in BOARDS:
            taken = set()
            for panel in load(path)['panels']:
                place = panel['gridPos']
                self.assertLessEqual(place['x'] + place['w'], 24)
                cells = {(x, y)
                         for x in range(place['x'], place['x'] + place['w'])
                         for y in range(place['y'], place['y'] + place['h'])}
                self.assertFalse(taken & cells, panel['title'])
                taken |= cells

    def test_variables_are_declared(self):
        for path in BOARDS:
            board = load(path)
            known = variables(board)
            used = {first or second for first, second
                    in VARIABLE.findall(json.dumps(board['panels']))}
            self.assertEqual(set(), used - set(known), path)

    def test_noisy_neighbours_have_what_was_specified(self):
        board = load(ETC / 'dashboards' / 'noisy-neighbors.json')
        used = {variable for variable in (
            'l3_cache', 'bandwidth_total', 'instructions', 'cycles', 'steal')
            if any('${%s}' % variable in target['expr']
                   for panel in panels(board) for target in panel['targets'])}
        self.assertEqual({'l3_cache', 'bandwidth_total', 'instructions',
                          'cycles', 'steal'}, used)
        self.assertEqual(2, len([panel for panel in panels(board)
                                 if panel['type'] == 'xychart']))

    def test_prometheus_understands_all_expressions(self):
        asked = [query for path in BOARDS for query in queries(load(path))]
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'r')
        file.write_text(yaml.safe_dump({'groups': [{
            'name': 'boards', 'rules': [
                {'record': f'query:{number}', 'expr': query}
                for number, query in enumerate(asked)]}]}))
        promtool(self, 'check', 'rules', str(file))


class OfferedTestCase(db_base.DatabaseTestCase):
    """Knows what processes offer."""

    def setUp(self):
        super().setUp()
        # The database of this test has a single connection.
        with mock.patch.object(pool, 'connections', return_value=(
                pool.Connections(used=1, idle=4, limit=55))):
            self.offered = self._offered()

    def _offered(self):
        """Labels by name of the sample."""
        instruments = metrics.begin()
        self.addCleanup(metrics.end)
        told = notification_listener.Statistics()
        told.note('applied', 'nova-compute', {
            'timestamp': '2026-01-01 00:00:00.000000'})
        manager = mock.Mock(running=[], closed_plans={},
                            lease=mock.Mock(valid=True))
        manager.models.collectors = {}
        registry = exporter.registry_of('watcher-applier', 'here', [
            *applier_figures.collectors_of(manager),
            *engine_figures.collectors_of(manager)[:-1],
            figures.Connections(),
            engine_figures.NotificationFigures(told)], instruments)
        found = {}
        for metric in registry.collect():
            labels = {label for sample in metric.samples
                      for label in sample.labels}
            labels.update(getattr(metric, '_labelnames', ()))
            suffixes = {'counter': ('_total',), 'info': ('_info',),
                        'histogram': ('_bucket', '_sum', '_count')}.get(
                            metric.type, ('',))
            for suffix in suffixes:
                found[metric.name + suffix] = labels
        for instrument in vars(instruments).values():
            if isinstance(instrument, prometheus_client.metrics
                          .MetricWrapperBase):
                for name in found:
                    if f'{name}_'.startswith(f'{instrument._name}_'):
                        found[name] = found[name] | set(
                            instrument._labelnames)
        return found


class TestNames(OfferedTestCase):
    """Whatever is asked for is offered, with the labels that are used."""

    def check(self, query):
        names = OURS.findall(query)
        known = set(GIVEN)
        for name, matchers in names:
            self.assertIn(name, self.offered, query)
            labels = self.offered[name] | GIVEN
            known |= labels
            self.assertLessEqual(
                set(re.findall(r'(\w+)\s*[=!]', matchers)), labels, query)
        if names:
            for group in GROUPING.findall(query):
                self.assertLessEqual(
                    {label.strip() for label in group.split(',')} - {''},
                    known, query)

    def test_boards(self):
        for path in BOARDS:
            for query in queries(load(path)):
                self.check(query)

    def test_alerts(self):
        for rule in rules():
            self.check(rule['expr'])
            labels = {label for name, _matchers in OURS.findall(rule['expr'])
                      for label in self.offered[name]} | GIVEN
            for text in rule['annotations'].values():
                self.assertLessEqual(
                    set(re.findall(r'\$labels\.(\w+)', text)), labels)

    def test_what_is_offered_is_shown(self):
        """Nothing is measured for nobody."""
        text = ''.join(path.read_text() for path in (*BOARDS, ALERTS))
        unused = {name for name in self.offered if name.startswith('watcher_')
                  and name not in text
                  and not name.endswith(('_sum', '_count'))}
        self.assertEqual(set(), unused)

    def test_all_names_are_documented(self):
        page = ROOT / 'doc' / 'source' / 'configuration' / 'metrics.rst'
        text = page.read_text(encoding='utf-8')
        missing = {name for name in self.offered
                   if name.startswith('watcher_')
                   and not name.endswith(('_sum', '_count', '_bucket'))
                   and f'``{name}``' not in text}
        self.assertEqual(set(), missing)
        for rule in rules():
            self.assertIn(rule['alert'], text)

    def test_documented_names_exist(self):
        page = ROOT / 'doc' / 'source' / 'configuration' / 'metrics.rst'
        named = set(re.findall(r'``(watcher_\w+)``',
                               page.read_text(encoding='utf-8')))
        known = set(self.offered) | {
            name.removesuffix('_count') for name in self.offered}
        # Groups of options.
        self.assertEqual(set(), {
            name for name in named - known
            if name not in ('watcher_decision_engine', 'watcher_applier')})

    def test_figures_of_the_database_are_among_them(self):
        self.assertIn('watcher_audits', self.offered)
        self.assertEqual(4, len(figures.OPEN))


#: Samples in the notation of promtool, and the alerts that fire after two
#: hours. A minute between two samples.
CASES = (
    ([('watcher_lease_valid{instance="a"}', '1x60 0x60')],
     {'WatcherWithoutLease'}),
    ([('watcher_audit_failures_in_a_row{audit="u"}', '3x120')],
     {'WatcherAuditFailing'}),
    ([('watcher_audit_failures_in_a_row{audit="u"}', '2x120')], set()),
    ([('up{job="watcher", instance="a"}', '0x120')], {'WatcherDown'}),
    ([('watcher_audits{state="PENDING", type="ONESHOT", strategy="x"}',
       '1x120')], {'WatcherAuditsWaiting'}),
    ([('watcher_action_plans{state="PENDING"}', '1x120'),
      ('watcher_running_plans{instance="a"}', '0x120')],
     {'WatcherPlansWaiting'}),
    ([('watcher_action_plans{state="PENDING"}', '1x120'),
      ('watcher_running_plans{instance="a"}', '1x120')], set()),
    ([('watcher_action_plans{state="PENDING"}', '1x120'),
      ('watcher_running_plans{instance="a"}', '0x120'),
      ('watcher_plans_outside_window{state="PENDING", opens="later", '
       'instance="a"}', '1x120')], set()),
    ([('watcher_action_plans{state="PENDING"}', '2x120'),
      ('watcher_running_plans{instance="a"}', '0x120'),
      ('watcher_plans_outside_window{state="PENDING", opens="later", '
       'instance="a"}', '1x120')], {'WatcherPlansWaiting'}),
    ([('watcher_plans_outside_window{state="ONGOING", opens="never", '
       'instance="a"}', '1x120')], {'WatcherWindowNeverOpens'}),
    ([('watcher_model_usable{model="compute"}', '0x120')],
     {'WatcherModelNotUsable'}),
    ([('watcher_api_requests_total{status="500"}', '0+1x120'),
      ('watcher_api_requests_total{status="200"}', '0+10x120')],
     {'WatcherAPIFailing'}),
    ([('watcher_api_requests_total{status="200"}', '0+10x120')], set()),
    ([('watcher_datasource_queries_total{datasource="p", result="failed"}',
       '0+1x120'),
      ('watcher_datasource_queries_total{datasource="p", '
       'result="succeeded"}', '0+1x120')], {'WatcherDatasourceFailing'}),
    ([('watcher_action_results_total{type="migrate", result="FAILED"}',
       '0+1x120')], {'WatcherActionsFailing'}),
    ([('watcher_pool_waiting{pool="audits"}', '1x120')],
     {'WatcherThreadsBusy'}),
    ([('watcher_metric_resources{metric="host_cpu_usage", state="fresh"}',
       '7x120'),
      ('watcher_metric_resources{metric="host_cpu_usage", state="missing"}',
       '3x120')], {'WatcherMetricsThin'}),
    ([('watcher_metric_resources{metric="host_cpu_usage", state="fresh"}',
       '9x120'),
      ('watcher_metric_resources{metric="host_cpu_usage", state="stale"}',
       '1x120')], set()),
    ([('watcher_rpc_client_seconds_count{result="unanswered"}', '0+1x120')],
     {'WatcherServicesNotAnswering'}),
    ([('watcher_own_notifications_total{result="dropped"}', '0+1x120')],
     {'WatcherOwnNotificationsLost'}),
    ([('watcher_own_notifications_total{result="succeeded"}', '0+1x120')],
     set()),
    ([('watcher_database_connections{state="used"}', '50x120'),
      ('watcher_database_connections_limit', '55x120')],
     {'WatcherDatabaseConnectionsUsedUp'}),
)


class TestAlerts(base.TestCase):

    def test_alerts_explain_themselves(self):
        for rule in rules():
            self.assertEqual({'summary', 'description'},
                             set(rule['annotations']), rule['alert'])
            self.assertIn(rule['labels']['severity'],
                          ('warning', 'critical'))

    def test_prometheus_accepts_them(self):
        promtool(self, 'check', 'rules', str(ALERTS))

    def test_they_fire_when_they_should(self):
        names = [rule['alert'] for rule in rules()]
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 't')
        file.write_text(yaml.safe_dump({
            'rule_files': [str(ALERTS)], 'evaluation_interval': '1m',
            'tests': [self._case(names, *case) for case in CASES]}))
        promtool(self, 'test', 'rules', str(file))

    @staticmethod
    def _case(names, series, firing):
        # promtool wants the labels of those that fire: counted instead.
        return {
            'interval': '1m',
            'input_series': [{'series': name, 'values': values}
                             for name, values in series],
            'promql_expr_test': [{
                'eval_time': '2h',
                'expr': f'count(ALERTS{{alertname="{name}", '
                        f'alertstate="firing"}}) or vector(0)',
                'exp_samples': [{'labels': '{}',
                                 'value': int(name in firing)}],
            } for name in names],
        }
