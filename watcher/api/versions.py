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
"""Microversions of the REST API: one table, one named constant each.

Whoever adds a microversion adds its constant and its line in HISTORY; the
range that the service announces and negotiates follows from the table.
"""

import dataclasses
import functools

from watcher._i18n import _
from watcher.common import exception

SERVICE_TYPE = 'infra-optim'

HEADER = 'OpenStack-API-Version'
MIN_HEADER = 'OpenStack-API-Minimum-Version'
MAX_HEADER = 'OpenStack-API-Maximum-Version'

LATEST = 'latest'


@functools.total_ordering
@dataclasses.dataclass(frozen=True)
class Version:
    """A microversion; compares by its two numbers, 1.10 is above 1.9."""

    major: int
    minor: int

    def __lt__(self, other: 'Version') -> bool:
        return (self.major, self.minor) < (other.major, other.minor)

    def __str__(self) -> str:
        return f'{self.major}.{self.minor}'


INITIAL = Version(1, 0)
AUDIT_START_END_TIME = Version(1, 1)
AUDIT_FORCE = Version(1, 2)
DATA_MODEL = Version(1, 3)
WEBHOOKS = Version(1, 4)
SKIP_ACTION = Version(1, 5)
STATUS_MESSAGE = SKIP_ACTION
EXTENDED_DATA_MODEL = Version(1, 6)
TEMPLATE_DEFAULT_PARAMETERS = Version(1, 7)
DATA_MODEL_TYPES = Version(1, 8)
EXPLANATIONS = Version(1, 8)
WORKLOAD_SCOPES = Version(1, 8)
REPAIRS = Version(1, 9)
PAUSE = Version(1, 9)
RUNS = Version(1, 9)
COMBINED_SCOPES = Version(1, 9)
SCHEDULES = Version(1, 10)
AUDIT_RUNS = Version(1, 10)
REASONS = Version(1, 10)

#: Every microversion with what it changed, oldest first.
HISTORY = {
    INITIAL:
        'The base API: goals, strategies with their state, audit templates, '
        'audits, action plans, actions, services and scoring engines.',
    AUDIT_START_END_TIME:
        'Audits have start_time and end_time, between which a CONTINUOUS '
        'audit runs.',
    AUDIT_FORCE:
        'Audits show force: whether they start while another action plan is '
        'running.',
    DATA_MODEL:
        'GET /v1/data_model returns the data model of the cluster.',
    WEBHOOKS:
        'GET /v1 names the webhooks, which trigger audits of type EVENT. '
        'The webhooks themselves work without a version header.',
    SKIP_ACTION:
        'PATCH /v1/actions/{action} skips an action; audits, action plans '
        'and actions show status_message.',
    EXTENDED_DATA_MODEL:
        'The data model shows server_pinned_az and '
        'server_flavor_extra_specs.',
    TEMPLATE_DEFAULT_PARAMETERS:
        'Audit templates have default_parameters for the strategy of the '
        'audits made from them.',
    DATA_MODEL_TYPES:
        'GET /v1/data_model also shows storage and baremetal, how old and '
        'how complete each part of a model is, and which decision engine '
        'answered. '
        'Action plans and actions show explanation. '
        'Scopes can exclude workloads.',
    REPAIRS:
        'POST /v1/action_plans/{uuid}/rollback makes an action plan that '
        'undoes another one, and /retry one that repeats what did not '
        'succeed; /pause and /resume hold a plan up and let it go on. '
        'Action plans show paused, kind, source_plan_uuid, started_at, '
        'finished_at, measured_efficacy and measured_at, and can be listed '
        'by kind and source_plan_uuid. '
        'Actions show progress, attempts, started_at, finished_at, deadline '
        'and inverse. '
        'Scopes can take what aggregates and zones have in common.',
    SCHEDULES:
        'Audits have time_zone, run_windows and execution_windows: the time '
        'zone of their cron expression and of their windows, when they may '
        'run, and when their action plans may be executed. '
        'Audits show failures, last_error, last_run_started_at, '
        'last_run_finished_at and waiting_triggers. '
        'Audits, action plans and actions show reason: what status_message '
        'says, whole, with a code and facts for programs.',
}

MIN = min(HISTORY)
MAX = max(HISTORY)


class VersionNotAcceptable(exception.NotAcceptable):
    msg_fmt = _('Version %(version)s of the API is not supported. Supported '
                'versions: %(min)s to %(max)s.')


def _refuse(text: str) -> VersionNotAcceptable:
    return VersionNotAcceptable(version=text, min=MIN, max=MAX)


def _requested_text(header: str) -> str | None:
    """Return what the header asks of this service; the last entry wins."""
    found = None
    for entry in header.split(','):
        words = entry.split()
        if len(words) > 1 and words[0].lower() == SERVICE_TYPE:
            found = words[1]
    return found


def negotiate(header: str | None) -> Version:
    """Return the version that a request with this header is served with.

    :param header: value of ``OpenStack-API-Version``, None if absent
    :raises: VersionNotAcceptable if the version is out of range or does not
        consist of exactly two numbers
    """
    text = _requested_text(header or '')
    if text is None:
        return MIN
    if text.lower() == LATEST:
        return MAX
    if text == str(MIN.major):
        # Very old clients send the major number alone.
        return MIN
    try:
        numbers = [int(part) for part in text.split('.')]
    except ValueError:
        return MIN
    if len(numbers) != 2:
        raise _refuse(text)
    version = Version(*numbers)
    if not MIN <= version <= MAX:
        raise _refuse(text)
    return version


def response_headers(version: Version | None) -> dict[str, str]:
    """Return the headers that tell a client about versions.

    :param version: the version used, None if there was none
    """
    headers = {MIN_HEADER: str(MIN), MAX_HEADER: str(MAX), 'Vary': HEADER}
    if version is not None:
        headers[HEADER] = f'{SERVICE_TYPE} {version}'
    return headers
