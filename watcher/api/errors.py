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
"""The one place where errors leave the API.

Whatever a handler or the routing raises becomes here a status and a body::

    {"error_message": "{\"faultcode\": ..., \"faultstring\": ..., ...}"}

The inner document is JSON in a string: clients decode it twice. Errors of
the caller keep their text. Of our own failures the caller learns what helps
and nothing about the inside; the log gets the rest in one line, and a
traceback only where a programmer has to look.
"""

import http

import oslo_messaging as messaging
import webob
import webob.exc
import wsme.exc
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_serialization import jsonutils

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils

LOG = log.getLogger(__name__)

#: What oslo.messaging puts between the text of a remote error and its trace.
TRACEBACK = 'Traceback (most recent call last)'

#: Headers of routing errors that the answer keeps.
KEPT_HEADERS = ('Allow', 'Retry-After', 'WWW-Authenticate')

#: Longest text for humans; what a client sent may be megabytes.
LONGEST_TEXT = 2000

GATEWAY_TIMEOUT = 504
SERVICE_UNAVAILABLE = 503
SERVER_ERROR = 500


def response(status: int, text: str, headers: dict[str, str] | None = None,
             **members) -> webob.Response:
    """Return the response of an error.

    :param text: for humans, who read only so much of it
    :param members: more members of the inner document
    """
    fault = {'faultcode': 'Server' if status >= 500 else 'Client',
             'faultstring': utils.truncate(text, LONGEST_TEXT),
             'debuginfo': None, **members}
    answer = webob.Response(
        status=status, content_type='application/json', charset='UTF-8',
        json_body={'error_message': jsonutils.dumps(fault)})
    answer.headers.update(headers or {})
    return answer


def from_exception(exc: BaseException) -> webob.Response:
    """Return the response for an error, logging what needs to be."""
    if isinstance(exc, webob.exc.HTTPException):
        return _from_http(exc)
    if isinstance(exc, exception.WatcherException):
        return _from_watcher(exc)
    if isinstance(exc, wsme.exc.ClientSideError):
        return response(exc.code, exc.faultstring)
    if isinstance(exc, db_exc.DBError):
        return _from_database(exc)
    if isinstance(exc, messaging.MessagingException):
        return _from_bus(exc)
    return _unexpected(exc)


def _from_http(exc):
    status = exc.status_int
    title = http.HTTPStatus(status).phrase
    detail = utils.truncate(exc.detail or '', LONGEST_TEXT)
    kept = {name: exc.headers[name] for name in KEPT_HEADERS
            if name in exc.headers}
    return response(status, detail or title, headers=kept, code=status,
                    title=title, description=detail)


def _without_traceback(text):
    return text.partition(TRACEBACK)[0].strip()


def _from_watcher(exc):
    text = _without_traceback(exc.format_message())
    if exc.code >= SERVER_ERROR:
        LOG.error('The request failed: %s', text)
    return response(exc.code, text)


def _from_database(exc):
    if isinstance(exc, db_exc.DBConnectionError | db_exc.CantStartEngineError):
        LOG.error('The database cannot be reached: %s. Check the database '
                  'server and [database] connection.', utils.first_line(exc))
        return response(
            SERVICE_UNAVAILABLE,
            _('The service cannot reach its database. Try again later.'))
    if isinstance(exc, db_exc.DBNonExistentTable):
        LOG.error('The database lacks tables: %s. Run "watcher-db-manage '
                  'upgrade".', utils.first_line(exc))
        return response(
            SERVICE_UNAVAILABLE,
            _('The database of the service is not set up. Tell the '
              'operator.'))
    return _unexpected(exc)


def _from_bus(exc):
    LOG.error('The message bus failed: %s: %s', type(exc).__name__,
              utils.first_line(exc))
    if isinstance(exc, messaging.MessagingTimeout):
        return response(
            GATEWAY_TIMEOUT,
            _('The service that was asked did not answer in time.'))
    return response(
        SERVICE_UNAVAILABLE,
        _('The message bus of the service failed. Try again later.'))


def _unexpected(exc):
    LOG.error('The request failed unexpectedly: %s', utils.first_line(exc),
              exc_info=exc)
    return response(
        SERVER_ERROR,
        _('The service failed to answer. Its log says more under the '
          'request id of this response.'))
