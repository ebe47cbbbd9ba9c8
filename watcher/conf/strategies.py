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
"""What applies to all strategies.

A strategy may have its own value for each of these: the same option in its
own group ``[watcher_strategies.<name>]`` wins.
"""

import logging
from typing import Any

from oslo_config import cfg

LOG = logging.getLogger(__name__)

GROUP = cfg.OptGroup(
    'watcher_strategies',
    title='Options of all strategies',
    help='Each option can also be set in the group of a single strategy, '
         'for instance [watcher_strategies.workload_balance], and then wins '
         'there. What is not set is off: decisions then are those of the '
         'strategy alone.')

#: Filters that are in force unless something else is configured.
DEFAULT_FILTERS = (
    'server_group', 'availability_zone', 'aggregate_extra_specs',
    'tenant_isolation', 'aggregate_image', 'isolated_aggregates', 'traits',
    'resource_classes', 'alike_hosts')

#: What Nova refuses to migrate.
MIGRATION_BLOCKERS = ('accel:device_profile',)
LIVE_MIGRATION_BLOCKERS = (
    'pci_passthrough:alias', 'hw:mem_encryption=true',
    'hw_mem_encryption=true', 'hw:tpm_version', 'hw_tpm_version')


def _opts() -> list[cfg.Opt]:
    return [
        cfg.ListOpt(
            'destination_filters',
            default=list(DEFAULT_FILTERS),
            help='Which rules, beside room and the state of the compute '
                 'service, a host has to comply with before a strategy sends '
                 'a server there. They are those of the scheduler of Nova: '
                 'leave out what your scheduler does not check. Names of '
                 'entry points of the group watcher_destination_filters, in '
                 'the order in which they are asked.'),
        cfg.StrOpt(
            'plan_check',
            default='enforce',
            choices=[
                ('enforce', 'Moves that cannot work are brought into an '
                            'order in which they can, or are left out. A '
                            'plan that makes what its goal measures worse '
                            'is not recommended.'),
                ('report', 'The same is only logged and noted.'),
                ('off', 'Plans are stored as strategies make them.')],
            help='What happens with a plan that, simulated on the model, '
                 'breaks a rule or does not help.'),
        cfg.BoolOpt(
            'plan_check_placement',
            default=False,
            help='Whether the check of a plan asks Placement, before the '
                 'plan is stored, what its destinations have free now. Moves '
                 'that no longer fit are treated like others that cannot '
                 'work. Two requests for each destination, and one for each '
                 'further resource class. Useful where plans are executed '
                 'at once and servers come and go all the time.'),
        cfg.StrOpt(
            'locked_servers',
            default='move',
            choices=[('move', 'They move like others; the reason of the '
                              'action says that they are locked.'),
                     ('keep', 'They stay where they are.')],
            help='What strategies do with servers that their owners have '
                 'locked.'),
        cfg.ListOpt(
            'opt_out_metadata',
            default=[],
            help='Metadata with which owners keep their servers from being '
                 'moved or stopped: key=value, or just key for any value. '
                 'One match is enough; letter case of values is ignored. '
                 'The example optimize=false is what '
                 'check_optimize_metadata of the strategy basic looks at.'),
        cfg.ListOpt(
            'opt_out_tags',
            default=[],
            help='Tags with which owners keep their servers from being moved '
                 'or stopped.'),
        cfg.ListOpt(
            'opt_out_projects',
            default=[],
            help='UUIDs of projects whose servers are neither moved nor '
                 'stopped.'),
        cfg.ListOpt(
            'opt_out_extra_specs',
            default=[],
            help='Extra specs of flavors whose servers are neither moved nor '
                 'stopped; written like opt_out_metadata.'),
        cfg.ListOpt(
            'migration_blockers',
            default=list(MIGRATION_BLOCKERS),
            help='Extra specs of flavors, and properties of images, whose '
                 'servers Nova migrates neither live nor cold; written like '
                 'opt_out_metadata.'),
        cfg.ListOpt(
            'live_migration_blockers',
            default=list(LIVE_MIGRATION_BLOCKERS),
            help='Extra specs of flavors, and properties of images, whose '
                 'servers Nova cannot migrate live; written like '
                 'opt_out_metadata. Servers with an emulated TPM can be '
                 'migrated live if their flavors have '
                 'hw:tpm_secret_security=host, whatever stands here.'),
        cfg.IntOpt(
            'max_migrations',
            default=0, min=0,
            help='The most servers that one plan moves. 0: no limit.'),
        cfg.IntOpt(
            'max_migrations_per_source',
            default=0, min=0,
            help='The most servers that one plan takes from a host. 0: no '
                 'limit.'),
        cfg.IntOpt(
            'max_migrations_per_destination',
            default=0, min=0,
            help='The most servers that one plan sends to a host. 0: no '
                 'limit.'),
        cfg.IntOpt(
            'max_migrations_per_project',
            default=0, min=0,
            help='The most servers of a project that one plan moves. 0: no '
                 'limit.'),
        cfg.FloatOpt(
            'dead_band',
            default=0.0, min=0.0, max=100.0,
            help='By how many percent of its threshold a strategy goes below '
                 'the threshold once that was exceeded, so that the next '
                 'small change does not exceed it again. Example: with a '
                 'threshold of 80 and a dead band of 10, balancing begins '
                 'above 80 and does not fill a host beyond 72.'),
        cfg.FloatOpt(
            'min_improvement',
            default=0.0, min=0.0, max=100.0,
            help='By how many percent a move has to improve what the '
                 'strategy measures to be worth while.'),
        cfg.IntOpt(
            'min_residence',
            default=0, min=0,
            help='Seconds for which a server that was migrated by an action '
                 'plan is left where it is. Set it to more than the period '
                 'over which metrics are averaged: they describe the time '
                 'before the move until then. 0: no limit.'),
        cfg.BoolOpt(
            'settle_metrics',
            default=False,
            help='Whether metrics of a host do not count as long as the '
                 'period over which they are aggregated contains the time '
                 'before an action plan moved, resized, stopped or started '
                 'a server there. Strategies then treat the host as one of '
                 'which nothing is known: it gives no servers away and '
                 'takes none, or counts by the metrics of its servers where '
                 'a strategy adds those up. Metrics of servers always '
                 'count.'),
        cfg.FloatOpt(
            'migration_cost',
            default=0.0, min=0.0,
            help='By how many percent a move has to improve what the '
                 'strategy measures for each 100 GB of memory and local disk '
                 'that have to be transferred. 0: size does not matter.'),
    ]


OPTS = _opts()


def overrides(conf: cfg.ConfigOpts, strategy: str) -> dict[str, Any]:
    """Return the values of the same options in the group of one strategy.

    Their default there is None: the shared value counts. They are not listed
    in the sample configuration, where they would be repeated for each
    strategy. An option of the strategy itself that has such a name stays
    and means what it means to that strategy: it is none of these.

    :returns: by name, None where nothing is configured.
    """
    group = f'{GROUP.name}.{strategy}'
    values = {}
    for opt in _opts():
        opt.default = None
        try:
            conf.register_opt(opt, group=group)
        except cfg.DuplicateOptError:
            LOG.debug('%s has its own option %s', group, opt.name)
        else:
            values[opt.name] = conf[group][opt.name]
    return values


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
