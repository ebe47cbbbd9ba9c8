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
"""Directories."""

import os.path

from oslo_config import cfg

PACKAGE_DIRECTORY = os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))

GROUP = 'DEFAULT'

OPTS = [
    cfg.StrOpt(
        'pybasedir',
        default=PACKAGE_DIRECTORY,
        sample_default='<directory of the installed package>',
        help='Directory of the installed package. Only there so that other '
             'paths can refer to it as $pybasedir; changing it moves '
             'nothing.'),
    cfg.StrOpt(
        'bindir',
        default='$pybasedir/bin',
        deprecated_for_removal=True,
        deprecated_reason='The option has no effect.',
        help='Has no effect. It is accepted so that old configuration files '
             'keep working.'),
    cfg.StrOpt(
        'state_path',
        default='$pybasedir',
        help='Directory for local state, referred to as $state_path by other '
             'options; the default of [database] connection puts its SQLite '
             'file here. The default, kept for existing installations, is '
             'the directory of the installed package, which is usually not '
             'writable and is lost at the next upgrade: set it to a '
             'directory of its own such as /var/lib/watcher unless '
             '[database] connection names a database server.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
