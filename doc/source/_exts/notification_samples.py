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
"""Show the samples that the tests hold every notification against.

``.. notification-samples::`` lists ``doc/notification_samples``: the event
type, priority and payload class of each file, and the file itself.
"""

import json
import pathlib

from docutils import nodes
from sphinx.util import docutils as sphinx_docutils

SAMPLES = pathlib.Path(__file__).parents[2] / 'notification_samples'


class NotificationSamplesDirective(sphinx_docutils.SphinxDirective):
    """One section for each sample, in the order of the event types."""

    def run(self) -> list[nodes.Node]:
        samples = []
        for path in SAMPLES.glob('*.json'):
            self.env.note_dependency(str(path))
            text = path.read_text(encoding='utf-8')
            samples.append((json.loads(text)['event_type'], path.stem, text))
        return [_section(event_type, stem, text)
                for event_type, stem, text in sorted(samples)]


def _section(event_type: str, stem: str, text: str) -> nodes.section:
    sample = json.loads(text)
    payload = sample['payload']
    section = nodes.section(ids=[f'sample-{stem}'])
    section += nodes.title(text=event_type)
    section += nodes.paragraph(text=(
        f'Priority {sample["priority"]}, payload '
        f'{payload["watcher_object.name"]} '
        f'{payload["watcher_object.version"]}.'))
    block = nodes.literal_block(text, text)
    block['language'] = 'json'
    section += block
    return section


def setup(app) -> dict:
    app.add_directive('notification-samples', NotificationSamplesDirective)
    return {'version': '1', 'parallel_read_safe': True,
            'parallel_write_safe': True}
