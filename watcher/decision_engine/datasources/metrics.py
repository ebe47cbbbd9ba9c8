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
"""What a metric means, the same in every data source.

The table is the contract between data sources and strategies: whoever adds a
source converts to these units, whoever writes a strategy may rely on them.
"""

import dataclasses

COMPUTE_NODE = 'compute_node'
INSTANCE = 'instance'

AGGREGATES = ('mean', 'min', 'max', 'count')
RESOURCE_TYPES = (COMPUTE_NODE, INSTANCE, 'bare_metal', 'storage')

#: What an aggregate is asked with when the caller says nothing.
DEFAULT_PERIOD = 300
DEFAULT_GRANULARITY = 300
DEFAULT_AGGREGATE = 'mean'


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric as strategies know it.

    :param resource_type: kind of resource that has the metric.
    :param unit: unit of every value, whatever the source stores.
    """

    name: str
    resource_type: str
    unit: str


METRICS: dict[str, Metric] = {metric.name: metric for metric in (
    Metric('host_cpu_usage', COMPUTE_NODE, '%'),
    Metric('host_ram_usage', COMPUTE_NODE, 'KiB'),
    Metric('host_outlet_temp', COMPUTE_NODE, 'degrees C'),
    Metric('host_inlet_temp', COMPUTE_NODE, 'degrees C'),
    Metric('host_airflow', COMPUTE_NODE, 'CFM'),
    Metric('host_power', COMPUTE_NODE, 'W'),
    Metric('instance_cpu_usage', INSTANCE, '%'),
    Metric('instance_ram_usage', INSTANCE, 'MB'),
    Metric('instance_ram_allocated', INSTANCE, 'MB'),
    Metric('instance_l3_cache_usage', INSTANCE, 'bytes'),
    Metric('instance_root_disk_size', INSTANCE, 'GB'),
)}


def unit_of(metric: str) -> str:
    """Return the unit of a metric; empty for one that is not ours."""
    known = METRICS.get(metric)
    return known.unit if known else ''


def plural_of(metric: str) -> str:
    """Return what has a metric, in words."""
    known = METRICS.get(metric)
    if known is None:
        return 'resources'
    return 'hosts' if known.resource_type == COMPUTE_NODE else 'instances'
