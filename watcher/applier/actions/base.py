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
"""The base class of all actions."""

import abc
import dataclasses
import enum
import threading
from collections.abc import Callable
from typing import Any

from jsonschema import exceptions as jsonschema_exceptions
from jsonschema import validators
from oslo_log import log

from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common import utils
from watcher.common import waiting
from watcher.common.loader import loadable

LOG = log.getLogger(__name__)

#: JSON schema of the UUID of a server or a volume.
UUID = {
    'type': 'string',
    'pattern': '^[a-fA-F0-9]{8}-([a-fA-F0-9]{4}-){3}[a-fA-F0-9]{12}$',
}
#: JSON schema of a text that must not be empty.
TEXT = {'type': 'string', 'minLength': 1}
#: JSON schema of a name that is only shown.
DISPLAY_NAME = {'type': 'string'}


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """What an action occupies while it runs, for limits and overlaps.

    :param subjects: UUIDs of the servers, volumes or nodes that it changes;
        no two actions that run at the same time share one.
    :param source: host of the compute service that a server leaves.
    :param destination: host of the compute service that a server goes to;
        None when there is none or the cloud chooses.
    :param pools: names of the storage pools that a volume leaves or enters.
    :param opens: host of the compute service that servers can go to
        afterwards.
    :param closes: host of the compute service that no server can go to
        afterwards, or not even stay on.
    """

    subjects: tuple[str, ...] = ()
    source: str | None = None
    destination: str | None = None
    pools: tuple[str, ...] = ()
    opens: str | None = None
    closes: str | None = None


class Fate(enum.StrEnum):
    """What became of an action whose applier died while it ran."""

    #: The cloud is as the action was to make it.
    DONE = 'done'
    #: The cloud is still busy with it: it can be followed to its end.
    RUNNING = 'running'
    #: The cloud was not asked, or has undone it all: it can run again.
    NOT_STARTED = 'not started'
    #: The cloud was asked and failed.
    FAILED = 'failed'
    #: Nobody can tell.
    UNKNOWN = 'unknown'


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What ``recover`` found out.

    :param reason: in words, for the status message of the action.
    :param remote: what identifies the work in the cloud, such as the id of
        a migration, when that was not known before.
    """

    fate: Fate
    reason: str = ''
    remote: dict | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Inverse:
    """The action that undoes another one."""

    action_type: str
    input_parameters: dict


@dataclasses.dataclass(frozen=True, slots=True)
class Irreversible:
    """Why there is no action that undoes another one."""

    reason: str


#: Told about a running action, see :meth:`BaseAction.report`. Called with
#: the keywords ``progress``, ``remote`` and ``before``, None for no news.
ReportCallback = Callable[..., None]


class BaseAction(loadable.Loadable):
    """One atomic change of the cloud.

    One object serves all hooks of one action, called in this order and all
    in the same thread: ``validate_parameters``, ``pre_condition``,
    ``execute``, ``post_condition``. Only ``abort`` is called by another
    thread, while ``execute`` runs; ``execute`` then ends soon, in whatever
    way, and what ``abort`` returns counts.

    :param config: values of the options of this plug-in.
    :param osc: hands out service clients; made on demand when None.
    """

    RESOURCE_ID = 'resource_id'

    #: Names of classes whose running actions can be aborted at any time.
    ABORT_TRUE = ['Sleep', 'Nop']

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config)
        self._osc = osc
        self._input_parameters = utils.Struct()
        # Replaced by the workflow engine with the event that is set when
        # the applier stops.
        self._stopping = threading.Event()
        self._report_to: ReportCallback | None = None
        self._reported: dict[str, Any] = {}

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this plug-in."""
        return []

    @property
    def osc(self) -> clients.OpenStackClients:
        """The holder of service clients."""
        if self._osc is None:
            self._osc = clients.OpenStackClients()
        return self._osc

    @property
    def input_parameters(self) -> utils.Struct:
        """The parameters of this action, as the planner stored them."""
        return self._input_parameters

    @input_parameters.setter
    def input_parameters(self, parameters: dict) -> None:
        self._input_parameters = utils.Struct(parameters or {})

    @property
    def resource_id(self) -> str:
        """The parameter that names the resource to change."""
        return self.input_parameters[self.RESOURCE_ID]

    def watch_stop(self, stopping: threading.Event) -> None:
        """Give the event that is set when the applier has to stop."""
        self._stopping = stopping

    def should_stop(self) -> bool:
        """Whether the applier has to stop, so that waiting must end.

        An action that waits asks this between two looks and raises
        :class:`watcher.common.exception.WaitInterrupted` when it is true.
        What was asked of the cloud goes on there. An action that never asks
        is left behind by a stopping applier after a few seconds.
        """
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the applier has to stop.

        :returns: whether the applier has to stop.
        """
        return self._stopping.wait(seconds)

    # What the engine wants to know of a running action ---------------------
    #
    # All of this may be left out by a plug-in.

    def claims(self) -> Claims:
        """Return what this action occupies while it runs.

        Asked before anything else, so it goes by the parameters alone and
        asks no service.
        """
        subject = self.input_parameters.get(self.RESOURCE_ID)
        return Claims((subject,) if isinstance(subject, str) else ())

    def deadline(self) -> float | None:
        """Return the seconds that ``execute`` is expected to need at most.

        Asked after ``pre_condition``, so that it can go by what is moved.
        None means that nobody knows.
        """
        return None

    def watch_progress(self, callback: ReportCallback) -> None:
        """Give what :meth:`report` calls."""
        self._report_to = callback

    def report(self, progress: float | None = None,
               remote: dict | None = None,
               before: dict | None = None) -> None:
        """Tell how the action gets on; only what is new is given.

        Cheap enough to be called at every look at the cloud, and never
        raises: what happens in the cloud must be followed in any case.

        :param progress: percent, 0 to 100.
        :param remote: what identifies the work in the cloud, such as
            ``{'migration': 12}``; to be told as soon as it is known, since
            an applier may die at any time.
        :param before: how the resource was before it was changed: what
            ``inverse`` needs to know.
        """
        news = {'progress': progress, 'remote': remote, 'before': before}
        self._reported.update(
            {key: value for key, value in news.items() if value is not None})
        if self._report_to is None:
            return
        try:
            self._report_to(**news)
        except Exception:
            LOG.exception('The progress of an action could not be noted')

    def known(self, what: str, run: Any = None) -> dict:
        """Return ``remote`` or ``before``, as reported or as stored.

        :param run: the stored record of the run, if there is one.
        """
        stored = getattr(run, what, None)
        return self._reported.get(what) or stored or {}

    def recover(self, run: Any) -> Found:
        """Find out what became of this action after its applier died.

        Called on a new object, in place of ``pre_condition``, when the
        action is ONGOING but nobody runs it. The applier may have died
        before it asked the cloud, while it asked, or at any time after.
        Asks services, changes nothing.

        :param run: the stored record of the run, with ``started_at``,
            ``remote`` and ``before``.
        """
        return Found(Fate.UNKNOWN, _(
            'actions of this type do not tell what became of them'))

    def resume(self, run: Any) -> bool:
        """Follow to its end what the cloud is still busy with.

        Called after ``recover`` has found it RUNNING; returns and raises
        what ``execute`` does.
        """
        raise exception.ActionExecutionFailure(_(
            'Actions of this type cannot be followed on'))

    def inverse(self, run: Any) -> Inverse | Irreversible:
        """Return what undoes this action; asked after it has succeeded.

        Goes by the parameters and by what was reported as ``before``.
        """
        return Irreversible(_('actions of this type cannot be undone'))

    def judge(self, outcome: waiting.Outcome) -> bool:
        """Turn how an operation ended into the result of ``execute``.

        :raises: ActionExecutionFailure and WaitInterrupted, with the reason
        """
        if outcome:
            return True
        reason = getattr(outcome, 'reason', '')
        if getattr(outcome, 'interrupted', False):
            raise exception.WaitInterrupted(reason)
        raise exception.ActionExecutionFailure(
            reason or _('The service did not do what it was asked for'))

    @property
    @abc.abstractmethod
    def schema(self) -> dict:
        """JSON schema of the parameters."""
        raise NotImplementedError

    def validate_parameters(self) -> bool:
        """Check the parameters against the schema.

        :returns: true.
        :raises: jsonschema.ValidationError, naming what is wrong.
        """
        validator = validators.validator_for(self.schema)(self.schema)
        error = jsonschema_exceptions.best_match(
            validator.iter_errors(self.input_parameters))
        if error is not None:
            raise error
        return True

    @abc.abstractmethod
    def pre_condition(self) -> None:
        """Check that the action is possible and still needed.

        :raises: ActionSkipped when the action is not needed any more; any
            other exception makes the action fail without being executed.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def execute(self) -> bool:
        """Do it.

        :returns: true for success; any other value is a failure.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def revert(self) -> Any:
        """Undo what ``execute`` did."""
        raise NotImplementedError

    @abc.abstractmethod
    def post_condition(self) -> None:
        """Check the result; called only after a successful ``execute``."""
        raise NotImplementedError

    @abc.abstractmethod
    def get_description(self) -> str:
        """Return one sentence about this type of action."""
        raise NotImplementedError

    def check_abort(self) -> bool:
        """Whether ``abort`` can stop this action while it runs."""
        name = type(self).__name__
        if name == 'Migrate':
            return self.input_parameters.get('migration_type') == 'live'
        return name in self.ABORT_TRUE
