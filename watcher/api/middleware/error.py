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
"""Gives errors of the layers below the body that clients expect."""

import re
from collections.abc import Callable

import webob
import webob.dec
import webob.exc

from watcher._i18n import _
from watcher.api import errors
from watcher.api.controllers import base

SIGN = b'"error_message"'

# Links and the header Location start with scheme and host.
NO_BASE = re.compile(r'[\x00-\x1f\x7f/?#@\\]')


class Error:
    """Rewrites error responses that ``watcher.api.errors`` did not write.

    Those come from middleware that knows nothing of this API, such as the
    limit on the size of bodies. Nothing that is raised gets past it.
    """

    def __init__(self, app: Callable):
        self.app = app

    @webob.dec.wsgify
    def __call__(self, request):
        try:
            _check_base(request)
            _check_encoding(request)
            response = request.get_response(self.app)
        except Exception as exc:
            return errors.from_exception(exc)
        if response.status_int < 400 or _is_ours(request, response):
            return response
        return errors.from_exception(_exception_for(response))


def _is_ours(request, response):
    if response.content_type != base.JSON:
        return False
    # The body of an answer to HEAD is cut off already.
    return request.method == 'HEAD' or SIGN in response.body[:len(SIGN) + 4]


def _check_base(request):
    if NO_BASE.search(request.host) or NO_BASE.search(request.scheme):
        raise webob.exc.HTTPBadRequest(
            detail=_('The header Host, or what a proxy says of it, names no '
                     'host.'))


def _check_encoding(request):
    try:
        texts = [request.script_name, request.path_info, *request.GET,
                 *request.GET.values()]
    except UnicodeDecodeError:
        raise webob.exc.HTTPBadRequest(
            detail=_('The URL is not encoded in UTF-8.')) from None
    # PostgreSQL cannot even be asked for it.
    if any('\0' in text for text in texts):
        raise webob.exc.HTTPBadRequest(
            detail=_('The URL contains the character U+0000.'))


def _exception_for(response):
    cls = webob.exc.status_map.get(response.status_int,
                                   webob.exc.HTTPInternalServerError)
    detail = response.text if response.content_type == 'text/plain' else ''
    return cls(detail=detail.strip(), headers={
        name: value for name, value in response.headers.items()
        if name in errors.KEPT_HEADERS})
