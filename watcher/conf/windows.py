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
"""Options of the windows in which audits and action plans may run."""

from oslo_config import cfg

from watcher.conf import hours

#: Values of windows_bind.
AUTOMATIC, ALL = 'automatic', 'all'

_WINDOW = ('Each entry is ' + hours.ALLOWED + '. What goes over midnight '
           'belongs to the day on which it begins. Without an entry that '
           'opens everything is open that is not closed. Times are those of '
           '[DEFAULT] time_zone. See [DEFAULT] windows_bind for what this is '
           'binding for; audits can have windows of their own besides. ')

OPTS = [
    cfg.Opt(
        'time_zone',
        type=hours.ZoneName(),
        default='UTC',
        mutable=True,
        help='Time zone of the cron expressions and windows of audits that '
             'name none, and of the windows in this file: a name of the '
             'IANA database, as Europe/Berlin. All dates that the API shows '
             'stay in UTC. All services must be told the same.'),
    cfg.StrOpt(
        'windows_bind',
        default=AUTOMATIC,
        choices=[
            (AUTOMATIC, 'what nobody asked for by hand: runs of CONTINUOUS '
                        'and EVENT audits, action plans of audits with '
                        'auto_trigger'),
            (ALL, 'ONESHOT audits and action plans that are started by hand '
                  'as well')],
        mutable=True,
        help='What is bound by [watcher_decision_engine] run_windows and '
             '[watcher_applier] execution_windows. The windows of an audit '
             'always bind it and its action plans.'),
]

DECISION_ENGINE_OPTS = [
    cfg.Opt(
        'run_windows',
        type=hours.Entries(),
        default=[],
        mutable=True,
        help='When audits may begin to run. ' + _WINDOW +
             'A run that has begun goes on to its end. Example: '
             'Mon-Fri 20:00-06:00, Sat,Sun 00:00-24:00, '
             '!2026-12-24/2026-12-26'),
]

APPLIER_OPTS = [
    cfg.Opt(
        'execution_windows',
        type=hours.Entries(),
        default=[],
        mutable=True,
        help='When actions may begin to change the cloud. ' + _WINDOW +
             'When a window closes, actions that have begun go on to their '
             'end; the others of the plan wait for the next opening.'),
]

_OPTS_OF = (
    (None, OPTS),
    ('watcher_decision_engine', DECISION_ENGINE_OPTS),
    ('watcher_applier', APPLIER_OPTS),
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    for group, options in _OPTS_OF:
        conf.register_opts(options, group=group)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(group or 'DEFAULT', list(options))
            for group, options in _OPTS_OF]
