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
"""Show the state machines that the service itself uses.

``.. state-machine:: AUDIT`` renders ``watcher.objects.states.AUDIT``: a table
of the states, so that the page never says anything else than the code.
"""

from docutils import nodes
from docutils import statemachine
from sphinx.util import docutils as sphinx_docutils

from watcher.objects import states


class StateMachineDirective(sphinx_docutils.SphinxDirective):
    """Render one declared state machine as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        machine = getattr(states, self.arguments[0], None)
        if not isinstance(machine, states.StateMachine):
            raise self.error(
                f'watcher.objects.states has no state machine '
                f'{self.arguments[0]}')
        lines = [
            f'A new {machine.name} is **{machine.initial}**.', '',
            *_table(machine)]
        return self.parse_text_to_nodes(
            '\n'.join(statemachine.StringList(lines, states.__file__)))


def _table(machine: states.StateMachine) -> list[str]:
    lines = [
        '.. list-table::', '   :header-rows: 1', '   :widths: 18 34 34 14',
        '',
        '   * - State', '     - can become', '     - on request of a user',
        '     - can be deleted']
    for old, targets in machine.transitions.items():
        final = ' (final)' if old in machine.final else ''
        lines += [
            f'   * - ``{old}``{final}',
            '     - ' + _states(targets),
            '     - ' + _states(machine.user.get(old, ())),
            '     - ' + ('yes' if old in machine.deletable else 'no')]
    return lines


def _states(names) -> str:
    return ', '.join(f'``{name}``' for name in names) or '–'


def setup(app) -> dict:
    app.add_directive('state-machine', StateMachineDirective)
    return {'version': '1', 'parallel_read_safe': True,
            'parallel_write_safe': True}
