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
"""Connection options that all OpenStack services we call have in common.

They are defined by keystoneauth; this module registers and lists them, so
that each service needs one line.
"""

from keystoneauth1 import loading
from oslo_config import cfg

#: Spellings of an endpoint interface; with and without ``URL`` mean the same.
INTERFACES = ('public', 'internal', 'admin',
              'publicURL', 'internalURL', 'adminURL')

Aliases = dict[str, list[cfg.DeprecatedOpt]]


def register_auth_and_session(conf: cfg.ConfigOpts, group: str) -> None:
    """Register TLS and authentication options in ``group``."""
    loading.register_session_conf_options(conf, group)
    loading.register_auth_conf_options(conf, group)


def list_auth_and_session() -> list[cfg.Opt]:
    """Return TLS and authentication options.

    Those of the usual plug-in, ``password``, are included: keystoneauth
    registers them when it loads the plug-in, and a sample file without them
    would not show how to log in.
    """
    return [*loading.get_session_conf_options(),
            *loading.get_auth_common_conf_options(),
            *loading.get_auth_plugin_conf_options('password')]


def register(conf: cfg.ConfigOpts, group: str,
             aliases: Aliases | None = None) -> None:
    """Register adapter, TLS and authentication options in ``group``.

    :param aliases: option name as keystoneauth spells it (with hyphens) to
        the places from which it is still read
    """
    loading.register_adapter_conf_options(
        conf, group, include_deprecated=True, deprecated_opts=aliases)
    register_auth_and_session(conf, group)


def list_opts(aliases: Aliases | None = None) -> list[cfg.Opt]:
    """Return adapter, TLS and authentication options."""
    return [
        *loading.get_adapter_conf_options(
            include_deprecated=False, deprecated_opts=aliases),
        *list_auth_and_session()]
