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
"""What metrics of all servers cost in one question and one by one.

Needs a Prometheus that takes samples, as ``tools/ci-services.sh`` starts::

    eval "$(tools/ci-services.sh env)"
    python tools/benchmarks/metrics.py
    python tools/benchmarks/metrics.py --servers 1000 4000

Single questions are asked for a sample of the servers and multiplied. Times
are in seconds; the growth is how the time of the batch grows with the number
of servers (1.0: in proportion).
"""

import argparse
import itertools
import logging
import math
import time
import tracemalloc

from watcher import conf
from watcher.decision_engine.datasources import prometheus
from watcher.decision_engine.model import element
from watcher.tests.fixtures import prometheus as server

SAMPLE = 300
#: Servers whose samples are written at once.
CHUNK = 2000

METRICS = ('instance_cpu_usage', 'instance_ram_usage')


def servers(source: server.Prometheus,
            count: int) -> list[element.Instance]:
    return [element.Instance.trusted(
        uuid=source.name(f'{count}-{number}'), name=f'server-{number}',
        vcpus=2, memory=4096, disk=20) for number in range(count)]


def fill(source: server.Prometheus, resources: list) -> None:
    """Write five minutes of samples of each server."""
    for first in range(0, len(resources), CHUNK):
        series = []
        for number, one in enumerate(resources[first:first + CHUNK]):
            labels = {'resource': one.uuid, 'project': 'benchmark'}
            series += [
                server.Series('ceilometer_cpu', labels,
                              lambda age, share=number % 9: 1e15
                              - age * share * 2e8, start=300),
                server.Series('ceilometer_memory_usage', labels,
                              lambda age, used=number: float(used),
                              start=300)]
        source.write(series)


def helper(source: server.Prometheus) -> prometheus.PrometheusHelper:
    made = prometheus.PrometheusHelper()
    made.look_at(source.now, duration=3600)
    made.requests = 0
    get = made.prometheus._get

    def count(*arguments):
        made.requests += 1
        return get(*arguments)
    made.prometheus._get = count
    return made


def measure(source: server.Prometheus, count: int) -> dict[str, float]:
    resources = servers(source, count)
    fill(source, resources)
    single, many = helper(source), helper(source)
    sample = resources[::max(1, count // SAMPLE)]
    begin = time.perf_counter()
    values = [[single.statistic_aggregation(one, 'instance', metric)
               for one in sample] for metric in METRICS]
    one_by_one = (time.perf_counter() - begin) * count / len(sample)
    begin = time.perf_counter()
    found = [many.statistic_aggregation_batch(resources, 'instance', metric)
             for metric in METRICS]
    together = time.perf_counter() - begin
    same = values == [[batch.get(one.uuid) for one in sample]
                      for batch in found]
    tracemalloc.start()
    again = helper(source)
    for metric in METRICS:
        again.statistic_aggregation_batch(resources, 'instance', metric)
    peak = tracemalloc.get_traced_memory()[1] / 2 ** 20
    tracemalloc.stop()
    return {'single': one_by_one, 'batch': together, 'same': same,
            'requests': many.requests, 'memory': peak}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--servers', type=int, nargs='+',
                        default=[1000, 5000, 20000])
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    conf.CONF([], default_config_files=[], default_config_dirs=[])
    conf.CONF.set_override('base_url', server.url_of_server(),
                           'prometheus_client')
    with server.Prometheus() as source:
        print(f'{"servers":>8} {"one by one":>11} {"batch":>7} '
              f'{"times":>6} {"requests":>8} {"MiB":>6}  same values')
        results = []
        for count in arguments.servers:
            facts = measure(source, count)
            results.append((count, facts['batch']))
            print(f'{count:8} {facts["single"]:11.2f} '
                  f'{facts["batch"]:7.3f} '
                  f'{facts["single"] / facts["batch"]:6.0f} '
                  f'{facts["requests"]:8} {facts["memory"]:6.1f}  '
                  f'{"yes" if facts["same"] else "NO"}')
    for (few, fast), (much, slow) in itertools.pairwise(results):
        print(f'growth from {few} to {much}: '
              f'{math.log(slow / fast) / math.log(much / few):.2f}')


if __name__ == '__main__':
    main()
