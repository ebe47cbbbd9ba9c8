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
"""Checks strategy parameters against what the strategy declares."""

import copy
from typing import Any

from jsonschema import exceptions

from watcher._i18n import _
from watcher.api import types
from watcher.common import exception
from watcher.common import utils

#: How many wrong parameters one answer names.
SHOWN_ERRORS = 5

#: Longest part of the validator's words, which repeat the value.
LONGEST_MESSAGE = 200


def complete(strategy: Any | None, given: dict[str, Any] | None,
             field: str = 'parameters') -> dict[str, Any]:
    """Return the parameters of an audit, completed with the defaults.

    :param strategy: the strategy of the audit, None if it has none
    :param given: what was sent; left alone
    :raises: Invalid, naming the parameter, its value and what is allowed
    """
    given = copy.deepcopy(given or {})
    schema = strategy.parameters_spec if strategy is not None else None
    if not schema:
        if given:
            raise types.invalid(field, given, _without_schema(strategy))
        return given
    return _completed(strategy, schema, given, field)


def check(strategy: Any, given: dict[str, Any], field: str) -> None:
    """Refuse parameters that do not fit the strategy, if it says anything.

    :raises: Invalid, naming the parameter, its value and what is allowed
    """
    if strategy.parameters_spec:
        _completed(strategy, strategy.parameters_spec,
                   copy.deepcopy(given), field)


def _without_schema(strategy):
    if strategy is None:
        return _('Parameters need a strategy that they are for.')
    return (_('The strategy %s takes no parameters.') % strategy.name)


def _completed(strategy, schema, given, field):
    validator = utils.StrictDefaultValidatingDraft4Validator(schema)
    try:
        errors = [exceptions.best_match([error])
                  for error in validator.iter_errors(given)]
    except exception.AuditParameterNotAllowed as exc:
        known = ', '.join(sorted(schema.get('properties', {})))
        raise exception.AuditParameterNotAllowed(
            _('%(error)s The strategy %(strategy)s takes: %(known)s.')
            % {'error': utils.truncate(str(exc), LONGEST_MESSAGE),
               'strategy': strategy.name, 'known': known}
        ) from exc
    if errors:
        raise _refusal(strategy, errors, field)
    return given


def _refusal(strategy, errors, field):
    """Return the error for all wrong parameters at once."""
    first, *others = errors[:SHOWN_ERRORS]
    reason = _('Strategy %(strategy)s: %(message)s.') % {
        'strategy': strategy.name, 'message': _message(first)}
    if others:
        reason += _(' Further: %s.') % '; '.join(
            f'{_name(error, field)}: {_message(error)}' for error in others)
    return types.invalid(_name(first, field), first.instance, reason)


def _name(error, field):
    """Return the path to what an error is about, ``parameters.a.0``."""
    path = [field, *map(str, error.absolute_path)]
    if error.validator == 'required':
        # The error is about the object that lacks the member.
        path += [name for name in error.validator_value
                 if error.message.startswith(repr(name))][:1]
    return '.'.join(path)


def _message(error):
    return utils.truncate(error.message, LONGEST_MESSAGE)
