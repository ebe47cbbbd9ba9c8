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
"""A known load is the same number in every data source.

Each source is served what its backend would hold for the same cloud: one
host, a busy server, an idle one, and one that nobody has measured.
"""

import datetime
import re
from unittest import mock
from urllib import parse

import requests_mock
import testscenarios
from keystoneauth1 import session as ka_session
from keystoneauth1 import token_endpoint
from oslo_utils import fixture as utils_fixture

from watcher.decision_engine import threading as de_threading
from watcher.decision_engine.datasources import aetos
from watcher.decision_engine.datasources import gnocchi
from watcher.decision_engine.datasources import grafana
from watcher.decision_engine.datasources import metrics
from watcher.decision_engine.datasources import prometheus
from watcher.tests import base
from watcher.tests.fixtures import models

URL = 'http://source'
NOW = datetime.datetime(2026, 1, 9, 12)

HOST = models.node('h1', hostname='h1')
BUSY, IDLE, LOST = (models.instance(name, vcpus=2)
                    for name in ('busy', 'idle', 'lost'))

#: Metric -> resource -> value in the documented unit.
EXPECTED = {
    'host_cpu_usage': {HOST: 25.0},
    'host_ram_usage': {HOST: 48.0 * 1024 ** 2},
    'instance_cpu_usage': {BUSY: 50.0, IDLE: 0.0, LOST: None},
    'instance_ram_usage': {BUSY: 512.0, IDLE: 0.0, LOST: None},
}


class Prometheus:
    """Exporters count idle seconds, free bytes and nanoseconds of CPU."""

    name, path = 'prometheus', '/api/v1'

    def __init__(self, http):
        http.get(f'{URL}{self.path}/targets', json={
            'status': 'success',
            'data': {'activeTargets': [{'labels': {'fqdn': 'h1'}}]}})
        http.get(f'{URL}{self.path}/query', json=self.answer)

    def source(self):
        return prometheus.PrometheusHelper()

    def answer(self, request, context):
        text = parse.parse_qs(parse.urlsplit(request.url).query)['query'][0]
        # What the server would compute from samples of this load: shares of
        # idle time, bytes and cores are parts of the expressions.
        if 'node_cpu_seconds_total' in text:
            values = {'h1': 100 - 0.75 * 100}
        elif 'node_memory' in text:
            values = {'h1': (64 - 16) * 1024 ** 3 / 1024}
        elif 'ceilometer_cpu' in text:
            values = {BUSY.uuid: 1e9 / 10e+8, IDLE.uuid: 0.0}
            vcpus = re.search(r'\*\(100/(\d+)\), 100\)', text)
            if vcpus:
                values = {uuid: min(cores * (100 / int(vcpus[1])), 100)
                          for uuid, cores in values.items()}
        else:
            values = {BUSY.uuid: 512.0, IDLE.uuid: 0.0}
        label = 'fqdn' if 'node_' in text else 'resource'
        asked = [name for name in values if f"'{name}" in text
                 or f'|{name}' in text]
        rows = [({label: name}, values[name]) for name in asked]
        if 'timestamp(' in text:
            rows += [({label: name, 'watcher': 'sampled'}, 1000)
                     for name in asked]
        return {'status': 'success', 'data': {
            'resultType': 'vector', 'result': [
                {'metric': labels, 'value': [1000, repr(value)]}
                for labels, value in rows]}}


class Aetos(Prometheus):
    name, path = 'aetos', '/api/v1'

    def source(self):
        return aetos.AetosHelper(osc=_osc())


class Gnocchi:
    """Agents send percent, KiB, MB and nanoseconds for each granule."""

    name = 'gnocchi'
    STORED = {
        ('host', 'compute.node.cpu.percent'): (20.0, 30.0),
        ('host', 'hardware.memory.used'): (48.0 * 1024 ** 2,) * 2,
        (BUSY.uuid, 'cpu'): (2e11, 4e11), (IDLE.uuid, 'cpu'): (0.0, 0.0),
        (BUSY.uuid, 'memory.resident'): (256.0, 768.0),
        (IDLE.uuid, 'memory.resident'): (0.0, 0.0),
    }

    def __init__(self, http):
        hit = {'id': 'host', 'original_resource_id': 'h1_h1'}
        http.post(f'{URL}/v1/search/resource/generic', json=[hit])
        http.get(re.compile(f'{URL}/v1/resource/generic/.*'),
                 json=self.measures)
        http.post(f'{URL}/v1/aggregates', json=self.aggregates)

    def source(self):
        return gnocchi.GnocchiHelper(osc=_osc())

    @staticmethod
    def granules(values):
        return [[f'2026-01-09T11:{50 + 5 * number}:00+00:00', 300.0, value]
                for number, value in enumerate(values)]

    def measures(self, request, context):
        _v1, _, _, id_, _, meter, _ = request.path.strip('/').split('/')
        context.headers['Content-Type'] = 'application/json'
        found = self.STORED.get((id_, meter))
        if found is None:
            context.status_code = 404
            return {'description': 'not there'}
        return self.granules(found)

    def aggregates(self, request, context):
        body = request.json()
        _metric, meter, aggregation = body['operations']
        return {'measures': {
            id_: {meter: {aggregation: self.granules(
                self.STORED[id_, meter])}}
            for id_ in body['search']['in']['id']
            if (id_, meter) in self.STORED}}


class Grafana:
    """The operator's queries give the units; nothing is converted."""

    name = 'grafana'

    def __init__(self, http):
        http.get(f'{URL}/proxy/1/query', json=self.answer)

    def source(self):
        made = grafana.GrafanaHelper()
        made.METRIC_MAP = {metric: {
            'project': 1, 'db': 'd', 'attribute': 'uuid',
            'translator': 'influxdb', 'query': metric + ' {0} {1}'}
            for metric in EXPECTED}
        return made

    def answer(self, request, context):
        metric, aggregate, uuid = parse.parse_qs(
            parse.urlsplit(request.url).query)['q'][0].split()
        [value] = [value for resource, value in EXPECTED[metric].items()
                   if resource.uuid == uuid]
        if value is None:
            return {'results': [{}]}
        return {'results': [{'series': [{
            'columns': ['time', aggregate], 'values': [[0, value]]}]}]}


def _osc():
    return mock.Mock(session=ka_session.Session(
        token_endpoint.Token(URL, 'token')))


class TestUnits(testscenarios.WithScenarios, base.TestCase):

    scenarios = [(kind.name, {'kind': kind})
                 for kind in (Prometheus, Aetos, Gnocchi, Grafana)]

    def setUp(self):
        super().setUp()
        self.addCleanup(de_threading.DecisionEngineThreadPool.reset)
        self.config(group='prometheus_client', base_url=URL)
        self.config(group='grafana_client', base_url=URL + '/proxy/',
                    token='t')
        self.useFixture(utils_fixture.TimeFixture(NOW))
        http = requests_mock.Mocker()
        http.start()
        self.addCleanup(http.stop)
        self.backend = self.kind(http)

    def both(self, metric, aggregate):
        """Values by single calls and by a batch."""
        resources = list(EXPECTED[metric])
        type_ = metrics.METRICS[metric].resource_type
        source = self.backend.source()
        single = [source.statistic_aggregation(
            resource, type_, metric, 600, aggregate)
            for resource in resources]
        found = self.backend.source().statistic_aggregation_batch(
            resources, type_, metric, 600, aggregate)
        return single, [found.get(resource.uuid) for resource in resources]

    def test_a_known_load_is_the_same_number(self):
        for metric, values in EXPECTED.items():
            single, many = self.both(metric, 'mean')
            self.assertEqual(list(values.values()), single, metric)
            self.assertEqual(single, many, metric)

    def test_the_order_of_aggregates(self):
        for metric in EXPECTED:
            least, mean, most = (self.both(metric, aggregate)[1]
                                 for aggregate in ('min', 'mean', 'max'))
            for low, middle, high in zip(least, mean, most, strict=True):
                if middle is None:
                    self.assertEqual((None, None), (low, high))
                else:
                    self.assertLessEqual(low, middle)
                    self.assertLessEqual(middle, high)

    def test_shorthands(self):
        source = self.backend.source()
        self.assertEqual(25.0, source.get_host_cpu_usage(HOST, 600))
        self.assertEqual(0.0, source.get_instance_cpu_usage(IDLE, 600))
        self.assertEqual(512.0, source.get_instance_ram_usage(BUSY, 600))
        self.assertIsNone(source.get_instance_ram_usage(LOST, 600))
