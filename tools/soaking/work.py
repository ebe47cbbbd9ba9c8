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
"""What the services of a soak are given to do."""

from __future__ import annotations

import collections
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3

from soaking import rig as soak_rig

LOG = logging.getLogger(__name__)

#: Everything that is worth nothing any more, as a user finds it.
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED')

AUTOMATIC = {'auto_trigger': True}
BALANCE = {
    'goal': 'workload_balancing', 'strategy': 'workload_balance',
    'parameters': {'metrics': 'instance_cpu_usage', 'threshold': 30.0,
                   'period': 60}}
DUMMY = {'goal': 'dummy', 'strategy': 'dummy', 'parameters': {'para1': 1.0}}

#: The audits that run from the beginning to the end, by name.
CONTINUOUS: dict[str, dict[str, Any]] = {
    **{f'dummy-{n}': {**DUMMY, **AUTOMATIC, 'interval': str(12 + n)}
       for n in range(1, 6)},
    'cron': {**DUMMY, **AUTOMATIC, 'interval': '* * * * *'},
    'balance': {**BALANCE, **AUTOMATIC, 'interval': '20', 'force': True},
    # Its plans are never started: each run cancels the one before.
    'recommended': {**BALANCE, 'interval': '15', 'force': True},
    # Its metric is not there.
    'failing': {'goal': 'thermal_optimization',
                'strategy': 'outlet_temperature', 'interval': '20'},
}
EVENT = ('event-1', 'event-2')

#: Seconds between two requests of the same kind.
LISTS, WEBHOOKS, ONESHOTS, LOADS, DELETIONS, CANCELS = 4, 9, 8, 45, 20, 50

#: What a dashboard asks.
PATHS = ('audits', 'audits/detail?limit=50', 'action_plans?limit=50',
         'actions?limit=50', 'services', 'goals', 'strategies',
         'data_model?data_model_type=compute')


class Api:
    """The API of the service, as its clients see it."""

    def __init__(self, rig: soak_rig.Rig, cloud: soak_rig.Cloud) -> None:
        self._url = rig.url
        self._session = session.Session(
            auth=v3.Password(**cloud.server.credentials()))
        #: Answers by method and status code, or what went wrong.
        self.answers: collections.Counter[str] = collections.Counter()

    def request(self, method: str, path: str,
                body: Any = None) -> requests.Response | None:
        """Ask; None when there was no answer."""
        try:
            answer = self._session.request(
                '%s/v1/%s' % (self._url, path), method, json=body,
                headers={'OpenStack-API-Version': 'infra-optim latest'},
                raise_exc=False, connect_retries=0, timeout=60)
        except (ka_exceptions.ClientException, OSError) as exc:
            self.answers['%s %s' % (method, type(exc).__name__)] += 1
            return None
        self.answers['%s %d' % (method, answer.status_code)] += 1
        return answer

    def items(self, path: str) -> list[dict[str, Any]]:
        answer = self.request('GET', path)
        if answer is None or not answer.ok:
            return []
        (items,) = (value for value in answer.json().values()
                    if isinstance(value, list))
        return items

    def create(self, **audit: Any) -> str | None:
        """Create an audit and return its UUID."""
        answer = self.request('POST', 'audits', audit)
        if answer is not None and answer.status_code >= 400:
            LOG.warning('audit refused: %s', answer.text)
        return answer.json()['uuid'] if answer is not None and answer.ok \
            else None

    def change(self, path: str, state: str) -> None:
        self.request('PATCH', path, [
            {'op': 'replace', 'path': '/state', 'value': state}])


class Work:
    """Keeps the services busy, in a thread of its own.

    :param seed: what is chosen by chance is the same for the same seed
    """

    def __init__(self, api: Api, cloud: soak_rig.Cloud, seed: int) -> None:
        self._api = api
        self._cloud = cloud
        self._random = random.Random(seed)
        self._continuous: dict[str, str] = {}
        self._events: list[str] = []
        self._resting = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='work',
                                        daemon=True)
        self._due: dict[Callable[[], None], tuple[float, float]] = {
            call: (0.0, pause) for call, pause in (
                (self._list, LISTS), (self._call_webhook, WEBHOOKS),
                (self._post_oneshot, ONESHOTS), (self._shift_loads, LOADS),
                (self._delete_one, DELETIONS), (self._cancel_one, CANCELS))}

    def start(self) -> None:
        """Create the audits that stay, and begin."""
        for name, audit in CONTINUOUS.items():
            self._continuous[name] = self._api.create(
                name=name, audit_type='CONTINUOUS', **audit)
        for name in EVENT:
            self._events.append(self._api.create(
                name=name, audit_type='EVENT', **DUMMY, **AUTOMATIC))
        if not all((*self._continuous.values(), *self._events)):
            raise RuntimeError('not all audits could be created')
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def rest(self) -> None:
        """Ask for nothing more and suspend what runs by itself."""
        self._resting.set()
        for uuid in self._continuous.values():
            self._api.change('audits/' + uuid, 'SUSPENDED')

    def resume(self) -> None:
        for uuid in self._continuous.values():
            self._api.change('audits/' + uuid, 'ONGOING')
        self._resting.clear()

    def is_done(self) -> bool:
        """Whether nothing runs or waits any more."""
        busy = ('PENDING', 'ONGOING', 'CANCELLING')
        audits = [audit for audit in self._api.items('audits')
                  if audit['audit_type'] == 'ONESHOT'
                  or audit['state'] == 'ONGOING']
        return not any(item['state'] in busy for item in (
            *audits, *self._api.items('action_plans?limit=1000')))

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            for call, (when, pause) in list(self._due.items()):
                now = time.monotonic()
                if now < when or self._resting.is_set():
                    continue
                self._due[call] = (now + pause, pause)
                try:
                    call()
                except Exception:
                    LOG.exception('%s failed', call.__name__)

    def _list(self) -> None:
        for path in PATHS:
            self._api.request('GET', path)

    def _call_webhook(self) -> None:
        """A burst, as alarms come."""
        uuid = self._random.choice(self._events)
        for _time in range(3):
            self._api.request('POST', 'webhooks/' + uuid, {})

    def _post_oneshot(self) -> None:
        audit = self._random.choice((
            DUMMY, BALANCE, self._migration(), self._migration()))
        self._api.create(audit_type='ONESHOT', **audit, **AUTOMATIC)

    def _migration(self) -> dict[str, Any]:
        """An audit that moves a server to some other host."""
        state = self._cloud.server.state
        with state.lock:
            server = self._random.choice(list(state.servers.values()))
            source = server.host.name
            target = self._random.choice(
                [name for name in state.hosts if name != source])
        return {'goal': 'unclassified', 'strategy': 'actuator', 'parameters': {
            'actions': [{
                'action_type': 'migrate', 'resource_id': server.uuid,
                'input_parameters': {
                    'migration_type': 'live', 'source_node': source,
                    'destination_node': target}}]}}

    def _shift_loads(self) -> None:
        """Have the hot spot be elsewhere."""
        state = self._cloud.server.state
        with state.lock:
            uuids = list(state.servers)
        self._cloud.server.loads.cpu = {
            uuid: self._random.uniform(5, 95) for uuid in uuids}

    def _delete_one(self) -> None:
        """Delete an audit that has ended, with its plans."""
        audits = [audit for audit in self._api.items('audits')
                  if audit['audit_type'] == 'ONESHOT'
                  and audit['state'] in ENDED]
        if not audits:
            return
        uuid = self._random.choice(audits)['uuid']
        for plan in self._api.items('action_plans?audit_uuid=' + uuid):
            self._api.request('DELETE', 'action_plans/' + plan['uuid'])
        self._api.request('DELETE', 'audits/' + uuid)

    def _cancel_one(self) -> None:
        plans = [plan for plan in self._api.items('action_plans?limit=1000')
                 if plan['state'] in ('PENDING', 'ONGOING')]
        if not plans:
            return
        plan = self._random.choice(plans)
        self._api.change(
            'action_plans/' + plan['uuid'],
            'CANCELLING' if plan['state'] == 'ONGOING' else 'CANCELLED')
