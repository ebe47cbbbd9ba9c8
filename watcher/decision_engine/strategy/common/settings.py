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
"""The options that all strategies share, as one value."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from watcher.conf import strategies

MOVE, KEEP = 'move', 'keep'
ENFORCE, REPORT, OFF = 'enforce', 'report', 'off'

#: A pair that is looked for: key, and value or None for any.
Pair = tuple[str, str | None]


def pairs(texts: list[str] | tuple[str, ...]) -> tuple[Pair, ...]:
    """Read ``key=value`` and ``key``."""
    found = []
    for text in texts:
        key, equals, value = text.partition('=')
        found.append((key.strip(),
                      value.strip().lower() if equals else None))
    return tuple(found)


def match(wanted: tuple[Pair, ...],
          mapping: Mapping[str, Any] | None) -> str | None:
    """Return the first wanted pair that the mapping has, as text."""
    if not mapping:
        return None
    for key, value in wanted:
        if key in mapping and value in (None, str(mapping[key]).lower()):
            return f'{key}={mapping[key]}'
    return None


@dataclasses.dataclass(frozen=True)
class Settings:
    """See the options of the same names in ``[watcher_strategies]``."""

    destination_filters: tuple[str, ...] = strategies.DEFAULT_FILTERS
    plan_check: str = ENFORCE
    plan_check_placement: bool = False
    locked_servers: str = MOVE
    opt_out_metadata: tuple[Pair, ...] = ()
    opt_out_tags: frozenset[str] = frozenset()
    opt_out_projects: frozenset[str] = frozenset()
    opt_out_extra_specs: tuple[Pair, ...] = ()
    migration_blockers: tuple[Pair, ...] = pairs(
        strategies.MIGRATION_BLOCKERS)
    live_migration_blockers: tuple[Pair, ...] = pairs(
        strategies.LIVE_MIGRATION_BLOCKERS)
    max_migrations: int = 0
    max_migrations_per_source: int = 0
    max_migrations_per_destination: int = 0
    max_migrations_per_project: int = 0
    dead_band: float = 0.0
    min_improvement: float = 0.0
    min_residence: int = 0
    settle_metrics: bool = False
    migration_cost: float = 0.0

    @classmethod
    def of_strategy(cls, name: str,
                    conf: cfg.ConfigOpts = cfg.CONF) -> 'Settings':
        """Read what is configured for a strategy."""
        return cls.from_options(conf[strategies.GROUP.name],
                                strategies.overrides(conf, name))

    @classmethod
    def from_options(cls, shared: Mapping[str, Any],
                     own: Mapping[str, Any] | None = None) -> 'Settings':
        """Read them from option groups.

        :param shared: the values of ``[watcher_strategies]``.
        :param own: those of the strategy's own group; None and missing ones
            do not count.
        """
        own = own or {}
        values = {}
        for field in dataclasses.fields(cls):
            value = own[field.name] if field.name in own else None
            if value is None:
                value = shared[field.name]
            values[field.name] = _READERS.get(field.name, _same)(value)
        return cls(**values)


def _same(value):
    return value


def _projects(values):
    # Nova writes them without hyphens, people do not always.
    return frozenset(value.replace('-', '').lower() for value in values)


_READERS = {
    'destination_filters': tuple,
    'opt_out_metadata': pairs,
    'opt_out_extra_specs': pairs,
    'migration_blockers': pairs,
    'live_migration_blockers': pairs,
    'opt_out_tags': frozenset,
    'opt_out_projects': _projects,
}
