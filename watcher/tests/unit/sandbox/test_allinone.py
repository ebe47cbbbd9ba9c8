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

import threading

from watcher.sandbox import allinone
from watcher.tests import base


class TestWatcher(base.TestCase):

    def test_an_engine_that_cannot_start_is_no_success(self):
        watcher = allinone.Watcher(host='127.0.0.1', port=0)
        started = threading.Event()

        def broken():
            raise OSError('no such luck')

        watcher.decision_engine.start = broken
        watcher.applier.start = started.set
        self.addCleanup(watcher.stop)
        error = self.assertRaises(OSError, watcher.start)
        self.assertIn('no such luck', str(error))
        self.assertTrue(started.is_set())
