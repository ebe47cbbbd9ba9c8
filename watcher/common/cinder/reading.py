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
"""Reading from Cinder.

Volumes are read in pages of 1000 records over all projects and decoded
straight from JSON. Services, pools and volume types come in one answer each;
who needs the types of many backends reads them once and asks
:func:`~watcher.common.cinder.records.types_of_backend`.
"""

from collections.abc import Callable
from typing import Any

from watcher.common import exception
from watcher.common import rest_helper
from watcher.common.cinder import records

#: From this microversion on pools can be filtered by name.
POOL_FILTER = (3, 28)


class CinderReader(rest_helper.RestHelper):
    """Reads services, pools, volume types and volumes."""

    GROUP = 'cinder'
    ERROR = exception.CinderClientError

    def get_storage_node_list(self) -> list[records.StorageService]:
        """Return the cinder-volume services.

        :raises: CinderClientError
        """
        return self._services()

    def get_storage_node_by_name(self, name: str) -> records.StorageService:
        """Return the service of exactly this host.

        :raises: StorageNodeNotFound unless there is exactly one,
            CinderClientError
        """
        found = [service for service in self._services(host=name)
                 if service.host == name]
        if len(found) != 1:
            raise exception.StorageNodeNotFound(name=name)
        return found[0]

    def _services(self, **filters):
        body = self._read('/os-services', params={
            'binary': 'cinder-volume', **filters})
        return [records.StorageService.from_api(item)
                for item in body['services'] if item.get('host')]

    def get_storage_pool_list(self) -> list[records.StoragePool]:
        """Return all pools with what their drivers report.

        :raises: CinderClientError
        """
        return self._pools_of({})

    def get_storage_pool_by_name(self, name: str) -> records.StoragePool:
        """Return the pool of exactly this name.

        :raises: PoolNotFound unless there is exactly one,
            CinderClientError
        """
        # A Cinder that is older than the filter answers with all pools.
        found = [pool for pool in self._pools_of({'name': name}, POOL_FILTER)
                 if pool.name == name]
        if len(found) != 1:
            raise exception.PoolNotFound(name=name)
        return found[0]

    def _pools_of(self, params, version=None):
        body = self._read('/scheduler-stats/get_pools', version,
                          {'detail': 'True', **params})
        return [records.StoragePool.from_api(item) for item in body['pools']]

    def get_volume_list(self) -> list[records.Volume]:
        """Return the volumes of all projects.

        :raises: CinderClientError
        """
        return [records.Volume.from_api(record) for page in self.volume_pages()
                for record in page]

    def volume_pages(
            self, filters: dict[str, Any] | None = None,
            call: Callable | None = None) -> rest_helper.Pages:
        """Yield pages of volumes of all projects as Cinder sends them.

        :param filters: Cinder's query parameters, such as ``status``.
        :param call: makes each request instead of calling it directly, to
            repeat single pages.
        """
        return self._pages(
            '/volumes/detail', 'volumes', call=call,
            params={'all_tenants': 'True', **(filters or {})})

    def get_volume(self, volume: records.Volume | str) -> records.Volume:
        """Return a volume as it is now.

        :param volume: it or its id; names are not looked for.
        :raises: VolumeNotFound, CinderClientError
        """
        ident = volume.id if isinstance(volume, records.Volume) else volume
        return records.Volume.from_api(self.get_volume_record(ident))

    def get_volume_record(self, volume_id: str) -> dict[str, Any]:
        """Return a volume as Cinder sends it.

        :raises: VolumeNotFound, CinderClientError
        """
        body = self._read(f'/volumes/{volume_id}',
                          missing=exception.VolumeNotFound(name=volume_id))
        return body['volume']

    def get_volume_type_list(
            self, call: Callable | None = None) -> list[records.VolumeType]:
        """Return all volume types, the private ones as well.

        :param call: as for :meth:`volume_pages`.
        :raises: CinderClientError
        """
        return [records.VolumeType.from_api(record) for page in self._pages(
            '/types', 'volume_types', params={'is_public': 'None'},
            call=call) for record in page]

    def get_volume_type_name_by_id(self, volume_type_id: str) -> str:
        """Return the name of a volume type.

        :raises: VolumeTypeNotFound, CinderClientError
        """
        body = self._read(
            f'/types/{volume_type_id}',
            missing=exception.VolumeTypeNotFound(name=volume_type_id))
        return body['volume_type']['name']

    def get_volume_type_by_backendname(self, backendname: str) -> list[str]:
        """Return the names of the types that are tied to a backend.

        :raises: CinderClientError
        """
        return records.types_of_backend(
            self.get_volume_type_list(), backendname)

    def get_volume_types_for_pool(
            self, pool: records.StoragePool) -> list[str]:
        """Return the names of the types that volumes in a pool may have.

        :raises: CinderClientError
        """
        return [known.name for known in self.get_volume_type_list()
                if known.suits(pool)]

    def get_volume_snapshots_list(self) -> list[records.VolumeSnapshot]:
        """Return the snapshots of all projects.

        :raises: CinderClientError
        """
        pages = self._pages('/snapshots/detail', 'snapshots',
                            params={'all_tenants': 'True'})
        return [records.VolumeSnapshot(record['volume_id'])
                for page in pages for record in page]

    def get_deleting_volume(
            self, volume: records.Volume) -> records.Volume | None:
        """Return the former copy of a migrated volume, while it exists.

        :raises: CinderClientError
        """
        for page in self.volume_pages({'migration_status': 'deleting'}):
            for record in page:
                found = records.Volume.from_api(record)
                # Every volume carries its own id when it has no other.
                if found.id != volume.id and found.mig_name_id == volume.id:
                    return found
        return None

    @staticmethod
    def _has_more(body, key):
        # The links of types are named in the singular.
        links = (body.get(f'{key}_links')
                 or body.get(f'{key[:-1]}_links') or [])
        return any(link.get('rel') == 'next' for link in links)
