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
"""Small tools that every floor and many plug-ins use."""

import copy
import re
from collections.abc import Sequence
from typing import Any

import jsonschema
from croniter import croniter
from jsonschema import validators
from oslo_utils import strutils
from oslo_utils import uuidutils

from watcher._i18n import _
from watcher.common import exception

ELLIPSIS = '...'


class Struct(dict):
    """A dictionary whose keys are attributes as well."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


generate_uuid = uuidutils.generate_uuid
is_uuid_like = uuidutils.is_uuid_like
is_int_like = strutils.is_int_like


def check_uuid(value: Any) -> str:
    """Return the UUID unchanged.

    :raises: InvalidUUID
    """
    if not is_uuid_like(value):
        raise exception.InvalidUUID(uuid=value)
    return value


def check_cron(value: str) -> str:
    """Return the cron expression unchanged.

    :raises: CronFormatIsInvalid with the parser's reason.
    """
    if not isinstance(value, str):
        raise exception.CronFormatIsInvalid(
            cron=value, reason=_('it is not a text'))
    try:
        croniter(value)
    except (ValueError, KeyError, AttributeError, TypeError) as exc:
        raise exception.CronFormatIsInvalid(
            cron=value, reason=exc) from exc
    return value


def is_cron_like(value: Any) -> bool:
    """Tell whether the value is a cron expression of 5 to 7 fields."""
    try:
        check_cron(value)
    except exception.CronFormatIsInvalid:
        return False
    return True


def get_cls_import_path(cls: type) -> str:
    """Return the dotted path from which the class can be imported."""
    module = cls.__module__
    if module is None or module == str.__module__:
        return cls.__name__
    return f'{module}.{cls.__name__}'


def truncate(text: str | None, limit: int = 255) -> str | None:
    """Cut the text to at most ``limit`` characters, marking the cut."""
    if text is None or len(text) <= limit:
        return text
    if limit <= len(ELLIPSIS):
        return text[:limit]
    return text[:limit - len(ELLIPSIS)] + ELLIPSIS


def first_line(exc: BaseException) -> str:
    """Return what the exception says, without the details of a driver."""
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__


_USER_OF_URL = re.compile(r'(://)[^/?#@\s]+@')


def hide_credentials(text: str) -> str:
    """Return the text without users and passwords in its URLs."""
    return _USER_OF_URL.sub(r'\1***@', text)


def pick_config_arguments(argv: Sequence[str]) -> list[str]:
    """Pick ``--config-file`` and ``--config-dir`` out of foreign arguments.

    :param argv: arguments of another program, without its name.
    """
    arguments = iter(argv)
    picked = []
    for argument in arguments:
        name, equals, value = argument.partition('=')
        if name in ('--config-file', '--config-dir'):
            picked += [name, value if equals else next(arguments, '')]
    return picked


Draft4Validator = jsonschema.Draft4Validator


def _fill_defaults(instance, properties):
    for name, subschema in properties.items():
        if isinstance(subschema, dict) and 'default' in subschema:
            instance.setdefault(name, copy.deepcopy(subschema['default']))


def _strict_properties(validator, properties, instance, schema):
    if validator.is_type(instance, 'object'):
        unknown = set(instance) - set(properties) if properties else ()
        if unknown:
            raise exception.AuditParameterNotAllowed(
                parameter=', '.join(sorted(map(str, unknown))))
        _fill_defaults(instance, properties)
    yield from Draft4Validator.VALIDATORS['properties'](
        validator, properties, instance, schema)


def _required_after_defaults(validator, required, instance, schema):
    # The order of keywords in a schema has no meaning: a member with a
    # default is never missing, wherever "required" stands.
    if validator.is_type(instance, 'object'):
        _fill_defaults(instance, schema.get('properties') or {})
    yield from Draft4Validator.VALIDATORS['required'](
        validator, required, instance, schema)


#: JSON schema draft 4, completing the document and refusing what it does not
#: list. At every object level whose schema lists properties, missing members
#: with a default are written into the document, and an unlisted member
#: raises AuditParameterNotAllowed.
StrictDefaultValidatingDraft4Validator = validators.extend(
    Draft4Validator,
    {'properties': _strict_properties,
     'required': _required_after_defaults})
