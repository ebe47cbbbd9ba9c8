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
"""The HTTP server, over real sockets."""

import datetime
import io
import os
import socket
import threading
import time

import fixtures
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid

from watcher.common import context
from watcher.common import service
from watcher.common import wsgi_server
from watcher.tests import base


def echo(environ, start_response):
    environ['openstack.request_id'] = 'req-of-this-request'
    length = int(environ.get('CONTENT_LENGTH') or 0)
    body = environ['wsgi.input'].read(length)
    start_response('200 OK', [('Content-Type', 'text/plain'),
                              ('X-Scheme', environ['wsgi.url_scheme']),
                              ('Content-Length', str(len(body)))])
    return [body]


class ServerTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config(wsgi_default_pool_size=4)

    def start(self, app=echo, **kwargs):
        server = wsgi_server.WSGIServer(app, conf=self.conf.conf, **kwargs)
        server.start()
        self.addCleanup(server.stop, 0.1)
        return server


class TestWSGIServer(ServerTestCase):

    def test_answers(self):
        server = self.start()
        response = requests.post(server.url + '/v1/x?y=1', data=b'hello')
        self.assertEqual(b'hello', response.content)
        self.assertEqual('http', response.headers['X-Scheme'])
        self.assertTrue(server.url.startswith('http://127.0.0.1:'))
        self.assertNotEqual(0, server.port)

    def test_access_log_has_the_request_id(self):
        records = []
        self.useFixture(fixtures.MockPatchObject(
            wsgi_server.ACCESS_LOG, 'info',
            lambda *args, **kwargs: records.append((args, kwargs))))
        server = self.start()
        requests.get(server.url + '/v1/x?y=1')
        server.stop()
        (message, values), kwargs = records[0]
        line = message % values
        self.assertIn('127.0.0.1 "GET /v1/x?y=1 HTTP/1.1" status: 200', line)
        self.assertEqual('req-of-this-request',
                         kwargs['context'].request_id)

    def test_request_ids_do_not_leak_into_the_next_request(self):
        self.config(wsgi_default_pool_size=1)
        seen = []

        def app(environ, start_response):
            current = context.get_current()
            seen.append(current and current.request_id)
            context.make_context(request_id='req-first')
            return echo(environ, start_response)

        server = self.start(app)
        session = requests.Session()
        session.get(server.url)
        session.get(server.url)
        self.assertNotIn('req-first', seen)

    def test_big_headers_are_refused(self):
        self.config(max_header_line=1024)
        server = self.start()
        self.assertEqual(200, requests.get(
            server.url, headers={'X-Auth-Token': 'x' * 3000}).status_code)
        self.assertEqual(413, requests.get(
            server.url, headers={'X-Auth-Token': 'x' * 5000}).status_code)

    def exchange(self, raw, app=echo):
        """Send bytes over a connection of their own, return all answers."""
        server = self.start(app)
        with socket.create_connection(('127.0.0.1', server.port)) as sock:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            return b''.join(iter(lambda: sock.recv(65536), b''))

    def test_target_that_is_no_url(self):
        answer = self.exchange(b'GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n')
        self.assertIn(b'400 Bad Request', answer)
        self.assertNotIn('Traceback', self.logger.output)

    def test_nothing_is_read_behind_a_body_in_chunks(self):
        answer = self.exchange(
            b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n'
            b'\r\n5\r\nhello\r\n0\r\n\r\n'
            b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        self.assertEqual(1, answer.count(b'200 OK'))
        self.assertIn(b'Connection: close', answer)

    def test_chunks_of_any_size(self):
        problems = []

        def app(environ, start_response):
            try:
                environ['wsgi.input'].read(10)
            except ValueError as exc:
                problems.append(str(exc))
            return echo({**environ, 'wsgi.input': io.BytesIO()},
                        start_response)

        for size in (b'fffffffff', b'1000001', b'5'):
            self.exchange(
                b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked'
                b'\r\n\r\n' + size + b'\r\nhello\r\n0\r\n\r\n', app)
        self.assertEqual(['a chunk of 68719476735 bytes is announced',
                          'a chunk of 16777217 bytes is announced'], problems)

    def test_keep_alive(self):
        server = self.start()
        self.assertNotEqual(
            'close', requests.get(server.url).headers.get('Connection'))

    def test_keep_alive_can_be_switched_off(self):
        self.config(wsgi_keep_alive=False)
        server = self.start()
        self.assertEqual(
            'close', requests.get(server.url).headers['Connection'])

    def test_failing_application(self):
        server = self.start(lambda environ, start_response: 1 / 0)
        self.assertEqual(500, requests.get(server.url).status_code)
        self.assertIn('ZeroDivisionError', self.logger.output)
        self.assertEqual(500, requests.get(server.url).status_code)

    def test_stop_closes_the_port(self):
        server = self.start()
        server.stop()
        self.assertRaises(requests.ConnectionError,
                          requests.get, server.url)
        server.stop()

    def test_stop_waits_for_running_requests(self):
        entered, go_on = threading.Event(), threading.Event()

        def app(environ, start_response):
            entered.set()
            go_on.wait(base.PATIENCE)
            return echo(environ, start_response)

        server = self.start(app)
        answers = []
        client = threading.Thread(
            target=lambda: answers.append(requests.get(server.url)))
        client.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        stopper = threading.Thread(target=server.stop, args=(base.PATIENCE,))
        stopper.start()
        go_on.set()
        client.join(base.PATIENCE)
        stopper.join(base.PATIENCE)
        self.assertEqual(200, answers[0].status_code)

    def test_stop_does_not_wait_for_ever(self):
        entered, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def app(environ, start_response):
            entered.set()
            go_on.wait(2 * base.PATIENCE)
            return echo(environ, start_response)

        server = self.start(app)
        client = threading.Thread(target=self._ignore_failure,
                                  args=(server.url,), daemon=True)
        client.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        started = time.monotonic()
        server.stop(0.2)
        self.assertLess(time.monotonic() - started, base.PATIENCE)
        self.assertIn('left behind', self.logger.output)

    @staticmethod
    def _ignore_failure(url):
        try:
            requests.get(url, timeout=2 * base.PATIENCE)
        except requests.ConnectionError:
            return

    def test_port_in_use(self):
        server = self.start()
        error = self.assertRaises(service.FatalError, self.start,
                                  port=server.port)
        self.assertIn(str(server.port), str(error))

    def test_several_servers_share_a_port(self):
        with wsgi_server.reserve_port('127.0.0.1', 0) as reserved:
            port = reserved.getsockname()[1]
            for _server in range(2):
                self.start(port=port, reuse_port=True)
            for _request in range(5):
                self.assertEqual(200, requests.get(
                    f'http://127.0.0.1:{port}').status_code)


class TestReservePort(base.TestCase):

    def test_free_port(self):
        with wsgi_server.reserve_port('127.0.0.1', 0) as reserved:
            self.assertNotEqual(0, reserved.getsockname()[1])

    def test_port_in_use(self):
        with socket.create_server(('127.0.0.1', 0)) as other:
            port = other.getsockname()[1]
            error = self.assertRaises(
                service.FatalError,
                wsgi_server.reserve_port, '127.0.0.1', port)
        self.assertEqual(f'cannot listen on 127.0.0.1 port {port}: '
                         f'Address already in use', str(error))

    def test_port_shared_by_a_foreign_server(self):
        with socket.create_server(('127.0.0.1', 0),
                                  reuse_port=True) as other:
            self.assertRaises(
                service.FatalError, wsgi_server.reserve_port,
                '127.0.0.1', other.getsockname()[1])

    def test_unknown_host(self):
        error = self.assertRaises(
            service.FatalError,
            wsgi_server.reserve_port, 'no-such-host.invalid', 0)
        self.assertIn('no-such-host.invalid', str(error))


def make_certificate(directory):
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, 'test')])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.DNSName('localhost')]), critical=False)
        .sign(key, hashes.SHA256()))
    paths = (os.path.join(directory, 'cert.pem'),
             os.path.join(directory, 'key.pem'))
    contents = (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM,
                          serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption()))
    for path, content in zip(paths, contents, strict=True):
        with open(path, 'wb') as stream:
            stream.write(content)
    return paths


class TestTLS(ServerTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.cert, self.key = make_certificate(self.directory)
        self.config(cert_file=self.cert, key_file=self.key, group='ssl')

    def start_tls(self):
        server = self.start(host='localhost', use_ssl=True)
        self.assertTrue(server.url.startswith('https://'))
        return server

    def test_https(self):
        wsgi_server.check_tls(self.conf.conf)
        server = self.start_tls()
        response = requests.get(server.url, verify=self.cert)
        self.assertEqual('https', response.headers['X-Scheme'])

    def test_a_silent_client_keeps_nobody_out(self):
        server = self.start_tls()
        address = (server._server.bind_addr[0], server.port)
        with socket.create_connection(address):
            requests.get(server.url, verify=self.cert, timeout=base.PATIENCE)

    def test_plain_http_is_disconnected_quietly(self):
        server = self.start_tls()
        self.assertRaises(
            requests.ConnectionError,
            requests.get, server.url.replace('https', 'http'))
        self.assertNotIn('Traceback', self.logger.output)

    def test_client_certificate_is_asked_for(self):
        self.config(ca_file=self.cert, group='ssl')
        server = self.start_tls()
        self.assertRaises(requests.ConnectionError,
                          requests.get, server.url, verify=self.cert)
        self.assertEqual(200, requests.get(
            server.url, verify=self.cert,
            cert=(self.cert, self.key)).status_code)

    def refused(self, **options):
        self.config(group='ssl', **options)
        return str(self.assertRaises(
            service.FatalError, wsgi_server.check_tls, self.conf.conf))

    def test_missing_settings(self):
        self.assertIn('[ssl] cert_file', self.refused(cert_file=None))

    def test_missing_files(self):
        self.assertIn('/nowhere', self.refused(key_file='/nowhere'))

    def test_wrong_files(self):
        self.assertIn('[ssl]', self.refused(key_file=self.cert))

    def test_wrong_ciphers(self):
        self.assertIn('[ssl]', self.refused(ciphers='ROT13'))


class TestWSGIService(ServerTestCase):

    def test_life(self):
        ended = []
        with wsgi_server.reserve_port('127.0.0.1', 0) as reserved:
            port = reserved.getsockname()[1]
            made = wsgi_server.WSGIService(
                'watcher-api', lambda: echo, '127.0.0.1', port,
                conf=self.conf.conf, on_stop=(lambda: ended.append(1),))
            made.start()
            url = f'http://127.0.0.1:{port}'
            self.assertEqual(200, requests.get(url).status_code)
            made.reset()
            self.assertEqual(200, requests.get(url).status_code)
            made.stop()
            made.wait()
            self.assertRaises(requests.ConnectionError, requests.get, url)
        self.assertEqual([1], ended)

    def test_stop_before_start(self):
        made = wsgi_server.WSGIService(
            'watcher-api', lambda: echo, '127.0.0.1', 1,
            conf=self.conf.conf)
        made.stop()
        made.start()
        made.wait()
