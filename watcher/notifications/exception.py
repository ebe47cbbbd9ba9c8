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
"""The ``fault`` of error notifications."""

import sys
import traceback

from oslo_db import exception as db_exc
from oslo_utils import strutils
from sqlalchemy import exc as sa_exc

from watcher.common import utils
from watcher.notifications import base as notifications
from watcher.objects import fields as wfields


@notifications.register
class ExceptionPayload(notifications.NotificationPayloadBase):
    """Version 1.0: initial."""

    VERSION = '1.0'

    fields = {
        'module_name': wfields.StringField(),
        'function_name': wfields.StringField(),
        'exception': wfields.StringField(),
        'exception_message': wfields.StringField(),
    }

    @classmethod
    def from_exception(cls, exc: BaseException | None
                       ) -> 'ExceptionPayload | None':
        """Describe an exception; None when there is none.

        Module and function are those of the innermost frame. Secrets in the
        text are masked.

        :param exc: the exception; by default the one being handled
        """
        exc = exc or sys.exc_info()[1]
        if exc is None:
            return None
        module_name, function_name = _origin(exc)
        return cls(
            module_name=module_name,
            function_name=function_name,
            exception=type(exc).__name__,
            exception_message=_message(exc))


def _message(exc: BaseException) -> str:
    """The text of the exception, without secrets.

    Database errors quote the statement and its values: who listens on the
    bus gets only the first line, the log has the rest.
    """
    text = str(exc)
    if isinstance(exc, (db_exc.DBError, sa_exc.SQLAlchemyError)):
        text = utils.first_line(exc)
    return strutils.mask_password(text)


def _origin(exc: BaseException) -> tuple[str, str]:
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    if not frames:  # made but never raised
        return type(exc).__module__, type(exc).__name__
    frame = frames[-1]
    name = frame.f_globals.get('__name__') or frame.f_code.co_filename
    return name, frame.f_code.co_name


def fault(phase: str, exc: BaseException | None
          ) -> ExceptionPayload | None:
    """The fault of an event: only the error phase has one."""
    if phase != notifications.Phase.ERROR:
        return None
    return ExceptionPayload.from_exception(exc)
