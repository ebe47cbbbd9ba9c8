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
"""The comparisons that values of extra specs may ask for."""

import operator

_NUMBERS = {'=': operator.ge, '==': operator.eq, '!=': operator.ne,
            '>=': operator.ge, '<=': operator.le}
_TEXTS = {'s==': operator.eq, 's!=': operator.ne, 's<': operator.lt,
          's<=': operator.le, 's>': operator.gt, 's>=': operator.ge}
_OPERATORS = frozenset((*_NUMBERS, *_TEXTS, '<in>', '<all-in>', '<or>'))


def match(given: str, wanted: str) -> bool:
    """Tell whether a value complies with an extra spec.

    :param given: the value of the host.
    :param wanted: a value, or an operator and what follows it: ``=`` (at
        least), ``==``, ``!=``, ``>=``, ``<=`` for numbers; the same with
        ``s`` for texts; ``<in>``, ``<all-in>``, ``<or>``. All but the last
        two look at one word. An operator without any is never complied with.
    """
    words = str(wanted).split()
    if not words:
        return given == wanted
    word, rest = words[0], words[1:]
    if word not in _OPERATORS:
        return given == wanted
    if not rest:
        return False
    if word in _TEXTS:
        return _TEXTS[word](given, rest[0])
    if word in _NUMBERS:
        return _compare(_NUMBERS[word], given, rest[0])
    if word == '<in>':
        return rest[0] in given
    if word == '<all-in>':
        return all(part in given for part in rest)
    # <or> a <or> b
    return given in rest[::2]


def _compare(compare, given, wanted):
    try:
        return compare(float(given), float(wanted))
    except ValueError:
        return False
