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

import copy
import json
import pickle

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from watcher.decision_engine.model.element import watched
from watcher.tests import base

WRITES = {
    'set': lambda d: d.__setitem__('n', 1),
    'delete': lambda d: d.__delitem__('a'),
    'update': lambda d: d.update({'a': 2}, b=[3]),
    'or': lambda d: d.__ior__({'a': 2}),
    'setdefault': lambda d: d.setdefault('n', []).append(1),
    'pop': lambda d: d.pop('a'),
    'popitem': lambda d: d.popitem(),
    'clear': lambda d: d.clear(),
    'below': lambda d: d['d'].update(e=5),
    'append': lambda d: d['l'].append({'k': 1}),
    'extend': lambda d: d['l'].extend([1, [2]]),
    'insert': lambda d: d['l'].insert(0, 7),
    'item': lambda d: d['l'].__setitem__(0, 7),
    'slice': lambda d: d['l'].__setitem__(slice(0, 2), [7, 8, 9]),
    'del item': lambda d: d['l'].__delitem__(0),
    'list pop': lambda d: d['l'].pop(),
    'remove': lambda d: d['l'].remove(2),
    'list clear': lambda d: d['l'].clear(),
    'sort': lambda d: d['l'].sort(reverse=True),
    'reverse': lambda d: d['l'].reverse(),
    'add': lambda d: d['l'].__iadd__([4]),
    'times': lambda d: d['l'].__imul__(2),
}


def sample():
    return {'a': 1, 'l': [1, 2, 3], 'd': {'e': []}}


class Root:
    """Keeps what a watched structure was at its last change."""

    def __init__(self, value):
        self.value = value
        self.watched = watched.watched(value, self.changed)

    def changed(self):
        self.value = watched.plain(self.watched)


class TestWatched(base.TestCase):

    def test_every_way_of_writing_is_told(self):
        for name, write in WRITES.items():
            with self.subTest(name):
                root, expected = Root(sample()), sample()
                write(root.watched)
                write(expected)
                self.assertEqual(expected, root.watched)
                self.assertEqual(expected, root.value)

    def test_no_way_of_writing_is_forgotten(self):
        reading = {
            dict: {'copy', 'fromkeys', 'get', 'items', 'keys', 'values',
                   '__or__', '__ror__', '__reversed__'},
            list: {'copy', 'count', 'index', '__add__', '__mul__',
                   '__rmul__', '__reversed__'}}
        for cls, made in ((dict, watched.WatchedDict),
                          (list, watched.WatchedList)):
            for name in set(vars(cls)) - set(vars(object)) - reading[cls]:
                if name not in ('__len__', '__iter__', '__contains__',
                                '__getitem__', '__class_getitem__'):
                    self.assertIn(name, vars(made), name)

    def test_what_was_put_in_is_watched_as_well(self):
        root = Root({})
        root.watched['x'] = {'y': [1]}
        root.watched['x']['y'].append(2)
        root.watched.update(z={})
        root.watched['z']['q'] = 1
        self.assertEqual({'x': {'y': [1, 2]}, 'z': {'q': 1}}, root.value)

    def test_the_given_structure_stays_as_it_is(self):
        given_value = sample()
        for write in WRITES.values():
            write(watched.watched(given_value, lambda: None))
        self.assertEqual(sample(), given_value)

    def test_copies_are_plain_and_independent(self):
        root = Root(sample())
        for made in (copy.deepcopy(root.watched), root.watched.copy(),
                     pickle.loads(pickle.dumps(root.watched)),
                     json.loads(json.dumps(root.watched)),
                     copy.copy(root.watched)):
            self.assertIs(dict, type(made))
            self.assertEqual(sample(), made)
            made['a'] = 9
        self.assertEqual(sample(), root.watched)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(sorted(WRITES)), max_size=8))
    def test_sequences(self, names):
        root, expected = Root(sample()), sample()
        for name in names:
            failed = []
            for value in (root.watched, expected):
                try:
                    WRITES[name](value)
                except (KeyError, IndexError, ValueError, TypeError,
                        AttributeError) as exc:
                    failed.append(type(exc))
            self.assertIn(len(failed), (0, 2))
            self.assertEqual(expected, root.watched)
        self.assertEqual(expected, root.value)
