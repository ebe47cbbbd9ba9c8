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
"""What the tests of the strategies that balance loads have in common."""

import copy

from watcher.common import utils
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models


def prepare(cls, cloud, values, parameters):
    """Return a strategy, ready to run.

    :param cloud: servers by host, see :func:`.models.cloud`.
    :param values: of the metrics, by the short names of resources.
    """
    found = cls(utils.Struct({'datasources': None}))
    found._compute_model = models.cloud(cloud)
    parameters = copy.deepcopy(parameters)
    utils.StrictDefaultValidatingDraft4Validator(
        found.get_schema()).validate(parameters)
    found.input_parameters.update(parameters)
    found._datasource_backend = metrics.FakeDataSource()
    for metric, named in values.items():
        found._datasource_backend.set(metric, {
            models.uuid(name): value for name, value in named.items()})
    return found


def brief(solution):
    """Return server, source and destination of each migration."""
    return [(action['input_parameters']['resource_name'],
             action['input_parameters']['source_node'],
             action['input_parameters']['destination_node'])
            for action in solution.actions]


def indicators(solution):
    return {found.name: found.value
            for found in solution.efficacy_indicators}


def hosts(**servers):
    """Return one host for each name, with its servers; all are alike."""
    return {models.node(name): found for name, found in servers.items()}


def server(name, vcpus=4, **fields):
    return models.instance(name, vcpus=vcpus, **fields)
