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
"""The REST API."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'api',
    title='Options of the REST API and of the stand-alone API server')

OPTS = [
    cfg.PortOpt(
        'port',
        default=9322,
        help='TCP port on which the stand-alone watcher-api listens. Without '
             'effect under an own web server (uWSGI, mod_wsgi).'),
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='Address on which the stand-alone watcher-api listens. The '
             'default is reachable from this machine only: set 0.0.0.0 or :: '
             'to listen on all addresses, or the address that your load '
             'balancer calls. Without effect under an own web server.'),
    cfg.IntOpt(
        'max_limit',
        default=1000,
        help='Largest number of resources in one response of a list. A '
             'request that asks for more, or for no limit, receives this '
             'many and a link to the next page.'),
    cfg.IntOpt(
        'workers',
        min=1,
        sample_default='<number of CPUs>',
        help='Number of processes of the stand-alone watcher-api. Unset, one '
             'per CPU. Each keeps its own database connections: workers '
             'times [database] max_pool_size must fit into what the database '
             'server allows.'),
    cfg.BoolOpt(
        'enable_ssl_api',
        default=False,
        help='Serve HTTPS from the stand-alone watcher-api. Certificate and '
             'key are taken from the [ssl] group, which must then be filled '
             'in.'),
    cfg.BoolOpt(
        'enable_webhooks_auth',
        default=True,
        help='Ask for a Keystone token and the policy rule webhook:trigger '
             'when an EVENT audit is triggered through /v1/webhooks. Turn it '
             'off only if the caller cannot authenticate and the endpoint is '
             'protected otherwise: without it anybody who reaches the API '
             'and knows the UUID of an EVENT audit may trigger it.'),
]

AUTH_OPTS = [
    cfg.BoolOpt(
        'enable_authentication',
        default=True,
        help='Demand a valid Keystone token for the REST API. Without it '
             'callers say who they are in the headers X-Roles, X-User-Id '
             'and X-Project-Id, and are believed: for tests on a closed '
             'machine only. Policies are checked all the same: without '
             '"X-Roles: admin" nearly everything is forbidden.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)
    conf.register_opts(AUTH_OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS), ('DEFAULT', AUTH_OPTS)]
