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
"""Every command of the client, at every version that its users ask for.

The plugin of the ``openstack`` command and the stand-alone ``watcher``
command consist of the same classes; they run in this process, and talk to the
API over HTTP.
"""

import functools
import importlib.metadata
import json
import shlex
import subprocess
import sys
from typing import NamedTuple

import fixtures
from watcherclient.common import command as client_command

from watcher import objects
from watcher.tests import base as tests_base
from watcher.tests.functional.api import base

VERSIONS = ('1.0', '1.1', '1.2', '1.5', '1.8', '1.9', '1.10')

#: What the client asks for on its own.
DEFAULT_VERSION = '1.5'

PLUGIN = 'openstack.infra_optim.v1'
STANDALONE = 'watcherclient.v1'

SCOPE = """
- compute:
  - availability_zones:
    - name: AZ1
  - exclude:
    - instances:
      - uuid: 6ae05517-a512-462d-9d83-90c313b5a8ff
"""


class Case(NamedTuple):
    """A command, with the names of rows in braces.

    :ivar requests: what the client sends
    :ivar shows: what has to be in its output
    :ivar since: version below which the client or the API refuses
    """

    command: str
    requests: str
    shows: str = ''
    since: str = '1.0'


CASES = (
    Case('goal list', 'GET /v1/goals', 'dummy'),
    Case('goal list --detail', 'GET /v1/goals/detail', 'random'),
    Case('goal show dummy', 'GET /v1/goals/dummy', 'random'),
    Case('strategy list', 'GET /v1/strategies', 'dummy'),
    Case('strategy list --goal dummy', 'GET /v1/strategies/?goal=dummy',
         'dummy'),
    Case('strategy list --detail', 'GET /v1/strategies/detail', 'para1'),
    Case('strategy show dummy', 'GET /v1/strategies/dummy', 'para2'),
    Case('strategy state dummy', 'GET /v1/strategies/dummy/state',
         'Datasource Metrics CDM Name compute_model'),
    Case('scoringengine list', 'GET /v1/scoring_engines', 'dummy_scorer'),
    Case('scoringengine list --detail', 'GET /v1/scoring_engines/detail',
         '{{}}'),
    Case('scoringengine show dummy_scorer',
         'GET /v1/scoring_engines/dummy_scorer', 'Scores'),
    Case('service list', 'GET /v1/services',
         'watcher-applier watcher-decision-engine ACTIVE'),
    Case('service list --detail', 'GET /v1/services/detail', 'controller'),
    Case('service show watcher-decision-engine',
         'GET /v1/services/watcher-decision-engine', 'ACTIVE'),
    Case('datamodel list', 'GET /v1/data_model/?data_model_type=compute',
         'vm1 compute1 compute2', since='1.3'),
    Case('datamodel list --detail --type compute --audit {audit}',
         'GET /v1/data_model/?audit_uuid={audit}&data_model_type=compute',
         'vm1 32768', since='1.3'),

    Case('audittemplate list', 'GET /v1/audit_templates', '{template}'),
    Case('audittemplate list --detail', 'GET /v1/audit_templates/detail',
         '{template}'),
    Case('audittemplate list --goal dummy --strategy dummy',
         'GET /v1/audit_templates/?goal=dummy&strategy=dummy', '{template}'),
    Case('audittemplate show {template}',
         'GET /v1/audit_templates/{template}', '{template} dummy'),
    Case('audittemplate create {tag}-new dummy -s dummy -d wörter '
         '--scope {scope}',
         'GET /v1/goals/dummy GET /v1/strategies/dummy '
         'POST /v1/audit_templates', '{tag}-new AZ1'),
    Case('audittemplate create {tag}-uuid {goal}', 'POST /v1/audit_templates',
         '{tag}-uuid'),
    Case('audittemplate create {tag}-default dummy -s {strategy} -p para1=4',
         'GET /v1/goals/dummy POST /v1/audit_templates', 'para1',
         since='1.7'),
    Case('audittemplate update {template} replace description=other '
         'strategy={strategy}',
         'PATCH /v1/audit_templates/{template}', 'other'),
    Case('audittemplate update {template} remove /description',
         'PATCH /v1/audit_templates/{template}', '{template}'),
    Case('audittemplate delete {template2} {template3}',
         'DELETE /v1/audit_templates/{template2} '
         'DELETE /v1/audit_templates/{template3}'),

    Case('audit list', 'GET /v1/audits', '{audit} auto'),
    Case('audit list --detail', 'GET /v1/audits/detail', '{audit}'),
    Case('audit list --goal dummy --strategy dummy',
         'GET /v1/audits/?goal=dummy&strategy=dummy', '{audit}'),
    Case('audit show {audit_name}', 'GET /v1/audits/{audit_name}', '{audit}'),
    Case('audit create -g dummy', 'POST /v1/audits', 'PENDING auto'),
    Case('audit create -a {template} -p para1=2 --name {tag}-t',
         'GET /v1/audit_templates/{template} POST /v1/audits', '{tag}-t'),
    Case("audit create -t CONTINUOUS -i '*/5 * * * *' -g dummy -s dummy "
         "-p para1=2 -p para2=word --auto-trigger --name {tag}-c "
         "--start-time '2030-01-01 10:00:00' "
         "--end-time 2030-01-02T10:00:00Z --force",
         'POST /v1/audits', '{tag}-c */5'),
    Case('audit create -t EVENT -g dummy', 'POST /v1/audits', 'EVENT'),
    Case('audit update {audit_name} add interval=2',
         'PATCH /v1/audits/{audit_name}', '{audit}'),
    Case('audit update {audit} replace auto_trigger=true name={tag}-named',
         'PATCH /v1/audits/{audit}', '{tag}-named'),
    Case('audit update {audit} replace state=CANCELLED',
         'PATCH /v1/audits/{audit}', 'CANCELLED'),
    Case('audit delete {audit2} {audit3}',
         'DELETE /v1/audits/{audit2} DELETE /v1/audits/{audit3}'),

    Case('actionplan list', 'GET /v1/action_plans', '{plan} 12.5'),
    Case('actionplan list --detail', 'GET /v1/action_plans/detail',
         '{plan} moves'),
    Case('actionplan list --audit {done}',
         'GET /v1/action_plans/?audit_uuid={done}', '{plan}'),
    Case('actionplan show {plan}', 'GET /v1/action_plans/{plan}',
         '{plan} 12.5 moves RECOMMENDED'),
    Case('action list', 'GET /v1/actions', '{action}'),
    Case('action list --action-plan {plan}',
         'GET /v1/actions/?action_plan_uuid={plan}', '{action}'),
    Case('action list --detail --audit {done}',
         'GET /v1/actions/detail?audit_uuid={done}', '{action} hello'),
    Case('action show {action}', 'GET /v1/actions/{action}', 'hello nothing'),
    Case('action update {action} --state SKIPPED --reason why',
         'PATCH /v1/actions/{action}',
         'SKIPPED Action skipped by user. Reason: why', since='1.5'),
    Case('actionplan start {plan}', 'POST /v1/action_plans/{plan}/start',
         'PENDING'),
    Case('actionplan cancel {plan}',
         'GET /v1/action_plans/{plan} PATCH /v1/action_plans/{plan}',
         'CANCELLED'),
    Case('actionplan cancel {running}',
         'GET /v1/action_plans/{running} PATCH /v1/action_plans/{running}',
         'CANCELLING'),
    Case('actionplan update {plan2} replace state=PENDING',
         'PATCH /v1/action_plans/{plan2}', 'PENDING'),
    Case('actionplan delete {plan} {plan3}',
         'DELETE /v1/action_plans/{plan} DELETE /v1/action_plans/{plan3}'),
)


def _page(kind, path, label, key, marker='{%s}'):
    """The options of a list that say which page of it."""
    given, sent = '', ''
    if marker:
        given, sent = f' --marker {marker}', f'&marker={marker}'
    return Case(
        f"{kind} list --limit 1 --sort-key '{label}' --sort-dir asc{given}",
        f'GET /v1/{path}/?limit=1&sort_key={key}&sort_dir=asc{sent}')


PAGES = (
    _page('goal', 'goals', 'Name', 'name', '{goal}'),
    _page('strategy', 'strategies', 'Goal', 'goal_name', '{strategy}'),
    _page('audittemplate', 'audit_templates', 'Strategy', 'strategy_name',
          '{template_uuid}'),
    _page('audit', 'audits', 'Audit Type', 'audit_type', '{audit}'),
    _page('actionplan', 'action_plans', 'Audit', 'audit_uuid', '{plan}'),
    _page('action', 'actions', 'Action Plan', 'action_plan_uuid',
          '{action}'),
    _page('scoringengine', 'scoring_engines', 'Description', 'description',
          None),
    _page('service', 'services', 'Host', 'host', None),
)

#: Columns that the client always prints, without a value here.
EMPTY_BELOW = {'Default Parameters': '1.7'}


@functools.cache
def entry_points(group):
    """Return the commands that the installed client announces."""
    return {entry.name: entry.value for entry in
            importlib.metadata.entry_points(group=group)}


@functools.cache
def command_class(name):
    return importlib.metadata.EntryPoint(
        name, entry_points(STANDALONE)[name], STANDALONE).load()


class TestCommands(base.ShellTestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir())
        self.scope = directory.join('scope.yaml')
        with open(self.scope, 'w') as scope:
            scope.write(SCOPE)

    def _rows(self, tag):
        """Make the rows that the commands of one round work on."""
        records = self.records
        names = {'tag': tag, 'scope': self.scope, 'goal': self.goal.uuid,
                 'strategy': self.strategy.uuid}
        for number in ('', '2', '3'):
            template = records.template(
                self.goal, self.strategy, name=f'{tag}-template{number}')
            names[f'template{number}'] = template.name
            plan = self.plan(f'{tag}-done{number}')
            names[f'plan{number}'] = plan.uuid
            if number:
                names[f'audit{number}'] = records.audit(
                    self.goal, name=f'{tag}-audit{number}',
                    state='CANCELLED').uuid
                continue
            names.update(
                template_uuid=template.uuid, done=plan.audit.uuid,
                action=records.actions(plan)[0].uuid)
        audit = records.audit(self.goal, self.strategy, name=f'{tag}-audit')
        names.update(
            audit=audit.uuid, audit_name=audit.name,
            running=self.plan(f'{tag}-running', state='ONGOING').uuid)
        return names

    def _run(self, case, names, *more, version=None):
        """Run a command; without a version the client chooses one."""
        self.recorder.forget()
        words = shlex.split(case.command.format(**names))
        output = self.command(*words, *more, version=version)
        self.assertEqual(case.requests.format(**names),
                         ' '.join(self.recorder.requests))
        sent = f'infra-optim {version or DEFAULT_VERSION}'
        self.assertEqual({sent}, {headers['version'] for headers
                                  in self.recorder.headers})
        return output

    def _refused(self, case, names, version):
        code, output, error = self.run_shell(
            *shlex.split(case.command.format(**names)), version=version)
        self.assertEqual((1, ''), (code, output), case.command)
        self.assertIn(version, error)

    def _assert_shown(self, case, output, names):
        for word in case.shows.format(**names).split():
            self.assertIn(word, output, case.command)

    def _round(self, version, check, *more):
        names = self._rows(f'v{version}{len(more)}')
        for case in CASES:
            if _numbers(version) < _numbers(case.since):
                self._refused(case, names, version)
            elif not case.shows:
                # Deletions say nothing, and have no output format.
                self.assertEqual('', self._run(case, names, version=version))
            else:
                output = self._run(case, names, *more, version=version)
                self._assert_shown(case, output, names)
                check(case, output, version)

    def _check_columns(self, case, output, version):
        """No column may be empty: that means a member was not there."""
        document = json.loads(output)
        rows = document if isinstance(document, list) else [document]
        self.assertNotEqual([], rows, case.command)
        # What needs no value is null.
        for row in rows:
            empty = {label for label, value in row.items() if value == ''}
            empty -= {label for label, since in EMPTY_BELOW.items()
                      if _numbers(version) < _numbers(since)}
            if case.command.startswith('strategy state'):
                empty -= {'Mandatory', 'Comment'}
            self.assertEqual(set(), empty, f'{case.command}: {row}')

    def test_json_at_every_version(self):
        for version in VERSIONS:
            self._round(version, self._check_columns, '-f', 'json')

    def test_tables(self):
        """Tables show some columns in another form."""
        def check(case, output, version):
            self.assertTrue(output.startswith('+--'), output)
        self._round('1.7', check)

    def test_new_members_of_audits(self):
        for version, start, force in (('1.0', None, None), ('1.1', True, None),
                                      ('1.2', True, True)):
            shown = json.loads(self.command(
                'audit', 'create', '-g', 'dummy', '-t', 'CONTINUOUS', '-i',
                '60', '--start-time', '2030-01-01 10:00:00', '--force',
                '-f', 'json', version=version))
            self.assertEqual(start, 'Start Time' in shown or None)
            self.assertEqual(force, shown.get('Force'))

    def test_windows_of_audits(self):
        """The client has no options for them, but its patches take all."""
        audit = self.records.audit(self.goal, name='night')
        self.command(
            'audit', 'update', 'night', 'replace', 'time_zone=Europe/Berlin',
            'run_windows=["Mon-Fri 22:00-05:00", "!2090-12-24"]',
            version='1.10')
        self.command('audit', 'update', 'night', 'add',
                     'execution_windows/-=01:00-04:30', version='1.10')
        said = objects.AuditSchedule.get(None, audit.id)
        self.assertEqual(
            ('Europe/Berlin', ('Mon-Fri 22:00-05:00', '!2090-12-24'),
             ('01:00-04:30',)),
            (said.time_zone, said.run_windows, said.execution_windows))
        for words in (['replace', 'run_windows=["tonight"]'],
                      ['add', 'run_windows/-=tonight']):
            self._assert_error(400, ['run_windows', 'tonight', 'HH:MM'],
                               'audit', 'update', 'night', *words,
                               version='1.10')
        self.assertIn('1.0 to 1.10', self._error(
            'audit', 'update', 'night', 'remove', 'time_zone', version='1.9'))

    def test_types_of_data_models(self):
        """The client has columns for compute only; it does not choke."""
        for kind in ('compute', 'storage', 'baremetal'):
            for more in ((), ('--detail',)):
                rows = json.loads(self.command(
                    'datamodel', 'list', '--type', kind, *more, '-f', 'json',
                    version='1.8'))
                self.assertEqual('vm1' if kind == 'compute' else None,
                                 rows[0]['Server Name'])
        self._assert_error(404, ['storage'], 'datamodel', 'list', '--type',
                           'storage', version='1.7')

    def test_pages(self):
        names = self._rows('pages')
        for case in PAGES:
            self._run(case, names, '-f', 'json')
        everything = json.loads(self.command(
            'audittemplate', 'list', '--limit', '0', '-f', 'json'))
        self.assertLessEqual(3, len(everything))

    def test_patch_of_a_scope(self):
        """The client takes texts that look like JSON for JSON."""
        self.records.template(self.goal, name='narrow')
        self.command('audittemplate', 'update', 'narrow', 'replace',
                     'scope=[{"compute": [{"host_aggregates": [{"id": 1}]}]}]')
        shown = json.loads(self.command('audittemplate', 'show', 'narrow',
                                        '-f', 'json'))
        self.assertEqual([{'compute': [{'host_aggregates': [{'id': 1}]}]}],
                         shown['Audit Scope'])

    # Errors ---------------------------------------------------------------

    def _error(self, *command, **kwargs):
        code, output, error = self.run_shell(*command, **kwargs)
        self.assertEqual((1, ''), (code, output))
        return ' '.join(error.split())

    def _assert_error(self, status, words, *command, **kwargs):
        error = self._error(*command, **kwargs)
        for word in (*words, f'(HTTP {status})', '(Request-ID: req-'):
            self.assertIn(word, error)
        return error

    def test_unknown(self):
        self._assert_error(404, ['nope'], 'goal', 'show', 'nope')
        self._assert_error(404, ['nope'], 'audit', 'create', '-g', 'nope',
                           '-s', 'nope')
        self._assert_error(404, ['nope'], 'audittemplate', 'delete', 'nope')

    def test_wrong_parameter(self):
        self._assert_error(
            400, ['parameters.para1', "'x'", 'number'], 'audit', 'create',
            '-g', 'dummy', '-s', 'dummy', '-p', 'para1=x')

    def test_transition(self):
        plan = self.plan('started', state='PENDING')
        self._assert_error(400, ['PENDING'], 'actionplan', 'start', plan.uuid)
        action = self.records.actions(plan)[0]
        self._assert_error(
            409, ['State transition not allowed', 'SUCCEEDED'], 'action',
            'update', action.uuid, '--state', 'SUCCEEDED')

    def test_name_in_use(self):
        self.records.template(self.goal, name='used')
        self._assert_error(409, ['used'], 'audittemplate', 'create', 'used',
                           'dummy')

    def test_forbidden(self):
        for command in (('goal', 'list'), ('audit', 'create', '-g', 'dummy'),
                        ('audit', 'delete', 'nope')):
            self._assert_error(403, ['Policy'], *command, token=base.READER)

    def test_token(self):
        self._assert_error(401, [], 'goal', 'list', token='no-token')

    def test_version_that_does_not_exist(self):
        error = self._error('goal', 'list', version='1.99')
        for word in ('1.99', '1.0 to 1.10'):
            self.assertIn(word, error)

    # In a process ---------------------------------------------------------

    def test_openstack_optimize(self):
        """The openstack command in a process, as users run it."""
        process = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'openstackclient.shell',
             '--os-auth-type', 'admin_token', '--os-endpoint', self.url,
             '--os-token', base.ADMIN, 'optimize', 'goal', 'list', '-f',
             'json'],
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(0, process.returncode, process.stderr)
        self.assertEqual(['dummy'], [row['Name'] for row in json.loads(
            process.stdout)])
        self.assertEqual('infra-optim 1.5',
                         self.recorder.headers[-1]['version'])


def _numbers(version):
    """Return what versions are compared by: 1.10 is above 1.9."""
    return [int(part) for part in version.split('.')]


def _options(cls):
    """Return the options of a command by their spellings."""
    return vars(cls(None, None).get_parser('x'))['_option_string_actions']


class TestNothingIsForgotten(tests_base.TestCase):
    """The cases above are all that the installed client can do."""

    def setUp(self):
        super().setUp()
        self.cases = {}
        for case in CASES + PAGES:
            words = shlex.split(case.command.replace('{', '').replace(
                '}', ''))
            self.cases.setdefault('_'.join(words[:2]), []).append(words[2:])

    def test_both_forms_of_the_client_are_the_same(self):
        self.assertEqual(
            {f'optimize_{name}': value
             for name, value in entry_points(STANDALONE).items()},
            entry_points(PLUGIN))

    def test_every_command(self):
        self.assertEqual(set(entry_points(STANDALONE)), set(self.cases))

    def _common(self, cls):
        """The options of cliff, for the format of the output."""
        base_class = next(base for base in cls.__mro__
                          if base.__module__ == client_command.__name__)
        class Plain(base_class):
            def take_action(self, parsed_args):
                raise NotImplementedError()

        return set(_options(Plain))

    def test_every_option(self):
        for name, cases in self.cases.items():
            cls = command_class(name)
            known = _options(cls)
            common = self._common(cls)
            own = {action.dest for option, action in known.items()
                   if option not in common}
            used = {known[word].dest for words in cases for word in words
                    if word in known}
            self.assertEqual(own, used, name)
