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
"""The options are those that existing configuration files rely on.

``options.json`` holds every option of the service with its properties, as
operators and deployment tools know them. Nothing may vanish from there.
"""

import json
import os.path
import socket
from importlib import metadata

from oslo_config import cfg
from oslo_config import generator

from watcher import conf
from watcher.common import config
from watcher.conf import keystoneauth
from watcher.conf import opts
from watcher.conf import plugins
from watcher.tests import base

#: What we do on purpose unlike the list, with the reason.
DEVIATIONS = {
    # Zero or fewer workers cannot work; refuse them with a clear word.
    ('watcher_decision_engine', 'max_audit_workers'): {'min': 1},
    ('watcher_decision_engine', 'max_general_workers'): {'min': 1},
    # Accepted without effect: say so when somebody sets them.
    ('watcher_decision_engine', 'publisher_id'): {
        'deprecated': True, 'deprecated_since': '2027.1'},
    ('watcher_applier', 'publisher_id'): {
        'deprecated': True, 'deprecated_since': '2027.1'},
    ('watcher_planner', 'planner'): {
        'deprecated': True, 'deprecated_since': '2027.1'},
    # URLs may hold passwords, which the log of all options would show.
    ('grafana_client', 'base_url'): {'secret': True},
    ('maas_client', 'url'): {'secret': True},
}

#: Defaults that depend on the machine.
PLACEHOLDERS = {
    '<HOSTNAME>': socket.gethostname(),
    '<INSTALL_DIR>': os.path.dirname(os.path.dirname(conf.__file__)),
    '<NUM_PROCESSOR>': os.cpu_count(),
}

TYPES = {
    cfg.types.String: 'string',
    cfg.types.Integer: 'integer',
    cfg.types.Float: 'float',
    cfg.types.Boolean: 'boolean',
    cfg.types.List: 'list',
    cfg.types.Dict: 'dict',
    cfg.types.HostAddress: 'hostaddress',
    cfg.types.Port: 'port',
}


def type_name(kind) -> str:
    """Return the name of an oslo.config type.

    keystoneauth gives plain callables (``int``, ``float``) as types.
    """
    if kind in (int, float):
        return {int: 'integer', float: 'float'}[kind]
    if kind is str:
        return 'string'
    return next(TYPES[cls] for cls in type(kind).__mro__ if cls in TYPES)


def describe(group: str, option: cfg.Opt) -> dict:
    """Return the properties of an option as ``options.json`` writes them."""
    kind = option.type
    facts = {'type': type_name(kind)}
    if facts['type'] == 'list':
        facts['item_type'] = type_name(kind.item_type)
        choices = getattr(kind.item_type, 'choices', None)
        if choices:
            facts['item_choices'] = list(choices)
    if option.default is not None:
        facts['default'] = option.default
    if getattr(kind, 'choices', None):
        facts['choices'] = list(kind.choices)
    if facts['type'] in ('integer', 'float'):
        if getattr(kind, 'min', None) is not None:
            facts['min'] = kind.min
        if getattr(kind, 'max', None) is not None:
            facts['max'] = kind.max
    for flag in ('required', 'secret', 'mutable'):
        if getattr(option, flag):
            facts[flag] = True
    aliases = {
        f'{old.group or group}.{old.name or option.name}'
        for old in option.deprecated_opts}
    if aliases:
        facts['aliases'] = sorted(aliases)
    if option.deprecated_for_removal:
        facts['deprecated'] = True
    if option.deprecated_since:
        facts['deprecated_since'] = option.deprecated_since
    return facts


def load_expected() -> dict[tuple[str, str], dict]:
    path = os.path.join(os.path.dirname(__file__), 'options.json')
    with open(path, encoding='utf-8') as stream:
        groups = json.load(stream)
    expected = {}
    for group, options in groups.items():
        for name, facts in options.items():
            default = facts.get('default')
            if isinstance(default, str):
                facts['default'] = PLACEHOLDERS.get(default, default)
            facts.pop('unlisted', None)
            expected[group, name] = facts
    return expected


def is_plugin_group(group: str) -> bool:
    return group.partition('.')[0] in plugins.PLUGIN_NAMESPACES


def is_installed(group: str) -> bool:
    namespace, _dot, name = group.partition('.')
    return name in metadata.entry_points(group=namespace).names


def registered() -> dict[tuple[str, str], cfg.Opt]:
    """Return our options of the global configuration and of plug-ins."""
    result = {}
    for module in conf.MODULES:
        for group, options in module.list_opts():
            scope = None if group == 'DEFAULT' else conf.CONF._groups[group]
            known = scope._opts if scope else conf.CONF._opts
            for option in options:
                if option.dest in known:
                    result[group, option.name] = known[option.dest]['opt']
            if scope and 'interface' in known:
                result[group, 'interface'] = known['interface']['opt']
    for group, options in plugins.list_opts():
        for option in options:
            result[group, option.name] = option
    return result


class TestContract(base.TestCase):

    def setUp(self):
        super().setUp()
        self.expected = load_expected()
        self.actual = registered()

    def test_the_list_is_complete(self):
        self.assertEqual(217, len(self.expected))

    def test_nothing_is_missing(self):
        missing = [
            key for key in self.expected if key not in self.actual
            and (not is_plugin_group(key[0]) or is_installed(key[0]))]
        self.assertEqual([], missing)

    def test_every_property_is_as_known(self):
        for key, facts in self.expected.items():
            if key not in self.actual:
                continue
            wanted = {**facts, **DEVIATIONS.get(key, {})}
            self.assertEqual(wanted, describe(key[0], self.actual[key]), key)

    def test_deviations_are_real(self):
        for key, facts in DEVIATIONS.items():
            for name, value in facts.items():
                self.assertNotEqual(
                    value, self.expected[key].get(name), (key, name))

    def test_own_options_are_deliberate(self):
        own = {
            key for key in self.actual
            if key not in self.expected and not is_plugin_group(key[0])}
        # A group for Ironic like those of the other services.
        like_cinder = {('ironic', name) for group, name in self.actual
                       if group == 'cinder'
                       and not name.startswith('migration_')}
        self.assertEqual(like_cinder | {
            ('DEFAULT', 'heartbeat_interval'),
            ('DEFAULT', 'time_zone'),
            ('DEFAULT', 'windows_bind'),
            ('watcher_applier', 'execution_windows'),
            ('watcher_decision_engine', 'run_windows'),
            ('DEFAULT', 'service_retention'),
            ('watcher_decision_engine', 'balance_audits'),
            ('watcher_decision_engine', 'blocked_audits'),
            ('watcher_decision_engine', 'blocking_plans'),
            ('watcher_decision_engine', 'retention_days'),
            ('watcher_decision_engine', 'retention_interval'),
            ('watcher_decision_engine', 'supersede_overtaken'),
            ('cinder', 'http_retries'),
            ('cinder', 'http_retry_interval'),
            ('cinder', 'migration_overdue'),
            ('cinder', 'migration_timeout'),
            ('cinder', 'migration_timeout_per_gb'),
            ('compute_model', 'pci_aliases'),
            ('database', 'idle_transaction_timeout'),
            ('nova', 'migration_overdue'),
            ('nova', 'migration_rate'),
            ('collector', 'incomplete_hosts'),
            ('collector', 'last_known_max_age'),
            ('collector', 'stale_after'),
            ('watcher_applier', 'check_before_start'),
            ('watcher_applier', 'cooldown'),
            ('watcher_applier', 'cooldown_of_strategies'),
            ('watcher_decision_engine', 'failed_audit_max_pause'),
            ('watcher_decision_engine', 'failed_audit_pause'),
            ('watcher_decision_engine', 'lease_renewal_interval'),
            ('watcher_decision_engine', 'max_audit_attempts'),
            ('watcher_decision_engine', 'max_audit_duration'),
            ('DEFAULT', 'service_retention'),
            ('watcher_applier', 'interrupted_plans'),
            ('watcher_applier', 'lease_renewal_interval'),
            ('watcher_applier', 'max_actions_per_destination'),
            ('watcher_applier', 'max_actions_per_pool'),
            ('watcher_applier', 'max_actions_per_source'),
            ('watcher_applier', 'max_actions_total'),
            ('watcher_applier', 'on_cancel'),
            ('watcher_applier', 'on_deadline'),
            ('watcher_applier', 'overlapping_plans'),
            ('watcher_applier', 'reconcile_interval'),
            ('service_metrics', 'api_port'),
            ('service_metrics', 'applier_port'),
            ('service_metrics', 'database_interval'),
            ('service_metrics', 'decision_engine_port'),
            ('service_metrics', 'enable_ssl'),
            ('service_metrics', 'enabled'),
            ('service_metrics', 'host'),
            ('prometheus_client', 'base_url'),
            ('prometheus_client', 'headers'),
            ('prometheus_client', 'http_timeout'),
            ('prometheus_client', 'insecure'),
            ('watcher_datasources', 'min_coverage'),
            ('watcher_datasources', 'stale_after'),
            ('watcher_decision_engine', 'check_recommended_plans'),
            ('watcher_decision_engine', 'efficacy_tolerance'),
            ('watcher_decision_engine', 'measure_after'),
            ('watcher_decision_engine', 'notification_silence'),
            ('watcher_decision_engine', 'reconcile_interval'),
            ('watcher_decision_engine', 'retention_days'),
            ('watcher_decision_engine', 'retention_interval'),
            ('watcher_decision_engine', 'rollback_max_age'),
            ('watcher_decision_engine', 'rollback_max_age_of_strategies'),
            ('watcher_decision_engine', 'strategy_selection'),
            # once of oslo.service, which is about to drop them
            ('DEFAULT', 'wsgi_default_pool_size'),
            ('DEFAULT', 'max_header_line'),
            ('DEFAULT', 'wsgi_keep_alive'),
            ('DEFAULT', 'client_socket_timeout'),
            ('DEFAULT', 'backlog'),
            ('ssl', 'ca_file'),
            ('ssl', 'cert_file'),
            ('ssl', 'key_file'),
            ('ssl', 'version'),
            ('ssl', 'ciphers'),
        }, own)


class TestListing(base.TestCase):

    def test_every_option_has_help(self):
        silent = [
            (group, option.name) for group, options in opts.list_opts()
            for option in options if not (option.help or '').strip()]
        self.assertEqual([], silent)

    def test_our_help_is_a_sentence(self):
        for module in conf.MODULES:
            for option in getattr(module, 'OPTS', []):
                text = option.help.strip()
                self.assertTrue(
                    text.endswith('.') and text[0].isupper(), option.name)

    def test_every_removal_has_a_reason(self):
        for _group, options in opts.list_opts():
            for option in options:
                if option.deprecated_for_removal:
                    self.assertTrue(option.deprecated_reason, option.name)

    def test_groups_are_listed_once(self):
        groups = [group for group, _options in opts.list_opts()]
        self.assertEqual(sorted(set(groups)), sorted(groups))

    def test_options_are_listed_once(self):
        for group, options in opts.list_opts():
            names = [option.dest for option in options]
            self.assertEqual(sorted(set(names)), sorted(names), group)

    def test_secrets_are_marked(self):
        for _group, options in opts.list_opts():
            for option in options:
                if option.dest in ('password', 'token', 'api_key',
                                   'headers', 'base_url'):
                    self.assertTrue(option.secret, option.name)

    def test_sample_can_be_generated(self):
        path = os.path.join(self.create_tempfiles([('sample', '')])[0])
        generator.main(['--namespace', 'watcher', '--namespace', 'oslo.db',
                        '--namespace', 'oslo.messaging',
                        '--namespace', 'oslo.log',
                        '--output-file', path])
        with open(path, encoding='utf-8') as stream:
            sample = stream.read()
        for line in ('[watcher_applier]',
                     '[watcher_workflow_engines.taskflow]',
                     '#auth_url = <None>',
                     '#host = <hostname of this machine>',
                     '#connection = sqlite:///$state_path/watcher.sqlite',
                     '#control_exchange = watcher'):
            self.assertIn(line + '\n', sample)
        self.assertNotIn(socket.gethostname() + '\n', sample)

    def test_plugin_table(self):
        table = plugins.show_plugins()
        self.assertRegex(
            table, r'\| Namespace +\| Plugin name +\| Import path +\|')
        self.assertRegex(
            table, r'\| watcher_actions\.nop +\| nop +'
                   r'\| watcher\.applier\.actions\.nop\.Nop +\|')
        self.assertNotIn('watcher_goals', table)


class TestReading(base.TestCase):
    """Configuration files as operators write them."""

    def load(self, text: str) -> cfg.ConfigOpts:
        path = self.create_tempfiles([('watcher', text)])[0]
        fresh = cfg.ConfigOpts()
        conf.register_opts(fresh)
        config.parse_args(['watcher-test'], default_config_files=[path],
                          default_config_dirs=[], conf=fresh)
        return fresh

    def test_old_places_are_read(self):
        values = {'integer': ('7', 7), 'string': ('public', 'public'),
                  'list': ('public', ['public'])}
        checked = 0
        for (group, name), facts in load_expected().items():
            for alias in facts.get('aliases', ()):
                old_group, _dot, old_name = alias.rpartition('.')
                text, value = values[facts['type']]
                if old_name == 'api_version':
                    text = value = '2.90'
                fresh = self.load(f'[{old_group}]\n{old_name} = {text}\n')
                self.assertEqual(
                    value, fresh[group][name.replace('-', '_')], alias)
                checked += 1
        self.assertEqual(15, checked)

    def test_new_place_wins(self):
        fresh = self.load('[nova]\nregion_name = new\n'
                          '[nova_client]\nregion_name = old\n')
        self.assertEqual('new', fresh.nova.region_name)

    def test_interface_spellings(self):
        for spelling in keystoneauth.INTERFACES:
            fresh = self.load(f'[ironic_client]\nendpoint_type = {spelling}\n')
            self.assertEqual(spelling, fresh.ironic_client.endpoint_type)

    def test_wrong_datasource_is_named(self):
        fresh = self.load('[watcher_datasources]\ndatasources = ganglia\n')
        error = self.assertRaises(
            cfg.ConfigFileValueError, getattr,
            fresh.watcher_datasources, 'datasources')
        self.assertIn('ganglia', str(error))

    def test_no_worker_is_refused(self):
        error = self.assertRaises(
            cfg.ConfigFileValueError, self.load,
            '[watcher_decision_engine]\nmax_audit_workers = 0\n')
        self.assertIn('max_audit_workers', str(error))
        self.assertIn('greater than or equal to 1', str(error))

    def test_state_path_carries_the_database(self):
        fresh = self.load('[DEFAULT]\nstate_path = /var/lib/watcher\n')
        self.assertEqual('sqlite:////var/lib/watcher/watcher.sqlite',
                         fresh.database.connection)

    def test_database_default_survives_clear(self):
        fresh = self.load('')
        fresh.clear()
        fresh([], default_config_files=[], default_config_dirs=[])
        self.assertTrue(
            fresh.database.connection.endswith('/watcher.sqlite'))
