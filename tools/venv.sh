# shellcheck shell=bash
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
# Sourced by the scripts beside it: one virtual environment with the tested
# set of packages and this checkout in it.
#
#   ensure_venv [requirements file...]
#
# leaves the folder of the environment in $VENV. An active environment is
# used; otherwise .venv in the checkout is (or what WATCHER_VENV says), and
# made if need be. PYTHON names the interpreter to make it with, default
# python3.

venv_say() { printf '%s\n' "$*" >&2; }

choose_python() {
    local name
    [ -z "${PYTHON:-}" ] || return 0
    PYTHON=python3
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
                2>/dev/null; then
            PYTHON=$name
            return
        fi
    done
}

check_python() {
    local python=$1 name
    if ! command -v "$python" >/dev/null; then
        venv_say "There is no $python. Watcher needs Python 3.11 or later" \
            "(Debian: apt-get install python3 python3-venv)."
        return 1
    fi
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        venv_say "$("$python" --version) is too old: Watcher needs Python" \
            "3.11 or later. Name another interpreter by PYTHON=..."
        return 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        name=$("$python" -c 'import sys; print("python%d.%d-venv" % \
            sys.version_info[:2])')
        venv_say "$python has no venv module. Install it first: as root," \
            "apt-get install $name (Debian, Ubuntu)."
        return 1
    fi
}

# What the environment was filled from; when it changes, pip runs again.
venv_stamp() {
    (cd "$VENV_ROOT" && cat upper-constraints.txt setup.cfg pyproject.toml \
        "$@" && printf '%s\n' "$VENV_ROOT" "$@") | cksum
}

# pbr asks git for the version; without git or in a checkout that belongs to
# somebody else it cannot.
export_version() {
    git -C "$VENV_ROOT" rev-parse HEAD >/dev/null 2>&1 && return
    PBR_VERSION=$(sed -n 's/^version *= *//p' "$VENV_ROOT/setup.cfg")
    export PBR_VERSION
}

ensure_venv() {
    local files=() file stamp
    VENV_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
    if [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
        VENV=$VIRTUAL_ENV
    else
        VENV=$VENV_ROOT/${WATCHER_VENV:-.venv}
    fi
    # A copied or moved environment points at an interpreter elsewhere.
    if ! "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
        choose_python
        check_python "$PYTHON" || return 1
        venv_say "Making the virtual environment $VENV"
        rm -f "$VENV/.watcher-stamp"
        "$PYTHON" -m venv --clear "$VENV" || return 1
    fi
    stamp=$(venv_stamp "$@")
    if [ -s "$VENV/.watcher-stamp" ] &&
            [ "$stamp" = "$(cat "$VENV/.watcher-stamp")" ]; then
        return
    fi
    for file in "$@"; do
        files+=(-r "$VENV_ROOT/$file")
    done
    export_version
    venv_say "Installing the packages (a minute or two the first time)"
    # The build tools come first and from the tested set, so that nothing is
    # fetched behind the back of the constraints.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-compile -c "$VENV_ROOT/upper-constraints.txt" setuptools pbr \
        "${files[@]}" || return 1
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-build-isolation --no-deps -e "$VENV_ROOT" || return 1
    # By all processors, as pip does not. Some packages contain files that are
    # not for this Python.
    "$VENV/bin/python" -m compileall -qq -j 0 "$VENV/lib" || true
    printf '%s\n' "$stamp" >"$VENV/.watcher-stamp"
}
