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
"""Moving and changing volumes.

Data is moved by Cinder alone: nothing here copies, deletes or detaches a
volume. Each method follows the volume to the end and returns an
:class:`Outcome`: true or false, and why in words.
"""

import dataclasses
import itertools
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log
from oslo_utils import strutils

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.cinder import reading
from watcher.common.cinder import records

CONF = cfg.CONF
LOG = log.getLogger(__name__)

#: Seconds between looks at a volume that is moved or changes its type.
INTERVAL = 10.0
#: Seconds that deleting the source of a migration may take.
DELETE_LIMIT = 1200.0
#: How often a volume must be seen unchanged and doing nothing before its
#: move counts as given up by Cinder.
IDLE_LOOKS = 3

#: Statuses of a volume at rest.
_RESTING = ('available', 'in-use')

#: Roughly what part of a move is done, in percent, by migration status.
_PHASES = {'starting': 5.0, 'migrating': 10.0, 'completing': 90.0}

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck
Watch = waiting.Watch


def time_limit(volume: records.Volume) -> float:
    """Return the seconds that moving or changing a volume may take."""
    options = CONF.cinder
    return (options.migration_timeout
            + options.migration_timeout_per_gb * (volume.size or 0))


def _condition(volume: records.Volume) -> str:
    """Describe a volume's state for a message."""
    return _('status %(status)s, migration status %(migration)s, in pool '
             '%(host)s') % {
                 'status': volume.status, 'host': volume.host,
                 'migration': volume.migration_status or _('none')}


def _is_idle(volume):
    return (volume.migration_status or 'none') == 'none'


def facts(volume: records.Volume) -> dict:
    """Return what has to be known to bring a volume back."""
    return {'host': volume.host, 'type': volume.volume_type,
            'status': volume.status,
            'migration_status': volume.migration_status}


class VolumeMover(reading.CinderReader):
    """Migrates and retypes volumes."""

    # Cinder calls a volume that is on the move already a bad request.
    CONFLICTS = (400, 409)

    def migrate(self, volume: records.Volume | str, dest_node: str,
                should_stop: StopCheck | None = None, *,
                checked: bool = False,
                watch: Watch | None = None) -> Outcome:
        """Have Cinder move a volume to another pool, and wait for the end.

        Its type stays what it is.

        :param dest_node: name of the pool.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :param checked: whether the caller has just made sure with
            :meth:`why_not_in` that the volume can be in the pool.
        :param watch: has the volume followed to its end, however long it
            takes.
        :raises: VolumeNotFound, PoolNotFound, CinderClientError when Cinder
            refuses or cannot be reached.
        """
        before = self.get_volume(volume)
        if watch is not None:
            watch.report(before=facts(before))
        if before.host == dest_node:
            return Outcome(True, _('volume %(volume)s was in pool %(pool)s '
                                   'already') % {
                                       'volume': before.id,
                                       'pool': dest_node})
        problem = None if checked else self.why_not_in(
            before, self.get_storage_pool_by_name(dest_node))
        if problem:
            return Outcome(False, problem)

        def accepted(now):
            return (now.host == dest_node
                    or now.migration_status != before.migration_status)
        self._ask(before, {'os-migrate_volume': {
            'host': dest_node, 'lock_volume': True}}, accepted)
        outcome = self._follow(
            before, _('migration'), INTERVAL, should_stop,
            lambda now, looks: _check_move(before, now, looks), watch)
        if not outcome:
            return outcome
        return self._check_arrival(before, dest_node, should_stop)

    def follow_migration(self, volume: str, dest_node: str,
                         should_stop: StopCheck | None,
                         watch: Watch) -> Outcome:
        """Wait for the end of a migration that was asked for earlier.

        Parameters and errors as for :meth:`migrate`; the watch carries what
        was known when it was asked for.
        """
        before = self._before(volume, watch)
        outcome = self._follow(
            before, _('migration'), INTERVAL, should_stop,
            lambda now, looks: _check_move(before, now, looks), watch)
        if not outcome:
            return outcome
        return self._check_arrival(before, dest_node, should_stop)

    def _before(self, volume, watch):
        now = self.get_volume(volume)
        return dataclasses.replace(
            now, host=watch.before.get('host', now.host))

    def why_not_in(self, volume: records.Volume,
                   pool: records.StoragePool) -> str | None:
        """Say why a volume cannot be moved to a pool; None when it can.

        What a pool does not report is left to Cinder to judge, and so is
        the room of a pool that promises more than it has.

        :raises: CinderClientError
        """
        return self._misfit(volume, pool) or _lack_of_room(volume, pool)

    def _misfit(self, volume, pool):
        if not volume.volume_type:
            return None
        for known in self.get_volume_type_list():
            if known.name == volume.volume_type and not known.suits(pool):
                return _('pool %(pool)s does not offer what the type '
                         '%(type)s of volume %(volume)s asks for') % {
                             'pool': pool.name, 'type': known.name,
                             'volume': volume.id}
        return None

    def _check_arrival(self, before, destination, should_stop):
        now = self.get_volume(before)
        if now.host != destination:
            return Outcome(False, _(
                'the migration of volume %(volume)s ended in pool %(host)s '
                'instead of %(destination)s') % {
                    'volume': before.id, 'host': now.host,
                    'destination': destination})
        old = self.get_deleting_volume(before)
        if old is None:
            return Outcome(True)
        return self._wait_deleted(old, DELETE_LIMIT, INTERVAL, should_stop)

    def retype(self, volume: records.Volume | str, dest_type: str,
               should_stop: StopCheck | None = None, *,
               watch: Watch | None = None) -> Outcome:
        """Have Cinder change the type of a volume, and wait for the end.

        Cinder moves it when its pool does not offer the new type.

        :param dest_type: name of the type.
        :param should_stop: as for :meth:`migrate`.
        :param watch: as for :meth:`migrate`.
        :raises: VolumeNotFound, CinderClientError when Cinder refuses or
            cannot be reached.
        """
        before = self.get_volume(volume)
        if watch is not None:
            watch.report(before=facts(before))
        if before.volume_type == dest_type:
            return Outcome(False, _('volume %(volume)s has the type %(type)s '
                                    'already') % {'volume': before.id,
                                                  'type': dest_type})

        def accepted(now):
            return now.volume_type == dest_type or now.status == 'retyping'
        self._ask(before, {'os-retype': {
            'new_type': dest_type, 'migration_policy': 'on-demand'}},
            accepted)
        return self._follow(
            before, _('change of type'), INTERVAL, should_stop,
            lambda now, looks: _check_retype(now, dest_type, looks), watch)

    def follow_retype(self, volume: str, dest_type: str,
                      should_stop: StopCheck | None,
                      watch: Watch) -> Outcome:
        """Wait for the end of a change that was asked for earlier.

        Parameters and errors as for :meth:`follow_migration`.
        """
        return self._follow(
            self._before(volume, watch), _('change of type'), INTERVAL,
            should_stop,
            lambda now, looks: _check_retype(now, dest_type, looks), watch)

    def check_migrated(self, volume: records.Volume | str,
                       retry_interval: float = INTERVAL,
                       should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a migration that was asked for has ended.

        :func:`time_limit` is the longest time.

        :raises: VolumeNotFound, CinderClientError
        """
        before = self.get_volume(volume)
        return self._follow(
            before, _('migration'), retry_interval, should_stop,
            lambda now, looks: _check_move(before, now, looks))

    def check_retyped(self, volume: records.Volume | str, dst_type: str,
                      retry_interval: float = INTERVAL,
                      should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a change of type that was asked for has ended.

        Parameters and errors as for :meth:`check_migrated`.
        """
        return self._follow(
            self.get_volume(volume), _('change of type'), retry_interval,
            should_stop,
            lambda now, looks: _check_retype(now, dst_type, looks))

    def check_volume_deleted(
            self, volume: records.Volume | str, retry: int = 120,
            retry_interval: float = INTERVAL,
            should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a volume is gone.

        :param retry: with ``retry_interval`` (seconds) the longest time.
        :raises: CinderClientError
        """
        return self._wait_deleted(volume, retry * retry_interval,
                                  retry_interval, should_stop)

    def _wait_deleted(self, volume, limit, interval, should_stop):
        ident = volume.id if isinstance(volume, records.Volume) else volume
        try:
            return waiting.follow(None, lambda: self._glance(ident),
                                  lambda now: None, limit, interval,
                                  should_stop)
        except exception.VolumeNotFound:
            return Outcome(True)
        except waiting.Interrupted:
            return Outcome(False, _(
                'Watcher stopped waiting for the deletion of volume '
                '%s') % ident, interrupted=True)
        except waiting.TooLong:
            return Outcome(False, _(
                'volume %(volume)s is not deleted after %(limit)d seconds')
                % {'volume': ident, 'limit': limit})

    def _ask(self, before, body, accepted):
        """POST an action of a volume, not repeating it blindly.

        :param accepted: tells from the volume whether Cinder has received
            the request although the answer was lost.
        """
        self._act(f'/volumes/{before.id}/action', body,
                  f'volume {before.id}', lambda: self.get_volume(before),
                  accepted)

    def _follow(self, before, what, interval, should_stop, check,
                watch=None):
        """Look at a volume until ``check`` returns an outcome.

        :param check: called with the volume and how often it was seen;
            None means to go on.
        """
        limit = time_limit(before)
        looks = itertools.count(1)

        def judge(now):
            percent = _PHASES.get(now.migration_status)
            if watch is not None and percent is not None:
                watch.report(progress=percent)
            return check(now, next(looks))
        steps = (before, lambda: self._glance(before.id), judge, limit,
                 interval, should_stop)
        try:
            if watch is not None and CONF.cinder.migration_overdue != 'leave':
                return waiting.follow_on(*steps, _overdue(what, limit))
            return waiting.follow(*steps)
        except exception.VolumeNotFound:
            return Outcome(False, _(
                'volume %(volume)s was deleted during the %(what)s') % {
                    'volume': before.id, 'what': what})
        except waiting.Interrupted as exc:
            return Outcome(False, _(
                'Watcher stopped waiting for the %(what)s of volume '
                '%(volume)s, which goes on in Cinder (%(condition)s)') % {
                    'what': what, 'volume': before.id,
                    'condition': _condition(exc.last)}, interrupted=True)
        except waiting.TooLong as exc:
            return Outcome(False, _(
                'the %(what)s of volume %(volume)s has not ended after '
                '%(limit)d seconds and goes on in Cinder (%(condition)s); '
                'see [cinder] migration_timeout') % {
                    'what': what, 'volume': before.id, 'limit': limit,
                    'condition': _condition(exc.last)})

    def _glance(self, ident):
        """Return the volume, or None while Cinder does not answer."""
        return self._peek(f'volume {ident}', lambda: self.get_volume(ident))


def _overdue(what: str, limit: float) -> Callable[[records.Volume], None]:
    """Return what says that a volume takes too long."""
    def warn(volume):
        LOG.warning('The %(what)s of volume %(volume)s has not ended after '
                    '%(limit)d seconds and is followed on: %(condition)s; '
                    'see [cinder] migration_timeout and migration_overdue', {
                        'what': what, 'volume': volume.id, 'limit': limit,
                        'condition': _condition(volume)})
    return warn


def _lack_of_room(volume, pool):
    """Say that a volume is larger than what is free, if that is certain."""
    free = pool.free_capacity_gb
    thin = strutils.bool_from_string(
        pool.capabilities.get('thin_provisioning_support'))
    if thin or free is None or not volume.size or volume.size <= free:
        return None
    return _('pool %(pool)s has %(free)s GB free and volume %(volume)s '
             'takes %(size)s GB') % {
                 'pool': pool.name, 'free': free, 'volume': volume.id,
                 'size': volume.size}


def _check_move(before: records.Volume, now: records.Volume,
                looks: int) -> Outcome | None:
    """Judge a volume that is being migrated."""
    if now.migration_status == 'success':
        return Outcome(True)
    if now.migration_status == 'error':
        return Outcome(False, _(
            'Cinder could not migrate volume %(volume)s, see its log '
            '(%(condition)s)') % {'volume': now.id,
                                  'condition': _condition(now)})
    if not _is_idle(now):
        return None
    if now.host != before.host:
        return Outcome(True)
    if looks < IDLE_LOOKS or now.status not in (*_RESTING, 'error'):
        return None
    return Outcome(False, _(
        'the migration of volume %(volume)s was given up by Cinder '
        '(%(condition)s)') % {'volume': now.id,
                              'condition': _condition(now)})


def _check_retype(now: records.Volume, wanted: str,
                  looks: int) -> Outcome | None:
    """Judge a volume whose type is being changed."""
    if now.status == 'retyping':
        return None
    if now.volume_type == wanted and now.status in _RESTING:
        return Outcome(True)
    if now.status in _RESTING and looks < IDLE_LOOKS:
        return None
    return Outcome(False, _(
        'Cinder could not give volume %(volume)s the type %(wanted)s: it is '
        '%(type)s (%(condition)s)') % {
            'volume': now.id, 'wanted': wanted, 'type': now.volume_type,
            'condition': _condition(now)})
