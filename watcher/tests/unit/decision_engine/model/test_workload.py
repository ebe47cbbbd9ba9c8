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
"""Tests of what owners say about their workloads."""

import pathlib
import re
import textwrap

import hypothesis
from hypothesis import strategies as st

from watcher.decision_engine.model import workload
from watcher.tests import base

#: As in the specification of the grammar.
CPU_BOUND = """
cpu_bound_workload:
  derived_from: tosca.nodes.Root
  description: '{vcpus} or {cpu_util}'
  properties:
    vcpus:
      required: true
      weight: -20
      type: integer
      constraints:
        - equal: 2
    cpu_util:
      required: true
      weight: 19
      type: integer
      constraints:
        - greater_than: 90
"""
CPU = 'instance_cpu_usage'
RAM = 'instance_ram_usage'


class TestTosca(base.TestCase):

    def test_the_example(self):
        found = workload.parse(CPU_BOUND)
        self.assertEqual('cpu_bound_workload', found.name)
        self.assertEqual(
            (workload.PerformanceUnit('vcpus', '=', 2.0, '', -20),
             workload.PerformanceUnit(CPU, '>', 90.0, '', 19)), found.units)
        self.assertEqual(('or', 'vcpus', CPU), found.expression)
        self.assertEqual(-20, found.weight)
        for vcpus, load, truth in ((2, 89, True), (4, 91, True),
                                   (4, 90, False), (4, None, None),
                                   (2, None, True), (None, 95, True)):
            self.assertIs(truth, found.holds({'vcpus': vcpus, CPU: load}))

    def test_compact(self):
        found = workload.parse(
            "{io: {properties: {disk_iops: {weight: 5, constraints: "
            "[in_range: [100, 1200]]}}}}")
        self.assertEqual({'disk_iops'}, found.resources)
        self.assertEqual([('>=', 100.0), ('<=', 1200.0)], [
            (unit.operator, unit.value) for unit in found.units])
        for value, truth in ((99, False), (100, True), (1200, True),
                             (1201, False)):
            self.assertIs(truth, found.holds({'disk_iops': value}))

    def test_all_properties_without_a_description(self):
        found = workload.parse(
            "{io: {properties: {memory: {unit: GB, constraints: "
            "[less_or_equal: 4]}, disk: {constraints: [greater_or_equal: "
            "10]}}}}")
        self.assertEqual(('and', 'memory', 'disk'), found.expression)
        self.assertEqual(4096.0, found.units[0].value)

    def test_what_is_not_required_may_be_unknown(self):
        text = ("{io: {properties: {x: {required: %s, constraints: "
                "[equal: 1]}}}}")
        self.assertIsNone(workload.parse(text % 'true').holds({}))
        self.assertIs(True, workload.parse(text % 'false').holds({}))
        self.assertIs(False, workload.parse(text % 'false').holds({'x': 2}))

    def test_mistakes_are_named(self):
        for before, after, reason in (
                ('weight: 19', 'weight: 20', 'between -20 and 19'),
                ('weight: 19', 'weight: 1.5', 'no whole number'),
                ('weight: 19', 'weight: .inf', 'no number'),
                ('weight: 19', 'weight: yes', 'no number'),
                ('greater_than: 90', 'more_than: 90', 'none of equal'),
                ('greater_than: 90', 'greater_than: a', 'no number'),
                ('greater_than: 90', 'in_range: 90', 'two numbers'),
                ('greater_than: 90', f'equal: 1{"0" * 400}', 'no number'),
                ('{cpu_util}', '{cpu}', 'which is no property'),
                ('{cpu_util}', '', 'expected at "its end"'),
                ('{cpu_util}', 'yes', 'a property in braces'),
                (' or ', ' ', 'nothing is expected'),
                ('type: integer', 'type: text', 'none of float, integer'),
                ('required: true', 'required: 1', 'no boolean'),
                ('required: true', 'unit: MB', 'not measured in mb'),
                ('required: true', 'mood: good', 'mood, which is not known'),
                ('tosca.nodes.Root', 'tosca.nodes.Compute', 'only what'),
                ('    vcpus:', '    cpu:', 'two properties'),
                ("'{vcpus} or", "'{vcpus} or *a", 'cannot be read'),
                ('    cpu_util:', '    cpu_util: &a {}', 'no YAML')):
            text = CPU_BOUND.replace(before, after)
            self.assertNotEqual(CPU_BOUND, text)
            error = self.assertRaises(workload.InvalidWorkload,
                                      workload.parse, text)
            self.assertIn(reason, str(error))

    def test_aliases_and_objects_are_refused(self):
        for text in ('{a: &x {properties: {p: *x}}}',
                     '{a: {properties: !!python/object/apply:os.system '
                     '["id"]}}'):
            self.assertRaises(workload.InvalidWorkload, workload.parse, text)


class TestShortForm(base.TestCase):

    def test_examples(self):
        found = workload.parse('vcpus = 2 Cores weight -20 OR cpu_util > 90')
        self.assertEqual(
            (workload.PerformanceUnit('vcpus', '=', 2.0, 'cores', -20),
             workload.PerformanceUnit(CPU, '>', 90.0)), found.units)
        found = workload.parse('(memory.usage > 2000 MB AND '
                               'disk.device.iops < 1500 counts/s)')
        self.assertEqual(('and', RAM, 'disk.device.iops'), found.expression)
        self.assertIs(True, found.holds({RAM: 2001,
                                         'disk.device.iops': 1499}))
        self.assertIs(False, found.holds({RAM: 2000}))

    def test_name(self):
        self.assertEqual('watcher', workload.parse('a = 1').name)
        found = workload.parse('web: a = 1')
        self.assertEqual(('web', 'a'), (found.name, found.expression))

    def test_units(self):
        for text, value in (('memory = 2 GiB', 2048), ('disk = 2 TB', 2048),
                            ('memory.usage = 1 GB', 1024),
                            ('cpu_util = 5 %', 5), ('x = 5 parsecs', 5)):
            self.assertEqual(value, workload.parse(text).units[0].value)

    def test_and_binds_more_than_or(self):
        self.assertEqual(
            ('or', 'a', ('and', 'b', ('not', 'c'))),
            workload.parse('a=1 or b>=2 and not c<=3').expression)
        self.assertEqual(
            ('and', ('or', 'a', 'b'), 'c'),
            workload.parse('(a=1 or b==2) and c=3').expression)

    def test_mistakes_are_named(self):
        for text, reason in (
                ('', 'expected at "its end"'), ('a', 'one of = >'),
                ('a =', 'a number'), ('a = 1 and', 'a resource'),
                ('(a = 1', ') is expected'), ('a = 1)', 'nothing'),
                ('a = 1 weight 99', 'between'), ('a = $', 'cannot be read'),
                ('and = 1', 'a resource is expected'),
                ('a = 1 or a = 2', 'named twice'),
                ('a = 1e999', 'no number'),
                ('(' * 30 + 'a=1' + ')' * 30, 'nested'),
                ('vcpus = 1 MB', 'not measured'),
                (' or '.join(f'a{n} = 1' for n in range(60)), 'more than 50'),
                ('a' * 5000, 'longer')):
            error = self.assertRaises(workload.InvalidWorkload,
                                      workload.parse, text)
            self.assertIn(reason, str(error))

    def test_what_is_broken(self):
        found = workload.parse('a > 5 weight 3 and b > 5 weight -3 and c > 5')
        self.assertEqual(['b', 'a'], [unit.resource for unit in found.broken(
            {'a': 1, 'b': 0.0, 'c': None})])


class TestMetadata(base.TestCase):

    def test_keys(self):
        self.assertIsNone(workload.text_of(None))
        self.assertIsNone(workload.text_of({'a': 'b'}))
        for key in workload.KEYS:
            self.assertEqual('a = 1', workload.text_of({key: 'a = 1'}))

    def test_long_texts_go_on_under_further_keys(self):
        parts = [CPU_BOUND[at:at + 255]
                 for at in range(0, len(CPU_BOUND), 255)]
        self.assertGreater(len(parts), 1)
        metadata = {f'workload_character.{number}': part
                    for number, part in enumerate(parts) if number}
        metadata['workload_character'] = parts[0]
        self.assertEqual(CPU_BOUND, workload.text_of(metadata))


class TestDocumentation(base.TestCase):

    PAGE = (pathlib.Path(workload.__file__).parents[3]
            / 'doc' / 'source' / 'user' / 'workloads.rst')

    def test_examples_can_be_read(self):
        text = self.PAGE.read_text(encoding='utf-8')
        blocks = re.findall(
            r'code-block:: (?:text|yaml)\n\n((?:(?: {3}.*)?\n)+)', text)
        names = [workload.parse(textwrap.dedent(block)).name
                 for block in blocks]
        self.assertEqual(['database', 'cpu_bound_workload'], names)
        [line] = re.findall(r'``(\{web.*?)``', text)
        self.assertEqual('web', workload.parse(line).name)


class TestAnyText(base.TestCase):
    """What owners write can do no harm."""

    RELAXED = hypothesis.settings(deadline=None, derandomize=True,
                                  max_examples=200)

    @RELAXED
    @hypothesis.given(st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from((
            '{', '}', '[', ']', ':', ' ', '\n', '-', 'properties:', 'equal',
            'constraints', 'a', '1', '*a', '&a', '!!', "'", '=', '>', 'or',
            'and', 'not', '(', ')', 'weight', '%'))).map(''.join)))
    def test_is_read_or_refused(self, text):
        try:
            found = workload.parse(text)
        except workload.InvalidWorkload:
            return
        self.assertTrue(found.units)
        self.assertIn(found.holds({}), (None, True, False))

    @RELAXED
    @hypothesis.given(st.dictionaries(
        st.sampled_from('abcd'), st.one_of(st.none(), st.floats(0, 10)),
        max_size=4), st.sampled_from((
            'a > 5 and (b > 5 or not c > 5)', 'not (a>5 or b>5) and c>5',
            'a>5 or b>5 and c>5')))
    def test_what_becomes_known_never_changes_an_answer(self, values, text):
        found = workload.parse(text)
        known = found.holds(values)
        if known is not None:
            for value in (0, 10):
                filled = {name: value for name in 'abc'
                          if values.get(name) is None}
                self.assertIs(known, found.holds({**values, **filled}))
