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
"""Watcher: the OpenStack infrastructure optimisation service."""

import warnings

# A library of ours looks whether eventlet is installed by importing it, and
# that import warns. It is not used here, so the warning, which would head the
# output of each command, tells an operator nothing.
warnings.filterwarnings('ignore', message=r'\s*Eventlet is deprecated')

from oslo_service import backend  # noqa: E402

# Libraries ask oslo.service for its components while they are imported, and
# the first one to ask settles the concurrency model of the process. So the
# answer is given here, before any other module of this package can be
# imported. It is a default, not a demand: tools like the sample generators
# load the entry points of many libraries before ours, and must not fail.
backend.register_backend_default_hook(lambda: backend.BackendType.THREADING)
