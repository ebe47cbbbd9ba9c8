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
"""Why an engine starts no further action, and how failures are told."""

from oslo_db import exception as db_exc
from oslo_utils import strutils

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.common import reasons


class PlanTakenAway(exception.WatcherException):
    """Control flow: the plan is not this applier's any more."""

    msg_fmt = _('Action plan %(uuid)s is in state %(state)s and belongs to '
                'host %(host)s now')


class Fenced(PlanTakenAway):
    """Control flow: another process has taken over what this one does."""

    msg_fmt = _('The lease of this applier is lost')


class ApplierStopping(exception.WatcherException):
    """Control flow: this applier has to stop."""

    msg_fmt = _('The applier is being stopped')


class Suspended(exception.WatcherException):
    """Control flow: the plan goes on when its execution window opens."""

    msg_fmt = _('The execution window of the action plan is closed')


def failure_reason(error: BaseException) -> reasons.Reason:
    """Say in one line what went wrong, for a status message.

    Users read it: what a database driver says is left to the log.
    """
    return reasons.Reason(_what_failed(error), **reasons.error(error))


def failure(code: reasons.Code, text: str, error: BaseException,
            action: objects.Action) -> reasons.Reason:
    """Return why an action failed.

    :param text: of the status message
    """
    return reasons.Reason(
        text, code, **reasons.error(error), action_type=action.action_type,
        resource=(action.input_parameters or {}).get('resource_id'))


def _what_failed(error):
    name = type(error).__name__
    if isinstance(error, db_exc.DBError):
        return _('the database does not work (%s)') % name
    text = ' '.join(strutils.mask_password(str(error)).split())
    if isinstance(error, exception.WatcherException):
        return text
    return f'{name}: {text}' if text else name
