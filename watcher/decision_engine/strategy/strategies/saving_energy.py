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
"""Switches off hosts that nobody needs, and on again.

Goal ``saving_energy``. Hosts without servers are kept on as a reserve; those
beyond it are disabled in Nova and switched off through Ironic, and switched
on and enabled again when there are too few.

================== ======= ==================================================
Parameter          Default Meaning
================== ======= ==================================================
free_used_percent  10.0    free hosts that stay on, in % of those with servers
min_free_hosts_num 1       free hosts that stay on at least
================== ======= ==================================================

Source: the compute and bare metal models, no metrics. One query of the
database tells what was switched lately.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_utils import timeutils

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.common import ironic_helper
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import _energy
from watcher.decision_engine.strategy.strategies import _reserve
from watcher.decision_engine.strategy.strategies import base

CONF = cfg.CONF

SLEEP = 'sleep'

#: Seconds for which it is remembered that a machine failed to come on.
MEMORY = 86400

_FINAL = {objects.action.State.SUCCEEDED: True,
          objects.action.State.FAILED: False}

OPTS = [
    cfg.IntOpt(
        'failover_hosts',
        default=1, min=0,
        help='How many hosts may fail at once without leaving their servers '
             'nowhere to go. Hosts of the same availability zone and traits '
             'stand in for each other; a free host that is needed for that '
             'stays on, or is switched on. 0: failures are not provided '
             'for.'),
    cfg.IntOpt(
        'min_on_time',
        default=1800, min=0,
        help='Seconds for which a host that an action plan has switched on '
             'stays on.'),
    cfg.IntOpt(
        'min_off_time',
        default=300, min=0,
        help='Seconds for which a host that an action plan has switched off '
             'stays off.'),
    cfg.IntOpt(
        'settle_time',
        default=30, min=0,
        help='Seconds between the moment when hosts are disabled in Nova '
             'and the moment when they are switched off. Servers that were '
             'being built on them appear meanwhile; a host that has got one '
             'is not switched off then.'),
    cfg.BoolOpt(
        'only_own',
        default=False,
        help='Whether only hosts are switched on that were switched off by '
             'this strategy. Otherwise any host without servers may be '
             'that is off, unless somebody has disabled it in Nova or put '
             'it into maintenance in Ironic.'),
]


class SavingEnergy(base.SavingEnergyBaseStrategy):
    """Keeps as many free hosts running as are needed, and no more."""

    MODELS = ('compute', 'baremetal')

    POWER = simulation.POWER_STATE
    CHANGE_STATE = simulation.SERVICE_STATE

    @classmethod
    def get_name(cls):
        return 'saving_energy'

    @classmethod
    def get_display_name(cls):
        return _('Saving Energy Strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Saving Energy Strategy'

    @classmethod
    def get_config_opts(cls):
        return OPTS

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'free_used_percent': {
                    'description': 'How many hosts without servers stay '
                                   'switched on, in percent of the hosts '
                                   'with servers.',
                    'type': 'number',
                    'default': 10.0,
                },
                'min_free_hosts_num': {
                    'description': 'How many hosts without servers stay '
                                   'switched on at least.',
                    'type': 'number',
                    'default': 1,
                },
            },
        }

    def pre_execute(self):
        if CONF.maas_client.url:
            raise exception.UnsupportedError(_(
                'Machines of MAAS cannot be switched; unset [maas_client] '
                'url to use Ironic.'))
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation, _energy.decide(situation))

    def post_execute(self):
        """The goal has no indicators."""

    # Gather ---------------------------------------------------------------

    def gather(self) -> _energy.Situation:
        """Read hosts, machines, and what was switched lately."""
        state = self.found_state()
        given = self.input_parameters
        minimum = self._option('min_on_time'), self._option('min_off_time')
        return _energy.Situation(
            state, self.rules_for(state), self._machines(state),
            _reserve.classes_of(state), given.free_used_percent,
            given.min_free_hosts_num, self._option('failover_hosts'),
            self._switched(max(MEMORY, *minimum)),
            *minimum, self._option('only_own'))

    def _switched(self, seconds: float) -> Mapping[str, _energy.Switching]:
        return recent_switching(self.ctx, seconds,
                                timeutils.utcnow(with_timezone=True))

    def _option(self, name: str) -> Any:
        return getattr(self.config, name, _DEFAULTS[name])

    def _machines(self, state: cluster.ClusterState
                  ) -> list[_energy.Machine]:
        """Return the bare metal nodes under the hosts of the state."""
        found, nameless = [], 0
        for uuid, node in self.baremetal_model.get_all_ironic_nodes().items():
            compute = node.extra.get('compute_node_id')
            nameless += not compute
            host = state.host_index.get(compute)
            if host is None:
                # Outside the scope of the audit, or no compute host at all.
                continue
            reason = node.maintenance_reason or 'no reason given'
            found.append(_energy.Machine(
                uuid, host, ironic_helper.IS_ON.get(node.power_state),
                reason if node.maintenance else None))
        if nameless:
            self.solution.add_remark(
                f'{nameless} bare metal nodes are left alone: their extra '
                'has no compute_node_id')
        return found

    # Emit -----------------------------------------------------------------

    def emit(self, situation: _energy.Situation,
             decision: _energy.Decision) -> None:
        """Turn the decision into actions."""
        measures = [explanation.Measure(
            'free_hosts_on', len(decision.free_on),
            len(decision.free_on) - len(decision.off) + len(decision.on),
            limit=decision.need)]
        for machine in decision.enable:
            self._enable(situation, machine, 'it stays on as a reserve, and '
                         'an earlier plan has left it disabled')
        self._switch_on(situation, decision, measures)
        self._switch_off(situation, decision, measures)
        for name in decision.fatal:
            self.solution.add_remark(
                f'If {name} fails, there is no room for its servers on the '
                'hosts of its availability zone and traits')
        self._explain(decision, measures)

    def _switch_on(self, situation, decision, measures):
        failover = {machine.id for machine in decision.for_failover}
        for machine in decision.on:
            reason, code = (
                ('it is needed in case that another host fails', 'failover')
                if machine.id in failover else
                (f'free hosts that are on: {len(decision.free_on)}, '
                 f'needed: {decision.need}', 'too_few'))
            self._power(situation, machine, 'on', explanation.Explanation(
                reason, code, measures))
            if not situation.host(machine).enabled:
                self._enable(situation, machine, 'it is switched on')

    def _switch_off(self, situation, decision, measures):
        """Disable all, wait, then switch off: servers may be under way."""
        why = explanation.Explanation(
            f'free hosts that are on: {len(decision.free_on)}, needed: '
            f'{decision.need}', 'too_many', measures,
            decision.left)
        first = [self.solution.add_action(
            self.CHANGE_STATE,
            {'state': 'disabled', 'disabled_reason':
             eligibility.SAVING_ENERGY,
             'resource_name': situation.host(machine).hostname},
            resource_id=situation.host(machine).uuid,
            reason='no server may come before it is switched off')
            for machine in decision.off if situation.host(machine).enabled]
        pause = self._option('settle_time')
        if first and pause:
            sleep = self.solution.add_action(
                SLEEP, {'duration': pause}, reason='servers that are being '
                'built on the disabled hosts appear meanwhile')
            sleep.after += first
            first = [*first, sleep]
        for machine in decision.off:
            action = self._power(situation, machine, 'off', why)
            action.after += first

    def _power(self, situation, machine, state, why):
        return self.solution.add_action(
            self.POWER,
            {'state': state,
             'resource_name': situation.host(machine).hostname},
            resource_id=machine.id, reason=why)

    def _enable(self, situation, machine, reason):
        host = situation.host(machine)
        self.solution.add_action(
            self.CHANGE_STATE,
            {'state': 'enabled', 'resource_name': host.hostname},
            resource_id=host.uuid, reason=reason)

    def _explain(self, decision, measures):
        found = (f"{explanation.counted(len(decision.used), 'host')} with "
                 f'servers; free hosts that are on: {len(decision.free_on)}, '
                 f'needed: {decision.need}')
        if decision.off:
            done, code = f'{len(decision.off)} to switch off', 'too_many'
        elif decision.on:
            done, code = (f'{len(decision.on)} to switch on',
                          'failover' if len(decision.for_failover) == len(
                              decision.on) else 'too_few')
        elif decision.enable:
            done, code = f'{len(decision.enable)} to enable', 'asleep'
        else:
            done, code = _idle(decision)
        self.solution.explain(f'{found}; {done}', code, measures,
                              decision.left)


_DEFAULTS = {opt.name: opt.default for opt in OPTS}


def _idle(decision: _energy.Decision) -> tuple[str, str]:
    """Say why nothing is switched."""
    lack = decision.need - len(decision.free_on)
    if not (decision.used or decision.free_on or decision.free_off):
        return ('no host in the scope of the audit has a bare metal node '
                'that could be switched'), 'no_machines'
    if lack > 0:
        return 'there is none that may be switched on', 'none_to_switch_on'
    if lack < 0:
        return 'there is none that may be switched off', 'none_to_switch_off'
    return 'nothing is to be done', 'balanced'


def recent_switching(context: Any, seconds: float, now: datetime.datetime
                     ) -> Mapping[str, _energy.Switching]:
    """Read which machines action plans have switched lately: one query.

    :param seconds: how far to look back.
    :returns: the last time for each, by id of the machine.
    """
    found = objects.Action.list_columns(
        context, ['input_parameters', 'state', 'updated_at'],
        filters={'action_type': simulation.POWER_STATE,
                 'updated_at__gte': now - datetime.timedelta(
                     seconds=seconds)})
    last: dict[str, tuple[datetime.datetime, _energy.Switching]] = {}
    for parameters, state, when in zip(
            found['input_parameters'], found['state'], found['updated_at'],
            strict=True):
        machine = (parameters or {}).get('resource_id')
        if machine is None or state not in _FINAL:
            continue
        if machine not in last or last[machine][0] < when:
            last[machine] = when, _energy.Switching(
                parameters.get('state') == 'on', _FINAL[state],
                (now - when).total_seconds())
    return {machine: entry for machine, (_when, entry) in last.items()}
