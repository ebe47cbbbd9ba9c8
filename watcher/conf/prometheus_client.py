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
"""Calling Prometheus directly."""

from oslo_config import cfg

DEPRECATED = {
    'deprecated_for_removal': True,
    'deprecated_since': '2026.1',
    'deprecated_reason': 'Use the data source aetos, which authenticates '
                         'with Keystone.',
}

GROUP = cfg.OptGroup(
    'prometheus_client',
    title='Calling Prometheus directly')

OPTS = [
    cfg.StrOpt(
        'base_url',
        # It may hold a password, and is shown in logs without it.
        secret=True,
        help='URL of Prometheus or of anything that speaks its HTTP API '
             '(Thanos, Mimir, a proxy), with scheme and path, for example '
             'https://metrics.example.org/prometheus. /api/v1/... is '
             'appended. Set, it takes the place of host and port.'),
    cfg.DictOpt(
        'headers',
        default={},
        secret=True,
        help='HTTP headers sent with each request, as name:value pairs, for '
             'example X-Scope-OrgID:openstack.'),
    cfg.BoolOpt(
        'insecure',
        default=False,
        help='Do not verify the certificate of an HTTPS server. Whoever can '
             'reach the network can then make the metrics up.'),
    cfg.IntOpt(
        'http_timeout',
        default=60,
        min=1,
        mutable=True,
        help='Seconds allowed for one request. Above --query.timeout of the '
             'server the server ends long queries itself and says so.'),
    cfg.HostAddressOpt(
        'host',
        **DEPRECATED,
        help='Address of the Prometheus server. This or base_url is '
             'required when the data source is used.'),
    cfg.PortOpt(
        'port',
        default=9090,
        **DEPRECATED,
        help='TCP port of the Prometheus server.'),
    cfg.StrOpt(
        'fqdn_label',
        default='fqdn',
        **DEPRECATED,
        help='Metric label whose value is the host name as Nova knows it. '
             'Host metrics without this label are not found.'),
    cfg.StrOpt(
        'instance_uuid_label',
        default='resource',
        **DEPRECATED,
        help='Metric label whose value is the UUID of the server. Server '
             'metrics without this label are not found.'),
    cfg.StrOpt(
        'username',
        **DEPRECATED,
        help='User for basic authentication, if the server asks for it.'),
    cfg.StrOpt(
        'password',
        secret=True,
        **DEPRECATED,
        help='Password for basic authentication.'),
    cfg.StrOpt(
        'cafile',
        **DEPRECATED,
        help='CA bundle with which the server is verified. Without base_url '
             'setting it switches to HTTPS.'),
    cfg.StrOpt(
        'certfile',
        **DEPRECATED,
        help='Client certificate. Used only together with keyfile.'),
    cfg.StrOpt(
        'keyfile',
        **DEPRECATED,
        help='Key of the client certificate.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
