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
"""Runs the declarative tests of the API in ``gabbits``.

Each file tells one story, request by request, and is a page of the API's
specification; it runs against the whole application in this process, on
every database that the service supports. What can be checked beyond what gabbi
brings is in :mod:`watcher.tests.fixtures.gabbi_handlers`.
"""

import os
import unittest

from gabbi import driver

from watcher.tests.fixtures import database
from watcher.tests.fixtures import gabbi_handlers
from watcher.tests.fixtures import gabbits

DIRECTORY = os.path.join(os.path.dirname(__file__), 'gabbits')


def load_tests(loader, tests, pattern):
    """Make tests of the files, as the loader of unittest asks for."""
    return unittest.TestSuite(
        driver.build_tests(
            DIRECTORY, loader, host=None,
            test_loader_name=f'{__name__}.{engine}',
            intercept=gabbits.application,
            fixture_module=gabbits.on(engine),
            response_handlers=[gabbi_handlers.MembersHandler,
                               gabbi_handlers.FaultHandler])
        for engine in database.ENGINES)
