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
"""Storage services, pools and volumes as Cinder shows them."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from oslo_utils import strutils

from watcher.common import utils

#: Figures that are known by these names only.
_CAPACITIES = ('total_volumes', 'total_capacity_gb', 'free_capacity_gb',
               'provisioned_capacity_gb', 'allocated_capacity_gb')

#: First words of extra specs that are expressions.
_OPERATORS = frozenset((
    '=', '<in>', '<all-in>', '<or>', '==', '!=', '>=', '<=', 's==', 's!=',
    's<', 's<=', 's>', 's>='))


def capacity(value: Any) -> int | float | None:
    """Return a figure that a driver reports about its pool.

    :returns: None for what is not known (missing, ``unknown``) or has no
        end (``infinite``), so that nobody calculates with it.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number < 0:
        return None
    return int(number) if number.is_integer() else number


def backend_name(host: str | None) -> str:
    """Return the backend part of ``host@backend#pool``, ``''`` without."""
    return (host or '').partition('@')[2].partition('#')[0]


@dataclasses.dataclass(frozen=True, slots=True)
class StorageService:
    """A cinder-volume service: one backend."""

    host: str
    availability_zone: str | None
    state: str | None
    status: str | None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'StorageService':
        """Read one element of ``services``."""
        return cls(host=record['host'], availability_zone=record.get('zone'),
                   state=record.get('state'), status=record.get('status'))


@dataclasses.dataclass(slots=True)
class StoragePool:
    """A pool of a backend; strategies may change its figures.

    :param name: ``host@backend#pool``.
    :param capabilities: what else the driver reports.
    """

    name: str
    pool_name: str | None
    total_volumes: int | float | None
    total_capacity_gb: int | float | None
    free_capacity_gb: int | float | None
    provisioned_capacity_gb: int | float | None
    allocated_capacity_gb: int | float | None
    max_over_subscription_ratio: float
    volume_backend_name: str | None
    capabilities: dict[str, Any]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'StoragePool':
        """Read one element of ``pools``."""
        rest = dict(record.get('capabilities') or {})
        figures = {name: capacity(rest.get(name)) for name in _CAPACITIES}
        for name in _CAPACITIES[1:]:
            rest.pop(name, None)
        if 'total_volumes' not in rest:
            figures['total_volumes'] = 0
        ratio = capacity(rest.get('max_over_subscription_ratio'))
        return cls(
            name=record['name'], pool_name=rest.get('pool_name'),
            max_over_subscription_ratio=1.0 if ratio is None else ratio,
            volume_backend_name=rest.get('volume_backend_name'),
            capabilities=rest, **figures)


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A volume as Cinder shows it; ``size`` is in GB."""

    id: str
    name: str | None
    size: int | None
    status: str | None
    volume_type: str | None
    attachments: list[dict[str, Any]]
    multiattach: bool
    metadata: dict[str, str]
    bootable: str | None
    created_at: str | None
    project_id: str | None
    host: str | None
    migration_status: str | None
    mig_name_id: str | None
    snapshot_id: str | None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Volume':
        """Read one element of ``volumes``.

        :raises: InvalidUUID
        """
        return cls(
            id=utils.check_uuid(record['id']), name=record.get('name'),
            size=record.get('size'), status=record.get('status'),
            volume_type=record.get('volume_type'),
            attachments=record.get('attachments') or [],
            multiattach=bool(record.get('multiattach')),
            metadata=record.get('metadata') or {},
            bootable=record.get('bootable'),
            created_at=record.get('created_at'),
            project_id=record.get('os-vol-tenant-attr:tenant_id'),
            host=record.get('os-vol-host-attr:host'),
            migration_status=record.get('os-vol-mig-status-attr:migstat'),
            mig_name_id=record.get('os-vol-mig-status-attr:name_id'),
            snapshot_id=record.get('snapshot_id'))


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeType:
    """A volume type."""

    id: str
    name: str
    extra_specs: dict[str, str]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'VolumeType':
        """Read one element of ``volume_types``.

        :raises: InvalidUUID
        """
        return cls(id=utils.check_uuid(record['id']), name=record['name'],
                   extra_specs=record.get('extra_specs') or {})

    def suits(self, pool: StoragePool) -> bool:
        """Tell whether nothing that the pool reports contradicts the type.

        What the pool does not report is left to Cinder to judge.
        """
        known = {**pool.capabilities,
                 'volume_backend_name': pool.volume_backend_name}
        return not any(
            known.get(name) is not None and _contradicts(known[name], wanted)
            for name, wanted in self.extra_specs.items())


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """A snapshot, as far as it belongs to a volume."""

    volume_id: str


def _contradicts(reported: Any, wanted: str) -> bool:
    """Tell whether a capability is surely not what an extra spec wants.

    Expressions other than ``<is>`` are left to Cinder to judge.
    """
    words = str(wanted).split()
    if words[:1] == ['<is>']:
        return (strutils.bool_from_string(reported)
                != strutils.bool_from_string(' '.join(words[1:])))
    if words and words[0] in _OPERATORS:
        return False
    return str(reported) != str(wanted)


def types_of_backend(types: Iterable[VolumeType], name: str) -> list[str]:
    """Return the names of the types that are tied to a backend.

    :param name: backend part of a host; see :func:`backend_name`.
    """
    return [known.name for known in types
            if known.extra_specs.get('volume_backend_name') == name]
