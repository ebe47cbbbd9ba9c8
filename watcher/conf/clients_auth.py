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
"""Fallback credentials for every service that we call."""

from oslo_config import cfg

from watcher.conf import keystoneauth

GROUP = cfg.OptGroup(
    'watcher_clients_auth',
    title='Credentials for calling other services',
    help='Used for Nova, Cinder, Keystone and Placement when their own group '
         'names no auth_type, and always for Gnocchi, Ironic and Aetos. The '
         'user needs the role admin, because it migrates servers of all '
         'projects.')


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_group(GROUP)
    keystoneauth.register_auth_and_session(conf, GROUP.name)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, keystoneauth.list_auth_and_session())]
