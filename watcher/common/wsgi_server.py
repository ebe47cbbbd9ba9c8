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
"""The stand-alone HTTP server: cheroot with options of OpenStack services.

Several worker processes listen on one port (SO_REUSEPORT); the kernel
spreads connections over them.
"""

import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

from cheroot import server
from cheroot import wsgi
from cheroot.ssl import builtin
from oslo_config import cfg
from oslo_log import log
from oslo_service import service as oslo_service

from watcher import conf as watcher_conf
from watcher.common import context
from watcher.common import pool_stats
from watcher.common import service as base_service

CONF = watcher_conf.CONF

LOG = log.getLogger(__name__)
ACCESS_LOG = log.getLogger('watcher.access')

#: Headers of a request together may be as long as so many of the longest
#: lines.
HEADER_LINES = 4

#: Most bytes that one read of a body may ask for.
LARGEST_CHUNK = 16 * 1024 * 1024

#: Seconds for requests that are being answered when the server stops.
STOP_BUDGET = 5.0


# TLS ----------------------------------------------------------------------

def check_tls(conf: cfg.ConfigOpts,
              wanted_by: str = '[api] enable_ssl_api') -> None:
    """Check that HTTPS can be served.

    :param wanted_by: the option that asks for HTTPS.
    :raises: FatalError naming the option that is wrong.
    """
    for name in ('cert_file', 'key_file', 'ca_file'):
        path = conf.ssl[name]
        if path is None:
            if name == 'ca_file':
                continue
            raise base_service.FatalError(
                f'{wanted_by} needs [ssl] {name}, which is not set')
        if not os.access(path, os.R_OK):
            raise base_service.FatalError(
                f'[ssl] {name}: the file {path} cannot be read')
    try:
        _tls_adapter(conf)
    except (ssl.SSLError, OSError, ValueError) as exc:
        raise base_service.FatalError(
            f'[ssl] certificate, key, ca_file and ciphers do not work '
            f'together: {exc}') from exc


class _TLSAdapter(builtin.BuiltinSSLAdapter):
    """Leaves the handshake to the thread that answers the request.

    cheroot shakes hands while it accepts, so that one silent client would
    keep all others out.
    """

    def wrap(self, sock):
        wrapped = self.context.wrap_socket(
            sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {'wsgi.url_scheme': 'https', 'HTTPS': 'on'}


def _tls_adapter(conf):
    adapter = _TLSAdapter(
        conf.ssl.cert_file, conf.ssl.key_file,
        certificate_chain=conf.ssl.ca_file, ciphers=conf.ssl.ciphers)
    adapter.context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if conf.ssl.version == 'TLSv1_3'
        else ssl.TLSVersion.TLSv1_2)
    if conf.ssl.ca_file:
        adapter.context.verify_mode = ssl.CERT_REQUIRED
    return adapter


# Sockets ------------------------------------------------------------------

def reserve_port(host: str, port: int) -> socket.socket:
    """Make sure that the port is free and keep it for our workers.

    The returned socket is bound but does not listen, so it gets no
    connections. Port 0 takes any free port.

    :raises: FatalError if the address cannot be used.
    """
    try:
        family, _kind, _proto, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE)[0]
    except OSError as exc:
        raise base_service.FatalError(
            f'[api] host {host} cannot be resolved: {exc.strerror}') from exc
    try:
        # An address shared by SO_REUSEPORT can be bound next to a foreign
        # process of the same user, so ask without it first.
        with _bound(family, address, shared=False) as probe:
            address = probe.getsockname()
        return _bound(family, address, shared=True)
    except OSError as exc:
        raise base_service.FatalError(
            f'cannot listen on {host} port {port}: {exc.strerror}') from exc


def _bound(family, address, shared):
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        elif family == socket.AF_INET6 and address[0] == '::':
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        if not shared:
            # With SO_REUSEADDR only listening tells whether it is in use.
            sock.listen(1)
    except OSError:
        sock.close()
        raise
    return sock


# Requests -----------------------------------------------------------------

class AccessLog:
    """WSGI middleware: one line in the log for each request.

    The line carries the request id that the application gave.
    """

    def __init__(self, app: Callable):
        self._app = app

    def __call__(self, environ, start_response):
        """Answer the request and log it when the answer is complete."""
        started = time.monotonic()
        seen = {'status': '-'}

        def remember(status, headers, exc_info=None):
            seen['status'] = status.partition(' ')[0]
            if exc_info:
                return start_response(status, headers, exc_info)
            return start_response(status, headers)

        body = self._app(environ, remember)
        return _LoggedBody(body, environ, seen, started)


class _LoggedBody:
    def __init__(self, body, environ, seen, started):
        self._body = body
        self._environ = environ
        self._seen = seen
        self._started = started
        self._length = 0

    def __iter__(self):
        for chunk in self._body:
            self._length += len(chunk)
            yield chunk

    def close(self):
        try:
            close = getattr(self._body, 'close', None)
            if close is not None:
                close()
        finally:
            _log_access(self._environ, self._seen['status'], self._length,
                        time.monotonic() - self._started)
            # What this thread logs before the next request has its context
            # does not belong to this one.
            context.make_context(request_id='-')


def _log_access(environ, status, length, seconds):
    path = environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '')
    query = environ.get('QUERY_STRING')
    ACCESS_LOG.info(
        '%(client)s "%(method)s %(path)s %(protocol)s" status: %(status)s '
        'len: %(length)d time: %(seconds).4f',
        {'client': environ.get('REMOTE_ADDR', '-'),
         'method': environ.get('REQUEST_METHOD', '-'),
         'path': f'{path}?{query}' if query else path,
         'protocol': environ.get('SERVER_PROTOCOL', '-'),
         'status': status, 'length': length, 'seconds': seconds},
        context=_context_of(environ))


def _context_of(environ):
    request_id = environ.get('openstack.request_id')
    current = context.get_current()
    if current is not None and current.request_id == request_id:
        return current
    return context.RequestContext(
        request_id=request_id or '-', overwrite=False)


# Servers ------------------------------------------------------------------

class _Bounded:
    """A stream that is not asked for more than it may have.

    cheroot would make room for a chunk of any size that a client announces.
    """

    def __init__(self, stream):
        self._stream = stream

    def read(self, size):
        """Read so many bytes.

        :raises: ValueError
        """
        if size > LARGEST_CHUNK:
            raise ValueError(f'a chunk of {size} bytes is announced')
        return self._stream.read(size)

    def __getattr__(self, name):
        return getattr(self._stream, name)


ENCODED_SLASH = re.compile(rb'%2[fF]')
FIRST_SLASHES = re.compile(rb'^//+')


class _FirstLine:
    """A stream whose first line is a request.

    cheroot leaves encoded slashes encoded, and takes what follows two
    slashes for the name of a host. Under other servers they are what they
    are in the middle of a path: slashes, of which one is enough.
    """

    def __init__(self, stream):
        self._stream = stream

    def readline(self):
        method, blank, rest = self._stream.readline().partition(b' ')
        target, mark, query = rest.partition(b'?')
        if not mark:
            target, mark, query = rest.partition(b' ')
        target = ENCODED_SLASH.sub(b'/', target)
        target = FIRST_SLASHES.sub(b'/', target)
        return method + blank + target + mark + query


class _Request(server.HTTPRequest):

    def read_request_line(self):
        """Read the first line; one that is no URL is the client's fault."""
        stream, self.rfile = self.rfile, _FirstLine(self.rfile)
        try:
            return super().read_request_line()
        except ValueError:
            self.simple_response('400 Bad Request', 'Malformed Request-URI')
            return False
        finally:
            self.rfile = stream

    def respond(self):
        """Answer, and hang up after a body in chunks.

        What is left behind a chunk that makes no sense would be taken for
        the next request.
        """
        if self.chunked_read:
            self.close_connection = True
            self.conn.rfile = _Bounded(self.conn.rfile)
        super().respond()


class _Connection(server.HTTPConnection):
    RequestHandlerClass = _Request


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    # Idle connections cost a file descriptor, no thread.
    keep_alive_conn_limit = 1000

    def error_log(self, msg='', level=20, traceback=False):
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            # what clients do to connections, plain HTTP on a TLS port
            LOG.info('HTTP server: a client was disconnected: %s', error)
        else:
            LOG.log(level, 'HTTP server: %s', msg, exc_info=traceback)


class WSGIServer:
    """An HTTP server for one WSGI application, in threads of this process.

    :param app: the WSGI application.
    :param port: 0 takes any free port; see the attribute ``port``.
    :param use_ssl: serve HTTPS with the ``[ssl]`` options.
    :param reuse_port: share the port with other processes.
    :param threads: how many answer requests; default is
        ``wsgi_default_pool_size``.
    :param access_log: write a line for each request.
    :param timeout: seconds that clients may be silent; default is
        ``client_socket_timeout``.
    """

    def __init__(self, app: Callable, host: str = '127.0.0.1', port: int = 0,
                 conf: cfg.ConfigOpts = CONF, use_ssl: bool = False,
                 reuse_port: bool = False, name: str = 'watcher-api',
                 threads: int | None = None, access_log: bool = True,
                 timeout: float | None = None):
        self.host = host
        self.port = port
        self.name = name
        self.scheme = 'https' if use_ssl else 'http'
        self._server = _Server(
            (host, port), AccessLog(app) if access_log else app,
            numthreads=threads or conf.wsgi_default_pool_size,
            max=threads or conf.wsgi_default_pool_size,
            server_name=name,
            request_queue_size=conf.backlog,
            timeout=timeout or conf.client_socket_timeout or None,
            shutdown_timeout=STOP_BUDGET,
            reuse_port=reuse_port)
        self._server.max_request_header_size = (
            HEADER_LINES * conf.max_header_line)
        # The application limits bodies, and says so in its own form.
        self._server.max_request_body_size = 0
        if not conf.wsgi_keep_alive:
            self._server.keep_alive_conn_limit = 0
        if use_ssl:
            self._server.ssl_adapter = _tls_adapter(conf)
        self._thread = None

    @property
    def url(self) -> str:
        """Where the server answers."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{self.scheme}://{host}:{self.port}'

    def load(self) -> pool_stats.Load:
        """Return how busy the threads are."""
        pool = self._server.requests
        size = pool.max
        return pool_stats.Load(size, size - pool.idle + pool.qsize)

    def start(self) -> None:
        """Bind, listen and serve in a thread.

        :raises: FatalError if the address cannot be used.
        """
        try:
            self._server.prepare()
        except OSError as exc:
            raise base_service.FatalError(
                f'cannot listen on {self.host} port {self.port}: '
                f'{exc}') from exc
        self.port = self._server.bind_addr[1]
        self._thread = threading.Thread(
            target=self._server.serve, name=f'{self.name}-http', daemon=True)
        self._thread.start()
        LOG.info('%(name)s answers on %(url)s',
                 {'name': self.name, 'url': self.url})

    def stop(self, timeout: float = STOP_BUDGET) -> None:
        """Accept nothing more, finish running requests, close.

        :param timeout: seconds to wait for running requests.
        """
        if self._thread is None:
            return
        self._server.shutdown_timeout = timeout
        stopper = threading.Thread(target=self._server.stop, daemon=True,
                                   name=f'{self.name}-http-stop')
        stopper.start()
        # a little more than what the server itself waits
        stopper.join(timeout + 1)
        if stopper.is_alive():
            LOG.warning('Some requests are still being answered after '
                        '%s seconds and are left behind', timeout)
        self._thread.join(1)
        self._thread = None


class WSGIService(oslo_service.ServiceBase):
    """The HTTP server as a service of the launcher.

    :param app_factory: builds the application, in the worker.
    :param on_stop: called after the server has stopped.
    :param on_start: called with the number of the worker process before the
        server starts.
    """

    def __init__(self, name: str, app_factory: Callable[[], Callable],
                 host: str, port: int, conf: cfg.ConfigOpts = CONF,
                 use_ssl: bool = False,
                 on_stop: tuple[Callable[[], object], ...] = (),
                 on_start: tuple[Callable[[int], object], ...] = ()):
        super().__init__()
        self.name = name
        #: Number of the worker process, set by the launcher.
        self.worker = 0
        self._on_start = on_start
        self._app_factory = app_factory
        self._arguments = {'host': host, 'port': port, 'conf': conf,
                           'use_ssl': use_ssl, 'reuse_port': True,
                           'name': name}
        self._on_stop = on_stop
        self._server = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Build the application and answer requests."""
        app = self._app_factory()
        with self._lock:
            if not self._stopped.is_set():
                for callback in self._on_start:
                    callback(self.worker)
                self._server = WSGIServer(app, **self._arguments)
                self._server.start()
                pool_stats.POOLS.watch('requests', self._server,
                                       WSGIServer.load)

    def stop(self, graceful: bool = True) -> None:
        """Finish running requests and end."""
        with self._lock:
            if self._server is not None:
                self._server.stop(STOP_BUDGET if graceful else 0)
                self._server = None
                for callback in self._on_stop:
                    callback()
            self._stopped.set()

    def wait(self) -> None:
        """Wait until the service has stopped."""
        self._stopped.wait()

    def reset(self) -> None:
        """Use changed options: each request reads them anew."""
        LOG.info('%s uses the changed configuration', self.name)
