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
"""watcher-db-manage: creates, upgrades and cleans the database.

Without a command the database is upgraded to the newest revision. Results
are printed on standard output, the log goes to standard error or a file.
"""

import argparse
import sys
from collections.abc import Callable

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log

from watcher.cmd import common
from watcher.common import exception
from watcher.common import utils
from watcher.db import migration
from watcher.db import purge

CONF = common.CONF

LOG = log.getLogger(__name__)


def _upgrade(command):
    migration.upgrade(command.revision)


def _downgrade(command):
    migration.downgrade(command.revision)


def _stamp(command):
    migration.stamp(command.revision)


def _revision(command):
    migration.revision(command.message, command.autogenerate)


def _version(command):
    print(migration.version())


def _create_schema(command):
    migration.create_schema()


def _purge(command):
    try:
        purge.purge(command.age_in_days, command.max_number, command.goal,
                    command.exclude_orphans, command.dry_run,
                    command.assume_yes)
    except (exception.WatcherException, db_exc.DBError) as exc:
        # Scripts read the reason where the tables stand.
        print(utils.first_line(exc))
        LOG.error('The purge has failed: %s', utils.first_line(exc))
        return 1
    return 0


_FUNCTIONS: dict[str, Callable] = {
    'upgrade': _upgrade,
    'downgrade': _downgrade,
    'stamp': _stamp,
    'revision': _revision,
    'version': _version,
    'create_schema': _create_schema,
    'purge': _purge,
}


def _add_commands(commands: argparse._SubParsersAction) -> None:
    commands.required = False

    parser = commands.add_parser(
        'upgrade', help='Bring the database to a newer revision.')
    parser.add_argument('--revision', nargs='?', metavar='REV',
                        help='Revision to reach, default the newest one.')

    parser = commands.add_parser(
        'downgrade', help='Bring the database back to an older revision.')
    parser.add_argument('--revision', nargs='?', metavar='REV',
                        help='Revision to go back to; has to be named.')

    parser = commands.add_parser(
        'stamp', help='Record a revision without running anything.')
    parser.add_argument('revision', metavar='REV',
                        help='Revision to record, for example "head".')

    parser = commands.add_parser(
        'revision', help='Write a new revision script (for developers).')
    parser.add_argument('-m', '--message', help='What the script will do.')
    parser.add_argument('--autogenerate', action='store_true',
                        help='Fill it with what differs from the models.')

    commands.add_parser('version', help='Print the recorded revision.')
    commands.add_parser(
        'create_schema', help='Create all tables of an empty database.')
    _add_purge(commands)


def _add_purge(commands):
    parser = commands.add_parser(
        'purge', help='Remove what was soft deleted, and orphans.')
    parser.add_argument(
        '-d', '--age-in-days', nargs='?', type=int, metavar='N',
        help='Only what was deleted more than N days ago; unset or 0 is '
             'everything.')
    parser.add_argument(
        '-n', '--max-number', nargs='?', type=int, metavar='N',
        help='Remove no more than N objects.')
    parser.add_argument(
        '-t', '--goal', nargs='?', metavar='GOAL',
        help='UUID or name of a deleted goal: only what belongs to it.')
    parser.add_argument(
        '-e', '--exclude-orphans', action='store_true',
        help='Leave objects alone whose parent is gone.')
    parser.add_argument(
        '--dry-run', action='store_true',
        help='Only show what would be removed.')
    parser.add_argument(
        '-y', '--assume-yes', '--yes', action='store_true',
        help='Do not ask, for scripts.')


COMMAND_OPT = cfg.SubCommandOpt(
    'command', title='Commands', handler=_add_commands,
    help='What to do; "upgrade" if none is given.')


def main() -> int:
    """Run one command: 0 done, 1 failed, 2 wrong arguments."""
    CONF.register_cli_opt(COMMAND_OPT)
    common.bootstrap(sys.argv)
    with common.explained_failures():
        try:
            return _run(CONF.command) or 0
        except db_exc.DBMigrationError as exc:
            common.fail(utils.first_line(exc), exc)


def _run(command):
    if command.name is None:
        return migration.upgrade()
    return _FUNCTIONS[command.name](command)
