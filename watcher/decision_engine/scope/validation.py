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
"""Checks audit scopes that users send."""

import copy
from collections.abc import Mapping
from typing import Any

import jsonschema
from jsonschema import exceptions as schema_exceptions

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.scope import base
from watcher.decision_engine.scope import schemas

#: The words of the validator repeat the wrong part, however large it is.
_LONGEST_REASON = 200

#: Rules whose selectors may be the wildcard, which then stands alone.
_WILDCARD_RULES = ('host_aggregates', 'availability_zones', 'volume_types')


def get_schema() -> dict[str, Any]:
    """Return the schema of a whole scope with all installed collectors.

    A collector class contributes its ``SCHEMA`` under the name of its entry
    point.
    """
    kinds: dict[str, Any] = dict(schemas.BUILT_IN)
    plugins: Mapping[str, type] = (
        default.ClusterDataModelCollectorLoader().list_available())
    for name, cls in plugins.items():
        schema = getattr(cls, 'SCHEMA', None)
        if schema is not None:
            kinds[name] = schema
    return {
        '$schema': 'http://json-schema.org/draft-04/schema#',
        'type': 'array',
        'items': {'type': 'object', 'properties': kinds,
                  'minProperties': 1, 'additionalProperties': False},
    }


def normalize(scope: list | None) -> list:
    """Return the scope in its present form, as a new list.

    None becomes an empty list. The form from before scope kinds existed is
    wrapped as compute rules.
    """
    if scope is None:
        return []
    if isinstance(scope, list) and base.is_flat(scope):
        return [{'compute': copy.deepcopy(scope)}]
    return copy.deepcopy(scope)


def validate(scope: list | None) -> list:
    """Check a scope and return it in its present form.

    :raises: Invalid naming the place and what is wrong there.
    """
    scope = normalize(scope)
    if scope == []:
        return scope
    validator = jsonschema.Draft4Validator(get_schema())
    error = schema_exceptions.best_match(validator.iter_errors(scope))
    if error is not None:
        raise exception.Invalid(
            _('The audit scope is not valid at %(path)s: %(reason)s') % {
                'path': _path(error.absolute_path),
                'reason': utils.truncate(error.message, _LONGEST_REASON)})
    for kind in ('compute', 'storage'):
        _check_wildcards(scope, kind)
    _check_aggregates(scope)
    return scope


def _path(elements):
    text = 'scope'
    for element in elements:
        text += f'[{element}]' if isinstance(element, int) else f'.{element}'
    return text


def _all_rules(scope, kind):
    for path, key, selectors in base.rules_of(scope, kind):
        if key != 'exclude':
            yield path, key, selectors
        if key in ('exclude', 'all_of'):
            yield from base.entries_of(path, selectors)


def uses(scope: list, rule: str) -> bool:
    """Tell whether a valid scope has a compute rule, excluding or not."""
    return any(key == rule
               for _where, key, _selectors in _all_rules(scope, 'compute'))


def _check_wildcards(scope, kind):
    for path, key, selectors in _all_rules(scope, kind):
        if key in _WILDCARD_RULES and mixes_wildcard(selectors):
            raise exception.Invalid(
                _("The audit scope is not valid at %(path)s: '*' has to be "
                  'the only entry') % {'path': path})


def mixes_wildcard(selectors: list[dict]) -> bool:
    """Tell whether the wildcard stands beside others of the same member."""
    for member in ('id', 'name'):
        values = [selector[member] for selector in selectors
                  if member in selector]
        if base.WILDCARD in values and len(values) > 1:
            return True
    return False


def _check_aggregates(scope):
    included = excluded = None
    for path, key, selectors in base.rules_of(scope, 'compute'):
        if key == 'host_aggregates':
            included = path
        elif key == 'all_of':
            for inner, name, _selectors in base.entries_of(path, selectors):
                if name == 'host_aggregates':
                    included = inner
        elif key == 'exclude':
            for inner, name, _selectors in base.entries_of(path, selectors):
                if name == 'host_aggregates':
                    excluded = inner
    if included and excluded:
        raise exception.Invalid(
            _('The audit scope both includes and excludes host aggregates '
              '(%(included)s, %(excluded)s); use only one of them') % {
                  'included': included, 'excluded': excluded})
