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

import math

import jsonschema
import numpy

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.goal.efficacy import indicators
from watcher.decision_engine.goal.efficacy import specs
from watcher.decision_engine.solution import efficacy
from watcher.tests import base


class TestEfficacy(base.TestCase):

    def compute(self, goal, **values):
        made = efficacy.Efficacy(goal(utils.Struct()),
                                 utils.Struct(name='test'))
        made.set_efficacy_indicators(**values)
        made.compute_global_efficacy()
        return made

    def figures(self, goal, **values):
        return [(i.name, i.unit, i.value)
                for i in self.compute(goal, **values).global_efficacy]

    def test_goal_without_figures(self):
        made = self.compute(goals.Dummy)
        self.assertIsNone(made.global_efficacy)
        self.assertEqual([], made.indicators)

    def test_server_consolidation(self):
        values = {'compute_nodes_count': 4, 'instance_migrations_count': 7,
                  'released_compute_nodes_count': 1}
        made = self.compute(goals.ServerConsolidation, **values)
        self.assertEqual(list(values.items()),
                         [(i.name, i.value) for i in made.indicators])
        self.assertEqual(
            [('released_nodes_ratio', '%', 25.0)],
            self.figures(goals.ServerConsolidation, **values))

    def test_numbers_of_numpy_become_plain(self):
        made = self.compute(
            goals.WorkloadBalancing,
            instance_migrations_count=numpy.int64(1),
            instances_count=numpy.int32(4),
            standard_deviation_before_audit=numpy.float64(0.5))
        self.assertEqual(
            [(1, int), (4, int), (0.5, float)],
            [(i.value, type(i.value)) for i in made.indicators])

    def test_what_is_no_number_is_not_known(self):
        made = self.compute(
            goals.WorkloadBalancing, instance_migrations_count=1,
            instances_count=4, standard_deviation_after_audit=math.inf,
            standard_deviation_before_audit=numpy.float64('nan'))
        self.assertEqual(
            ['instance_migrations_count', 'instances_count'],
            [indicator.name for indicator in made.indicators])

    def test_server_consolidation_without_hosts(self):
        self.assertEqual(
            [('released_nodes_ratio', '%', 0)],
            self.figures(goals.ServerConsolidation, compute_nodes_count=0,
                         released_compute_nodes_count=2,
                         instance_migrations_count=0))
        self.assertEqual([('released_nodes_ratio', '%', 0)],
                         self.figures(goals.ServerConsolidation))

    def test_workload_balancing(self):
        self.assertEqual(
            [('live_migrations_count', '%', 50.0)],
            self.figures(goals.WorkloadBalancing, instances_count=4,
                         instance_migrations_count=2,
                         standard_deviation_before_audit=1.5,
                         standard_deviation_after_audit=0.5))
        self.assertEqual([('live_migrations_count', '%', 0)],
                         self.figures(goals.WorkloadBalancing))

    def test_workload_balancing_without_migrations_count(self):
        self.assertRaises(
            jsonschema.ValidationError, self.compute,
            goals.WorkloadBalancing, instances_count=3)

    def test_workload_balancing_without_instances_count(self):
        self.assertRaises(
            exception.GlobalEfficacyComputationError, self.compute,
            goals.WorkloadBalancing, instance_migrations_count=1)

    def test_unknown_indicator(self):
        self.assertRaises(
            exception.GlobalEfficacyComputationError, self.compute,
            goals.WorkloadBalancing, instance_migrations_count=0, foo=1)

    def test_negative_value(self):
        self.assertRaises(
            jsonschema.ValidationError, self.compute,
            goals.WorkloadBalancing, instance_migrations_count=-1)

    def test_hardware_maintenance(self):
        self.assertEqual(
            [('live_instance_migrate_ratio', '%', 50.0),
             ('cold_instance_migrate_ratio', '%', 0),
             ('volume_migrate_ratio', '%', 100.0),
             ('volume_update_ratio', '%', 25.0)],
            self.figures(
                goals.HardwareMaintenance,
                live_migrate_instance_count=4,
                planned_live_migrate_instance_count=2,
                cold_migrate_instance_count=3,
                planned_cold_migrate_instance_count=0,
                volume_migrate_count=2, planned_volume_migrate_count=2,
                volume_update_count=4, planned_volume_update_count=1))

    def test_value_that_is_no_number(self):
        self.assertRaises(
            exception.InvalidIndicatorValue, efficacy.Indicator,
            'name', 'description', '%', 'many')


class TestSpecifications(base.TestCase):

    def test_stored_form_has_exactly_four_keys(self):
        stored = indicators.InstancesCount().to_dict()
        self.assertEqual({'name', 'description', 'unit', 'schema'},
                         set(stored))
        self.assertEqual('{"type": "integer", "minimum": 0}',
                         stored['schema'])

    def test_schema_of_each_goal_is_valid(self):
        for spec in (specs.Unclassified(), specs.ServerConsolidation(),
                     specs.WorkloadBalancing(),
                     specs.HardwareMaintenance()):
            jsonschema.Draft4Validator.check_schema(spec.schema)

    def test_validation_of_one_indicator_of_a_solution(self):
        solution = utils.Struct(efficacy_indicators=[
            utils.Struct(name='instances_count', value=3)])
        indicators.InstancesCount.validate(solution)
        self.assertRaises(jsonschema.ValidationError,
                          indicators.ComputeNodesCount.validate, solution)
