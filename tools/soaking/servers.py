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
"""The database and the broker of a soak: real servers, its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pymysql

SCRIPT = Path(__file__).resolve().parents[1] / 'ci-services.sh'

DATABASE, BROKER = 'mariadb', 'rabbitmq'

#: Name of the database.
SCHEMA = 'watcher_soak'

_URL = re.compile(
    r"://(?P<user>\w+):(?P<password>\w+)@(?P<host>[\d.]+):(?P<port>\d+)/")


class Servers:
    """MariaDB and RabbitMQ with a folder and ports of their own.

    :param directory: where their data lies
    """

    def __init__(self, directory: Path) -> None:
        self._environ = {**os.environ, 'CI_SERVICES_DIR': str(directory)}
        self._urls: dict[str, str] = {}

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(SCRIPT), *arguments], env=self._environ, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
            check=False)
        if done.returncode:
            raise RuntimeError('ci-services.sh %s: %s' % (
                ' '.join(arguments), done.stderr.strip()))
        return done.stdout

    def start(self) -> None:
        """Start both, with an empty database."""
        self._run('start', DATABASE, BROKER)
        self._urls = dict(re.findall(
            r"^export WATCHER_TEST_(\w+)_URL='(.*)'$", self._run('env'),
            re.MULTILINE))
        with self.connect('mysql') as connection:
            cursor = connection.cursor()
            cursor.execute('DROP DATABASE IF EXISTS ' + SCHEMA)
            cursor.execute('CREATE DATABASE %s CHARACTER SET utf8mb4'
                           % SCHEMA)

    def stop(self) -> None:
        self._run('stop')

    def restart(self, name: str, away: float, kill: bool = False) -> None:
        """Have a server be away for some seconds.

        :param kill: by SIGKILL instead of an orderly end
        """
        if kill:
            self._kill(name)
        self._run('stop', name)
        time.sleep(away)
        self._run('start', name)

    def _kill(self, name: str) -> None:
        port = self.port(name)
        for found in psutil.net_connections('tcp'):
            if (found.status == psutil.CONN_LISTEN and found.pid
                    and found.laddr.port == port):
                os.kill(found.pid, signal.SIGKILL)

    def _parts(self, name: str) -> dict[str, str]:
        url = self._urls['MYSQL' if name == DATABASE else 'RABBIT']
        return _URL.search(url).groupdict()

    def port(self, name: str) -> int:
        return int(self._parts(name)['port'])

    @property
    def bus_url(self) -> str:
        return self._urls['RABBIT']

    @property
    def database_url(self) -> str:
        return self._urls['MYSQL'].replace('/mysql?', '/%s?' % SCHEMA)

    def connect(self, schema: str = SCHEMA) -> pymysql.Connection:
        """A connection for the soak's own questions."""
        parts = self._parts(DATABASE)
        return pymysql.connect(
            host=parts['host'], port=int(parts['port']),
            user=parts['user'], password=parts['password'],
            database=schema, autocommit=True, connect_timeout=5)

    def queues(self) -> list[dict[str, Any]]:
        """Name, messages and consumers of each queue of the broker."""
        return json.loads(self._run(
            'rabbitmqctl', '-q', 'list_queues', 'name', 'messages',
            'consumers', '--formatter', 'json'))
