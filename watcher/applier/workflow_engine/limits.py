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
"""How many actions may be busy with one thing at the same time.

What an action occupies are keys, such as ``('source', 'compute-1')``. Each
key has a number of places. The rows of ONGOING actions in the database are
what counts; :class:`Places` is what one engine knows of them, so that it does
not ask for each action that waits.
"""

import collections
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from oslo_log import log

from watcher import conf
from watcher.applier.actions import base as action_base
from watcher.applier.actions import factory

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: Kind of a thing and its name.
Key = tuple[str, str]

#: Name of what lets one applier at a time start an action.
SLOTS = 'slots'

SUBJECT = 'subject'
TOTAL: Key = ('total', '')
#: What actions wait for when their plan is paused or its window is closed; no
#: action occupies it.
PAUSE: Key = ('pause', '')

_OPTIONS = {
    'source': 'max_actions_per_source',
    'destination': 'max_actions_per_destination',
    'pool': 'max_actions_per_pool',
    TOTAL[0]: 'max_actions_total',
}


def limit_of(key: Key) -> int | None:
    """Return how many actions may share a key; None for any number."""
    kind = key[0]
    if kind == SUBJECT:
        return 1
    if key == PAUSE:
        return None
    return CONF.watcher_applier[_OPTIONS[kind]] or None


def keys_of(claims: action_base.Claims) -> tuple[Key, ...]:
    """Return what an action occupies, the scarcest things first."""
    keys = [(SUBJECT, subject) for subject in claims.subjects]
    if claims.source:
        keys.append(('source', claims.source))
    if claims.destination:
        keys.append(('destination', claims.destination))
    keys.extend(('pool', pool) for pool in claims.pools)
    return tuple(dict.fromkeys([*keys, TOTAL]))


def claims_of(plugins: factory.ActionFactory,
              action: Any) -> action_base.Claims:
    """Ask the plug-in of an action what it occupies.

    :param action: has ``id``, ``action_type`` and ``input_parameters``
    """
    try:
        return plugins.make_action(action).claims()
    except Exception as error:
        # It cannot run here. Elsewhere it may.
        LOG.debug('What action %(id)s occupies is unknown: %(error)s',
                  {'id': action.id, 'error': error})
    return claims_without_plugin(action.input_parameters or {})


def claims_without_plugin(parameters: Mapping[str, Any]
                          ) -> action_base.Claims:
    """Return what an action occupies whose plug-in cannot tell."""
    subject = parameters.get('resource_id')
    return action_base.Claims((subject,) if isinstance(subject, str) else ())


def count(occupied: Iterable[tuple[Key, ...]]) -> collections.Counter:
    """Count how many actions share each key."""
    counts: collections.Counter = collections.Counter()
    for keys in occupied:
        counts.update(keys)
    return counts


def first_full(keys: Iterable[Key], used: Mapping[Key, int]) -> Key | None:
    """Return the first key that has no place left."""
    for key in keys:
        limit = limit_of(key)
        if limit is not None and used.get(key, 0) >= limit:
            return key
    return None


class Occupied:
    """What actions occupy, by the word of their plug-ins.

    :param plugins: makes the plug-ins
    """

    def __init__(self, plugins: factory.ActionFactory):
        self._plugins = plugins
        # An action never occupies anything else than before.
        self._known: dict[int, action_base.Claims] = {}

    def by(self, action: Any) -> tuple[Key, ...]:
        """Return what an action occupies while it runs.

        :param action: has ``id``, ``action_type`` and ``input_parameters``
        """
        return keys_of(self.claims_of(action))

    def claims_of(self, action: Any) -> action_base.Claims:
        """Return the same in the words of its plug-in."""
        claims = self._known.get(action.id)
        if claims is None:
            claims = self._known[action.id] = claims_of(self._plugins,
                                                        action)
        return claims


class Places:
    """The places that are taken, as far as one engine knows.

    Only the thread that runs the graph uses it, but for :meth:`see`.
    """

    def __init__(self):
        self._own: collections.Counter = collections.Counter()
        self._others: Mapping[Key, int] = {}

    def see(self, others: Mapping[Key, int]) -> None:
        """Note what the actions of other plans occupy now."""
        self._others = others

    def full(self, keys: Iterable[Key]) -> Key | None:
        """Return the first of the keys that has no place left."""
        others = self._others
        return first_full(keys, {
            key: self._own[key] + others.get(key, 0) for key in keys})

    def take(self, keys: Iterable[Key]) -> None:
        """Take a place of each key."""
        self._own.update(keys)

    def free(self, keys: Iterable[Key]) -> None:
        """Give the places back."""
        for key in keys:
            self._own[key] -= 1
            if self._own[key] <= 0:
                del self._own[key]
