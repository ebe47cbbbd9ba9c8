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
"""A strategy that writes down when it runs, wherever that is.

It is installed as any plug-in of a third party. What it writes is evidence
that owes nothing to the database, the bus or the engines: one line at the
begin and one at the end of each run, appended to a file by the process that
runs it, with the clocks that all processes of a machine share.
"""

import dataclasses
import os
import pathlib
import threading
import time
from collections.abc import Iterator

from oslo_utils import uuidutils

from watcher import conf
from watcher.decision_engine.strategy.strategies import base

CONF = conf.CONF

_BEGIN, _END = 'begin', 'end'

_PLUGIN = {
    'METADATA': 'Metadata-Version: 2.1\nName: witness\nVersion: 1.0\n',
    'entry_points.txt':
        f'[watcher_strategies]\nwitness = {__name__}:Witness\n'}


@dataclasses.dataclass
class Run:
    """One run, as the strategy has seen it.

    :ivar token: also in the one action of its plan, if it made one
    :ivar began, ended: seconds; it has not ended if the process died
    :ivar date: when it began, as databases see it
    """

    audit: str
    token: str
    host: str
    pid: int
    began: float
    date: float
    ended: float = float('inf')


class Witness(base.DummyBaseStrategy):
    """Recommends one action without an effect, which names the run."""

    @classmethod
    def get_name(cls):
        return 'witness'

    @classmethod
    def get_display_name(cls):
        return 'Witness'

    @classmethod
    def get_translatable_display_name(cls):
        return 'Witness'

    @classmethod
    def get_schema(cls):
        return {'properties': {
            'file': {'description': 'Where to write.', 'type': 'string'},
            'seconds': {'description': 'How long to take.',
                        'type': 'number', 'default': 0}}}

    def pre_execute(self):
        """Runs without the cluster model."""

    def do_execute(self, audit=None):
        token = uuidutils.generate_uuid(dashed=False)
        self._write(_BEGIN, audit.uuid, token)
        threading.Event().wait(self.input_parameters.seconds)
        self.solution.add_action('nop', {'message': token})
        self._write(_END, audit.uuid, token)

    def post_execute(self):
        """The goal has no indicators."""

    def _write(self, *words):
        # Small and in one piece: lines of several processes don't mix.
        line = ' '.join((*words, CONF.host, str(os.getpid()),
                         repr(time.monotonic()), repr(time.time())))
        descriptor = os.open(self.input_parameters.file,
                             os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f'{line}\n'.encode())
        finally:
            os.close(descriptor)


def install(directory: pathlib.Path) -> pathlib.Path:
    """Make a folder in which the strategy is installed as a plug-in."""
    folder = directory / 'plugins'
    metadata = folder / 'witness-1.0.dist-info'
    metadata.mkdir(parents=True)
    for name, text in _PLUGIN.items():
        (metadata / name).write_text(text)
    return folder


class Diary:
    """What the strategy has written, read again and again."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file = file
        file.touch()
        self._position = 0
        self._rest = ''
        #: In the order in which they began.
        self.runs: dict[str, Run] = {}

    def read(self) -> 'dict[str, Run]':
        """All runs until now, by token, in the order of their begins."""
        for line in self._lines():
            event, audit, token, host, pid, moment, date = line.split()
            if event == _BEGIN:
                self.runs[token] = Run(audit, token, host, int(pid),
                                       float(moment), float(date))
            else:
                self.runs[token].ended = float(moment)
        return self.runs

    def _lines(self) -> Iterator[str]:
        with self.file.open() as stream:
            stream.seek(self._position)
            *lines, self._rest = (self._rest + stream.read()).split('\n')
            self._position = stream.tell()
        yield from lines
