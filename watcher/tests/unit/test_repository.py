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
"""What stands around the code: packaging, requirements, test discovery."""

import ast
import configparser
import datetime
import functools
import io
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

import fixtures
import subunit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import watcher
from watcher.tests import base

PACKAGE = pathlib.Path(watcher.__file__).parent
ROOT = PACKAGE.parent

#: Imported where a database URL asks for it, used by tools, or run as a
#: program: needed although no module imports it.
NOT_IMPORTED = {
    'requirements.txt': {'pbr', 'oslo-i18n', 'python-memcached', 'tzdata'},
    'test-requirements.txt': {
        'coverage', 'psycopg2-binary', 'pymysql', 'ruff', 'stestr',
        'python-openstackclient', 'python-subunit', 'python-watcherclient',
        'pyuwsgi',
        'testtools'},
}


def read_requirements(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text(encoding='utf-8').splitlines()
    parsed = [Requirement(line.partition('#')[0]) for line in lines
              if line.partition('#')[0].strip()]
    return {canonicalize_name(item.name): item for item in parsed}


@functools.cache
def tops_of(path: pathlib.Path) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    return frozenset(name.partition('.')[0] for name in found)


def imported_modules(paths: Iterable[pathlib.Path]) -> set[str]:
    return set().union(*(tops_of(path) for path in paths))


packages_distributions = functools.cache(metadata.packages_distributions)


def distributions_of(modules: set[str]) -> set[str]:
    """Return the packages that bring these modules.

    What nothing installed brings is returned by its own name.
    """
    owners = packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - {'watcher'}
    return {canonicalize_name(owner) for module in foreign
            for owner in owners.get(module, (module,))}


class TestRequirements(base.TestCase):

    def setUp(self):
        super().setUp()
        tests, sandbox = PACKAGE / 'tests', PACKAGE / 'sandbox'
        files = list(PACKAGE.rglob('*.py'))
        self.test_imports = distributions_of(imported_modules(
            path for path in files if tests in path.parents))
        self.sandbox_imports = distributions_of(imported_modules(
            path for path in files if sandbox in path.parents))
        self.imports = distributions_of(imported_modules(
            path for path in files
            if not {tests, sandbox} & set(path.parents)))

    def test_what_the_service_imports_is_required(self):
        self.assertEqual(
            set(), self.imports - set(read_requirements('requirements.txt')))

    def test_what_the_sandbox_imports_is_required(self):
        parser = configparser.ConfigParser(delimiters=('=',))
        parser.read(ROOT / 'setup.cfg', encoding='utf-8')
        extra = {
            canonicalize_name(Requirement(line.partition('#')[0]).name)
            for line in parser['extras']['sandbox'].split('\n') if line}
        self.assertEqual(
            set(), self.sandbox_imports - extra
            - set(read_requirements('requirements.txt')))

    def test_what_is_required_is_used(self):
        required = set(read_requirements('requirements.txt'))
        self.assertEqual(
            set(), required - self.imports - NOT_IMPORTED['requirements.txt'])

    def test_what_the_tests_import_is_required(self):
        required = (set(read_requirements('requirements.txt'))
                    | set(read_requirements('test-requirements.txt')))
        self.assertEqual(set(), self.test_imports - required)

    def test_what_the_tests_require_is_used(self):
        required = set(read_requirements('test-requirements.txt'))
        self.assertEqual(set(), required - self.test_imports
                         - NOT_IMPORTED['test-requirements.txt'])

    def test_eventlet_is_not_asked_for(self):
        for name in ('requirements.txt', 'test-requirements.txt',
                     'doc/requirements.txt'):
            self.assertNotIn('eventlet', read_requirements(name))

    def test_constraints_satisfy_the_requirements(self):
        exact = {}
        for name, item in read_requirements('upper-constraints.txt').items():
            [clause] = item.specifier
            self.assertEqual('===', clause.operator, name)
            exact[name] = clause.version
        for source in ('requirements.txt', 'test-requirements.txt',
                       'doc/requirements.txt'):
            for name, item in read_requirements(source).items():
                self.assertIn(name, exact)
                self.assertTrue(
                    item.specifier.contains(exact[name]),
                    f'{source}: {item} against {exact[name]}')


class TestDiscovery(base.TestCase):

    def test_every_folder_of_tests_is_a_package(self):
        # Discovery passes over other folders without a word.
        lost = [str(path.parent.relative_to(ROOT))
                for path in (PACKAGE / 'tests').rglob('*.py')
                if not (path.parent / '__init__.py').exists()]
        self.assertEqual([], sorted(set(lost)))

    def test_every_folder_of_code_is_a_package(self):
        lost = [str(path.parent.relative_to(ROOT))
                for path in PACKAGE.rglob('*.py')
                if not (path.parent / '__init__.py').exists()
                and 'alembic' not in path.parts]
        self.assertEqual([], sorted(set(lost)))

    def test_modules_with_tests_are_named_so(self):
        misnamed = []
        for path in (PACKAGE / 'tests').rglob('*.py'):
            if path.name.startswith('test_'):
                continue
            tree = ast.parse(path.read_text(encoding='utf-8'))
            mixed_in = {
                member for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef)
                and not any(ast.unparse(base).endswith('Case')
                            for base in node.bases)
                for member in node.body}
            for node in ast.walk(tree):
                # A class that is no case runs only as part of one that is.
                if (isinstance(node, ast.FunctionDef)
                        and node.name.startswith('test_')
                        and node not in mixed_in):
                    misnamed.append(str(path.relative_to(ROOT)))
        self.assertEqual([], sorted(set(misnamed)))

    def test_every_file_carries_the_licence(self):
        bare = [
            str(path.relative_to(ROOT)) for path in PACKAGE.rglob('*.py')
            if path.stat().st_size
            and 'http://www.apache.org/licenses/LICENSE-2.0'
            not in path.read_text(encoding='utf-8')]
        self.assertEqual([], bare)


class TestEntryPoints(base.TestCase):

    def declared(self) -> set[tuple[str, str, str]]:
        parser = configparser.ConfigParser(delimiters=('=',))
        parser.optionxform = str
        parser.read(ROOT / 'setup.cfg', encoding='utf-8')
        found = {
            (group, name, value)
            for group, text in parser['entry_points'].items()
            for name, value in re.findall(
                r'^\s*(\S+) = (\S+)$', text, re.MULTILINE)}
        self.assertGreater(len(found), 30)
        # Loading this one builds the whole application.
        return {item for item in found if item[0] != 'wsgi_scripts'}

    def test_every_target_exists(self):
        for group, name, target in self.declared():
            entry_point = metadata.EntryPoint(name, target, group)
            self.assertIsNotNone(entry_point.load(), target)

    def test_names_are_installed_as_declared(self):
        installed = {
            (item.group, item.name, item.value)
            for item in metadata.distribution('python-watcher').entry_points
            if item.group != 'wsgi_scripts'}
        self.assertEqual(self.declared(), installed)


class TestScripts(base.TestCase):

    def run_script(self, *args, **env):
        return subprocess.run(
            [str(ROOT / args[0]), *args[1:]], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False,
            env={**os.environ, **env})

    def test_ci_services_explains_itself(self):
        done = self.run_script('tools/ci-services.sh')
        self.assertEqual(2, done.returncode)
        self.assertIn('start|stop|env', done.stderr)

    def test_ci_services_env_before_start(self):
        folder = self.useFixture(fixtures.TempDir()).path
        done = self.run_script('tools/ci-services.sh', 'env',
                               CI_SERVICES_DIR=folder)
        self.assertEqual(1, done.returncode)
        self.assertIn('ci-services.sh start', done.stderr)
        self.assertEqual('', done.stdout)

    def test_ci_services_names_servers_it_has(self):
        folder = self.useFixture(fixtures.TempDir()).path
        for command in ('start', 'stop'):
            done = self.run_script('tools/ci-services.sh', command, 'oracle',
                                   CI_SERVICES_DIR=folder)
            self.assertEqual(1, done.returncode)
            self.assertIn('no server oracle, only mariadb', done.stderr)

    def test_shell_scripts_parse(self):
        scripts = [*ROOT.glob('tools/*.sh'), ROOT / '.ci' / 'run']
        self.assertGreater(len(scripts), 3)
        for script in scripts:
            done = subprocess.run(['bash', '-n', str(script)],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((0, ''), (done.returncode, done.stderr), script)

    def ensure_venv(self, python: str) -> subprocess.CompletedProcess:
        """Ask for an environment that is not there, made by ``python``."""
        env = {name: value for name, value in os.environ.items()
               if name not in ('VIRTUAL_ENV', 'PYTHON')}
        env.update(PYTHON=python, WATCHER_VENV='.venv-missing-in-a-test')
        return subprocess.run(
            ['bash', '-c', '. tools/venv.sh; ensure_venv requirements.txt'],
            cwd=ROOT, capture_output=True, text=True, timeout=60, env=env,
            check=False)

    def fake_python(self, condition: str) -> str:
        """Return a Python that fails where ``condition`` matches."""
        path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'python')
        path.write_text(
            '#!/bin/bash\n'
            f'case "$*" in {condition}) exit 1 ;; esac\n'
            f'exec {sys.executable} "$@"\n', encoding='utf-8')
        path.chmod(0o755)
        return str(path)

    def test_missing_venv_module_is_named(self):
        done = self.ensure_venv(self.fake_python('*ensurepip*'))
        self.assertEqual(1, done.returncode)
        self.assertRegex(
            done.stderr, r'apt-get install python3\.\d+-venv')

    def test_old_python_is_refused(self):
        done = self.ensure_venv(self.fake_python('*version_info*'))
        self.assertEqual(1, done.returncode)
        self.assertIn('too old', done.stderr)
        self.assertIn('3.11 or later', done.stderr)

    def test_missing_python_is_named(self):
        done = self.ensure_venv('/no/such/python')
        self.assertEqual(1, done.returncode)
        self.assertIn('There is no /no/such/python', done.stderr)


class TestSummary(base.TestCase):
    """tools/summarize-tests.py."""

    def summarize(self, *statuses, args=(), times=()):
        stream = io.BytesIO()
        writer = subunit.StreamResultToBytes(stream)
        for number, (started, ended) in enumerate(times):
            writer.status(f'a.test_{number}', 'inprogress',
                          timestamp=started)
            writer.status(f'a.test_{number}', 'success', timestamp=ended)
        for number, status in enumerate(statuses):
            if status == 'skip':
                writer.status(
                    f'a.test_{number}', file_name='reason',
                    file_bytes=b'no server', eof=True,
                    mime_type='text/plain; charset=utf8')
            writer.status(f'a.test_{number}', status)
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / 'summarize-tests.py'),
             *args], input=stream.getvalue(), capture_output=True,
            timeout=60, check=False)
        return done.returncode, done.stdout.decode().splitlines()

    def test_all_passed(self):
        self.assertEqual((0, ['2 passed, 0 failed, 0 skipped']),
                         self.summarize('success', 'xfail'))

    def test_failure(self):
        code, lines = self.summarize('success', 'fail', 'uxsuccess')
        self.assertEqual(1, code)
        self.assertEqual(['Failed:', '  a.test_1', '  a.test_2',
                          '1 passed, 2 failed, 0 skipped'], lines)

    def test_skip_is_shown(self):
        code, lines = self.summarize('success', 'skip')
        self.assertEqual(0, code)
        self.assertEqual(['Skipped:', '  a.test_1: no server',
                          '1 passed, 0 failed, 1 skipped'], lines)

    def test_what_took_longest_is_shown_first(self):
        started = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        code, lines = self.summarize(times=[
            (started, started + datetime.timedelta(seconds=number))
            for number in range(12)])
        self.assertEqual(0, code)
        self.assertEqual('Slowest, of 66 s:', lines[0])
        self.assertEqual([f'  {number:7.2f} s  a.test_{number}'
                          for number in range(11, 1, -1)], lines[1:-1])
        self.assertEqual('12 passed, 0 failed, 0 skipped', lines[-1])

    def test_skip_is_refused_in_ci(self):
        code, lines = self.summarize('skip', args=['--no-skip'])
        self.assertEqual(1, code)
        self.assertEqual('0 passed, 0 failed, 1 skipped', lines[-1])

    def test_nothing_run(self):
        code, lines = self.summarize()
        self.assertEqual((1, ['No test was run.']), (code, lines))

    def test_interrupted_test_counts_as_failure(self):
        code, lines = self.summarize('inprogress')
        self.assertEqual(1, code)
        self.assertEqual('0 passed, 1 failed, 0 skipped', lines[-1])
