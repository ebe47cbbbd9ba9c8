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
"""Finds scoring engines by name.

The registry holds the engines of the entry points first, then those of all
containers; a later one replaces an earlier one of the same name. An engine
that cannot be built is logged and left out: it must not take the others away.
"""

import threading

from oslo_log import log

from watcher.decision_engine.loading import default
from watcher.decision_engine.scoring import base

LOG = log.getLogger(__name__)

_lock = threading.Lock()
_registry: dict[str, base.ScoringEngine] | None = None


def get_scoring_engine(scoring_engine_name: str) -> base.ScoringEngine:
    """Return the engine of this name.

    :raises: KeyError if there is none.
    """
    engines = _registry
    if engines is None:
        engines = _reload()
    return engines[scoring_engine_name]


def get_scoring_engine_list() -> list[base.ScoringEngine]:
    """Look for engines anew and return them all."""
    return list(_reload().values())


def _reload() -> dict[str, base.ScoringEngine]:
    global _registry
    with _lock:
        engines = {}
        for engine in [*_single_engines(), *_contained_engines()]:
            engines[engine.get_name()] = engine
        _registry = engines
        return engines


def _single_engines():
    loader = default.DefaultScoringLoader()
    for name in sorted(loader.list_available()):
        try:
            yield loader.load(name)
        except Exception as exc:
            LOG.error('The scoring engine %(name)s is left out: %(error)s',
                      {'name': name, 'error': exc})


def _contained_engines():
    containers = default.DefaultScoringContainerLoader().list_available()
    for name, container in sorted(containers.items()):
        try:
            yield from container.get_scoring_engine_list()
        except Exception as exc:
            LOG.error('The scoring engines of the container %(name)s are '
                      'left out: %(error)s', {'name': name, 'error': exc})
