#!/usr/bin/env bash
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
#
# Watcher at work for an hour, with restarts of everything it needs, and what
# it holds meanwhile: threads, memory, connections, queues, rows. Exit code 0
# if all of it stays flat.
#
#   tools/soak.sh                  an hour
#   tools/soak.sh --minutes 10     shorter: tries the soak, proves little
#   tools/soak.sh --report FILE    judge the samples of a run again
#
# Needs what tools/run-tests.sh needs, and the Debian packages of MariaDB and
# RabbitMQ (installed if this runs as root). The servers are private ones;
# everything lies in .soak below the checkout.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/venv.sh
. tools/venv.sh
ensure_venv requirements.txt test-requirements.txt

# The code of this checkout, whatever is installed in the environment.
PYTHONPATH=$PWD
export PYTHONPATH
exec "$VENV/bin/python" -W ignore tools/soak.py "$@"
