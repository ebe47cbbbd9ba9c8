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
"""Read a subunit stream, list what did not pass, count.

The last line is ``N passed, N failed, N skipped``. The exit code is 1 if a
test failed, if there was none, or, with ``--no-skip``, if one was skipped.
"""

import argparse
import sys

import subunit
import testtools

PASSED = ('success', 'xfail')

#: So many of the tests that took longest are shown.
SLOWEST = 10


class Counter:
    """Sort finished tests by their result."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.seconds: dict[str, float] = {}

    def add(self, test: dict) -> None:
        """Take one test as ``testtools.StreamToDict`` describes it."""
        status = test['status']
        if status == 'exists':
            return
        started, ended = test['timestamps']
        if started and ended:
            self.seconds[test['id']] = (ended - started).total_seconds()
        if status in PASSED:
            self.passed += 1
        elif status == 'skip':
            reason = test['details'].get('reason')
            self.skipped.append((
                test['id'], reason.as_text().strip() if reason else ''))
        else:
            self.failed.append(test['id'])

    @property
    def slowest(self) -> list[str]:
        """The tests that took longest, longest first."""
        ordered = sorted(self.seconds.items(), key=lambda item: -item[1])
        return [f'{seconds:7.2f} s  {name}'
                for name, seconds in ordered[:SLOWEST]]

    @property
    def line(self) -> str:
        return (f'{self.passed} passed, {len(self.failed)} failed, '
                f'{len(self.skipped)} skipped')


def count(stream) -> Counter:
    """Return the results in a binary subunit version 2 stream."""
    counter = Counter()
    result = testtools.StreamToDict(counter.add)
    case = subunit.ByteStreamToStreamResult(stream, non_subunit_name='stdout')
    result.startTestRun()
    try:
        case.run(result)
    finally:
        result.stopTestRun()
    return counter


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--no-skip', action='store_true',
                        help='a skipped test is a failure')
    args = parser.parse_args()
    counter = count(sys.stdin.buffer)
    for title, rows in (
            (f'Slowest, of {sum(counter.seconds.values()):.0f} s:',
             counter.slowest),
            ('Skipped:', sorted(f'{name}: {why}'
                                for name, why in counter.skipped)),
            ('Failed:', sorted(counter.failed))):
        if rows:
            print(title)
            for row in rows:
                print('  ' + row)
    if args.no_skip and counter.skipped:
        print('No test may be skipped here.')
    if not (counter.passed or counter.failed or counter.skipped):
        print('No test was run.')
        return 1
    print(counter.line)
    return 1 if counter.failed or (
        args.no_skip and counter.skipped) else 0


if __name__ == '__main__':
    sys.exit(main())
