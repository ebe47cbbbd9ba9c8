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
"""How long what has ended is kept."""

from oslo_config import cfg

GROUP = 'watcher_decision_engine'

OPTS = [
    cfg.FloatOpt(
        'retention_days',
        default=0,
        min=0,
        mutable=True,
        help='Days after which audits and action plans that have ended, and '
             'what was soft deleted, are removed from the database for good, '
             'with everything that belongs to them. CONTINUOUS audits that '
             'still run stay, their old plans go. A plan stays in any case '
             'while it may be undone or tried again (rollback_max_age, '
             'action_plan_expiry). With 0 nothing is removed; '
             '"watcher-db-manage purge" removes what was soft deleted.'),
    cfg.IntOpt(
        'retention_interval',
        default=3600,
        min=1,
        mutable=True,
        help='Seconds between two searches for what is older than '
             'retention_days. One decision engine at a time removes it, in '
             'small transactions.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
