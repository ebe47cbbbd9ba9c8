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
"""The processes of tests are what a new interpreter would be."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

from watcher.tests import base
from watcher.tests.fixtures import forks

LOOK = """
import json, os, signal, sys, threading
print(json.dumps({
    'argv': sys.argv, 'cwd': os.getcwd(), 'name': __name__,
    'environ': dict(os.environ), 'stdin': sys.stdin.read(),
    'tests': [name for name in sys.modules
              if name.startswith('watcher.tests')],
    'threads': threading.active_count(),
    'open': len(os.listdir('/proc/self/fd')),
    'signals': [str(signal.getsignal(number)) for number in
                (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]}))
"""


class TestForks(base.TestCase):

    def look(self, started):
        self.assertEqual((0, ''), (started.returncode, started.stderr))
        found = json.loads(started.stdout)
        for name in ('LC_CTYPE', 'PWD', 'SHLVL', '_'):
            found['environ'].pop(name, None)
        # The sixth is the folder that is being read.
        self.assertLessEqual(found.pop('open'), 6)
        return found

    def test_the_same_as_a_new_interpreter(self):
        # What a shell starts in the background ignores it.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(
            signal.SIGINT, signal.default_int_handler))
        given = {'env': {'A': 'b', 'PATH': os.environ['PATH']},
                 'cwd': tempfile.gettempdir(), 'input': 'ü'}
        arguments = ['--x', 'y z']
        self.assertEqual(
            self.look(subprocess.run(
                [sys.executable, '-c', LOOK, *arguments], text=True,
                check=False, capture_output=True, encoding='utf-8',
                **given)),
            self.look(forks.run(LOOK, arguments, **given)))

    def test_how_it_ends(self):
        for script, code, error in (
                ('', 0, ''), ('import sys; sys.exit(3)', 3, ''),
                ('raise SystemExit("no")', 1, 'no\n'),
                ('import os; os.kill(os.getpid(), 9)', -9, '')):
            ended = forks.run(script)
            self.assertEqual((code, error),
                             (ended.returncode, ended.stderr), script)
        self.assertIn('ZeroDivisionError', forks.run('1 / 0').stderr)

    def test_exit_functions_and_threads_have_their_turn(self):
        ended = forks.run(
            'import atexit, threading; atexit.register(print, "second");'
            'threading.Thread(target=print, args=("first",)).start()')
        self.assertEqual(['first', 'second'], ended.stdout.split())

    def test_signals_and_waiting(self):
        path = pathlib.Path(self.create_tempfiles([('started', '')])[0])
        with path.open('wb') as stream:
            process = forks.start(
                'print(1, flush=True); import signal; signal.pause()',
                stdout=stream)
        self.addCleanup(process.kill)
        self.assertIsNone(process.poll())
        self.assertRaises(subprocess.TimeoutExpired, process.wait, 0)
        process.terminate()
        self.assertEqual(-signal.SIGTERM, process.wait(60))
        self.assertEqual(-signal.SIGTERM, process.poll())
        # Nobody is hit who got the number afterwards.
        process.kill()

    def test_too_long(self):
        self.assertRaises(
            subprocess.TimeoutExpired, forks.run,
            'import signal; signal.pause()', timeout=0.01)

    def test_many_at_once(self):
        codes = {}

        def run(number):
            codes[number] = forks.run(f'raise SystemExit({number})'
                                      ).returncode
        threads = [threading.Thread(target=run, args=(number,))
                   for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({number: number for number in range(8)}, codes)
