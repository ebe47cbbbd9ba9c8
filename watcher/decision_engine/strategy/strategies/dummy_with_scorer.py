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
"""Shows how a strategy asks scoring engines."""

import random

from oslo_log import log
from oslo_serialization import jsonutils
from oslo_utils import units

from watcher._i18n import _
from watcher.decision_engine.scoring import scoring_factory
from watcher.decision_engine.strategy.strategies import base

LOG = log.getLogger(__name__)


class DummyWithScorer(base.DummyBaseStrategy):
    """Recommends messages that contain scores of invented measurements.

    The same parameters always give the same measurements, so two runs can
    be compared.
    """

    NOP = 'nop'
    SLEEP = 'sleep'

    def __init__(self, config, osc=None):
        super().__init__(config, osc=osc)
        self._simple_scorer = scoring_factory.get_scoring_engine(
            'dummy_scorer')
        self._avg_scorer = scoring_factory.get_scoring_engine(
            'dummy_avg_scorer')
        metainfo = jsonutils.loads(self._simple_scorer.get_metainfo())
        self._workloads = metainfo['workloads']

    @classmethod
    def get_name(cls):
        return 'dummy_with_scorer'

    @classmethod
    def get_display_name(cls):
        return _('Dummy Strategy using sample Scoring Engines')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Dummy Strategy using sample Scoring Engines'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'param1': {
                    'description': 'A number for the log.',
                    'type': 'number',
                    'default': 3.2,
                    'minimum': 1.0,
                    'maximum': 10.2,
                },
                'param2': {
                    'description': 'A text for the log.',
                    'type': 'string',
                    'default': 'hello',
                },
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        LOG.debug('Parameters: param1=%(param1)s, param2=%(param2)s',
                  self.input_parameters)
        generator = random.Random(
            jsonutils.dumps(self.input_parameters, sort_keys=True))
        self._say('Hello from Dummy Strategy with Scorer!',
                  'part of every plan of this strategy')
        self._say(f'Detected Workload: {self._workload(generator)}',
                  'answer of the scoring engine dummy_scorer')
        self._say(f'AVG Scorer result: {self._average(generator)}',
                  'answer of the scoring engine dummy_avg_scorer')
        self.solution.add_action(
            self.SLEEP, {'duration': 5.0},
            reason='part of every plan of this strategy')

    def post_execute(self):
        """The goal has no indicators."""

    def _say(self, message, reason):
        self.solution.add_action(self.NOP, {'message': message},
                                 reason=reason)

    def _workload(self, generator):
        result = self._simple_scorer.calculate_score(
            jsonutils.dumps(_features(generator)))
        return self._workloads[int(jsonutils.loads(result)[0])]

    def _average(self, generator):
        features = generator.sample(range(1000), 20)
        result = self._avg_scorer.calculate_score(jsonutils.dumps(features))
        return jsonutils.loads(result)[0]


def _features(generator: random.Random) -> list[int]:
    """Invent what dummy_scorer wants to know, in its order."""
    return [
        generator.randint(0, 100),  # processor time, %
        4 * units.Gi,  # total memory, bytes
        generator.randint(1 * units.Gi, 4 * units.Gi),  # available memory
        generator.randint(0, 2000),  # page reads per second
        generator.randint(0, 2000),  # page writes per second
        generator.randint(0, 200 * units.Mi),  # disk reads, bytes/s
        generator.randint(0, 200 * units.Mi),  # disk writes, bytes/s
        generator.randint(0, 20 * units.Mi),  # received, bytes/s
        generator.randint(0, 10 * units.Mi),  # sent, bytes/s
    ]
