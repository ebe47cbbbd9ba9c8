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
"""What an applier tells Prometheus when it is asked."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import core

from watcher import conf
from watcher.applier import hours
from watcher.common import pool_stats
from watcher.objects import figures
from watcher.objects import states

CONF = conf.CONF

State = states.ActionPlanState


def watch(applier: Any) -> None:
    """Show in reports and metrics how many plans are executed.

    :param applier: the manager of the applier
    """
    pool_stats.POOLS.watch('plans', applier, lambda manager: pool_stats.Load(
        CONF.watcher_applier.workers, len(manager.running)))


def collectors_of(applier: Any) -> tuple[Any, ...]:
    """Return what offers the figures of this applier.

    :param applier: its manager
    """
    return (figures.Stored(figures.read_plans), figures.Lease(applier),
            RunFigures(applier))


class RunFigures:
    """The plans that are executed in this process."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        yield core.GaugeMetricFamily(
            'watcher_running_plans', 'Action plans that this applier runs.',
            value=len(self._manager.running))
        waiting = core.GaugeMetricFamily(
            'watcher_plans_outside_window', 'Action plans that waited for '
            'their execution window when this applier looked last.',
            labels=('state', 'opens'))
        found = self._manager.closed_plans
        for state in (State.PENDING, State.ONGOING):
            for opens in (hours.LATER, hours.NEVER):
                waiting.add_metric((state, opens),
                                   found.get((state, opens), 0))
        yield waiting
