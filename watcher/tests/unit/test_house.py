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
"""The plan of the house, held against the code.

A room may only use rooms below it, there is no import circle, and no import
hides in a function.
"""

import ast
import pathlib

import networkx

import watcher
from watcher.tests import base

ROOT = pathlib.Path(watcher.__file__).parent

# Rooms by floor, lowest first. Rooms on one floor don't know each other.
FLOORS = (
    ('_i18n', 'version', 'conf'),
    ('common',),
    ('db',),
    ('objects',),
    ('notifications',),
    ('decision_engine', 'applier'),
    ('api',),
    ('sandbox',),
    ('cmd',),
    ('wsgi',),
)

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS)
            for room in rooms}


def _modules() -> dict[str, pathlib.Path]:
    found = {}
    for path in ROOT.rglob('*.py'):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[0] == 'tests':
            continue
        if parts[-1] == '__init__':
            parts = parts[:-1]
        found['.'.join(('watcher',) + parts)] = path
    return found


def _room(module: str) -> str | None:
    parts = module.split('.')
    return parts[1] if len(parts) > 1 else None


class TestHouse(base.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.modules = _modules()
        cls.trees = {name: ast.parse(path.read_text(), str(path))
                     for name, path in cls.modules.items()}

    def _imports(self, name):
        """(imported module, node) of every import of our own modules."""
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split('.')[0] == 'watcher':
                        yield alias.name, node
            elif (isinstance(node, ast.ImportFrom) and node.module
                    and node.module.split('.')[0] == 'watcher'):
                for alias in node.names:
                    full = f'{node.module}.{alias.name}'
                    yield (full if full in self.modules
                           else node.module), node

    def test_every_room_has_its_floor(self):
        rooms = {_room(name) for name in self.modules} - {None}
        self.assertEqual(set(), rooms - set(FLOOR_OF))

    def test_rooms_only_use_rooms_below(self):
        wrong = []
        for name in self.modules:
            here = _room(name)
            if here is None:
                continue
            for target, node in self._imports(name):
                there = _room(target)
                if there is None or there == here:
                    continue
                if FLOOR_OF[there] >= FLOOR_OF[here]:
                    wrong.append(f'{name}:{node.lineno} uses {target}')
        self.assertEqual([], wrong)

    def test_no_import_circle(self):
        graph = networkx.DiGraph()
        for name in self.modules:
            for target, _node in self._imports(name):
                if target in self.modules and target != name:
                    graph.add_edge(name, target)
        circles = [sorted(component) for component
                   in networkx.strongly_connected_components(graph)
                   if len(component) > 1]
        self.assertEqual([], circles)

    def test_no_import_inside_a_function(self):
        wrong = []
        for name, tree in self.trees.items():
            for function in ast.walk(tree):
                if not isinstance(function, (ast.FunctionDef,
                                             ast.AsyncFunctionDef)):
                    continue
                for node in ast.walk(function):
                    if isinstance(node, (ast.Import, ast.ImportFrom)):
                        wrong.append(f'{name}:{node.lineno}')
        self.assertEqual([], wrong)

    def test_everything_names_its_licence(self):
        missing = [str(path) for path in self.modules.values()
                   if path.read_text().strip()
                   and 'Apache License' not in path.read_text()[:900]]
        self.assertEqual([], missing)


class TestTests(base.TestCase):
    """What makes tests pass or fail by luck."""

    CLOCKS = {'now', 'utcnow', 'today', 'time', 'monotonic', 'perf_counter'}

    def _when_imported(self, body):
        """All nodes that are evaluated by the import of a module."""
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from self._when_imported(node.body)
            elif not isinstance(node, (ast.FunctionDef,
                                       ast.AsyncFunctionDef)):
                yield from ast.walk(node)

    def test_no_clock_is_read_when_a_test_is_imported(self):
        """The test may run many minutes later."""
        wrong = []
        for path in (ROOT / 'tests').rglob('*.py'):
            tree = ast.parse(path.read_text(), str(path))
            for node in self._when_imported(tree.body):
                if (isinstance(node, ast.Call)
                        and isinstance(node.func, ast.Attribute)
                        and node.func.attr in self.CLOCKS):
                    wrong.append(f'{path}:{node.lineno}')
        self.assertEqual([], wrong)

    def test_examples_are_the_same_each_time(self):
        """And take as long as they take."""
        for path in (ROOT / 'tests').rglob('test_*.py'):
            text = path.read_text()
            if path != pathlib.Path(__file__) and 'hypothesis.given' in text:
                self.assertIn('derandomize=True', text, path)
                self.assertIn('deadline=None', text, path)
