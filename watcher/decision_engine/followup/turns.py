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
"""Work that one engine of several does, whichever comes first."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from oslo_utils import uuidutils

from watcher import conf
from watcher import objects

CONF = conf.CONF

#: Seconds after which another engine goes on when one has died.
SECONDS = 300


@contextlib.contextmanager
def turn(context: Any, name: str,
         seconds: float = SECONDS) -> Iterator['objects.Lease | None']:
    """Have the lease of some work meanwhile; None if another engine has it.
    """
    owner = f'{CONF.host} process {os.getpid()} {uuidutils.generate_uuid()}'
    lease = objects.Lease.seize(context, name, owner, seconds)
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()
