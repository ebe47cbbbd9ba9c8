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
"""Base classes of strategies.

A strategy works in three steps: *gather* reads the model and the metrics,
*decide* is a pure function of what was gathered, *emit* turns the decision
into actions, indicators and reasons in words. The documented methods
``pre_execute``, ``do_execute`` and ``post_execute`` are the shell around them.
"""

import abc
import dataclasses
import functools
from collections.abc import Mapping

from oslo_config import cfg
from oslo_log import log
from oslo_utils import strutils
from oslo_utils import timeutils

from watcher._i18n import _
from watcher.common import clients
from watcher.common import context
from watcher.common import exception
from watcher.common import placement_helper
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.conf import datasources as conf_datasources
from watcher.decision_engine.datasources import manager as datasources
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import picture
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.solution import default
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import level
from watcher.decision_engine.strategy.common import live_room
from watcher.decision_engine.strategy.common import loads
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import settling
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import stability

LOG = log.getLogger(__name__)


class BaseStrategy(loadable.Loadable, metaclass=abc.ABCMeta):
    """Base class of strategies.

    An object is built for each run of an audit.

    :param config: values of the strategy's own options.
    :param osc: holder of OpenStack clients; made when needed if missing.
    """

    DATASOURCE_METRICS: list[str] = []
    """Names of the metrics that the strategy cannot do without."""

    MODELS: tuple[str, ...] = ('compute', 'storage', 'baremetal')
    """Which cluster models the strategy looks at. Running plans that change
    nothing in them need not hold up its audits."""

    MIGRATION = 'migrate'

    CHECKS_PLAN = True
    """Whether what the plan would do is simulated before it is stored."""

    def __init__(self, config, osc=None):
        super().__init__(config)
        self.ctx = context.admin_context()
        self._name = self.get_name()
        self._display_name = self.get_display_name()
        self._goal = self.get_goal()
        self._strategy_level = level.StrategyLevel.conservative
        self._cluster_state_collector = None
        self._solution = default.DefaultSolution(goal=self.goal,
                                                 strategy=self)
        self._osc = osc
        self._collector_manager = None
        self._compute_model = None
        self._found_model = None
        self._found_state = None
        self._found_storage = None
        self._all_servers = None
        self._storage_model = None
        self._baremetal_model = None
        self._input_parameters = utils.Struct()
        self._audit_scope = None
        self._datasource_backend = None
        self._planner = 'weight'
        #: Seconds between two runs of the audit; None when it has only one.
        self.audit_interval: float | None = None
        #: What whoever reads the result has to know about the data on which
        #: it was decided. It becomes the status message of the audit.
        self.caveats: list[str] = []

    # What a plug-in declares ----------------------------------------------

    @classmethod
    @abc.abstractmethod
    def get_name(cls) -> str:
        """Return the name: the same as that of the entry point."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def get_display_name(cls) -> str:
        """Return the name for people, translated."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def get_translatable_display_name(cls) -> str:
        """Return the name for people as it is stored, not translated."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def get_goal_name(cls) -> str:
        """Return the name of the goal that this strategy serves."""
        raise NotImplementedError

    @classmethod
    def get_goal(cls):
        """Load the goal object that this strategy serves."""
        return loading.DefaultGoalLoader().load(cls.get_goal_name())

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this strategy."""
        return [
            cfg.ListOpt(
                'datasources',
                item_type=cfg.types.String(
                    choices=conf_datasources.DATASOURCES),
                help='Data sources for metrics in order of preference, '
                     'instead of [watcher_datasources] datasources. '
                     'Possible entries: %s.' % ', '.join(
                         conf_datasources.DATASOURCES)),
        ]

    @classmethod
    def get_schema(cls) -> dict:
        """Return the JSON schema (draft 4) of the audit parameters.

        Give every property a default: an audit without a named strategy
        starts with no parameters at all.
        """
        return {}

    @abc.abstractmethod
    def pre_execute(self):
        """Check and fetch what is needed."""
        raise NotImplementedError

    @abc.abstractmethod
    def do_execute(self, audit=None):
        """Gather, decide and emit.

        :param audit: the audit object on whose behalf this happens.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def post_execute(self):
        """Set the efficacy indicators on the solution."""
        raise NotImplementedError

    # The life cycle -------------------------------------------------------

    def execute(self, audit=None):
        """Run all steps and return the solution."""
        self.pre_execute()
        self.do_execute(audit=audit)
        self.post_execute()
        self._check_plan()
        self.solution.compute_global_efficacy()
        # Of a source that somebody else wrote nothing is known.
        self.caveats += getattr(self._datasource_backend, 'caveats', ())
        return self.solution

    def _check_plan(self):
        # Without a model there is nothing to apply actions to.
        if not self.CHECKS_PLAN or not (self._found_model
                                        or self._found_storage):
            return
        if not plan_check.concerns(self.solution, self.shared_options):
            # The more often an audit repeats, the more often that is so.
            return
        state = (self.found_state() if self._found_model else
                 cluster.ClusterState.from_model(model_root.ModelRoot()))
        if self._found_model and self.shared_options.plan_check_placement:
            state = live_room.refresh(
                self.solution, state,
                placement_helper.PlacementHelper(osc=self.osc))
        plan_check.check(self.solution, state, self.shared_options,
                         self.plan_measures(), self._found_storage)

    def plan_measures(self) -> Mapping[str, simulation.Measure]:
        """Return what a plan must not make more of, by name.

        Functions of a :class:`.ClusterState`, which has the servers in the
        same order as :meth:`found_state`. A plan that makes one greater is
        not recommended. By default what allocations tell about the goal;
        strategies that go by measured loads name their own.
        """
        return simulation.GOAL_MEASURES.get(self.goal.name, {})

    def measure_efficacy(self, found: outcome.Outcome
                         ) -> Mapping[str, float | None]:
        """Return the indicators of the goal, some time after a plan ran.

        The models and metrics are read as they are by then, and counted as
        they were for the indicators that the plan promised. What counts
        actions counts those that are in effect.

        :param found: what is left of the plan in the cloud.
        :returns: values by name; None, or nothing, where it cannot be told.
        """
        specs = self.goal.efficacy_specification.indicators_specs
        return {spec.name: found.count(spec.name) for spec in specs}

    def settling_time(self) -> float:
        """Return for how long metrics still tell of the time before a plan.

        The longest period over which :meth:`measure_efficacy` has metrics
        aggregated, in seconds.
        """
        return 0.0

    def _pre_execute(self):
        """Make sure that the compute model can be used."""
        LOG.info('The strategy %s starts', self.get_display_name())
        model = self.compute_model
        if LOG.isEnabledFor(log.DEBUG):
            # Rendering a big model takes seconds; only for readers.
            LOG.debug('Compute model: %s', model.to_string())

    # What the engine and strategies use -----------------------------------

    @property
    def name(self) -> str:
        return self._name

    @property
    def display_name(self) -> str:
        return self._display_name

    @property
    def goal(self):
        return self._goal

    @property
    def solution(self) -> default.DefaultSolution:
        return self._solution

    @solution.setter
    def solution(self, value):
        self._solution = value

    @property
    def input_parameters(self) -> utils.Struct:
        """Parameters of the audit, by key or as attributes."""
        return self._input_parameters

    @input_parameters.setter
    def input_parameters(self, value):
        self._input_parameters = value

    @property
    def audit_scope(self) -> list | None:
        return self._audit_scope

    @audit_scope.setter
    def audit_scope(self, value):
        self._audit_scope = value

    @property
    def planner(self) -> str:
        """Name of the planner that orders the actions."""
        return self._planner

    @planner.setter
    def planner(self, value):
        self._planner = value

    @property
    def strategy_level(self) -> level.StrategyLevel:
        return self._strategy_level

    @strategy_level.setter
    def strategy_level(self, value):
        self._strategy_level = value

    @property
    def state_collector(self):
        return self._cluster_state_collector

    @state_collector.setter
    def state_collector(self, value):
        self._cluster_state_collector = value

    @property
    def osc(self) -> clients.OpenStackClients:
        """Holder of OpenStack clients."""
        if not self._osc:
            self._osc = clients.OpenStackClients()
        return self._osc

    @property
    def collector_manager(self) -> manager.CollectorManager:
        """Way to the collectors of all models, also third-party ones."""
        if self._collector_manager is None:
            self._collector_manager = manager.CollectorManager()
        return self._collector_manager

    @property
    def compute_model(self):
        """This run's own view of the compute model, reduced to the scope.

        :raises: ClusterStateNotDefined if there is none, ClusterStateStale
            if it is out of date.
        """
        if self._compute_model is None:
            self._compute_model = self._scoped_model('compute')
            if hasattr(self._compute_model, 'invalidate_resource_cache'):
                self._compute_model.invalidate_resource_cache()
        model = _usable(self._compute_model)
        if self._found_model is None and isinstance(
                model, model_root.ModelRoot):
            self._found_model = model.copy()
        return model

    def found_state(self) -> cluster.ClusterState:
        """Return the cluster as it was found, as numbers; a new one.

        :raises: ClusterStateNotDefined, ClusterStateStale
        """
        if self._found_state is None:
            model = self.compute_model
            self._found_state = cluster.ClusterState.from_model(
                self._found_model or model)
        return self._found_state.copy()

    @functools.cached_property
    def shared_options(self) -> settings.Settings:
        """What was configured for this run in ``[watcher_strategies]``."""
        return settings.Settings.of_strategy(self.name)

    def rules_for(self, state: cluster.ClusterState
                  ) -> destinations.DestinationRules:
        """Return the rules about where servers may go in a state."""
        return destinations.DestinationRules(state, self.shared_options)

    def eligibility_for(self, state: cluster.ClusterState
                        ) -> eligibility.Eligibility:
        """Return the answers to which servers may be moved, and how.

        It reads which ones have moved lately, if that matters: one query.
        """
        options = self.shared_options
        now = timeutils.utcnow(with_timezone=True)
        moved = stability.recent_moves(self.ctx, options.min_residence, now)
        lately = stability.Residence(state, options, moved, now)
        return eligibility.Eligibility(state, options, lately.why_not)

    def loads_for(self, state: cluster.ClusterState) -> loads.Loads:
        """Return the reader of metrics of the hosts and servers of a state.

        With ``settle_metrics`` it reads what was done lately: one query.
        """
        if not self.shared_options.settle_metrics:
            return loads.Loads(self.datasource_backend, state)
        return loads.Loads(self.datasource_backend, state,
                           settling.Settling(state).unsettled)

    @property
    def storage_model(self):
        """As :attr:`compute_model`, for pools and volumes."""
        if self._storage_model is None:
            self._storage_model = self._scoped_model('storage')
        model = _usable(self._storage_model)
        if self._found_storage is None and isinstance(
                model, model_root.StorageModelRoot):
            self._found_storage = model.copy()
        return model

    def state_of_server(self, uuid: str) -> str | None:
        """Return the state of a server, also of one outside the scope.

        For strategies that look at volumes and need no compute model: None
        if there is none, or if the server is not in it.
        """
        if self._all_servers is None:
            self._all_servers = self._whole_compute_model()
        try:
            return self._all_servers.get_instance_by_uuid(uuid).state
        except exception.InstanceNotFound:
            return None

    def _whole_compute_model(self):
        try:
            model = self.collector_manager.get_cluster_model_collector(
                'compute', osc=self.osc).get_latest_cluster_data_model()
            return _usable(model)
        except exception.WatcherException as exc:
            LOG.warning('The states of servers that use volumes are not '
                        'known: %s', exc)
        return model_root.ModelRoot()

    @property
    def baremetal_model(self):
        """As :attr:`compute_model`, for bare metal nodes."""
        if self._baremetal_model is None:
            self._baremetal_model = self._scoped_model('baremetal')
        return _usable(self._baremetal_model)

    def _scoped_model(self, name):
        collector = self.collector_manager.get_cluster_model_collector(
            name, osc=self.osc)
        handler = collector.get_audit_scope_handler(
            audit_scope=self.audit_scope or [])
        failure = getattr(collector, 'last_failure', None)
        view = picture.take(
            name, collector.get_latest_cluster_data_model(), handler,
            interval=self.audit_interval,
            failure=failure if isinstance(failure, str) else None)
        self.caveats += view.caveats
        return view.model

    @property
    def datasource_backend(self):
        """The data source that offers every metric the strategy needs.

        :raises: InvalidParameter if the strategy declares no metrics.
        """
        if self._datasource_backend is None:
            if not self.DATASOURCE_METRICS:
                raise exception.InvalidParameter(
                    _('The strategy %s asks for a data source but declares '
                      'no metrics in DATASOURCE_METRICS.') % self.name)
            self._datasource_backend = datasources.DataSourceManager(
                config=self._datasource_config(),
                osc=self.osc).get_backend(self.DATASOURCE_METRICS)
        return self._datasource_backend

    def _datasource_config(self):
        # None means: the global order of preference.
        own = getattr(self.config, 'datasources', None)
        return utils.Struct(datasources=own) if own else None

    # Helpers --------------------------------------------------------------

    def filter_instances_by_audit_tag(self, instances: list) -> list:
        """Leave out instances whose metadata say ``optimize=false``.

        Only with the option ``check_optimize_metadata``. An instance that
        says nothing is kept: its owner never opted out.
        """
        if not self.config.check_optimize_metadata:
            return instances
        return [instance for instance in instances
                if strutils.bool_from_string(
                    (instance.metadata or {}).get('optimize', True))]

    def add_action_migrate(self, instance, migration_type: str,
                           source_node, destination_node=None,
                           reason: str | explanation.Explanation | None = None
                           ) -> None:
        """Add the migration of one instance to the solution.

        :param migration_type: ``live`` or ``cold``.
        :param source_node: compute node on which the instance is.
        :param destination_node: compute node it shall go to; without one
            the scheduler of Nova chooses.
        :param reason: why, as a sentence or with all that counted. What
            the migration transfers is added to it.
        """
        parameters = {'migration_type': migration_type,
                      'source_node': source_node.hostname,
                      'resource_name': instance.name}
        if destination_node is not None:
            parameters['destination_node'] = destination_node.hostname
        arguments = {'action_type': self.MIGRATION,
                     'resource_id': instance.uuid,
                     'input_parameters': parameters}
        if reason is not None:
            arguments['reason'] = _with_cost(reason, instance)
        self.solution.add_action(**arguments)


def _with_cost(reason, instance):
    """Add to an explanation how much the migration of it transfers."""
    if isinstance(reason, str):
        reason = explanation.Explanation(reason)
    if reason.cost is not None:
        return reason
    server = instance
    if not isinstance(instance, feasibility.Server):
        server = feasibility.server_from(instance)
    return dataclasses.replace(reason, cost=stability.transferred(server))


def _usable(model):
    if model is None:
        raise exception.ClusterStateNotDefined()
    if model.stale:
        raise exception.ClusterStateStale()
    if not model:
        raise exception.ClusterStateNotDefined()
    return model


class DummyBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    # Their actions are made up.
    CHECKS_PLAN = False

    @classmethod
    def get_goal_name(cls):
        return 'dummy'

    @classmethod
    def get_config_opts(cls):
        """These strategies read no metrics and have no options."""
        return []


class UnclassifiedStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    """The recommended start for strategies of third parties."""

    @classmethod
    def get_goal_name(cls):
        return 'unclassified'


class ServerConsolidationBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    REASON_FOR_DISABLE = 'watcher_disabled'

    @classmethod
    def get_goal_name(cls):
        return 'server_consolidation'


class ThermalOptimizationBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    @classmethod
    def get_goal_name(cls):
        return 'thermal_optimization'


class WorkloadStabilizationBaseStrategy(BaseStrategy,
                                        metaclass=abc.ABCMeta):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._planner = 'workload_stabilization'

    @classmethod
    def get_goal_name(cls):
        return 'workload_balancing'


class NoisyNeighborBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    @classmethod
    def get_goal_name(cls):
        return 'noisy_neighbor'


class SavingEnergyBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    @classmethod
    def get_goal_name(cls):
        return 'saving_energy'

    @classmethod
    def get_config_opts(cls):
        """These strategies read no metrics and have no options."""
        return []


class ZoneMigrationBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    @classmethod
    def get_goal_name(cls):
        return 'hardware_maintenance'

    @classmethod
    def get_config_opts(cls):
        """These strategies read no metrics and have no options."""
        return []


class HostMaintenanceBaseStrategy(BaseStrategy, metaclass=abc.ABCMeta):
    REASON_FOR_MAINTAINING = 'watcher_maintaining'

    @classmethod
    def get_goal_name(cls):
        return 'cluster_maintaining'

    @classmethod
    def get_config_opts(cls):
        """These strategies read no metrics and have no options."""
        return []
