#!/usr/bin/env python3
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
"""Write upper-constraints.txt: the exact set of packages that is installed.

Run it with the interpreter of the virtual environment in which the tests
just passed::

    .venv/bin/python tools/update-constraints.py

Only what our requirements need, directly or through other packages, is
written, so that tools which happen to lie in the environment stay out.
"""

import pathlib
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ('requirements.txt', 'test-requirements.txt',
           'doc/requirements.txt')
# Needed to install the checkout itself.
BUILD = ('pbr', 'setuptools')


def read(path: pathlib.Path) -> list[Requirement]:
    """Return the requirements of a file, without comments."""
    lines = (line.partition('#')[0].strip()
             for line in path.read_text(encoding='utf-8').splitlines())
    return [Requirement(line) for line in lines if line]


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Return name and installed version of everything ``wanted`` needs.

    :raises importlib.metadata.PackageNotFoundError: something is missing in
        the environment
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(item, '') for item in wanted]
    while queue:
        requirement, extra = queue.pop()
        marker = requirement.marker
        if marker and not marker.evaluate({'extra': extra}):
            continue
        for wanted_extra in ('', *sorted(requirement.extras)):
            name = canonicalize_name(requirement.name)
            if (name, wanted_extra) in seen:
                continue
            seen.add((name, wanted_extra))
            package = metadata.distribution(name)
            found[package.name] = package.version
            queue.extend((Requirement(text), wanted_extra)
                         for text in package.requires or ())
    return found


def main() -> int:
    wanted = [Requirement(name) for name in BUILD]
    for source in SOURCES:
        wanted.extend(read(ROOT / source))
    try:
        found = closure(wanted)
    except metadata.PackageNotFoundError as error:
        print(f'Package {error} is required but not installed here; install '
              f'{", ".join(SOURCES)} first.', file=sys.stderr)
        return 1
    lines = [f'{name}==={version}' for name, version in found.items()]
    target = ROOT / 'upper-constraints.txt'
    target.write_text(
        '# The exact set of packages the tests pass with; written by\n'
        '# tools/update-constraints.py.\n'
        + '\n'.join(sorted(lines, key=str.lower)) + '\n', encoding='utf-8')
    print(f'{target.name}: {len(lines)} packages')
    return 0


if __name__ == '__main__':
    sys.exit(main())
