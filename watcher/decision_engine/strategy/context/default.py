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
"""Prepares the strategy of an audit and runs it."""

import copy

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import clients
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import schedule
from watcher.common import utils
from watcher.conf import decision_engine
from watcher.decision_engine.strategy.context import base
from watcher.decision_engine.strategy.selection import best
from watcher.decision_engine.strategy.selection import default

CONF = conf.CONF
LOG = log.getLogger(__name__)


class DefaultStrategyContext(base.BaseStrategyContext):

    def execute_strategy(self, audit, request_context):
        """Run the audit's strategy, or the best one, for its solution."""
        if (audit.strategy_id is None
                and CONF.watcher_decision_engine.strategy_selection
                == decision_engine.BEST):
            return best.BestStrategySelector(
                audit.goal.name, lambda strategy: self.run(audit, strategy),
                osc=clients.OpenStackClients()).solve()
        return self.run(audit, self.select_strategy(audit))

    def run(self, audit, strategy):
        """Prepare a strategy for the audit, run it, return its solution."""
        self.prepare(audit, strategy)
        LOG.info('Audit %(audit)s runs the strategy %(strategy)s with the '
                 'parameters %(parameters)s',
                 {'audit': audit.uuid, 'strategy': strategy.name,
                  'parameters': dict(strategy.input_parameters)})
        try:
            return strategy.execute(audit=audit)
        except exception.WatcherException as exc:
            # A host that was left out is not found, for example.
            for caveat in strategy.caveats:
                exc.add_note(caveat)
            raise

    @classmethod
    def prepare(cls, audit, strategy) -> None:
        """Give a strategy the scope and the parameters of an audit."""
        strategy.audit_scope = copy.deepcopy(audit.scope) or []
        strategy.input_parameters.update(
            cls.parameters_for(audit, strategy))
        strategy.audit_interval = cls.interval_of(audit)

    @staticmethod
    def select_strategy(audit):
        """Build the strategy that the audit names, or the goal's first."""
        strategy_name = audit.strategy.name if audit.strategy_id else None
        return default.DefaultStrategySelector(
            goal_name=audit.goal.name, strategy_name=strategy_name,
            osc=clients.OpenStackClients()).select()

    @staticmethod
    def interval_of(audit) -> float | None:
        """Return the seconds between two runs; None if there is only one."""
        if not audit.interval:
            return None
        try:
            return schedule.Timetable.of_audit(
                audit, objects.AuditSchedule.get(
                    watcher_context.admin_context(), audit.id)
            ).pause(timeutils.utcnow())
        except exception.Invalid:
            # Whoever stores the end of the run says so.
            return None

    @staticmethod
    def parameters_for(audit, strategy) -> dict:
        """Return the parameters of this run.

        They are a copy: strategies may change them without changing the
        audit. An audit without parameters gets the defaults of the schema.

        :raises: jsonschema.ValidationError if the schema asks for a
            parameter that has no default.
        """
        parameters = copy.deepcopy(dict(audit.parameters or {}))
        schema = strategy.get_schema()
        if not parameters and schema:
            utils.StrictDefaultValidatingDraft4Validator(schema).validate(
                parameters)
        return parameters
