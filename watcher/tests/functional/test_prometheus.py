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
"""The data source against a real Prometheus."""

import datetime
import math

import hypothesis
import numpy
from hypothesis import strategies as st

from watcher.decision_engine import threading as de_threading
from watcher.decision_engine.datasources import base as datasource
from watcher.decision_engine.datasources import prometheus
from watcher.decision_engine.datasources import prometheus_base
from watcher.decision_engine.datasources import promql
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.fixtures import prometheus as server

GIB = 1024 ** 3

Series = server.Series


def cpu_of_host(name, busy, cpu='0', instance='one', **span):
    """An exporter's view of a CPU that is busy for a share of the time."""
    return Series('node_cpu_seconds_total',
                  {'fqdn': name, 'mode': 'idle', 'cpu': cpu,
                   'instance': instance},
                  lambda age: 1e6 - age * (1 - busy), **span)


def ram_of_host(name, free, total=64, instance='one', **span):
    labels = {'fqdn': name, 'instance': instance}
    return [
        Series('node_memory_MemTotal_bytes', labels,
               lambda age: float(total * GIB), **span),
        Series('node_memory_MemAvailable_bytes', labels,
               lambda age: float(free(age) * GIB), **span)]


def cpu_of_server(uuid, cores, host='one', **span):
    return Series('ceilometer_cpu', {'resource': uuid, 'vm_instance': host},
                  lambda age: 1e15 - age * cores * 1e9, **span)


def ram_of_server(uuid, used, host='one', **span):
    return Series('ceilometer_memory_usage',
                  {'resource': uuid, 'vm_instance': host}, used, **span)


class PrometheusTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        server.url_of_server()
        self.server = self.useFixture(server.Prometheus())
        self.config(group='prometheus_client', base_url=self.server.url)
        self.addCleanup(de_threading.DecisionEngineThreadPool.reset)

    def source(self):
        """A source without memory that looks at the end of the samples."""
        source = prometheus.PrometheusHelper()
        source.look_at(self.server.now, duration=3600)
        return source

    def host(self, name):
        return models.node(name, hostname=self.server.name(name),
                           uuid=models.uuid(self.server.name(name)))

    def instance(self, name, **fields):
        return models.instance(
            name, uuid=models.uuid(self.server.name(name)), **fields)


class TestKnownLoads(PrometheusTestCase):
    """A known load gives its number, in the documented unit."""

    def read(self, resource, type_, metric, aggregate='mean', period=300):
        return self.source().statistic_aggregation(
            resource, type_, metric, period, aggregate)

    def test_host_cpu(self):
        host = self.host('a')
        self.server.write([cpu_of_host(host.hostname, 0.25, '0'),
                           cpu_of_host(host.hostname, 0.75, '1')])
        for aggregate, percent in (('mean', 50), ('min', 25), ('max', 75)):
            self.assertAlmostEqual(percent, self.read(
                host, 'compute_node', 'host_cpu_usage', aggregate), 6)

    def test_host_ram_in_kib(self):
        host = self.host('a')
        # Free: 32 GiB, for the last two minutes 16 GiB.
        self.server.write(ram_of_host(
            host.hostname, lambda age: 16 if age < 120 else 32))
        high, low = 48 * 1024 ** 2, 32 * 1024 ** 2
        found = {name: self.read(host, 'compute_node', 'host_ram_usage',
                                 name) for name in ('min', 'mean', 'max')}
        self.assertEqual((low, high), (found['min'], found['max']))
        self.assertLess(low, found['mean'])
        self.assertLess(found['mean'], high)

    def test_instance_cpu_in_percent_of_its_vcpus(self):
        server_ = self.instance('a', vcpus=4)
        self.server.write([cpu_of_server(server_.uuid, 1.0)])
        for aggregate in ('mean', 'min', 'max'):
            self.assertAlmostEqual(25, self.read(
                server_, 'instance', 'instance_cpu_usage', aggregate), 6)

    def test_instance_cpu_ends_at_100(self):
        server_ = self.instance('a', vcpus=1)
        self.server.write([cpu_of_server(server_.uuid, 3.0)])
        self.assertEqual(100.0, self.read(
            server_, 'instance', 'instance_cpu_usage'))

    def test_instance_ram_in_mb(self):
        server_ = self.instance('a')
        self.server.write([ram_of_server(
            server_.uuid, lambda age: 512.0 if age < 60 else 256.0)])
        self.assertEqual([256.0, 512.0], [
            self.read(server_, 'instance', 'instance_ram_usage', aggregate)
            for aggregate in ('min', 'max')])

    def test_what_the_model_knows(self):
        server_ = self.instance('a', memory=4096, disk=20)
        self.assertEqual(4096.0, self.read(
            server_, 'instance', 'instance_ram_allocated'))
        self.assertEqual(20.0, self.read(
            server_, 'instance', 'instance_root_disk_size'))

    def test_an_idle_server_has_the_value_zero(self):
        server_ = self.instance('a')
        self.server.write([cpu_of_server(server_.uuid, 0.0)])
        self.assertEqual(0.0, self.read(
            server_, 'instance', 'instance_cpu_usage'))

    def test_an_unknown_server_has_none(self):
        self.assertIsNone(self.read(
            self.instance('a'), 'instance', 'instance_cpu_usage'))

    def test_an_unknown_host_has_none(self):
        self.assertIsNone(self.read(
            self.host('a'), 'compute_node', 'host_cpu_usage'))

    def test_a_host_known_by_its_full_name(self):
        host = self.host('a')
        self.server.write([cpu_of_host(host.hostname + '.example.org', 0.5)])
        self.assertAlmostEqual(50, self.read(
            host, 'compute_node', 'host_cpu_usage'), 6)

    def test_a_name_with_quotes(self):
        host = self.host("it's \\ odd")
        self.server.write([cpu_of_host(host.hostname, 0.5)])
        self.assertAlmostEqual(50, self.read(
            host, 'compute_node', 'host_cpu_usage'), 6)


class TestStates(PrometheusTestCase):

    def read(self, *servers, metric='instance_cpu_usage', **arguments):
        return self.source().statistic_aggregation_batch(
            servers, 'instance', metric, **arguments)

    def test_value_outdated_and_missing_are_three(self):
        idle, gone, new = (self.instance(name) for name in (
            'idle', 'gone', 'new'))
        self.server.write([
            cpu_of_server(idle.uuid, 0.0),
            # No sample for the last ten minutes, but for 20 before.
            cpu_of_server(gone.uuid, 1.0, start=1800, end=600),
            # Booted just now: one sample makes no rate.
            cpu_of_server(new.uuid, 1.0, start=5)])
        found = self.read(idle, gone, new, period=1800)
        self.assertEqual(
            [datasource.State.VALUE, datasource.State.STALE,
             datasource.State.MISSING],
            [found.state(one.uuid) for one in (idle, gone, new)])
        self.assertEqual(0.0, found.get(idle.uuid))
        self.assertLess(10.0, found.get(gone.uuid, stale=True))
        self.assertEqual(1 / 3, found.coverage)

    def test_age_is_that_of_the_newest_sample(self):
        late = self.instance('late')
        self.server.write([ram_of_server(late.uuid, lambda age: 1.0,
                                         start=900, end=120)])
        found = self.read(late, metric='instance_ram_usage')
        self.assertEqual(120.0, found.age)
        self.config(group='watcher_datasources', stale_after=100)
        found = self.read(late, metric='instance_ram_usage')
        self.assertEqual((late.uuid,), found.stale)

    def test_the_series_of_the_old_host_does_not_count(self):
        moved = self.instance('moved')
        self.server.write([
            ram_of_server(moved.uuid, lambda age: 4000.0, 'old', start=900,
                          end=200),
            ram_of_server(moved.uuid, lambda age: 100.0, 'new', start=180)])
        # The old series may still be live to Prometheus for five minutes;
        # let it be older.
        self.server.now += 150
        self.server.write([
            ram_of_server(moved.uuid, lambda age: 100.0, 'new', start=150)])
        found = self.read(moved, metric='instance_ram_usage', period=900)
        self.assertEqual(100.0, found.get(moved.uuid))
        self.assertEqual(100.0, self.source().get_instance_ram_usage(
            moved, 900))

    def test_two_exporters_on_a_host(self):
        host = self.host('a')
        for free, instance in ((32, 'one'), (16, 'two')):
            self.server.write(ram_of_host(
                host.hostname, lambda age, free=free: free,
                instance=instance))
        found = self.source().statistic_aggregation_batch(
            [host], 'compute_node', 'host_ram_usage')
        self.assertEqual(48 * 1024 ** 2, found.get(host.uuid))
        self.assertEqual(48 * 1024 ** 2,
                         self.source().get_host_ram_usage(host))

    def test_a_host_without_exporter_says_so(self):
        host = self.host('a')
        found = self.source().statistic_aggregation_batch(
            [host], 'compute_node', 'host_cpu_usage')
        self.assertEqual(
            f'no host_cpu_usage: prometheus has no label fqdn for the host '
            f'{host.hostname}: no exporter has this name',
            found.why_not(host.uuid))


loads = st.floats(0, 4, width=16)
spans = st.sampled_from([(900, 0), (200, 0), (30, 0), (900, 400), (12, 0)])


@st.composite
def servers(draw):
    """Up to 8 servers with up to two series of each metric."""
    return [
        {'vcpus': draw(st.integers(0, 8)),
         'cpu': draw(st.lists(st.tuples(loads, spans), max_size=2)),
         'ram': draw(st.lists(st.tuples(loads, spans), max_size=2))}
        for _ in range(draw(st.integers(1, 8)))]


class TestBatchIsLikeSingle(PrometheusTestCase):
    """Values of the batch are those of the single calls, bit by bit."""

    def check(self, resources, type_, metrics, period, aggregate):
        for metric in metrics:
            one_by_one = self.source()
            single = [one_by_one.statistic_aggregation(
                resource, type_, metric, period, aggregate)
                for resource in resources]
            found = self.source().statistic_aggregation_batch(
                resources, type_, metric, period, aggregate)
            many = [found.reading(resource.uuid).value
                    for resource in resources]
            self.assertEqual(
                [_comparable(value) for value in single],
                [_comparable(value) for value in many], metric)

    @hypothesis.settings(
        max_examples=15, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(servers(), st.sampled_from([60, 300, 900]),
                      st.sampled_from(['mean', 'min', 'max']))
    def test_instances(self, described, period, aggregate):
        # Each example has names of its own.
        self.server.prefix += 'x'
        resources, series = [], []
        for number, facts in enumerate(described):
            server_ = self.instance(str(number), vcpus=facts['vcpus'])
            resources.append(server_)
            for key, make in (('cpu', cpu_of_server), ('ram', lambda *a, **k:
                              ram_of_server(a[0], lambda age: a[1] * 100,
                                            *a[2:], **k))):
                series += [
                    make(server_.uuid, load, f'host{place}', start=start,
                         end=end)
                    for place, (load, (start, end)) in enumerate(facts[key])]
        self.server.write(series)
        self.check(resources, 'instance',
                   ['instance_cpu_usage', 'instance_ram_usage'], period,
                   aggregate)

    @hypothesis.settings(
        max_examples=15, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(
        st.lists(st.lists(st.tuples(st.floats(0, 1, width=16), spans),
                          max_size=4), min_size=1, max_size=5),
        st.sampled_from([60, 300, 900]),
        st.sampled_from(['mean', 'min', 'max']))
    def test_hosts(self, described, period, aggregate):
        self.server.prefix += 'x'
        resources, series = [], []
        for number, cpus in enumerate(described):
            host = self.host(str(number))
            resources.append(host)
            for cpu, (load, (start, end)) in enumerate(cpus):
                series.append(cpu_of_host(
                    host.hostname, load, str(cpu), start=start, end=end))
                series += ram_of_host(
                    host.hostname, lambda age, load=load: 64 * load,
                    instance=str(cpu), start=start, end=end)
        self.server.write(series)
        self.check(resources, 'compute_node',
                   ['host_cpu_usage', 'host_ram_usage'], period, aggregate)

    def test_asked_for_all_or_by_name(self):
        """The same values whichever way the question is cut."""
        resources = [self.instance(str(number)) for number in range(9)]
        self.server.write(
            cpu_of_server(one.uuid, number / 8)
            for number, one in enumerate(resources[:8]))
        answers = []
        for limit in (4000, 0):
            with _replaced(promql, 'MAX_NAMES_LENGTH', limit):
                found = self.source().statistic_aggregation_batch(
                    resources, 'instance', 'instance_cpu_usage')
                answers.append([found.get(one.uuid) for one in resources])
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(8, sum(value is not None for value in answers[0]))

    def test_asked_for_in_parts_by_what_names_begin_with(self):
        resources = [self.instance(str(number)) for number in range(40)]
        self.server.write(
            cpu_of_server(one.uuid, number / 40)
            for number, one in enumerate(resources))
        answers = []
        for limit in (50000, 10):
            with _replaced(promql, 'MAX_RESOURCES', limit), \
                    _replaced(promql, 'MAX_NAMES', 3):
                found = self.source().statistic_aggregation_batch(
                    resources, 'instance', 'instance_cpu_usage')
            answers.append(found.array([one.uuid for one in resources]))
        self.assertFalse(numpy.isnan(answers[0]).any())
        numpy.testing.assert_array_equal(*answers)

    def test_number_of_requests_does_not_grow(self):
        resources = [self.instance(str(number)) for number in range(500)]
        source = self.source()
        asked = []
        get = source.prometheus._get
        source.prometheus._get = lambda *args: asked.append(args) or get(
            *args)
        source.statistic_aggregation_batch(
            resources, 'instance', 'instance_cpu_usage')
        self.assertEqual(1, len(asked))


class TestSeries(PrometheusTestCase):

    def test_values_over_time(self):
        server_ = self.instance('a', vcpus=2)
        self.server.write([cpu_of_server(server_.uuid, 1.0)])
        end = datetime.datetime.fromtimestamp(self.server.now, datetime.UTC)
        series = self.source().statistic_series(
            server_, 'instance', 'instance_cpu_usage',
            end - datetime.timedelta(seconds=600), end, 60)
        self.assertEqual(11, len(series))
        self.assertEqual(end, list(series)[-1])
        for value in series.values():
            self.assertAlmostEqual(50, value, 6)

    def test_of_many_and_of_none(self):
        known, unknown = self.instance('a'), self.instance('b')
        self.server.write([ram_of_server(known.uuid, lambda age: 7.0)])
        # Naive times are UTC.
        end = datetime.datetime.fromtimestamp(
            self.server.now, datetime.UTC).replace(tzinfo=None)
        found = dict(self.source().statistic_series_batch(
            [known, unknown], 'instance', 'instance_ram_usage',
            end - datetime.timedelta(seconds=300), end, 300))
        self.assertEqual([7.0, 7.0], list(found[known.uuid].values()))
        self.assertEqual({}, found[unknown.uuid])

    def test_a_long_time_in_several_answers(self):
        server_ = self.instance('a')
        self.server.write([ram_of_server(server_.uuid, lambda age: 7.0)])
        end = datetime.datetime.fromtimestamp(self.server.now, datetime.UTC)
        start = end - datetime.timedelta(seconds=600)
        whole = self.source().statistic_series(
            server_, 'instance', 'instance_ram_usage', start, end, 60)
        with _replaced(prometheus_base, 'MAX_POINTS', 4):
            self.assertEqual(whole, self.source().statistic_series(
                server_, 'instance', 'instance_ram_usage', start, end, 60))


class TestServer(PrometheusTestCase):

    def test_it_is_there(self):
        self.assertEqual('available', self.source().check_availability())

    def test_names_of_metrics(self):
        self.server.write([Series(
            'watcher_test_metric', {'resource': 'x'}, lambda age: 1.0)])
        self.assertIn('watcher_test_metric', self.source().list_metrics())

    def test_hosts_of_targets(self):
        self.assertEqual('monitor.example.org',
                         self.source()._find_label('monitor'))

    def test_a_query_of_the_operator(self):
        host = self.host('a')
        self.server.write([Series(
            'room_power', {'fqdn': host.hostname},
            lambda age: 250000.0, end=30)])
        source = self.source()
        source.METRIC_MAP = {**source.METRIC_MAP, 'host_power': {
            'query': '$aggregate by ($label)(avg_over_time('
                     'room_power{$match}[${period}s]))',
            'series': 'room_power{$match}', 'unit': 'mW'}}
        self.assertEqual(250.0, source.get_host_power(host))
        found = source.statistic_aggregation_batch(
            [host, self.host('b')], 'compute_node', 'host_power',
            aggregate='max')
        self.assertEqual({host.uuid: 250.0}, found.values())
        self.assertEqual(30.0, found.age)


def _comparable(value):
    return 'NaN' if value is not None and math.isnan(value) else value


class _replaced:
    """Sets an attribute of a module for a while."""

    def __init__(self, module, name, value):
        self.module, self.name, self.value = module, name, value

    def __enter__(self):
        self.before = getattr(self.module, self.name)
        setattr(self.module, self.name, self.value)

    def __exit__(self, *exc):
        setattr(self.module, self.name, self.before)
