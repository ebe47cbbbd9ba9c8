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
"""Moves a volume to another pool, or gives it another type.

The data are moved by Cinder alone, which asks Nova to swap the disks of
servers that use the volume. Nothing here copies, detaches or deletes a
volume, nor acts in the name of its owner.
"""

from typing import Any

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import nova_action
from watcher.common import cinder_helper
from watcher.common import exception
from watcher.common import waiting

LOG = log.getLogger(__name__)

#: Migration statuses of a volume that is not on the move.
_NOT_MOVING = (None, 'none', 'success', 'error', 'deleting')
#: Statuses of servers whose disks Nova swaps.
_SWAPPABLE = ('ACTIVE', 'PAUSED')


class VolumeMigrate(nova_action.NovaUser):
    """Has Cinder migrate or retype a volume and follows it to the end.

    ``swap`` means ``migrate``: Cinder swaps volumes in use by itself.
    """

    MIGRATION_TYPE = 'migration_type'
    MIGRATE = 'migrate'
    RETYPE = 'retype'
    SWAP = 'swap'
    DESTINATION_NODE = 'destination_node'
    DESTINATION_TYPE = 'destination_type'

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc=osc)
        self._cinder: cinder_helper.CinderHelper | None = None
        self._checked = False
        self._volume: cinder_helper.Volume | None = None

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.UUID,
                'migration_type': {
                    'type': 'string',
                    'enum': [self.MIGRATE, self.RETYPE, self.SWAP]},
                'destination_node': base.TEXT,
                'destination_type': base.TEXT,
                'resource_name': base.DISPLAY_NAME,
            },
            'required': ['resource_id', 'migration_type'],
            'additionalProperties': False,
        }

    @property
    def cinder(self) -> cinder_helper.CinderHelper:
        """Cinder; all helpers of the process share one connection."""
        if self._cinder is None:
            self._cinder = cinder_helper.CinderHelper(osc=self.osc)
        return self._cinder

    @property
    def migration_type(self) -> str:
        """``migrate``, ``swap`` or ``retype``."""
        return self.input_parameters[self.MIGRATION_TYPE]

    @property
    def destination_node(self) -> str | None:
        """Name of the pool to go to."""
        return self.input_parameters.get(self.DESTINATION_NODE)

    @property
    def destination_type(self) -> str | None:
        """Name of the new type."""
        return self.input_parameters.get(self.DESTINATION_TYPE)

    @property
    def _retypes(self):
        return self.migration_type == self.RETYPE

    def claims(self):
        pools = (self.destination_node,) if self.destination_node else ()
        return base.Claims(subjects=(self.resource_id,), pools=pools)

    def deadline(self):
        """As ``[cinder]`` says for a volume of this size."""
        if self._volume is None:
            return None
        return cinder_helper.time_limit(self._volume)

    # Before ---------------------------------------------------------------

    def pre_condition(self):
        """Is the volume still there, and can it become what it should?"""
        volume = self._find_volume()
        self._check_parameters()
        if self.destination_type is not None:
            self._check_type()
        pool = None
        if self.destination_node is not None:
            pool = self._find_pool()
        if self._retypes:
            self._skip_retyped(volume)
        else:
            self._skip_moved(volume)
            self._check_service()
            self._check_pool(volume, pool)
        self._check_at_rest(volume)
        self._check_servers(volume)
        self._checked = True

    def _find_volume(self):
        try:
            self._volume = self.cinder.get_volume(self.resource_id)
            return self._volume
        except exception.VolumeNotFound:
            raise exception.ActionSkipped(
                _('Volume %s was not found') % self.resource_id)

    def _check_parameters(self):
        needed = (self.DESTINATION_TYPE if self._retypes
                  else self.DESTINATION_NODE)
        if needed not in self.input_parameters:
            raise exception.ActionExecutionFailure(
                _('The parameter %(name)s is needed to %(what)s a volume')
                % {'name': needed, 'what': self.migration_type})

    def _check_type(self):
        if not any(known.name == self.destination_type
                   for known in self.cinder.get_volume_type_list()):
            raise exception.ActionExecutionFailure(
                _('Volume type %s was not found') % self.destination_type)

    def _find_pool(self):
        try:
            return self.cinder.get_storage_pool_by_name(
                self.destination_node)
        except exception.PoolNotFound:
            raise exception.ActionExecutionFailure(
                _('Storage pool %s was not found') % self.destination_node)

    def _skip_retyped(self, volume):
        if volume.volume_type == self.destination_type:
            raise exception.ActionSkipped(
                _('Volume %(volume)s is already of type %(type)s') % {
                    'volume': volume.id, 'type': volume.volume_type})

    def _skip_moved(self, volume):
        if volume.host == self.destination_node:
            raise exception.ActionSkipped(
                _('Volume %(volume)s is already in pool %(pool)s') % {
                    'volume': volume.id, 'pool': volume.host})

    def _check_service(self):
        host = self.destination_node.partition('#')[0]
        try:
            service = self.cinder.get_storage_node_by_name(host)
        except exception.StorageNodeNotFound:
            # Pools of clustered services have the name of the cluster.
            LOG.debug('No storage service is called %s; Cinder has to '
                      'judge whether it is enabled', host)
            return
        if service.status != 'enabled' or service.state == 'down':
            raise exception.ActionExecutionFailure(
                _('The storage service %(host)s does not take volumes: it '
                  'is %(status)s and %(state)s') % {
                      'host': host, 'status': service.status,
                      'state': service.state})

    def _check_pool(self, volume, pool):
        problem = self.cinder.why_not_in(volume, pool)
        if problem:
            raise exception.ActionExecutionFailure(problem)

    @staticmethod
    def _check_at_rest(volume):
        wanted = ('in-use',) if volume.attachments else ('available',)
        if (volume.status not in wanted
                or volume.migration_status not in _NOT_MOVING):
            raise exception.ActionExecutionFailure(
                _('Volume %(volume)s has to be at rest but its status is '
                  '%(status)s and its migration status %(moving)s') % {
                      'volume': volume.id, 'status': volume.status,
                      'moving': volume.migration_status or _('none')})

    def _check_servers(self, volume):
        """Refuse a volume whose disk Nova would not swap.

        The data of a volume were lost when its server was being resized.
        """
        users = (one.get('server_id') for one in volume.attachments)
        for server_id in dict.fromkeys(filter(None, users)):
            try:
                server = self.nova.find_instance(server_id)
            except exception.ComputeResourceNotFound:
                raise exception.ActionExecutionFailure(
                    _('Volume %(volume)s is attached to server %(server)s, '
                      'which was not found') % {
                          'volume': volume.id, 'server': server_id})
            if server.status not in _SWAPPABLE or server.task_state:
                raise exception.ActionExecutionFailure(
                    _('Server %(server)s, which uses volume %(volume)s, has '
                      'to be ACTIVE or PAUSED and at rest but is %(status)s '
                      '(task state %(task)s)') % {
                          'server': server_id, 'volume': volume.id,
                          'status': server.status,
                          'task': server.task_state or _('none')})

    # The change -----------------------------------------------------------

    def execute(self):
        """Change the volume and wait until that is done."""
        # Its servers may have been asked for something since.
        self._check_servers(self.cinder.get_volume(self.resource_id))
        if self._retypes:
            return self._retype()
        return self._migrate()

    def _migrate(self):
        LOG.info('Migrating volume %(volume)s to pool %(pool)s',
                 {'volume': self.resource_id,
                  'pool': self.destination_node})
        return self.judge(self.cinder.migrate(
            self.resource_id, self.destination_node,
            should_stop=self.should_stop, checked=self._checked,
            watch=self._watch()))

    def _retype(self):
        LOG.info('Changing the type of volume %(volume)s to %(type)s',
                 {'volume': self.resource_id,
                  'type': self.destination_type})
        return self.judge(self.cinder.retype(
            self.resource_id, self.destination_type,
            should_stop=self.should_stop, watch=self._watch()))

    def _watch(self, run=None):
        return waiting.Watch(report=self.report,
                             before=self.known('before', run))

    def revert(self):
        """A volume is moved back by a plan of its own only."""
        LOG.warning('The change of volume %s cannot be reverted',
                    self.resource_id)
        return False

    def abort(self):
        """Cinder offers no way to stop the move of a volume."""
        LOG.warning('The change of volume %s cannot be aborted',
                    self.resource_id)
        return False

    def post_condition(self):
        """Look once more, in particular after a crash."""
        try:
            volume = self.cinder.get_volume(self.resource_id)
        except exception.VolumeNotFound:
            LOG.info('Volume %s was deleted after it was changed',
                     self.resource_id)
            return
        except exception.CinderClientError as error:
            LOG.warning('Volume %(volume)s was not looked at again: '
                        '%(reason)s', {'volume': self.resource_id,
                                       'reason': error})
            return
        if volume.status.startswith('error') or not self._is_done(volume):
            raise exception.ActionExecutionFailure(self._condition(volume))

    def _is_done(self, volume):
        if self._retypes:
            return volume.volume_type == self.destination_type
        return volume.host == self.destination_node

    @staticmethod
    def _condition(volume):
        return _('Volume %(volume)s is %(status)s in pool %(pool)s, its type '
                 'is %(type)s, its migration status %(moving)s') % {
                     'volume': volume.id, 'status': volume.status,
                     'pool': volume.host, 'type': volume.volume_type,
                     'moving': volume.migration_status or _('none')}

    # After a crash ----------------------------------------------------------

    def recover(self, run):
        """Look at the volume."""
        try:
            volume = self.cinder.get_volume(self.resource_id)
        except exception.VolumeNotFound:
            return base.Found(base.Fate.FAILED, _('volume %s was deleted')
                              % self.resource_id)
        self._volume = volume
        if (volume.migration_status not in _NOT_MOVING
                or volume.status == 'retyping'):
            return base.Found(base.Fate.RUNNING)
        if self._is_done(volume):
            return base.Found(base.Fate.DONE)
        before = self.known('before', run).get('migration_status')
        if volume.status.startswith('error') or (
                volume.migration_status == 'error' and before != 'error'):
            return base.Found(base.Fate.FAILED, self._condition(volume))
        return base.Found(base.Fate.NOT_STARTED)

    def resume(self, run):
        """Wait until Cinder has done it."""
        LOG.info('Following the change of volume %s on', self.resource_id)
        if self._retypes:
            return self.judge(self.cinder.follow_retype(
                self.resource_id, self.destination_type,
                should_stop=self.should_stop, watch=self._watch(run)))
        return self.judge(self.cinder.follow_migration(
            self.resource_id, self.destination_node,
            should_stop=self.should_stop, watch=self._watch(run)))

    def inverse(self, run):
        """Move the volume back, or give it back the type that it had."""
        before = self.known('before', run)
        what, key = (('type', self.DESTINATION_TYPE) if self._retypes
                     else ('host', self.DESTINATION_NODE))
        if not before.get(what):
            return base.Irreversible(_(
                'volume %s had no type before') % self.resource_id
                if self._retypes and before else
                _('nobody knows where volume %s was before')
                % self.resource_id)
        if before[what] == self.input_parameters[key]:
            return base.Irreversible(_(
                'volume %s was so already, so nothing was changed')
                % self.resource_id)
        parameters = {
            name: value for name, value in self.input_parameters.items()
            if name not in (self.DESTINATION_NODE, self.DESTINATION_TYPE)}
        return base.Inverse('volume_migrate',
                            {**parameters, key: before[what]})

    def get_description(self):
        return ('Move a volume to another storage pool or change its '
                'volume type.')
