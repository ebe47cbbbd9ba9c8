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
"""Negotiation of microversions."""

import pathlib

from watcher.api import versions
from watcher.api.controllers import v1
from watcher.api.controllers.v1 import data_model
from watcher.decision_engine.model import element
from watcher.tests import base

STORIES = pathlib.Path(__file__).parents[2] / 'functional' / 'gabbits'


class TestNegotiation(base.TestCase):

    ACCEPTED = {
        None: '1.0',
        '': '1.0',
        'infra-optim 1.0': '1.0',
        'infra-optim 1.5': '1.5',
        'infra-optim 1.7': '1.7',
        'infra-optim 1.8': '1.8',
        'infra-optim 1.9': '1.9',
        'infra-optim 1.10': '1.10',
        'infra-optim latest': '1.10',
        'infra-optim LATEST': '1.10',
        'infra-optim 1': '1.0',
        'infra-optim 1.03': '1.3',
        'infra-optim abc': '1.0',
        'infra-optim 1.x': '1.0',
        'infra-optim 1.latest': '1.0',
        'infra-optim': '1.0',
        '1.4': '1.0',
        'compute 2.1': '1.0',
        'compute 2.1, infra-optim 1.4': '1.4',
        'infra-optim 1.4, infra-optim 1.5': '1.5',
        'INFRA-OPTIM 1.4': '1.4',
    }

    REFUSED = ('infra-optim 1.11', 'infra-optim 1.-1', 'infra-optim 0.9',
               'infra-optim 2.0', 'infra-optim 2', 'infra-optim 10',
               'infra-optim 1.2.3')

    def test_accepted(self):
        for header, version in self.ACCEPTED.items():
            self.assertEqual(version, str(versions.negotiate(header)), header)

    def test_refused(self):
        for header in self.REFUSED:
            exc = self.assertRaises(versions.VersionNotAcceptable,
                                    versions.negotiate, header)
            self.assertIn('1.0 to 1.10', str(exc))

    def test_compares_by_number(self):
        self.assertLess(versions.Version(1, 9), versions.Version(1, 10))
        self.assertLess(versions.Version(1, 10), versions.Version(2, 0))


class TestHistory(base.TestCase):

    def test_every_constant_is_in_the_history(self):
        constants = {value for value in vars(versions).values()
                     if isinstance(value, versions.Version)}
        self.assertEqual(constants, set(versions.HISTORY))

    def test_no_gap(self):
        self.assertEqual(
            [versions.Version(1, minor)
             for minor in range(versions.MAX.minor + 1)],
            list(versions.HISTORY))

    def test_every_version_has_a_story(self):
        self.assertEqual(
            {f'microversion-{version.major}-{version.minor}.yaml'
             for version in versions.HISTORY},
            {path.name for path in STORIES.glob('microversion-*.yaml')})


class TestAdditions(base.TestCase):
    """What each version adds; nothing may appear in an old one."""

    def test_fields(self):
        found = {}
        for cls in v1.RESOURCES:
            for field in getattr(cls, 'fields', ()):
                if field.since > versions.INITIAL:
                    found.setdefault(str(field.since), set()).add(
                        (cls.collection, field.name))
        self.assertEqual({
            '1.1': {('audits', 'start_time'), ('audits', 'end_time')},
            # Shown before as well, but as false.
            '1.2': {('audits', 'force')},
            '1.5': {(collection, 'status_message') for collection in (
                'audits', 'action_plans', 'actions')},
            '1.7': {('audit_templates', 'default_parameters')},
            '1.8': {(name, 'explanation')
                    for name in ('action_plans', 'actions')},
            '1.9': {('action_plans', name) for name in (
                'paused', 'kind', 'source_plan_uuid', 'started_at',
                'finished_at', 'measured_efficacy', 'measured_at')}
                | {('actions', name) for name in (
                    'progress', 'attempts', 'started_at', 'finished_at',
                    'deadline', 'inverse')},
            '1.10': {('audits', name) for name in (
                'time_zone', 'run_windows', 'execution_windows', 'failures',
                'last_error', 'last_run_started_at', 'last_run_finished_at',
                'waiting_triggers')}
                | {(name, 'reason')
                   for name in ('audits', 'action_plans', 'actions')},
        }, found)

    def test_filters(self):
        self.assertEqual(
            {('action_plans', 'kind', '1.9'),
             ('action_plans', 'source_plan_uuid', '1.9')},
            {(cls.collection, declared.name, str(declared.since))
             for cls in v1.RESOURCES
             for declared in getattr(cls, 'filters', ())
             if declared.since > versions.INITIAL})

    def test_members_of_the_data_model(self):
        added = {}
        for name, since in data_model.MEMBERS['compute'].items():
            if since > versions.DATA_MODEL:
                added.setdefault(str(since), set()).add(name)
        self.assertEqual({
            '1.6': {'server_pinned_az', 'server_flavor_extra_specs'},
            '1.8': {'node_updated_at', 'node_source', 'node_read_at',
                    'node_age', 'node_incomplete_reason'}}, added)

    def test_fields_of_elements_in_the_data_model(self):
        """Whoever adds a field to an element decides whether it shows."""
        hidden = {'server_host', 'server_hypervisor_hostname',
                  'server_created'}
        for kind, elements in {
                'compute': {'node': element.ComputeNode,
                            'server': element.Instance},
                'storage': {'node': element.StorageNode,
                            'pool': element.Pool, 'volume': element.Volume},
                'baremetal': {'node': element.IronicNode}}.items():
            told = set(data_model.FRESHNESS) | {'pool_updated_at',
                                                'pool_source'}
            self.assertEqual(
                {f'{prefix}_{name}' for prefix, cls in elements.items()
                 for name in cls.fields} - hidden,
                set(data_model.MEMBERS[kind]) - told)

    def test_types_of_the_data_model(self):
        self.assertEqual(['compute', 'storage', 'baremetal'],
                         list(data_model.MEMBERS))
        for kind in ('storage', 'baremetal'):
            self.assertEqual({versions.DATA_MODEL_TYPES},
                             set(data_model.MEMBERS[kind].values()))

    def test_resources(self):
        self.assertEqual({'data_model': versions.Version(1, 3),
                          'webhooks': versions.Version(1, 4)}, v1.SINCE)
