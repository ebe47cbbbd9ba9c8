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
"""The applier and its workflow engines."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'watcher_applier',
    title='Options of the applier')

OPTS = [
    cfg.IntOpt(
        'workers',
        default=1,
        min=1,
        required=True,
        help='Number of action plans that one applier executes at the same '
             'time, in threads of one process. Further plans wait in state '
             'PENDING. How many actions of one plan run at the same time is '
             'a matter of the workflow engine, see '
             '[watcher_workflow_engines.taskflow] max_workers.'),
    cfg.StrOpt(
        'conductor_topic',
        default='watcher.applier.control',
        help='RPC topic on which appliers receive requests. The API, the '
             'decision engines and all appliers must agree on it.'),
    cfg.StrOpt(
        'publisher_id',
        default='watcher.applier.api',
        deprecated_for_removal=True,
        deprecated_since='2027.1',
        deprecated_reason='Notifications are published as infra-optim:<host>.',
        help='Has no effect. It is accepted so that old configuration files '
             'keep working.'),
    cfg.StrOpt(
        'workflow_engine',
        default='taskflow',
        required=True,
        help='Name of the plug-in (entry point in watcher_workflow_engines) '
             'that executes action plans.'),
    cfg.BoolOpt(
        'rollback_when_actionplan_failed',
        default=False,
        deprecated_for_removal=True,
        deprecated_since='2026.1',
        deprecated_reason='Executed actions are not reverted: moving '
                          'everything back seldom restores what was there '
                          'before.',
        help='Has no effect. It is accepted so that old configuration files '
             'keep working.'),
    cfg.IntOpt(
        'reconcile_interval',
        default=10,
        min=1,
        mutable=True,
        help='Seconds between two searches of the database for action plans '
             'that wait for an applier or are to be cancelled. Requests are '
             'normally delivered at once over the message bus; this search '
             'finds those whose message was lost or whose applier died, so '
             'it is the longest such a plan waits.'),
    cfg.StrOpt(
        'interrupted_plans',
        default='cancel',
        choices=[
            ('cancel',
             'They are CANCELLED. What was started in the cloud goes on '
             'there; their status messages name it.'),
            ('resume',
             'They go on where they stood. For actions that had been started '
             'the cloud is asked first what became of them: those that still '
             'run are followed to their end, and none is started twice.')],
        mutable=True,
        help='What becomes of action plans whose applier was stopped, killed '
             'or cut off while it executed them. The applier of the same '
             'host name deals with them when it starts, any other one when '
             'nothing was heard of theirs for [DEFAULT] service_down_time '
             'seconds. Use the same value for all appliers.'),
    cfg.IntOpt(
        'lease_renewal_interval',
        default=10,
        min=1,
        mutable=True,
        help='Seconds between two renewals of the lease under which an '
             'applier works. A lease that was not renewed for [DEFAULT] '
             'service_down_time seconds is expired, by the clock of the '
             'database, and other appliers take over. At most a third of '
             'that time is used.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
