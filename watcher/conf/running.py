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
"""How the applier runs actions, in whatever plan they are."""

from oslo_config import cfg

GROUP = 'watcher_applier'

_LIMIT = ('0 means no limit. The actions of all running plans of all appliers '
          'count. An action that finds no place waits, without holding a '
          'thread, until one that is before it has ended.')

OPTS = [
    cfg.IntOpt(
        'max_actions_total',
        default=0,
        min=0,
        mutable=True,
        help='Number of actions that may run at the same time. ' + _LIMIT),
    cfg.IntOpt(
        'max_actions_per_source',
        default=0,
        min=0,
        mutable=True,
        help='Number of actions that may take servers away from one compute '
             'node at the same time. ' + _LIMIT),
    cfg.IntOpt(
        'max_actions_per_destination',
        default=0,
        min=0,
        mutable=True,
        help='Number of actions that may bring servers to one compute node '
             'at the same time. Those for which Nova chooses the destination '
             'do not count. ' + _LIMIT),
    cfg.IntOpt(
        'max_actions_per_pool',
        default=0,
        min=0,
        mutable=True,
        help='Number of actions that may bring volumes to one storage pool '
             'at the same time. Those for which Cinder chooses the pool do '
             'not count, nor do those that take volumes away from it. ' +
             _LIMIT),
    cfg.StrOpt(
        'overlapping_plans',
        default='queue',
        choices=[
            ('queue', 'It waits, and its status message says for which plan '
                      'and why. Plans that overlap with it and came later '
                      'wait behind it; all others go ahead.'),
            ('refuse', 'It is CANCELLED, with a status message that says '
                       'why.'),
            ('allow', 'It starts. Single actions that change the same thing '
                      'still wait for each other.'),
        ],
        mutable=True,
        help='What becomes of an action plan that is to be started while '
             'another one runs that changes the same servers, volumes or '
             'nodes, or takes a host out of use that this one needs. Use the '
             'same value for all appliers.'),
    cfg.BoolOpt(
        'check_before_start',
        default=False,
        mutable=True,
        help='Whether the pre-conditions of all actions of a plan are '
             'checked before its first action starts. If one would fail, '
             'the plan is FAILED and nothing was changed. Actions on which '
             'others before them have an influence are checked when their '
             'turn comes, as all are without this option.'),
    cfg.IntOpt(
        'cooldown',
        default=0,
        min=0,
        mutable=True,
        help='Seconds for which a server is left alone that an action of '
             'another plan has moved: a further move is SKIPPED. Rollbacks '
             'and retries are exempt. 0 turns this off.'),
    cfg.Opt(
        'cooldown_of_strategies',
        type=cfg.types.Dict(cfg.types.Integer(min=0)),
        default={'host_maintenance': 0},
        mutable=True,
        help='The same for plans of certain strategies, as strategy:seconds. '
             'By default servers leave a host for its maintenance however '
             'lately they came.'),
    cfg.StrOpt(
        'on_deadline',
        default='track',
        choices=[
            ('track', 'Say so in the log and wait on.'),
            ('abort', 'Stop the action if that is possible, as it is for '
                      'live migrations; it is FAILED when it has stopped. '
                      'Others are waited for.'),
        ],
        mutable=True,
        help='What becomes of an action that takes longer than it should. '
             'How long that is follows from what it moves; see the options '
             'of the services. An action is never FAILED while the cloud is '
             'still busy with it.'),
    cfg.StrOpt(
        'on_cancel',
        default='finish',
        choices=[
            ('finish', 'Actions that run are not disturbed.'),
            ('abort', 'Actions that can be stopped, as live migrations, are '
                      'stopped and become CANCELLED.'),
        ],
        mutable=True,
        help='What becomes of the running actions of a plan that is '
             'cancelled. In any case the plan is CANCELLED when they have '
             'ended.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
