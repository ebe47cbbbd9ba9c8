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
"""Base of the scope handlers."""

import abc
from collections.abc import Iterator
from typing import Any

from oslo_context import context as oslo_context
from oslo_log import log

from watcher.common import exception

LOG = log.getLogger(__name__)

#: Kinds of parts that an audit scope is made of, besides third-party ones.
KINDS = ('compute', 'storage', 'baremetal')

WILDCARD = '*'


class BaseScope(metaclass=abc.ABCMeta):
    """Reduces a model to what one audit may see and touch.

    :param scope: the audit's scope, never modified; None and an empty list
        mean everything.
    :param config: options of the collector whose model is handled.
    :ivar unmatched: in words, which selectors of the scope matched nothing
        in the last model.
    """

    def __init__(self, scope: list | None, config: Any):
        self.ctx = oslo_context.get_current()
        self.scope = scope
        self.config = config
        self.unmatched: list[str] = []

    @abc.abstractmethod
    def get_scoped_model(self, cluster_model: Any) -> Any:
        """Reduce the given model, which belongs to the audit alone.

        :returns: the model; None when it is missing or stale.
        """

    def _report(self, text: str) -> None:
        """Tell the operator that a part of the scope has no effect."""
        self.unmatched.append(text)
        LOG.warning('Audit scope: %s', text)


def is_flat(scope: list) -> bool:
    """Tell whether a scope has the form from before scope kinds existed.

    Its entries are compute rules themselves.
    """
    return bool(scope and isinstance(scope[0], dict) and scope[0]
                and next(iter(scope[0])) in (
                    'host_aggregates', 'availability_zones', 'all_of',
                    'exclude'))


def rules_of(scope: list | None,
             kind: str) -> Iterator[tuple[str, str, list]]:
    """Yield path, key and selectors of all rules of one kind.

    Every part and every key counts, in the order of the document. What has
    no usable form is left out, because scopes that were stored long ago
    still have to run.
    """
    scope = scope if isinstance(scope, list) else []
    if is_flat(scope):
        scope = [{'compute': scope}]
    for number, part in enumerate(scope):
        rules = part.get(kind) if isinstance(part, dict) else None
        for position, rule in enumerate(_dicts(rules)):
            for key, selectors in rule.items():
                yield (f'scope[{number}].{kind}[{position}].{key}', key,
                       _dicts(selectors))


def entries_of(path: str,
               entries: list) -> Iterator[tuple[str, str, list]]:
    """Yield path, key and selectors of the entries of an exclude rule."""
    for position, entry in enumerate(entries):
        for key, selectors in entry.items():
            yield f'{path}[{position}].{key}', key, _dicts(selectors)


def has_wildcard(selectors: list[dict], member: str, resource: str) -> bool:
    """Tell whether the wildcard is chosen.

    :raises: WildcardCharacterIsUsed when it is not alone.
    """
    values = [selector[member] for selector in selectors
              if member in selector]
    if WILDCARD not in values:
        return False
    if len(values) > 1:
        raise exception.WildcardCharacterIsUsed(resource=resource)
    return True


def plain_id(project_id: Any) -> str:
    """Return a project id so that all its spellings are equal."""
    return str(project_id).replace('-', '').lower()


def _dicts(value):
    return ([item for item in value if isinstance(item, dict)]
            if isinstance(value, list) else [])
