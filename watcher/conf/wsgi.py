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
"""The web server of the stand-alone API.

The names and their meaning are those of oslo.service's own server, which
existing configuration files may set. That library is about to drop them.
"""

from oslo_config import cfg

OPTS = [
    cfg.IntOpt(
        'wsgi_default_pool_size',
        default=32,
        min=1,
        help="""
Threads of each worker of the stand-alone watcher-api, that is the number of
requests that one worker answers at the same time.
"""),
    cfg.IntOpt(
        'max_header_line',
        default=16384,
        min=1024,
        help="""
Largest header line of a request, in bytes. All header lines together may be
four times as long. Raise it when tokens are longer than that.
"""),
    cfg.BoolOpt(
        'wsgi_keep_alive',
        default=True,
        help="""
Whether a client may use one connection for several requests.
"""),
    cfg.IntOpt(
        'client_socket_timeout',
        default=60,
        min=0,
        help="""
Seconds after which a connection that is idle, or whose client neither sends
nor reads, is closed. 0 means never; a client that hangs then keeps a thread.
"""),
    cfg.IntOpt(
        'backlog',
        default=4096,
        min=1,
        help="""
Connections that may wait to be accepted by a worker.
"""),
]

SSL_GROUP = cfg.OptGroup(
    'ssl', title='HTTPS of the stand-alone API server')

SSL_OPTS = [
    cfg.StrOpt(
        'ca_file',
        help="""
File (PEM) with the CA certificates that clients must present a certificate
of. Unset, clients need none.
"""),
    cfg.StrOpt(
        'cert_file',
        help="""
File (PEM) with the certificate of the server, followed by its chain. Needed
when [api] enable_ssl_api is on.
"""),
    cfg.StrOpt(
        'key_file',
        help="""
File (PEM) with the private key of the server, without passphrase. Needed
when [api] enable_ssl_api is on.
"""),
    cfg.StrOpt(
        'version',
        help="""
Lowest version of TLS: TLSv1_2 or TLSv1_3. Older values are accepted and mean
TLSv1_2.
"""),
    cfg.StrOpt(
        'ciphers',
        help="""
Ciphers up to TLS 1.2, as an OpenSSL cipher list. Unset, those that Python
holds to be safe.
"""),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS)
    conf.register_group(SSL_GROUP)
    conf.register_opts(SSL_OPTS, group=SSL_GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [('DEFAULT', OPTS), (SSL_GROUP.name, SSL_OPTS)]
