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
"""Who asks, and under which request id.

The context travels from the API over RPC into the engines. The one of the
current thread gives every log line its request id.
"""

from oslo_context import context as oslo_context

MASK = '***'

#: Index among the positional arguments of the base class of ``is_admin``.
IS_ADMIN_POSITION = 6


class RequestContext(oslo_context.RequestContext):
    """The oslo.context class plus the token data of Keystone.

    :param auth_token_info: what the identity service said about the token.
    """

    FROM_DICT_EXTRA_KEYS = ['auth_token_info']

    def __init__(self, *args, auth_token_info=None, **kwargs):
        if len(args) <= IS_ADMIN_POSITION:
            # Unknown is not the same as "no administrator".
            kwargs.setdefault('is_admin', None)
        super().__init__(*args, **kwargs)
        self.auth_token_info = auth_token_info

    def to_dict(self) -> dict:
        """Return the form that travels in RPC messages.

        It contains the token: never log it, log the context itself.
        """
        values = super().to_dict()
        values['auth_token_info'] = self.auth_token_info
        return values

    @classmethod
    def from_dict(cls, values: dict, **kwargs) -> 'RequestContext':
        """Rebuild a context from any subset of the keys of to_dict()."""
        aliases = {
            'user_id': ('user', 'user_id'),
            'project_id': ('project_id', 'project'),
            'domain_id': ('domain', 'domain_id'),
            'user_domain_id': ('user_domain', 'user_domain_id'),
            'project_domain_id': ('project_domain', 'project_domain_id'),
            'is_admin': ('is_admin',),
        }
        for attribute, keys in aliases.items():
            found = [values[k] for k in keys if values.get(k) is not None]
            kwargs.setdefault(attribute, found[0] if found else None)
        return super().from_dict(values, **kwargs)

    def __repr__(self):
        values = self.to_dict()
        for secret in ('auth_token', 'auth_token_info'):
            if values[secret]:
                values[secret] = MASK
        return f'<Context {values}>'

    __str__ = __repr__


def make_context(*args, **kwargs) -> RequestContext:
    """Build a context and make it the current one of this thread."""
    return RequestContext(*args, **kwargs)


def admin_context(show_deleted: bool = False) -> RequestContext:
    """Build an administrator's context for internal work.

    It continues the request id of the thread's current context, which stays
    the current one; a thread that has none gets the new one.
    """
    current = oslo_context.get_current()
    return RequestContext(
        is_admin=True, show_deleted=show_deleted, overwrite=False,
        request_id=current.request_id if current else None,
        global_request_id=current.global_request_id if current else None)


def get_current() -> oslo_context.RequestContext | None:
    """Return the context of this thread, None if it has none."""
    return oslo_context.get_current()
