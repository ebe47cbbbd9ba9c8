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
"""Measures the plans that have ended, each once, when it has settled."""

import datetime
import time

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import periodic
from watcher.decision_engine.audit import base as audit_base
from watcher.decision_engine.followup import measuring
from watcher.decision_engine.followup import turns

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: Name of the lease.
LEASE = 'engines:efficacy'

#: How many plans are measured in one round.
BATCH = 5

#: Seconds between two rounds, and before a plan is tried again.
INTERVAL = 30
RETRY = 120

#: Seconds for which it is tried to measure a plan. Later it tells nothing.
PATIENCE = 3600

#: Plans that ended so many seconds earlier are not measured any more.
TOO_LATE = 86400


class EfficacyMeasurement:
    """The loop of one engine; of several, one works at a time."""

    def __init__(self):
        self._loop = periodic.Loop(
            'efficacy-measurement', self.measure_plans, _interval)
        self._stopping = False
        # Plans that cannot be measured yet: when to look again, by the
        # clock of this process.
        self._later: dict[int, float] = {}

    def start(self) -> None:
        """Begin to measure; returns at once."""
        self._stopping = False
        self._loop.start()

    def stop(self) -> None:
        """Measure no further plan; one that is being measured is left."""
        self._stopping = True
        self._loop.stop(timeout=0.1)

    def measure_plans(self) -> None:
        """Measure some of the plans that have settled."""
        if not CONF.watcher_decision_engine.measure_after:
            return
        context = watcher_context.admin_context()
        # Where nothing waits, nobody writes a lease.
        if not self._waiting(context):
            return
        with turns.turn(context, LEASE) as lease:
            if lease is None:
                return
            # Others may have had their turn since.
            for plan_id, ended in self._waiting(context).items():
                if self._stopping or not lease.renew():
                    return
                try:
                    self._follow_up(context, plan_id, ended, lease)
                except exception.LeaseLost as exc:
                    LOG.warning('What was measured of a plan is not stored, '
                                'another engine goes on: %s', exc)
                    return

    def _waiting(self, context) -> dict[int, datetime.datetime]:
        """Return some plans to look at now, and when they ended."""
        now = time.monotonic()
        self._later = {ident: when for ident, when in self._later.items()
                       if when > now}
        settled = timeutils.utcnow(with_timezone=True) - datetime.timedelta(
            seconds=CONF.watcher_decision_engine.measure_after)
        found = objects.PlanRun.unmeasured(
            context, settled - datetime.timedelta(seconds=TOO_LATE), settled,
            limit=BATCH + len(self._later))
        return dict([(ident, ended) for ident, ended in found.items()
                     if ident not in self._later][:BATCH])

    def _follow_up(self, context, plan_id, ended, lease) -> None:
        """Measure a plan, or see to it that it is tried again later."""
        try:
            case = measuring.Case.of(context, plan_id, ended)
        except exception.ActionPlanNotFound:
            return
        now = timeutils.utcnow(with_timezone=True)
        try:
            case.load()
            early = (case.settled() - now).total_seconds()
            if early > 0:
                self._put_off(plan_id, early)
                return
            measured = measuring.measure(context, case)
        except db_exc.DBError:
            raise
        except Exception as exc:
            # Models, metrics, or the code of plug-ins.
            reason = _reason(case.plan, exc)
            if (now - ended).total_seconds() < PATIENCE + (
                    CONF.watcher_decision_engine.measure_after):
                self._put_off(plan_id, RETRY)
                return
            measured = measuring.give_up(context, case, reason)
        self._store(context, case.plan, measured, lease)

    @staticmethod
    def _store(context, plan, measured, lease):
        objects.PlanRun.set(
            context, plan.id, fence=lease, measured=measured,
            measured_at=timeutils.utcnow(with_timezone=True))
        LOG.info('What the action plan %(uuid)s has brought: %(actions)s '
                 'actions are in effect; %(indicators)s',
                 {'uuid': plan.uuid, **_words(measured)})

    def _put_off(self, plan_id, seconds):
        self._later[plan_id] = time.monotonic() + seconds


def _reason(plan, exc: Exception) -> str:
    """Log why a plan cannot be measured now, and say it in one line."""
    reason = audit_base.explain(exc)
    # What nobody has foreseen is worth a trace.
    LOG.info('What the action plan %(uuid)s has brought cannot be measured '
             'now: %(reason)s', {'uuid': plan.uuid, 'reason': reason},
             exc_info=not isinstance(exc, exception.WatcherException))
    return reason


def _interval() -> float:
    """Return the seconds between two rounds; 0 when it is switched off."""
    return min(INTERVAL, CONF.watcher_decision_engine.measure_after)


def _words(measured):
    figures = [f"{name} {known['measured']} (promised {known['predicted']})"
               for name, known in measured['indicators'].items()]
    counts = measured['actions']
    return {'actions': f"{counts['in_effect']} of {counts['planned']}",
            'indicators': ', '.join(figures) or 'its goal has no indicators'}
