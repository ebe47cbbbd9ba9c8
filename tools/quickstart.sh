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
# See Watcher work, on a simulated cloud, with nothing but Python 3.11:
#
#   tools/quickstart.sh           and leave it running to try more
#   tools/quickstart.sh --once    and end everything; exit code 0 when the
#                                 plan succeeded and the servers moved
#
# Needs no root and changes nothing outside the checkout: the packages go to
# .venv-quickstart, the database and the log of a run to .sandbox.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
    -h|--help) sed -n '/^# See/,/^$/s/^#  *//p' tools/quickstart.sh; exit ;;
esac
# shellcheck source=tools/venv.sh
. tools/venv.sh

# An environment of its own, whatever is active.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
export WATCHER_VENV=.venv-quickstart
ensure_venv requirements.txt tools/quickstart-requirements.txt

exec "$VENV/bin/python" -W ignore -m watcher.sandbox.quickstart "$@"
