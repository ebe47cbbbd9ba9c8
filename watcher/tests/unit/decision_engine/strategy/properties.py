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
"""What must hold for every strategy, on clouds made at random.

One line tests a strategy::

    class TestProperties(properties.StrategyProperties, base.TestCase):
        STRATEGY = workload_balance.WorkloadBalance

For others override :meth:`~StrategyProperties.parameters` (what the audit
asks for) or :meth:`~StrategyProperties.prepare` (a storage model, other
metrics). The check of plans is off, so that it cannot hide what a strategy
does wrong.

Strategies that go by measured loads have further ones in
:mod:`.metric_properties`.
"""

import random
from types import SimpleNamespace

from jsonschema import validators
from testtools import content

from watcher.applier.actions import change_nova_service_state
from watcher.applier.loading import default as applier_loading
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import metrics as units
from watcher.decision_engine.followup import recommended
from watcher.decision_engine.model import model_root
from watcher.decision_engine.repair import reality
from watcher.decision_engine.repair import steps as repair_steps
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import storage
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import parts_referee
from watcher.tests.fixtures import referee
from watcher.tests.unit.decision_engine.strategy import courses

#: Status that Nova shows for the states of the model.
STATUS = {'active': 'ACTIVE', 'paused': 'PAUSED', 'stopped': 'SHUTOFF',
          'suspended': 'SUSPENDED', 'error': 'ERROR',
          'resized': 'VERIFY_RESIZE', 'building': 'BUILD',
          'rescued': 'RESCUE', 'shelved': 'SHELVED',
          'soft-delete': 'SOFT_DELETED', 'unheard-of': 'UNKNOWN'}

#: Greatest values of metrics; others are percents.
LIMITS = {'host_ram_usage': 32 * 1024 * 1024, 'instance_ram_usage': 4096,
          'instance_ram_allocated': 4096, 'instance_root_disk_size': 20,
          'host_airflow': 800, 'host_power': 600,
          'instance_l3_cache_usage': 10 ** 6}

#: What JSON schemas (draft 4) know.
KEYWORDS = frozenset((
    'additionalProperties', 'allOf', 'anyOf', 'default', 'dependencies',
    'description', 'enum', 'exclusiveMaximum', 'exclusiveMinimum', 'format',
    'items', 'maxItems', 'maxLength', 'maximum', 'minItems', 'minLength',
    'minProperties', 'minimum', 'multipleOf', 'not', 'oneOf', 'pattern',
    'patternProperties', 'properties', 'required', 'title', 'type',
    'uniqueItems'))

#: No parameter takes all of these.
ODD_VALUES = (None, True, -1.5, 'odd', [None], {'odd': None})

CHANGE_SERVICE = simulation.SERVICE_STATE

#: Types of actions whose preconditions ask only Nova and Cinder.
ASKING = (simulation.MIGRATE, simulation.STOP, CHANGE_SERVICE,
          simulation.VOLUME_MIGRATE)


class UnchangedCloud:
    """Nova as the actions see it: nothing was done to servers so far."""

    def __init__(self, model):
        self._model = model
        self._status = {node.hostname: node.status for node
                        in model.get_all_compute_nodes().values()}

    def find_instance(self, uuid):
        instance = self._model.get_instance_by_uuid(uuid)
        return SimpleNamespace(uuid=uuid, host=instance.host,
                               status=STATUS[instance.state],
                               task_state=None)

    def get_compute_node_by_hostname(self, name):
        if name not in self._status:
            raise exception.ComputeNodeNotFound(name=name)
        return SimpleNamespace(status=self._status[name])

    def get_service_list(self, host):
        return [SimpleNamespace(host=name, status=status)
                for name, status in self._status.items() if name == host]

    def change_service(self, name, status):
        """Have a service changed: moves later in the plan rely on it."""
        self._status[name] = status


class UnchangedStorage:
    """Cinder as the actions see it."""

    def __init__(self, model):
        self._model = model

    def get_volume(self, uuid):
        volume = self._model.get_volume_by_uuid(uuid)
        return SimpleNamespace(
            id=uuid, host=volume.host, status=volume.status,
            volume_type=volume.volume_type, migration_status=None,
            attachments=volume.attachments)

    def get_volume_type_list(self):
        return self._model.volume_types

    def get_storage_pool_by_name(self, name):
        return self._model.reported_pools[name]

    def get_storage_node_by_name(self, name):
        return self._model.get_node_by_name(name)

    def why_not_in(self, volume, pool):
        kinds = {kind.name: kind for kind in self._model.volume_types}
        kind = kinds.get(volume.volume_type)
        return None if kind is None or kind.suits(pool) else 'another type'


class StrategyProperties:
    """Mix it into a test case and name the strategy."""

    STRATEGY: type
    SEEDS = range(12)
    #: Of each cloud.
    HOSTS, SERVERS = 8, 24
    #: Errors by which the strategy says that there is no way.
    REFUSALS: tuple[type, ...] = (feasibility.InfeasiblePlan,)

    #: Whether it may disable or enable services that are so already.
    REPEATS_SERVICES = False

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        #: What came of each seed; tests look at it, and change nothing.
        cls._known = {}

    # What a test may override ---------------------------------------------

    def parameters(self, model: model_root.ModelRoot, seed: int) -> dict:
        """Return the parameters of the audit; defaults are added."""
        return {}

    def named_hosts(self, parameters: dict) -> set[str]:
        """Return the hosts that the audit names as destinations.

        They may be enabled although somebody has disabled them.
        """
        return set()

    def prepare(self, strategy, model: model_root.ModelRoot,
                seed: int) -> None:
        """Give a strategy what it needs beside the compute model."""

    # How strategies are run -----------------------------------------------

    def make(self, model, seed, **shared):
        """Return a strategy that is ready to be executed.

        :param shared: options of all strategies that differ.
        """
        settings.Settings.of_strategy(self.STRATEGY.get_name())
        self.config('watcher_strategies', **{'plan_check': 'off', **shared})
        options = utils.Struct({
            opt.name: opt.default
            for opt in self.STRATEGY.get_config_opts()})
        strategy = self.STRATEGY(options)
        parameters = self.parameters(model, seed)
        utils.StrictDefaultValidatingDraft4Validator(
            strategy.get_schema()).validate(parameters)
        strategy.input_parameters.update(parameters)
        strategy._compute_model = model.copy()
        if strategy.DATASOURCE_METRICS:
            strategy._datasource_backend = self.loads(model, seed)
        self.prepare(strategy, model, seed)
        return strategy

    @staticmethod
    def loads(model, seed):
        """Return random values; some are 0, some are missing."""
        dice = random.Random(seed)
        source = metrics.FakeDataSource()
        elements = {
            units.COMPUTE_NODE: model.get_all_compute_nodes(),
            units.INSTANCE: model.get_all_instances()}
        for name, metric in units.METRICS.items():
            top = LIMITS.get(name, 100)
            source.set(name, {
                uuid: dice.choice([0.0] + [dice.uniform(0, top)] * 4)
                for uuid in elements[metric.resource_type]
                if dice.random() > 0.1})
        return source

    def cloud(self, seed, parts=False):
        """Make the cloud of a seed.

        :param parts: whether there is more to hosts than their size.
        """
        self.addDetail('seed', content.text_content(str(seed)))
        return clouds.random_cloud(seed, self.HOSTS, self.SERVERS,
                                   parts=parts)

    def run_on(self, seed, parts=False, **shared):
        """Return a cloud, the strategy, and its solution or None."""
        model = self.cloud(seed, parts)
        strategy = self.make(model, seed, **shared)
        return model, strategy, self.solve(strategy)

    def solve(self, strategy):
        try:
            return strategy.execute()
        except self.REFUSALS:
            return None

    def runs(self, parts=False):
        """Yield what comes of each seed that has a solution."""
        for seed in self.SEEDS:
            key = seed, parts
            if key not in self._known:
                self._known[key] = self.run_on(seed, parts)
            found = self._known[key]
            self.addDetail('seed', content.text_content(str(seed)))
            if found[-1] is not None:
                yield found

    @staticmethod
    def moves(solution):
        return [action['input_parameters'] for action in solution.actions
                if action['action_type'] == simulation.MIGRATE]

    # Properties -----------------------------------------------------------

    def test_there_are_plans_to_look_at(self):
        self.assertTrue(any(
            solution.actions for _model, _strategy, solution in self.runs()))

    def test_actions_pass_their_preconditions(self):
        """Field report test 1."""
        loader = applier_loading.DefaultActionLoader()
        for model, strategy, solution in self.runs():
            nova = UnchangedCloud(model)
            cinder = UnchangedStorage(strategy._storage_model)
            for record in solution.actions:
                action = loader.load(record['action_type'])
                action.input_parameters = record['input_parameters']
                action.validate_parameters()
                action._nova, action._cinder = nova, cinder
                if record['action_type'] in ASKING:
                    self._ask(action)
                if record['action_type'] == CHANGE_SERVICE:
                    nova.change_service(action.host, action.state)

    def _ask(self, action):
        """Fail unless an action would be executed.

        One that would be skipped does nothing, which is no better.
        """
        try:
            action.pre_condition()
        except exception.ActionSkipped:
            if not (self.REPEATS_SERVICES and isinstance(
                    action, change_nova_service_state.ChangeNovaServiceState)):
                raise

    def test_no_prefix_of_a_plan_breaks_a_rule(self):
        """Field report test 2."""
        for model, _strategy, solution in self.runs():
            simulated = simulation.Simulation(
                cluster.ClusterState.from_model(model))
            for action in solution.actions:
                self.assertIsNone(simulated.apply(action))

    def test_no_move_asks_for_parts_that_are_not_there(self):
        """Field report 2.1, row 1."""
        for model, _strategy, solution in self.runs(parts=True):
            judge = parts_referee.Referee(model)
            for given in self.moves(solution):
                if given.get('destination_node') is not None:
                    self.assertEqual([], judge.move(
                        given['resource_id'], given['destination_node']))

    def test_whatever_begins_or_ends_next_no_rule_is_broken(self):
        """Field report test 2, for the plan as appliers run it.

        The judge shares no code with strategies, the check and planners.
        """
        for seed in self.SEEDS:
            keeps = seed % 2 == 1
            model, strategy, solution = self.run_on(
                seed, plan_check='enforce',
                locked_servers='keep' if keeps else 'move')
            if solution is None or not solution.actions:
                continue
            judge = referee.Referee(model, keeps)
            for event, action in courses.course(
                    courses.planned(strategy, solution), seed):
                if event == 'begin':
                    self.assertEqual([], judge.begin(action))
                else:
                    judge.end(action)

    def test_excluded_servers_are_left_alone(self):
        """Field report test 3."""
        for model, _strategy, solution in self.runs():
            for action in solution.actions:
                uuid = action['input_parameters'].get('resource_id')
                instance = model.get_all_instances().get(uuid)
                self.assertFalse(instance and instance.watcher_exclude)

    def test_hosts_disabled_by_others_are_neither_used_nor_enabled(self):
        """Field report test 4."""
        for model, strategy, solution in self.runs():
            state = cluster.ClusterState.from_model(model)
            others = {
                host.hostname for host in state.hosts
                if eligibility.why_not_enable(host)
            } - self.named_hosts(strategy.input_parameters)
            for parameters in self.moves(solution):
                self.assertNotIn(parameters.get('destination_node'), others)
            for action in solution.actions:
                if (action['action_type'] == CHANGE_SERVICE
                        and action['input_parameters']['state']
                        == 'enabled'):
                    self.assertNotIn(
                        action['input_parameters']['resource_name'], others)

    def test_every_server_moves_once_at_most(self):
        for _model, _strategy, solution in self.runs():
            moved = [parameters['resource_id']
                     for parameters in self.moves(solution)]
            self.assertEqual(len(set(moved)), len(moved))

    def test_same_input_same_plan(self):
        """Field report test 27."""
        for seed in self.SEEDS:
            plans = []
            for _time in range(2):
                _model, _strategy, solution = self.run_on(seed)
                plans.append(solution and (solution.actions, [
                    (found.name, found.value)
                    for found in solution.efficacy_indicators]))
            self.assertEqual(*plans)

    def test_plans_do_not_make_things_worse(self):
        for model, strategy, solution in self.runs():
            before = cluster.ClusterState.from_model(model)
            after = simulation.Simulation(before.copy())
            for action in solution.actions:
                after.apply(action)
            self.assertEqual([], simulation.compare(
                before, after.state, strategy.plan_measures()).worse)

    def test_what_is_measured_is_what_was_promised(self):
        """Field report test 30: as far as metrics need not be simulated."""
        for seed, model, strategy, solution in self.runs_by_seed():
            after, later = self.carried_out(seed, model, strategy, solution)
            found = outcome.observe(
                solution.actions, [True] * len(solution.actions),
                cluster.ClusterState.from_model(after),
                volumes_of(later))
            self.assertEqual((len(solution.actions), ()),
                             (len(found.effective), found.remarks))
            promised = {
                name: value for name, value
                in solution.efficacy.indicators_map.items()
                if not name.startswith('standard_deviation')}
            measured = later.measure_efficacy(found)
            self.assertEqual(promised, {
                name: measured[name] for name in promised})

    def test_plans_hold_while_nothing_changes(self):
        for _seed, model, strategy, solution in self.runs_by_seed():
            steps = [repair_steps.Step(
                str(number), action['action_type'],
                action['input_parameters'], 'PENDING')
                for number, action in enumerate(solution.actions)]
            changes, _count = recommended.compare(steps, reality.Reality(
                cluster.ClusterState.from_model(model),
                strategy._storage_model, strategy.shared_options))
            self.assertEqual([], changes)

    def runs_by_seed(self):
        """As :meth:`runs`, with the seeds."""
        for model, strategy, solution in self.runs():
            seed, = (known for known, parts in self._known
                     if self._known[known, parts][-1] is solution)
            yield seed, model, strategy, solution

    def carried_out(self, seed, model, strategy, solution):
        """Return the cloud after a plan, and the strategy that looks at it.
        """
        after = model.copy()
        carry_out(solution, after)
        later = self.make(after, seed)
        later.input_parameters = strategy.input_parameters
        if later._storage_model is not None:
            carry_out_volumes(solution, later._storage_model)
        return after, later

    def test_actions_tell_their_reasons(self):
        for _model, _strategy, solution in self.runs():
            for action in solution.actions:
                self.assertTrue(action.reason)

    def test_schema_has_known_keywords_only(self):
        """Field report test 34: a misspelt one checks nothing."""
        schema = self.STRATEGY.get_schema()
        validators.Draft4Validator.check_schema(schema)
        self.assertEqual(set(), set(_keywords(schema)) - KEYWORDS)

    def test_every_parameter_refuses_something(self):
        """Field report test 34."""
        for name, schema in self.STRATEGY.get_schema().get(
                'properties', {}).items():
            validator = validators.Draft4Validator(schema)
            self.assertFalse(all(map(validator.is_valid, ODD_VALUES)), name)


def carry_out(solution, model):
    """Move the servers in a model as the plan says, and change hosts.

    Where the plan leaves it to Nova they go to any host that none leaves.
    """
    left = {action['input_parameters'].get('source_node')
            for action in solution.actions}
    for action in solution.actions:
        given = action['input_parameters']
        if action['action_type'] == simulation.MIGRATE:
            source = model.get_node_by_name(given['source_node'])
            name = given.get('destination_node')
            model.migrate_instance(
                model.get_instance_by_uuid(given['resource_id']), source,
                model.get_node_by_name(name) if name else next(
                    node for node in model.get_all_compute_nodes().values()
                    if node.hostname not in left))
        elif action['action_type'] == simulation.SERVICE_STATE:
            node = model.get_node_by_name(given['resource_name'])
            node.status = given['state']
            node.disabled_reason = given.get('disabled_reason')
        elif action['action_type'] == simulation.STOP:
            model.get_instance_by_uuid(
                given['resource_id']).state = feasibility.STOPPED


def carry_out_volumes(solution, model):
    """Move the volumes in a model as the plan says."""
    for action in solution.actions:
        given = action['input_parameters']
        if action['action_type'] != simulation.VOLUME_MIGRATE:
            continue
        volume = model.get_volume_by_uuid(given['resource_id'])
        if given['migration_type'] == storage.RETYPE:
            volume.volume_type = given['destination_type']
            continue
        model.unmap_volume(volume, volume.host)
        volume.host = given['destination_node']
        model.map_volume(volume, volume.host)


def volumes_of(strategy):
    """Return where volumes are, None if the strategy looks at none."""
    if strategy._storage_model is None:
        return None
    return storage.StorageState.from_model(strategy._storage_model)


def _keywords(schema):
    """Yield the keywords of a JSON schema and of all schemas in it."""
    for keyword, value in schema.items():
        yield keyword
        inner = []
        if keyword in ('properties', 'patternProperties', 'definitions'):
            inner = value.values()
        elif keyword in ('items', 'additionalProperties', 'not'):
            inner = [value]
        elif keyword in ('oneOf', 'anyOf', 'allOf'):
            inner = value
        for one in inner:
            if isinstance(one, dict):
                yield from _keywords(one)
