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
"""Which data source an audit gets."""

import pathlib
import tempfile
from unittest import mock

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import gnocchi
from watcher.decision_engine.datasources import manager
from watcher.decision_engine.datasources import prometheus
from watcher.tests import base

CPU = ['host_cpu_usage', 'instance_cpu_usage']


class Helper:
    ASKS_WHEN_MADE = False
    METRIC_MAP = None

    def __init__(self, state='available'):
        self.state = state

    def check_availability(self):
        return self.state


class ManagerTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, 'metric_map.yaml')
        self.config(group='watcher_decision_engine',
                    metric_map_path=str(self.path))

    def manager(self, *names, **helpers):
        made = manager.DataSourceManager(
            utils.Struct(datasources=list(names)), osc=mock.Mock())
        for name, helper in helpers.items():
            setattr(made, name, helper)
        return made


class TestChoice(ManagerTestCase):

    def test_global_order(self):
        self.config(group='watcher_datasources',
                    datasources=['gnocchi', 'aetos'])
        self.assertEqual(['gnocchi', 'aetos'],
                         manager.DataSourceManager().datasources)

    def test_nothing_configured(self):
        self.assertRaises(exception.NoDatasourceAvailable,
                          self.manager().get_backend, CPU)

    def test_nothing_asked_for(self):
        for metrics in ([], None):
            self.assertRaises(exception.InvalidParameter,
                              self.manager('gnocchi').get_backend, metrics)

    def test_both_ways_to_prometheus_are_refused(self):
        self.assertRaises(exception.DataSourceConfigConflict, self.manager,
                          'prometheus', 'gnocchi', 'aetos')

    def test_the_first_with_all_metrics(self):
        helper = Helper()
        made = self.manager('ganglia', 'aetos', 'gnocchi', gnocchi=helper,
                            aetos=Helper())
        self.assertIs(helper, made.get_backend(['host_power']))
        self.assertEqual(
            {'ganglia': 'there is no data source of this name',
             'aetos': 'it has no host_power'}, helper.passed_over)
        self.assertIn('Metrics are read from gnocchi, because ganglia: there '
                      'is no data source of this name; aetos: it has no '
                      'host_power', self.logger.output)

    def test_the_best_is_taken_without_a_word(self):
        helper = Helper()
        made = self.manager('gnocchi', 'aetos', gnocchi=helper)
        self.assertIs(helper, made.get_backend(CPU))
        self.assertEqual({}, helper.passed_over)
        self.assertNotIn('because', self.logger.output)

    def test_one_that_does_not_answer_is_passed_over(self):
        helper = Helper()
        made = self.manager('gnocchi', 'aetos', aetos=helper,
                            gnocchi=Helper('not available'))
        self.assertIs(helper, made.get_backend(CPU))
        self.assertIn('does not answer', helper.passed_over['gnocchi'])

    def test_one_that_cannot_be_made_is_explained(self):
        made = self.manager('prometheus')
        error = self.assertRaises(exception.MetricNotAvailable,
                                  made.get_backend, CPU)
        self.assertEqual(
            'No data source can be used: prometheus: The data source '
            'prometheus needs [prometheus_client] base_url or host. The '
            'metrics needed are host_cpu_usage, instance_cpu_usage.',
            str(error))
        self.assertEqual('host_cpu_usage, instance_cpu_usage',
                         error.kwargs['metric'])

    def test_only_unknown_names(self):
        error = self.assertRaises(exception.MetricNotAvailable,
                                  self.manager('ganglia').get_backend, CPU)
        self.assertIn('ganglia', str(error))

    def test_grafana_is_not_made_where_it_is_not_used(self):
        with mock.patch.object(manager.grafana, 'GrafanaHelper') as made:
            made.NAME = 'grafana'
            self.manager('gnocchi', gnocchi=Helper()).get_backend(CPU)
        made.assert_not_called()
        self.assertEqual('', self.logger.output)

    def test_grafana_without_configuration_is_passed_over(self):
        helper = Helper()
        made = self.manager('grafana', 'gnocchi', gnocchi=helper)
        made.get_backend(CPU)
        self.assertEqual(
            'it has no host_cpu_usage, instance_cpu_usage',
            helper.passed_over['grafana'])


class TestMetricMap(ManagerTestCase):

    def write(self, text):
        self.path.write_text(text, encoding='utf-8')

    def test_names_are_replaced_added_and_turned_off(self):
        self.write('gnocchi:\n  instance_cpu_usage: cpu_vm_util\n'
                   '  extra: e\n  host_cpu_usage: null\n')
        helper = Helper()
        made = self.manager('gnocchi', gnocchi=helper)
        made.get_backend(['instance_cpu_usage', 'extra', 'host_power'])
        self.assertEqual('cpu_vm_util',
                         helper.METRIC_MAP['instance_cpu_usage'])
        self.assertEqual('hardware.ipmi.node.power',
                         helper.METRIC_MAP['host_power'])
        self.assertRaises(exception.MetricNotAvailable, made.get_backend,
                          ['host_cpu_usage'])

    def test_an_override_ends_with_the_file(self):
        self.write('prometheus: {host_cpu_usage: x}\n')
        self.assertEqual('x', self.manager().metric_map['prometheus'][
            'host_cpu_usage'])
        self.path.unlink()
        made = self.manager()
        for name, class_ in (('prometheus', prometheus.PrometheusHelper),
                             ('gnocchi', gnocchi.GnocchiHelper)):
            self.assertEqual(class_.METRIC_MAP, made.metric_map[name])

    def test_prometheus_and_aetos_are_apart(self):
        self.write('prometheus: {host_cpu_usage: x}\n')
        self.assertEqual(
            'node_cpu_seconds_total',
            self.manager().metric_map['aetos']['host_cpu_usage'])

    def test_the_form_with_lists(self):
        self.write('gnocchi:\n  - instance_cpu_usage: a\n'
                   '  - host_cpu_usage: b\n')
        made = self.manager().metric_map['gnocchi']
        self.assertEqual(['a', 'b'], [made['instance_cpu_usage'],
                                      made['host_cpu_usage']])

    def test_what_cannot_be_used_is_left_out(self):
        for text, word in (('gnocchi: [1, 2]', 'gnocchi in the metric'),
                           ('gnocchi: null', 'gnocchi in the metric'),
                           ('- 1', 'the file in the metric'),
                           ('a: b: c', 'cannot be read'),
                           ('monasca: {a: b}', 'monasca')):
            self.write(text)
            made = self.manager('gnocchi', gnocchi=Helper())
            made.get_backend(CPU)
            self.assertIn(word, self.logger.output)

    def test_no_file_and_an_empty_one(self):
        for _ in range(2):
            self.assertEqual({}, self.manager().load_metric_map(
                str(self.path)))
            self.write('')
        self.assertEqual({}, self.manager().load_metric_map(None))

    def test_grafana_from_options_and_file(self):
        every = {'host_cpu_usage': '1'}
        self.config(group='grafana_client', project_id_map=every,
                    database_map=every, attribute_map=every,
                    translator_map={'host_cpu_usage': 'influxdb'},
                    query_map={'host_cpu_usage': 'old'})
        self.write('grafana:\n  host_cpu_usage: {query: new}\n'
                   '  host_power: {project: 7, db: d, attribute: uuid, '
                   'translator: influxdb, query: q}\n'
                   '  host_airflow: {project: 7}\n')
        found = self.manager('grafana').metric_map['grafana']
        self.assertEqual({'project': '1', 'db': '1', 'attribute': '1',
                          'translator': 'influxdb', 'query': 'new'},
                         found['host_cpu_usage'])
        self.assertEqual(7, found['host_power']['project'])
        self.assertIsNone(found['host_airflow'])
        self.assertIn('host_airflow because of it db, attribute, translator, '
                      'query is unknown', self.logger.output)
