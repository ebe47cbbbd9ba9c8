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
# Unit and functional tests.
#
#   tools/run-tests.sh                     all tests
#   tools/run-tests.sh test_audit          those whose name matches
#   tools/run-tests.sh --concurrency 1     any argument of "stestr run"
#
# Needs Python 3.11 with venv, nothing else: the packages go to .venv in the
# checkout unless a virtual environment is active. Asked for all tests, it
# starts MariaDB, PostgreSQL and RabbitMQ beside them if their Debian packages
# are installed. Without them, or asked for some tests, those that need such a
# server are skipped unless it runs already:
#
#   tools/ci-services.sh start && eval "$(tools/ci-services.sh env)"
#
# Ends with the ten slowest tests, a list of the skipped ones and the line
# "N passed, N failed, N skipped"; exit code 1 if a test failed, or was
# skipped while WATCHER_TEST_NO_SKIP is set.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/venv.sh
. tools/venv.sh
ensure_venv requirements.txt test-requirements.txt

options=()
if [ -n "${WATCHER_TEST_NO_SKIP:-}" ]; then
    options+=(--no-skip)
fi

servers=${WATCHER_TEST_MYSQL_URL:-}${WATCHER_TEST_POSTGRESQL_URL:-}
servers+=${WATCHER_TEST_RABBIT_URL:-}${WATCHER_TEST_PROMETHEUS_URL:-}
if [ $# -eq 0 ] && [ -z "$servers" ] && tools/ci-services.sh check; then
    # Servers that somebody else has started here stay.
    tools/ci-services.sh env >/dev/null 2>&1 ||
        trap 'tools/ci-services.sh stop >/dev/null' EXIT
    if tools/ci-services.sh start; then
        eval "$(tools/ci-services.sh env)"
    else
        echo 'Without these servers their tests are skipped.' >&2
    fi
fi

if [ $# -eq 0 ]; then
    # Tests of daemons wait a lot: for leases, restarts, time-outs.
    set -- --concurrency $(($(nproc) + 1))
fi

# Secrets and settings of the caller's cloud must not reach the tests.
for name in $(compgen -e | grep '^OS_' || true); do
    case $name in
        OS_TEST_*|OS_DEBUG|OS_LOG_CAPTURE) ;;
        *) unset "$name" ;;
    esac
done
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore::DeprecationWarning}
PATH=$VENV/bin:$PATH
export PATH

status=0
"$VENV/bin/python" -m stestr run "$@" </dev/null || status=$?
if [ ! -s .stestr/next-stream ]; then
    echo 'The tests did not start, see above.' >&2
    exit 1
fi
"$VENV/bin/python" -m stestr last --subunit |
    "$VENV/bin/python" tools/summarize-tests.py "${options[@]}" || status=1
exit "$status"
