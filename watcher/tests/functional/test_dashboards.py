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
"""The dashboards and alerts in etc/, asked of a real Prometheus.

Some mistakes only show when there is data: sides of a division that cannot be
told which belong together, for instance.
"""

import itertools
import re

import requests

from watcher.tests.fixtures import prometheus as server
from watcher.tests.unit import test_dashboards as boards

#: Label and value that an expression asks for.
MATCHER = re.compile(r'(\w+)\s*=~?\s*"([^"]*)"')
#: Who compares with something may find nothing.
COMPARES = re.compile(r'[<>]|==|!=(?!~?")')
#: Labels of which a process has one value.
ONE_EACH = {'service', 'host', 'version'}
#: Seconds that dashboards look back, for changes.
LONG_AGO = 1200


class TestExpressions(boards.OfferedTestCase):

    def setUp(self):
        super().setUp()
        server.url_of_server()
        self.server = self.useFixture(server.Prometheus())
        self.expressions = [
            *itertools.chain.from_iterable(
                boards.queries(boards.load(path)) for path in boards.BOARDS),
            *(rule['expr'] for rule in boards.rules())]
        self.wanted = {}
        for name, value in MATCHER.findall(' '.join(self.expressions)):
            self.wanted.setdefault(name, set()).update(value.split('|'))

    def ask(self, expression):
        answer = requests.get(self.server.url + '/api/v1/query', params={
            'query': expression, 'time': self.server.now}, timeout=60)
        self.assertEqual(200, answer.status_code,
                         f'{expression}\n{answer.text}')
        return answer.json()['data']['result']

    def series(self, name, labels, **span):
        """All combinations of labels, of two processes."""
        choices = [
            ['one'] if label in ONE_EACH
            else sorted(self.wanted.get(label, set()) | {'one', 'two'})
            for label in labels]
        for instance in ('a', 'b'):
            for values in itertools.product(*choices):
                yield server.Series(name, {
                    **dict(zip(labels, values, strict=True)),
                    'instance': self.server.name(instance),
                    'job': 'watcher'}, lambda age: 1e6 - age, **span)

    def write_all(self):
        for name, labels in self.offered.items():
            series = list(self.series(name, sorted(labels - {'le'}),
                                      start=60))
            if name.endswith('_bucket'):
                for one in series:
                    one.labels['le'] = '+Inf'
            self.server.write(series)
        self.server.write(self.series('up', [], start=60))
        board = boards.load(boards.ETC / 'dashboards/noisy-neighbors.json')
        values = boards.variables(board)
        for key, name in values.items():
            if not name.startswith(('ceilometer_', 'libvirt_')):
                continue
            label = values['steal_label' if key == 'steal'
                           else 'server_label']
            self.server.write([server.Series(
                name, {label: self.server.name('vm')},
                lambda age: 1e6 - age, start=LONG_AGO)])

    def test_all_have_an_answer(self):
        self.write_all()
        for expression in self.expressions:
            found = self.ask(expression)
            if not COMPARES.search(expression):
                self.assertTrue(found, expression)
