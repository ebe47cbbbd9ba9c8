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
"""The query parameters of lists: paging, sorting, filters.

A resource declares its filters and, through its fields, its sort keys; the
rest is the same for all lists.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any
from urllib import parse

import pecan
import wsme.exc

from watcher import conf
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.common import utils

CONF = conf.CONF

DEFAULT_SORT_KEY = 'id'
ASCENDING = 'asc'
DIRECTIONS = (ASCENDING, 'desc')

PAGING = ('limit', 'marker', 'sort_key', 'sort_dir')


@dataclasses.dataclass(frozen=True)
class Filter:
    """A filter that takes the UUID of a related object.

    :ivar since: offered from this microversion on
    """

    name: str
    since: versions.Version = dataclasses.field(
        default=versions.INITIAL, kw_only=True)

    def parse(self, value: str) -> dict[str, str]:
        """Return the filters of the object layer for this value."""
        return {self.name: types.load(types.uuid, self.name, value)}


@dataclasses.dataclass(frozen=True)
class UuidOrName(Filter):
    """A filter that takes the UUID or the name of a related object.

    An empty value means no filter.
    """

    def parse(self, value):
        if not value:
            return {}
        key = 'uuid' if utils.is_uuid_like(value) else 'name'
        return {f'{self.name}_{key}': value}


@dataclasses.dataclass(frozen=True)
class Query:
    """What a list was asked for.

    :ivar limit: most items of the answer, None for all
    :ivar filters: for the object layer
    :ivar given: the filters as they were sent
    """

    limit: int | None
    marker: str | None
    sort_key: str
    sort_dir: str
    filters: dict[str, Any]
    given: dict[str, str]

    def next_link(self, url: str, marker: Any) -> str:
        """Return the link to the page behind the item ``marker``."""
        parameters = {'sort_key': self.sort_key, 'sort_dir': self.sort_dir,
                      'limit': self.limit, 'marker': marker, **self.given}
        return f'{url}?{parse.urlencode(parameters)}'


def _one_of(name, value, allowed):
    if value not in allowed:
        raise types.invalid(
            name, value, _('Allowed are: %s.') % ', '.join(sorted(allowed)))
    return value


def _limit(value: str | None) -> int | None:
    """Return the effective limit; ``[api] max_limit`` caps it."""
    if value is None:
        return CONF.api.max_limit or None
    limit = types.load(types.integer, 'limit', value)
    if not isinstance(limit, int) or limit <= 0:
        raise types.invalid('limit', value,
                            _('A number above zero is expected.'))
    if CONF.api.max_limit:
        limit = min(limit, CONF.api.max_limit)
    return limit


def parameters(allowed: tuple[str, ...]) -> dict[str, str]:
    """Return the query parameters of the request at hand.

    :raises wsme.exc.ClientSideError: one is unknown or given twice
    """
    found = {}
    for name, value in pecan.request.GET.items():
        if name not in allowed:
            raise wsme.exc.UnknownArgument(
                name, _('allowed are %s') % ', '.join(sorted(allowed)))
        if name in found:
            raise types.invalid(name, value, _('It is given twice.'))
        found[name] = value
    return found


def read(filters: Sequence[Filter], sort_keys: frozenset[str]) -> Query:
    """Return what the request at hand asks a list for.

    :raises wsme.exc.ClientSideError: naming the parameter, its value and
        what is allowed
    """
    given = parameters(PAGING + tuple(f.name for f in filters))
    wanted = {f.name: given[f.name] for f in filters if f.name in given}
    conditions = {}
    for declared in filters:
        if declared.name in wanted:
            conditions.update(declared.parse(wanted[declared.name]))
    sort_key = _one_of('sort_key', given.get('sort_key', DEFAULT_SORT_KEY),
                       sort_keys)
    limit = _limit(given.get('limit'))
    sort_dir = _one_of('sort_dir', given.get('sort_dir', ASCENDING),
                       DIRECTIONS)
    return Query(limit=limit, marker=given.get('marker'), sort_key=sort_key,
                 sort_dir=sort_dir, filters=conditions, given=wanted)
