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
import threading
from typing import Any

from jsonschema import exceptions as jsonschema_exceptions
from jsonschema import validators

from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common import utils
from watcher.common import waiting
from watcher.common.loader import loadable

#: JSON schema of the UUID of a server or a volume.
UUID = {
    'type': 'string',
    'pattern': '^[a-fA-F0-9]{8}-([a-fA-F0-9]{4}-){3}[a-fA-F0-9]{12}$',
}
#: JSON schema of a text that must not be empty.
TEXT = {'type': 'string', 'minLength': 1}
#: JSON schema of a name that is only shown.
DISPLAY_NAME = {'type': 'string'}


class BaseAction(loadable.Loadable):
    """One atomic change of the cloud.

    One object serves all hooks of one action, called in this order and all
    in the same thread: ``validate_parameters``, ``pre_condition``,
    ``execute``, ``post_condition``.

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
