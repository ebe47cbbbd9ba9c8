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
"""The decision engine."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'watcher_decision_engine',
    title='Options of the decision engine')

#: Values of strategy_selection.
FIRST, BEST = 'first', 'best'

#: Values of check_recommended_plans.
OFF, GONE, CHANGED = 'off', 'gone', 'changed'

#: Values of blocking_plans, and of supersede_overtaken (with OFF).
ANY, OVERLAPPING, ALL = 'any', 'overlapping', 'all'

#: Values of blocked_audits.
CANCEL, WAIT = 'cancel', 'wait'

OPTS = [
    cfg.StrOpt(
        'conductor_topic',
        default='watcher.decision.control',
        help='RPC topic on which decision engines receive requests. The API '
             'and all decision engines must agree on it.'),
    cfg.ListOpt(
        'notification_topics',
        default=['nova.versioned_notifications', 'openstack.notifications'],
        help='Where to listen for notifications of other services (changes of '
             'compute, storage and bare metal keep the cluster models fresh '
             'between two rebuilds; add '
             'ironic.ironic_versioned_notifications for bare metal). Each '
             'entry is exchange.topic, or just topic for the default '
             'exchange. Nova must send versioned notifications there: '
             '[notifications] notification_format is versioned or both.'),
    cfg.IntOpt(
        'notification_silence',
        default=3600,
        min=60,
        mutable=True,
        help='Seconds without any notification of Nova after which a warning '
             'is logged, once until Nova is heard again. An idle cloud is '
             'silent, too; raise it there.'),
    cfg.StrOpt(
        'publisher_id',
        default='watcher.decision.api',
        deprecated_for_removal=True,
        deprecated_since='2027.1',
        deprecated_reason='Notifications are published as infra-optim:<host>.',
        help='Has no effect. It is accepted so that old configuration files '
             'keep working.'),
    cfg.StrOpt(
        'strategy_selection',
        default=FIRST,
        choices=[
            (FIRST, 'the first strategy of the goal by name'),
            (BEST, 'all strategies of the goal are run, and the plan that '
                   'brings most is taken; its explanation tells which ones '
                   'were compared')],
        mutable=True,
        help='Which strategy an audit runs that names a goal but no '
             'strategy. Comparing costs the time of all strategies of the '
             'goal.'),
    cfg.StrOpt(
        'blocking_plans',
        default=ANY,
        choices=[
            (ANY, 'any action plan that is changing the cloud'),
            (OVERLAPPING, 'one that changes hosts, servers, volumes, pools '
                          'or bare metal nodes in the scope of the audit; '
                          'for an audit without a scope any')],
        mutable=True,
        help='Which running action plans keep an audit without force from '
             'running. Whichever it is, the status message of the audit '
             'names it, and CONTINUOUS and EVENT audits are tried again.'),
    cfg.StrOpt(
        'blocked_audits',
        default=CANCEL,
        choices=[
            (CANCEL, 'it is CANCELLED'),
            (WAIT, 'it stays PENDING until that plan has ended')],
        mutable=True,
        help='What becomes of a ONESHOT audit that a running action plan '
             'keeps from running, see blocking_plans.'),
    cfg.IntOpt(
        'max_audit_workers',
        default=2,
        min=1,
        required=True,
        help='Number of audits of all types that one decision engine runs '
             'at the same time. Further ones wait, longest first, and lose '
             'nothing by waiting. Each running audit may need one CPU and '
             'its own view of the cluster model.'),
    cfg.IntOpt(
        'max_audit_duration',
        default=7200,
        min=0,
        mutable=True,
        help='Seconds after which an audit that still runs counts as '
             'hanging. It is FAILED, or waits for its next run if it is '
             'CONTINUOUS, and another audit gets its place; nothing that it '
             'may still find is stored. With 0 audits may run for ever.'),
    cfg.IntOpt(
        'max_audit_attempts',
        default=3,
        min=1,
        mutable=True,
        help='How often the run of an audit is begun that ends with its '
             'decision engine, because that dies or is restarted. Then the '
             'audit is FAILED, or waits for its next run if it is '
             'CONTINUOUS: maybe it is what the engines die of.'),
    cfg.IntOpt(
        'failed_audit_pause',
        default=60,
        min=0,
        mutable=True,
        help='Seconds that a CONTINUOUS audit waits at least after a run '
             'that failed; twice as long after each further failure in a '
             'row. The next run is then at the first date of its interval '
             'after that. With 0 every date counts.'),
    cfg.IntOpt(
        'failed_audit_max_pause',
        default=3600,
        min=0,
        mutable=True,
        help='Longest pause after failures, see failed_audit_pause: a '
             'working audit begins so many seconds after its cause is gone, '
             'at the latest.'),
    cfg.IntOpt(
        'lease_renewal_interval',
        default=10,
        min=1,
        mutable=True,
        help='Seconds between two renewals of the lease under which a '
             'decision engine works. A lease that was not renewed for '
             '[DEFAULT] service_down_time seconds is expired, by the clock '
             'of the database, and other engines take over its audits. At '
             'most a third of that time is used.'),
    cfg.IntOpt(
        'max_general_workers',
        default=4,
        min=1,
        required=True,
        help='Number of threads shared by the tasks that read the cluster '
             '(Nova, Placement, Cinder, Ironic). More make the first reading '
             'faster and ask more of the APIs at the same time.'),
    cfg.IntOpt(
        'action_plan_expiry',
        default=24,
        mutable=True,
        help='Age in hours after which an action plan that is still '
             'RECOMMENDED becomes SUPERSEDED, because the cluster it was '
             'made for has changed meanwhile. With 0 plans never expire.'),
    cfg.IntOpt(
        'rollback_max_age',
        default=3600,
        min=0,
        mutable=True,
        help='Seconds after the end of an action plan during which it can be '
             'undone with POST /v1/action_plans/{uuid}/rollback. Later too '
             'much may have changed. With 0 any plan can. What would not '
             'work any more is left out of a rollback in any case.'),
    cfg.Opt(
        'rollback_max_age_of_strategies',
        type=cfg.types.Dict(cfg.types.Integer(min=0)),
        default={'host_maintenance': 604800},
        mutable=True,
        help='The same for plans of certain strategies, as strategy:seconds. '
             'By default the servers that left a host for its maintenance '
             'can be brought back for a week.'),
    cfg.IntOpt(
        'check_periodic_interval',
        default=1800,
        mutable=True,
        help='Seconds between two searches for expired action plans (see '
             'action_plan_expiry), and for those of which the cloud has '
             'moved on (see check_recommended_plans).'),
    cfg.StrOpt(
        'check_recommended_plans',
        default=OFF,
        choices=[
            (OFF, 'they are left alone until they expire'),
            (GONE, 'they are given up when none of their actions is '
                   'possible any more'),
            (CHANGED, 'they are given up when one of their actions is not '
                      'possible any more')],
        mutable=True,
        help='Whether action plans that are RECOMMENDED become SUPERSEDED '
             'because the cloud has changed: servers or volumes are gone or '
             'elsewhere, destinations are disabled, down or full. Their '
             'status message says what has changed. They are looked at '
             'every check_periodic_interval seconds, unless a plan is '
             'running.'),
    cfg.StrOpt(
        'supersede_overtaken',
        default=OFF,
        choices=[
            (OFF, 'they are left alone'),
            (OVERLAPPING, 'those that are about servers, hosts, volumes, '
                          'pools or bare metal nodes which the plan has '
                          'changed'),
            (ALL, 'all of them')],
        mutable=True,
        help='Which action plans that are RECOMMENDED become SUPERSEDED when '
             'another plan ends that has changed something since they were '
             'made. Their status message names that plan. Its own rollback '
             'and retry are never meant. They are looked for every 30 '
             'seconds.'),
    cfg.IntOpt(
        'measure_after',
        default=300,
        min=0,
        mutable=True,
        help='Seconds after the end of an action plan before it is measured '
             'what it has brought; at least the period of the metrics that '
             'are needed. The API shows it beside what was promised. With 0 '
             'nothing is measured.'),
    cfg.FloatOpt(
        'efficacy_tolerance',
        default=20,
        min=0,
        max=100,
        mutable=True,
        help='By how many percent an indicator that is measured after an '
             'action plan may differ from what the plan promised before a '
             'warning is logged. With 0 there is no warning.'),
    cfg.StrOpt(
        'metric_map_path',
        default='/etc/watcher/metric_map.yaml',
        help='Optional YAML file that renames metrics for each data source, '
             'for clouds whose collectors use other names than the usual '
             'ones. Ignored if it does not exist.'),
    cfg.IntOpt(
        'continuous_audit_interval',
        default=10,
        mutable=True,
        help='Seconds between two rounds that look for CONTINUOUS audits to '
             'take over, to schedule anew or to end: after so long a new '
             'audit begins, and a changed interval, start or end time '
             'counts. Runs begin on the second, whatever this is set to.'),
    cfg.BoolOpt(
        'balance_audits',
        default=True,
        mutable=True,
        help='Whether a decision engine that has clearly more CONTINUOUS '
             'audits than its share (more than two, and more than a fifth of '
             'the share) gives the excess to engines that have less, e.g. '
             'when these were away. It does when all of them have worked for '
             '[DEFAULT] service_down_time seconds. Audits stay that are '
             'about to run: within the longer one of reconcile_interval and '
             'continuous_audit_interval, and five seconds; so those with a '
             'shorter interval never move. Users see it in the '
             'hostname of the audits. Otherwise an audit keeps its engine '
             'until that is gone.'),
    cfg.IntOpt(
        'reconcile_interval',
        default=10,
        min=1,
        mutable=True,
        help='Seconds between two searches of the database for audits that '
             'wait for a decision engine. Requests are normally delivered at '
             'once over the message bus; this search finds those whose '
             'message was lost or whose engine died, so it is the longest '
             'such an audit waits.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
