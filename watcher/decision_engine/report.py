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
"""The section of Guru Meditation Reports that shows the cluster models."""

from oslo_log import log

from watcher.common import service
from watcher.decision_engine.messaging import notification_listener
from watcher.decision_engine.model.collector import manager

LOG = log.getLogger(__name__)

TITLE = 'CDMCs'

_collectors = manager.CollectorManager()


def show_models() -> str:
    """Return the models of all configured collectors as text.

    Nothing is collected for it: a report must not need the cloud.
    """
    try:
        collectors = _collectors.get_collectors()
    except Exception as exc:
        return f'The collectors are not known: {exc}'
    told = notification_listener.STATISTICS.as_text()
    return '\n'.join([f'Notifications: {told}', *(
        _show(name, collector) for name, collector in collectors.items())])


def _show(name, collector) -> str:
    frame = '~' * len(name)
    model = collector.current_model
    text = 'not built yet' if model is None else model.to_string()
    return f'\n{frame}\n{name}\n{frame}\n\n{_describe(model)}{text}'


def _describe(model) -> str:
    age = getattr(model, 'age', None)
    if not isinstance(age, float):
        return ''
    missing = ''.join(f'  {key}: {reason}\n' for key, reason
                      in model.incomplete_nodes.items())
    missing += ''.join(f'  {gap}\n' for gap in model.gaps)
    return (f'read {age:.0f} seconds ago\n'
            + (f'not complete:\n{missing}' if missing else '') + '\n')


def register() -> None:
    """Add the section to the reports of this process."""
    service.register_report_section(TITLE, show_models)
