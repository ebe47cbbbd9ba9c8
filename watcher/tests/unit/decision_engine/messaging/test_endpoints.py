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

import datetime
import json
from unittest import mock

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.messaging import audit_endpoint
from watcher.decision_engine.messaging import data_model_endpoint
from watcher.decision_engine.messaging import strategy_endpoint
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.strategy.strategies import dummy_strategy
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories


class Handler:
    """Scope handler that remembers what it was asked for."""

    scopes: list = []

    def __init__(self, audit_scope):
        self.scopes.append(audit_scope)

    def get_scoped_model(self, model):
        return model


class EndpointTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        Handler.scopes = []
        self.model = models.cloud(
            {models.node('A'): [models.instance('a1')]})
        self.collector = mock.Mock(
            get_latest_cluster_data_model=lambda: self.model,
            get_audit_scope_handler=Handler)
        patcher = mock.patch.object(
            manager.CollectorManager, 'get_cluster_model_collector',
            lambda this, name, osc=None: self.collector)
        patcher.start()
        self.addCleanup(patcher.stop)


class TestAuditEndpoint(base.TestCase):

    def test_trigger_audit(self):
        dispatcher = mock.Mock()
        endpoint = audit_endpoint.AuditEndpoint(dispatcher)
        self.assertEqual('uuid', endpoint.trigger_audit('context', 'uuid'))
        dispatcher.trigger.assert_called_once_with('context', 'uuid')


class TestDataModelEndpoint(EndpointTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.context = factories.context()
        self.endpoint = data_model_endpoint.DataModelEndpoint()

    def test_whole_model(self):
        answer = self.endpoint.get_data_model_info(self.context)
        self.assertEqual({'context': self.model.to_list()}, answer)
        self.assertEqual('vm-a1', answer['context'][0]['server_name'])
        self.assertEqual([[]], Handler.scopes)

    def test_scope_of_an_audit(self):
        scope = [{'compute': [{'availability_zones': [{'name': 'az'}]}]}]
        audit = factories.audit(factories.goal(), scope=scope)
        for ident in (audit.uuid, audit.id, str(audit.id), audit.name):
            self.endpoint.get_data_model_info(
                self.context, 'compute', ident)
        self.assertEqual([scope] * 4, Handler.scopes)

    def test_unknown_audit(self):
        for ident in (utils.generate_uuid(), 99, 'nobody'):
            self.assertRaises(
                exception.InvalidIdentity,
                self.endpoint.get_data_model_info, self.context, 'compute',
                ident)

    def test_no_model(self):
        for model in (None, model_root.ModelRoot(stale=True)):
            self.model = model
            self.assertEqual(
                {'context': []},
                self.endpoint.get_data_model_info(self.context))

    def test_unknown_type(self):
        for described in (False, True):
            self.assertRaises(
                exception.DataModelTypeNotFound,
                self.endpoint.get_data_model_info, self.context, 'network',
                described=described)


class TestDescribedModel(EndpointTestCase):

    BUILT_AT = datetime.datetime(2026, 1, 9, 12, tzinfo=datetime.UTC)

    def setUp(self):
        super().setUp()
        self.config(host='controller-1')
        self.missing = None
        patcher = mock.patch.object(
            manager.CollectorManager, 'missing_service',
            lambda this, name: self.missing)
        patcher.start()
        self.addCleanup(patcher.stop)

    def info(self, kind='compute'):
        return data_model_endpoint.DataModelEndpoint().get_data_model_info(
            None, kind, described=True)

    def test_rows_and_model(self):
        model = self.model
        model.built_at, model.version = self.BUILT_AT, 3
        uuid, = model.get_all_compute_nodes()
        model.touch(uuid, self.BUILT_AT, 'build')
        changed_at = self.BUILT_AT + datetime.timedelta(minutes=1)
        model.seen('a1', changed_at)
        model.touch(uuid, changed_at)
        model.absent = {'U2': 'compute-2'}
        model.incomplete_nodes['U2'] = 'Placement does not know it'
        model.gaps = ('aggregates: HTTP 500',)
        answer = self.info()
        about = answer['model']
        self.assertGreater(about.pop('age'), 0)
        self.assertEqual({
            'type': 'compute', 'engine': 'controller-1', 'version': 3,
            'built_at': self.BUILT_AT.isoformat(), 'changes': 1,
            'changed_at': changed_at.isoformat(),
            'absent': [{'node': 'U2', 'name': 'compute-2',
                        'reason': 'Placement does not know it'}],
            'gaps': ['aggregates: HTTP 500']}, about)
        row, = answer['context']
        self.assertEqual(
            ('vm-a1', 'notification', changed_at.isoformat(),
             self.BUILT_AT.isoformat(), None),
            tuple(row[name] for name in (
                'server_name', 'node_source', 'node_updated_at',
                'node_read_at', 'node_incomplete_reason')))
        # Anything else would need more than the bus can carry.
        self.assertEqual(about, json.loads(json.dumps(about)))

    def test_no_model(self):
        for model in (None, model_root.ModelRoot(stale=True)):
            self.model = model
            self.assertEqual(
                {'context': [], 'model': {'type': 'storage',
                                          'engine': 'controller-1'}},
                self.info('storage'))

    def test_no_such_service(self):
        self.missing = 'block storage'
        error = self.assertRaises(exception.DataModelNotFound, self.info,
                                  'storage')
        self.assertEqual('There is no storage model: the cloud has no block '
                         'storage service.', str(error))

    def test_model_of_a_plug_in(self):
        self.model = mock.MagicMock()
        self.assertRaises(exception.DataModelNotFound, self.info)


class Source:
    NAME = 'gnocchi'
    METRIC_MAP = {'host_cpu_usage': 'compute.node.cpu.percent',
                  'instance_cpu_usage': 'cpu'}

    def __init__(self, metrics=('cpu',), state='available'):
        self.metrics = metrics
        self.state = state

    def list_metrics(self):
        return self.metrics

    def check_availability(self):
        return self.state


class TestStrategyEndpoint(EndpointTestCase):

    CDM = [{'compute_model': 'available'},
           {'storage_model': 'not available'},
           {'baremetal_model': 'not available'}]

    def info(self, name='dummy'):
        return strategy_endpoint.StrategyEndpoint().get_strategy_info(
            None, name)

    def with_source(self, source):
        class Measuring(dummy_strategy.DummyStrategy):
            DATASOURCE_METRICS = ['host_cpu_usage', 'instance_cpu_usage']

            def __init__(self, config, osc=None):
                super().__init__(config, osc=osc)
                self._datasource_backend = source

        self.strategy = Measuring(utils.Struct())
        for name, value in (('list_available', {'dummy': Measuring}),
                            ('load', self.strategy)):
            patcher = mock.patch.object(
                default.DefaultStrategyLoader, name, return_value=value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def test_without_data_source(self):
        patcher = mock.patch.object(
            default.ClusterDataModelCollectorLoader, 'list_available',
            return_value={'compute': None})
        patcher.start()
        self.addCleanup(patcher.stop)
        self.assertEqual([
            {'type': 'Datasource', 'mandatory': True,
             'comment': 'The strategy needs no metrics.',
             'state': 'Datasource is not presented for this strategy'},
            {'type': 'Metrics', 'mandatory': False, 'comment': '',
             'state': []},
            {'type': 'CDM', 'mandatory': True, 'state': self.CDM,
             'comment': 'storage_model: no collector is installed. '
                        'baremetal_model: no collector is installed.'}],
            self.info())

    def test_with_data_source(self):
        self.with_source(Source())
        source, metrics, _models = self.info()
        self.assertEqual('gnocchi: available', source['state'])
        self.assertEqual('', source['comment'])
        self.assertEqual([{'compute.node.cpu.percent': 'not available'},
                          {'cpu': 'available'}], metrics['state'])

    def test_data_source_is_away(self):
        self.with_source(Source(metrics=None, state='not available'))
        source, metrics, _models = self.info()
        self.assertEqual('gnocchi: not available', source['state'])
        self.assertEqual([{'compute.node.cpu.percent': 'not available'},
                          {'cpu': 'not available'}], metrics['state'])

    def test_no_usable_data_source(self):
        self.with_source(None)
        source, metrics, _models = self.info()
        self.assertEqual('Datasource is not presented for this strategy',
                         source['state'])
        self.assertEqual([], metrics['state'])

    def test_missing_metrics_are_named(self):
        self.config('watcher_datasources', datasources=['prometheus'])
        self.with_source(None)
        self.strategy.DATASOURCE_METRICS = ['host_outlet_temp', 'host_power']
        self.assertEqual(
            'No data source can be used: prometheus: it has no '
            'host_outlet_temp, host_power. The metrics needed are '
            'host_outlet_temp, host_power.', self.info()[0]['comment'])

    def test_no_model(self):
        self.model = None
        models = self.info()[2]
        self.assertEqual({'compute_model': 'not available'},
                         models['state'][0])
        self.assertIn('compute_model: The state of the cluster',
                      models['comment'])

    def test_unknown_strategy(self):
        self.assertRaises(exception.StrategyNotFound, self.info, 'unknown')


class TestDocumentedMethods(base.TestCase):

    def test_nothing_else_is_public(self):
        documented = {
            audit_endpoint.AuditEndpoint: {'trigger_audit'},
            strategy_endpoint.StrategyEndpoint: {'get_strategy_info'},
            data_model_endpoint.DataModelEndpoint: {'get_data_model_info'}}
        later = {data_model_endpoint.DataModelEndpoint: '1.1'}
        for cls, names in documented.items():
            self.assertEqual(names, {
                name for name in dir(cls) if not name.startswith('_')}
                - {'target'})
            self.assertEqual(later.get(cls, '1.0'), cls.target.version)
