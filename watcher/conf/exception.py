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
"""How exceptions behave."""

from oslo_config import cfg

GROUP = 'DEFAULT'

OPTS = [
    cfg.BoolOpt(
        'fatal_exception_format_errors',
        default=False,
        help='Raise when the message template of an exception does not fit '
             'its values, instead of logging the fault and showing the bare '
             'template. For tests only; in production it would replace the '
             'real error by another one.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
