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
"""The planner."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'watcher_planner',
    title='Options of the planner')

OPTS = [
    cfg.StrOpt(
        'planner',
        default='weight',
        required=True,
        deprecated_for_removal=True,
        deprecated_since='2027.1',
        deprecated_reason='The strategy names its planner.',
        help='Has no effect: each strategy names the planner that fits it. '
             'It is accepted so that old configuration files keep working.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
