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
"""Which notifications leave the service."""

from oslo_config import cfg
from oslo_config import types

GROUP = 'DEFAULT'

#: Spellings that are understood besides those of the choices.
ALIASES = {'none': '', 'warn': 'warning'}


class Level(types.String):
    """One of the levels, in any letter case and also as ``WARN`` or ``None``.
    """

    def __call__(self, value):
        text = str(value).strip().lower()
        return super().__call__(ALIASES.get(text, text))


OPTS = [
    cfg.Opt(
        'notification_level',
        type=Level(choices=[
            ('', 'send no notifications at all'),
            ('debug', 'send everything'),
            ('info', 'the usual notifications and above'),
            ('warning', 'warnings and above: services that failed, and '
                        'errors'),
            ('error', 'errors and critical notifications'),
            ('critical', 'critical notifications only'),
        ]),
        default='info',
        help='Lowest priority of the versioned notifications that are sent '
             'about audits, action plans, actions and services, in any '
             'letter case; "warn" is the same as "warning" and "none" the '
             'same as an empty value. Where they go is decided by the '
             '[oslo_messaging_notifications] group: without a driver there '
             'nothing is sent.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
