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
"""Limits how large the body of a request may be."""

import io
import sys
from collections.abc import Callable

import webob.exc
from oslo_config import cfg
from oslo_log import log
from oslo_middleware import sizelimit

from watcher._i18n import _
from watcher.api import errors

LOG = log.getLogger(__name__)

BLOCK = 64 * 1024

# A client that still sends when the connection is closed may never see the
# answer, so this much of what is too large is read and thrown away.
PATIENCE = 16 * 1024 * 1024

BAD_REQUEST = 400

#: A length of more digits is beyond every limit.
MOST_DIGITS = 19


class Size:
    """Refuses bodies larger than [oslo_middleware] max_request_body_size.

    Everything further inside finds a body that is there as a whole, of known
    length, also if the client sent it in chunks: what stayed unread of it
    would be taken for the next request on the connection.
    """

    def __init__(self, app: Callable, conf: cfg.ConfigOpts):
        self.app = app
        conf.register_opts(sizelimit.OPTS, group='oslo_middleware')
        self.conf = conf

    def __call__(self, environ, start_response):
        answer = self._checked(environ) or self.app
        return answer(environ, start_response)

    def _checked(self, environ):
        """Make the body a whole one; returns the response if it is none."""
        limit = self.conf.oslo_middleware.max_request_body_size
        in_chunks = 'HTTP_TRANSFER_ENCODING' in environ
        length = None if in_chunks else _declared_length(environ)
        if not in_chunks and length is None:
            return _bad(_('The header Content-Length is no number.'))
        try:
            body = _read(environ, limit, length)
        except (OSError, ValueError) as exc:
            LOG.info('The body of a request to %(path)s cannot be read: '
                     '%(reason)s', {'path': environ.get('PATH_INFO', ''),
                                    'reason': exc})
            return _bad(_('The body of the request cannot be read.'))
        if body is None:
            return _refusal(environ, limit)
        if length is not None and len(body) < length:
            return _bad(
                _('The body of the request ends after %(length)d bytes, '
                  'Content-Length promises %(promised)d.')
                % {'length': len(body), 'promised': length})
        environ['wsgi.input'] = io.BytesIO(body)
        environ['CONTENT_LENGTH'] = str(len(body))
        # What was true of the connection is not of the bytes.
        environ.pop('wsgi.input_terminated', None)
        environ.pop('HTTP_TRANSFER_ENCODING', None)
        return None


def _refusal(environ, limit):
    LOG.info('Refused a request to %(path)s because its body is larger '
             'than [oslo_middleware] max_request_body_size (%(limit)d '
             'bytes).', {'path': environ.get('PATH_INFO', ''),
                         'limit': limit})
    return errors.from_exception(webob.exc.HTTPRequestEntityTooLarge(
        detail=_('The body of the request is larger than the limit of %d '
                 'bytes.') % limit))


def _bad(text):
    return errors.response(BAD_REQUEST, text)


def _declared_length(environ):
    text = environ.get('CONTENT_LENGTH') or '0'
    if not text.isascii() or not text.isdigit():
        return None
    # Python refuses to read thousands of digits.
    return int(text) if len(text) < MOST_DIGITS else sys.maxsize


def _read(environ, limit, length):
    """Return the body, None if it is too large.

    :param length: bytes to read, None for a body in chunks
    """
    stream = environ['wsgi.input']
    # uWSGI keeps chunks to itself until it is asked for them.
    uwsgi = sys.modules.get('uwsgi') if length is None else None
    kept, seen = [], 0
    while length is None or seen < length:
        size = BLOCK if length is None else min(BLOCK, length - seen)
        block = uwsgi.chunked_read() if uwsgi else stream.read(size)
        if not block:
            break
        seen += len(block)
        if seen <= limit:
            kept.append(block)
        elif seen > limit + PATIENCE:
            break
    return b''.join(kept) if max(seen, length or 0) <= limit else None
