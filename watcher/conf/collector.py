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
"""Building the cluster data models."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'collector',
    title='Options for building the cluster data models')

OPTS = [
    cfg.ListOpt(
        'collector_plugins',
        default=['compute', 'storage'],
        help='Cluster data models to keep: compute (Nova and Placement), '
             'storage (Cinder), baremetal (Ironic) or third-party ones, by '
             'the name of their entry point in '
             'watcher_cluster_data_model_collectors. The storage and '
             'bare metal models are left out by themselves when the cloud '
             'has no such service.'),
    cfg.IntOpt(
        'api_query_max_retries',
        default=10,
        min=1,
        deprecated_opts=[
            cfg.DeprecatedOpt('api_call_retries', group='collector')],
        help='How often a failing request to another service is tried while '
             'a model is built, before the build is given up and the model '
             'marked as stale.'),
    cfg.IntOpt(
        'api_query_interval',
        default=1,
        min=0,
        deprecated_opts=[
            cfg.DeprecatedOpt('api_query_timeout', group='collector')],
        help='Seconds between those tries.'),
    cfg.IntOpt(
        'compute_resources_collector_timeout',
        default=600,
        min=30,
        help='Seconds to wait for the next answer while the compute model '
             'is read, with all tries. When Nova does not answer for so long '
             'the reading is given up; hosts for which Placement does not '
             'answer keep the inventories that were read last. Raise it if '
             'the log shows timeouts on a large or slow cloud.'),
    cfg.IntOpt(
        'stale_after',
        default=7200,
        min=0,
        mutable=True,
        help='Seconds since its last reading for which a model is kept when '
             'its periodic reading fails; notifications go on changing it '
             'meanwhile. After that it is dropped, and audits fail until it '
             'can be read. With 0 the first failure drops it.'),
    cfg.IntOpt(
        'last_known_max_age',
        default=3600,
        min=0,
        mutable=True,
        help='Seconds for which values that were read earlier stand in for '
             'what a service does not tell about a host now: the inventories '
             'of a compute host when Placement fails, servers of a cell of '
             'Nova that is down, pools that the scheduler of Cinder does not '
             'report though their backend is up. Audits use such hosts and '
             'say so in their status message. What is older counts as not '
             'known, and incomplete_hosts decides. With 0 nothing that is '
             'not read anew is ever used.'),
    cfg.StrOpt(
        'incomplete_hosts',
        default='leave_out',
        choices=[
            ('leave_out', 'audits go on without these hosts: they are '
                          'neither used nor changed, nor is what is on '
                          'them. The status message of the audit names '
                          'them. An audit of which no host is left fails'),
            ('refuse', 'audits fail and name the hosts')],
        mutable=True,
        help='What audits do with hosts of their scope (backends, bare metal '
             'nodes) of which too little is known: because Placement did not '
             'describe them, for example, and nothing was read within '
             'last_known_max_age seconds.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
