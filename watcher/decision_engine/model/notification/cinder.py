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
"""Keeps the storage model up to date by Cinder's notifications.

A message about a known volume is applied as it is. Cinder is asked only
about what a message does not tell: a volume that is new to the model, a
backend or pool that is, the name of a type, and the figures of a pool whose
volumes became more, fewer or larger. That happens before the message changes
the model, so that nobody waits for the model meanwhile.

Cinder tells nothing about migrations. What it does tell is that more or less
of a pool is allocated or provisioned; when that is not what the model's
volumes explain, the volumes of this pool are listed.
"""

import dataclasses
import datetime
import functools
from collections.abc import Callable
from typing import Any

from oslo_log import log

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.notification import base
from watcher.decision_engine.model.notification import filtering

LOG = log.getLogger(__name__)

#: Fields of a capacity message and of a pool.
FIGURES = {'total': 'total_capacity_gb', 'free': 'free_capacity_gb',
           'provisioned': 'provisioned_capacity_gb',
           'allocated': 'allocated_capacity_gb',
           'virtual_free': 'virtual_free'}

#: Figures in which a volume that comes or goes shows. Neither would do: a
#: move that the driver makes does not change what Cinder counts as allocated,
#: and not every driver reports what is provisioned.
ALLOCATED, PROVISIONED = 'allocated_capacity_gb', 'provisioned_capacity_gb'

#: How many messages about a pool may pass before its volumes are listed again
#: for a figure that volumes do not explain and that changes all the time.
MAX_PATIENCE = 15

#: Events after which the figures of the pool are others.
RESIZING = ('volume.create.end', 'volume.delete.end', 'volume.resize.end',
            'volume.manage_existing.end', 'volume.unmanage.end',
            'volume.retype')

#: Events that describe a volume as it was before.
OUTDATED = 'volume.transfer.'

#: Statuses of a volume that servers use or that is being moved.
BUSY = ('in-use', 'retyping', 'maintenance')

#: What keeps Cinder from answering about a single resource.
NO_ANSWER = (exception.StorageResourceNotFound, exception.CinderClientError,
             exception.AuthorizationFailure)

#: How many volumes that left a pool are looked for one by one.
MAX_SOUGHT = 50


@dataclasses.dataclass
class News:
    """What a message and Cinder's answers say, ready to be applied.

    :param key: uuid of the volume or name of the pool it is about.
    :param when: when the message was sent; None when it does not tell.
    :param pool: name of the pool that is concerned.
    :param read_at: when Cinder was asked, on the clock of messages.
    :param pools: pools as Cinder shows them now.
    :param nodes: backends that were new to the model.
    :param records: volumes as Cinder shows them now; None: there is none.
    :param fields: what the message tells about the volume or pool.
    """

    key: str
    when: datetime.datetime | None
    pool: str | None = None
    read_at: datetime.datetime = dataclasses.field(
        default_factory=lambda: (
            datetime.datetime.now(datetime.UTC) + base.SKEW))
    pools: list[element.Pool] = dataclasses.field(default_factory=list)
    nodes: list[element.StorageNode] = dataclasses.field(
        default_factory=list)
    records: dict[str, dict[str, Any] | None] = dataclasses.field(
        default_factory=dict)
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)


class CinderNotification(base.NotificationEndpoint):
    """Base of the endpoints of the storage model.

    :param collector: the collector of the storage model; its ``reader``
        asks Cinder and makes elements of the answers.
    """

    @property
    def model(self) -> model_root.StorageModelRoot | None:
        """The model to change; None when it is missing or stale."""
        return self.cluster_data_model or None

    @property
    def reader(self) -> Any:
        """Asks Cinder and makes elements of its answers."""
        return self.collector.reader

    # Asking Cinder --------------------------------------------------------

    def ask_pool(self, news: News, name: str | None,
                 again: bool = False) -> None:
        """Read a pool that is new to the model, and its backend.

        :param again: also when it is not new.
        """
        model = self.model
        if not name or model is None:
            return
        if again or name not in model.get_all_pools():
            news.pools += self._answer(self.reader.pool, name)
        self.ask_node(news, name.partition('#')[0])

    def ask_node(self, news: News, host: str) -> None:
        """Read a backend that is new to the model."""
        if host not in self.model.get_all_storage_nodes():
            news.nodes += self._answer(self.reader.node, host)

    @staticmethod
    def _answer(ask, key):
        try:
            return [ask(key)]
        except NO_ANSWER as exc:
            LOG.info('%(key)s cannot be read from Cinder: %(reason)s',
                     {'key': key, 'reason': exc})
            return []

    # Changing the model ---------------------------------------------------

    def learn(self, news: News) -> None:
        """Make the model show what Cinder has answered."""
        model = self.model
        for node in news.nodes:
            if node.host not in model.get_all_storage_nodes():
                # A second model may be told the same.
                model.add_node(element.StorageNode(**node.as_dict()))
        for pool in news.pools:
            self._put_pool(pool, news.read_at)
        for uuid, record in news.records.items():
            if record is not None:
                self._put_record(record, news.read_at)
            elif uuid in model.get_all_volumes() and model.seen(
                    uuid, news.read_at):
                model.remove_volume(uuid)
        host = (news.pool or '').partition('#')[0]
        if host in model.get_all_storage_nodes():
            model.touch(host, news.when)

    def _put_pool(self, pool, read_at=None):
        if not self.model.seen(pool.name, read_at):
            return
        model, host = self.model, pool.name.partition('#')[0]
        pool = element.Pool(**pool.as_dict())
        if pool.name in model.get_all_pools():
            # Only messages tell it.
            pool.virtual_free = model.get_pool_by_pool_name(
                pool.name).get('virtual_free', 0)
        model.add_pool(pool)
        if host in model.get_all_storage_nodes():
            model.map_pool(pool.name, host)

    def _put_record(self, record, read_at):
        if self.reader.is_copy(record) or not self.model.seen(
                record['id'], read_at):
            return
        self.put_volume(self.reader.volume(record))

    def put_volume(self, volume: element.Volume) -> None:
        """Add or replace a volume, in the pool that it names."""
        model, name = self.model, volume.get('host', None)
        model.add_volume(volume)
        if name and name in model.get_all_pools():
            model.map_volume(volume.uuid, name)
            return
        try:
            model.unmap_volume(
                volume.uuid, model.get_pool_by_volume(volume.uuid))
        except exception.PoolNotFound:
            LOG.debug('Volume %(volume)s is in no known pool (%(pool)s)',
                      {'volume': volume.uuid, 'pool': name})


class Ledger:
    """How much of each pool its volumes did not explain at the last look.

    There are image caches, snapshots and hidden copies, and what Cinder
    counts as allocated drifts with each migration until its service starts
    anew. What stays as it is tells nothing; what changes may be a volume
    that moved.
    """

    def __init__(self):
        self._rest: dict[str, dict[str, int]] = {}
        # Looks that a figure of the driver has caused in vain, and messages
        # to let pass before the next one.
        self._vain: dict[str, int] = {}
        self._patience: dict[str, int] = {}

    def explains(self, pool: element.Pool, told: dict[str, int],
                 size: int) -> bool:
        """Tell whether the volumes explain the figures of their pool.

        :param pool: as the model knows it.
        :param told: figures of a message, which may be fewer.
        :param size: what the volumes of the model need.
        """
        rest = self._rest.setdefault(pool.name, {ALLOCATED: 0})
        before = pool.get(PROVISIONED, None)
        if before is not None:
            rest.setdefault(PROVISIONED, before - size)
        odd = set()
        for name in (ALLOCATED, PROVISIONED):
            value = told.get(name, pool.get(name, None))
            if value is not None and value - size != rest.setdefault(
                    name, value - size):
                odd.add(name)
        if odd == {PROVISIONED} and self._patience.get(pool.name, 0):
            self._patience[pool.name] -= 1
            return True
        return not odd

    def complete(self, name: str) -> bool:
        """Tell whether all of the pool was explained at the last look."""
        return not self._rest.get(name, {}).get(ALLOCATED)

    def looked(self, name: str, figures: dict[str, int | None], size: int,
               in_vain: bool) -> None:
        """Note what a list of all volumes has shown.

        :param figures: of the pool when the volumes were listed.
        :param size: what these volumes need.
        :param in_vain: whether the model knew all of them.
        """
        self._rest[name] = {figure: value - size
                            for figure, value in figures.items()
                            if value is not None}
        self._rest[name].setdefault(ALLOCATED, 0)
        vain = self._vain[name] = self._vain.get(name, 0) + 1 if in_vain \
            else 0
        self._patience[name] = min(2 ** vain - 1, MAX_PATIENCE)


class CapacityNotification(CinderNotification):
    """The figures of a pool."""

    def __init__(self, collector: Any):
        super().__init__(collector)
        self._ledger = Ledger()

    @property
    def filter_rule(self) -> filtering.NotificationFilter:
        """Messages of Cinder's scheduler about pools."""
        return filtering.NotificationFilter(
            publisher_id=r'capacity.*', event_type=r'capacity\.pool$')

    def prepare(self, ctxt: dict, publisher_id: str, event_type: str,
                payload: dict, metadata: dict) -> Callable[[], Any] | None:
        """Return what changes a pool and shows where its volumes are."""
        name = (payload or {}).get('name_to_id')
        if not name:
            return None
        news = News(name, base.sent_at(metadata), pool=name)
        news.fields = {
            field: int(max(0, payload[told]))
            for told, field in FIGURES.items()
            if cinder_helper.capacity(payload.get(told)) is not None
            or (told == 'virtual_free' and payload.get(told) is not None)}
        model = self.model
        if model is None:
            return functools.partial(self._apply, news)
        heard = model.heard_at(name)
        late = bool(news.when and heard and news.when < heard)
        if late:
            # The model has newer figures, which are as good to tell whether
            # a volume has moved.
            news.fields = {}
        self.ask_node(news, name.partition('#')[0])
        if name in model.get_all_pools():
            self._explain(news, model.get_pool_by_pool_name(name))
        if late and not news.records:
            return None
        return functools.partial(self._apply, news)

    def _explain(self, news, pool):
        """List the volumes of a pool unless they explain its figures."""
        inside = self.model.get_pool_volumes(pool.name)
        size = sum(volume.get('size', 0) for volume in inside)
        if self._ledger.explains(pool, news.fields, size):
            if pool.get('total_volumes', 0) and self._ledger.complete(
                    pool.name):
                news.fields['total_volumes'] = len(inside)
            return
        try:
            self._look(news, pool, {volume.uuid for volume in inside})
        except (exception.CinderClientError,
                exception.AuthorizationFailure) as exc:
            LOG.info('The volumes of pool %(pool)s cannot be read: '
                     '%(reason)s', {'pool': pool.name, 'reason': exc})

    def _look(self, news, pool, inside):
        listed = self.reader.volumes_of(pool.name)
        news.records = {record['id']: record for record in listed}
        gone = sorted(inside - set(news.records))
        for uuid in gone[:MAX_SOUGHT]:
            news.records[uuid] = self._sought(uuid)
        for name in {pool.name, *(
                record.get('os-vol-host-attr:host')
                for record in news.records.values() if record)}:
            self.ask_pool(news, name, again=True)
        now = {**pool.as_dict(), **news.fields}
        for asked in news.pools:
            if asked.name == pool.name:
                now.update(asked.as_dict())
        true = [record for record in listed
                if not self.reader.is_copy(record)]
        self._ledger.looked(
            pool.name,
            {name: now.get(name) for name in (ALLOCATED, PROVISIONED)},
            sum(record.get('size') or 0 for record in true),
            in_vain={record['id'] for record in true} == inside)

    def _sought(self, uuid):
        try:
            return self.reader.record(uuid)
        except exception.VolumeNotFound:
            return None

    def _apply(self, news):
        model, fields = self.model, news.fields
        newest = model.seen(news.key, news.when)
        self.learn(news)
        if not newest:
            return
        if news.key not in model.get_all_pools():
            self._put_pool(element.Pool(name=news.key, total_volumes=0))
        if any(pool.name == news.key for pool in news.pools):
            # What Cinder has answered is newer; it does not tell this.
            fields = {name: value for name, value in fields.items()
                      if name == 'virtual_free'}
        model.get_pool_by_pool_name(news.key).update(fields)


class VolumeNotification(CinderNotification):
    """Volumes that come, change and go."""

    @property
    def filter_rule(self) -> filtering.NotificationFilter:
        """Messages of Cinder about volumes."""
        return filtering.NotificationFilter(
            publisher_id=r'^volume.*',
            event_type=r'^volume\.((create|update|attach|detach|resize|'
                       r'revert|manage_existing|delete|unmanage|'
                       r'reset_status|transfer\.(create|accept|delete))'
                       r'\.end|retype)$')

    def prepare(self, ctxt: dict, publisher_id: str, event_type: str,
                payload: dict, metadata: dict) -> Callable[[], Any] | None:
        """Return what adds, changes or removes a volume."""
        uuid = (payload or {}).get('volume_id')
        if not uuid:
            return None
        news = News(uuid, base.sent_at(metadata), pool=payload.get('host'))
        if event_type in ('volume.delete.end', 'volume.unmanage.end'):
            change = self._remove
        elif self._ask_volume(news, event_type.startswith(OUTDATED)):
            change = self._put
            news.fields = self._fields(payload)
        else:
            return None
        self.ask_pool(news, news.pool, event_type in RESIZING)
        return functools.partial(change, news)

    def _ask_volume(self, news, again):
        """Read a volume that is new to the model.

        :param again: also when it is not new.
        :returns: whether it is one to be shown.
        """
        model = self.model
        if model is None or (not again
                             and news.key in model.get_all_volumes()):
            return True
        heard = model.heard_at(news.key)
        if news.when and heard and news.when < heard:
            return False
        try:
            record = self.reader.record(news.key)
        except exception.VolumeNotFound:
            return False
        except (exception.CinderClientError,
                exception.AuthorizationFailure) as exc:
            LOG.info('Volume %(volume)s cannot be read; what its message '
                     'tells is used: %(reason)s',
                     {'volume': news.key, 'reason': exc})
            return True
        news.records[news.key] = record
        return not self.reader.is_copy(record)

    def _remove(self, news):
        model = self.model
        if not model.seen(news.key, news.when):
            return
        if news.key in model.get_all_volumes():
            model.remove_volume(news.key)
        self.learn(news)

    def _put(self, news):
        model, uuid = self.model, news.key
        if uuid in news.records:
            self.learn(news)
            return
        if not model.seen(uuid, news.when):
            return
        old = {'multiattach': False, 'bootable': False}
        if uuid in model.get_all_volumes():
            old = model.get_volume_by_uuid(uuid).as_dict()
        # All of it is right, or nothing is changed.
        volume = element.Volume(**{**old, **news.fields, 'uuid': uuid})
        self.learn(news)
        self.put_volume(volume)

    def _fields(self, payload):
        """Return the fields that a message tells."""
        fields = {
            field: payload[told] for told, field in (
                ('size', 'size'), ('status', 'status'),
                ('tenant_id', 'project_id'), ('created_at', 'created_at'))
            if payload.get(told) is not None}
        for told, field in (('snapshot_id', 'snapshot_id'),
                            ('host', 'host')):
            if told in payload:
                fields[field] = payload[told] or None
        if 'display_name' in payload:
            fields['name'] = payload['display_name'] or ''
        if 'metadata' in payload:
            fields['metadata'] = _metadata(payload['metadata'])
        attachments = payload.get('volume_attachment')
        if attachments or ('volume_attachment' in payload
                           and payload.get('status') not in BUSY):
            # Busy, and used by nobody: servers are given a copy, which is to
            # become this volume. Cinder tells that of the copy.
            fields['attachments'] = [
                {'server_id': one.get('instance_uuid'),
                 'attachment_id': one.get('id')}
                for one in attachments or () if isinstance(one, dict)]
        if 'glance_metadata' in payload:
            # Cinder leaves it out of volumes that were made bootable by
            # hand, so that its absence means nothing.
            fields['bootable'] = True
        name = self._type_name(payload.get('volume_type'))
        if name:
            fields['volume_type'] = name
        return fields

    def _type_name(self, ident):
        """Return the name of a type; None when it cannot be had."""
        if not ident or self.model is None:
            return None
        try:
            return self.reader.type_name(ident)
        except NO_ANSWER as exc:
            LOG.info('The volume type %(type)s cannot be read: %(reason)s',
                     {'type': ident, 'reason': exc})
            return None


def _metadata(told: Any) -> dict[str, str]:
    """Return metadata, which Cinder sends as rows of its database."""
    if isinstance(told, dict):
        return told
    return {one['key']: one.get('value') for one in told or ()
            if isinstance(one, dict) and 'key' in one}
