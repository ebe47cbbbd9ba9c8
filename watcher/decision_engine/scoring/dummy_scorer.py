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
"""A scoring engine that shows what one looks like: a workload classifier."""

import numbers

from oslo_serialization import jsonutils
from oslo_utils import units

from watcher._i18n import _
from watcher.decision_engine.scoring import base

FEATURES = (
    'PROCESSOR_TIME_PERC',
    'MEM_TOTAL_BYTES',
    'MEM_AVAIL_BYTES',
    'MEM_PAGE_READS_PER_SEC',
    'MEM_PAGE_WRITES_PER_SEC',
    'DISK_READ_BYTES_PER_SEC',
    'DISK_WRITE_BYTES_PER_SEC',
    'NET_BYTES_RECEIVED_PER_SEC',
    'NET_BYTES_SENT_PER_SEC',
)
RESULTS = (
    'workload',
    'idle_probability',
    'cpu_probability',
    'memory_probability',
    'disk_probability',
)
WORKLOADS = ('idle', 'cpu-intensive', 'memory-intensive', 'disk-intensive')


class DummyScorer(base.ScoringEngine):
    """Names the kind of load of a machine, by simple rules.

    Takes the nine numbers of ``feature_columns`` as JSON list and answers
    with the five of ``result_columns``.
    """

    def get_name(self):
        return 'dummy_scorer'

    def get_description(self):
        return 'Dummy workload classifier'

    def get_metainfo(self):
        return jsonutils.dumps({
            'feature_columns': FEATURES,
            'result_columns': RESULTS,
            'workloads': WORKLOADS,
        })

    def calculate_score(self, features):
        """Classify the measurements.

        :raises: ValueError if they are not a JSON list of nine numbers.
        """
        return jsonutils.dumps(_classify(_parse(features)))


def _parse(features: str) -> list[float]:
    try:
        values = jsonutils.loads(features)
    except (TypeError, ValueError) as exc:
        raise ValueError(
            _('The features are no JSON text: %s') % exc) from exc
    if not isinstance(values, list) or len(values) != len(FEATURES):
        raise ValueError(
            _('The features have to be a list of %(count)d numbers (%(names)s)'
              ', not %(value)r') % {'count': len(FEATURES),
                                    'names': ', '.join(FEATURES),
                                    'value': values})
    for value in values:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(_('The feature %r is not a number') % value)
    return values


def _classify(features: list[float]) -> list[float]:
    (processor, __, __, page_reads, page_writes,
     disk_reads, disk_writes, __, __) = features
    if processor >= 80:
        return [1, 0.0, 100.0, 0.0, 0.0]
    if page_reads >= 1000 and page_writes >= 1000:
        return [2, 0.0, 0.0, 100.0, 0.0]
    if min(disk_reads, disk_writes) >= 50 * units.Mi:
        return [3, 0.0, 0.0, 0.0, 100.0]
    cpu = 50.0 if processor >= 40 else 0.0
    memory = 50.0 if max(page_reads, page_writes) >= 500 else 0.0
    return [0, 100.0, cpu, memory, 0.0]
