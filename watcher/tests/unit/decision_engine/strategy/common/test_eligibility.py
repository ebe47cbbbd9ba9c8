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
"""Tests of which servers may be touched, and how."""

from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import settings
from watcher.tests import base
from watcher.tests.fixtures import models

STATES = ('active', 'building', 'paused', 'suspended', 'stopped', 'rescued',
          'resized', 'shelved', 'soft-delete', 'deleted', 'error')


def ask(*servers, recently=None, host=None, wishes=None, **options):
    """Make the questions about the servers of a host."""
    model = models.cloud({host or models.node('A'): list(servers)})
    if wishes:
        model.set_wishes(servers[0].uuid, wishes)
    state = cluster.ClusterState.from_model(model)
    return eligibility.Eligibility(
        state, settings.Settings(**options), recently)


class TestStates(base.TestCase):

    def test_what_can_be_done_in_which_state(self):
        asked = ask(*(models.instance(state, state=state)
                      for state in STATES))
        for kind, wanted in (('live', {'active', 'paused'}),
                             ('cold', {'active', 'stopped'}),
                             ('stop', {'active'})):
            self.assertEqual(wanted, {
                state for number, state in enumerate(STATES)
                if asked.why_not_move(number, kind) is None})

    def test_the_reason_names_the_state(self):
        asked = ask(models.instance('a', state='error'))
        self.assertEqual(
            ['it is error and so cannot be migrated live',
             'it is error and so cannot be stopped'],
            [asked.why_not_move(0), asked.why_not_move(0, 'stop')])

    def test_way(self):
        for state, flags, wanted in (
                ('active', {}, 'live'), ('paused', {}, 'live'),
                ('stopped', {}, 'cold'), ('error', {}, None),
                ('active', {'live': False}, 'cold'),
                ('paused', {'live': False}, None),
                ('stopped', {'cold': False}, None),
                ('active', {'live': False, 'cold': False}, None)):
            asked = ask(models.instance('a', state=state))
            self.assertEqual(wanted, asked.migration_type(0, **flags),
                             (state, flags))

    def test_what_cannot_move_live_is_not_silently_stopped_for_it(self):
        asked = ask(models.instance('a'), wishes=scheduling.Wishes(
            {'pci_passthrough:alias': 'gpu:1'}))
        self.assertIsNone(asked.migration_type(0))
        self.assertEqual('cold', asked.migration_type(0, live=False))
        self.assertEqual(
            'servers with pci_passthrough:alias=gpu:1 cannot be migrated '
            'live', asked.why_not_move(0))

    def test_clouds_that_can_move_devices(self):
        asked = ask(models.instance('a'), wishes=scheduling.Wishes(
            {'pci_passthrough:alias': 'gpu:1'}), live_migration_blockers=())
        self.assertEqual('live', asked.migration_type(0))

    def test_what_nova_never_migrates(self):
        asked = ask(models.instance('a'), wishes=scheduling.Wishes(
            {'accel:device_profile': 'fpga'}))
        for live in (True, False):
            self.assertIsNone(asked.migration_type(0, live=live))
        self.assertEqual('servers with accel:device_profile=fpga cannot be '
                         'migrated', asked.why_not_move(0, 'cold'))
        self.assertIsNone(asked.why_not_move(0, 'stop'))

    def test_images_that_cannot_move_live(self):
        for image in ({'hw_mem_encryption': 'True'},
                      {'hw_tpm_version': '2.0'}):
            asked = ask(models.instance('a'),
                        wishes=scheduling.Wishes(image=image))
            self.assertIsNone(asked.migration_type(0))
            self.assertEqual('cold', asked.migration_type(0, live=False))

    def test_secrets_that_hosts_may_pass_on(self):
        specs = {'hw:tpm_version': '2.0'}
        for security, kind in (('host', 'live'), ('user', None)):
            self.assertEqual(kind, ask(
                models.instance('a'), wishes=scheduling.Wishes(
                    {**specs, 'hw:tpm_secret_security': security})
            ).migration_type(0))

    def test_host_that_is_down(self):
        asked = ask(models.instance('a'),
                    host=models.node('A', state='down'))
        self.assertEqual('the compute service of its host host-A is down',
                         asked.why_not_move(0))

    def test_server_on_no_host(self):
        model = models.cloud({})
        model.add_instance(models.instance('a'))
        asked = eligibility.Eligibility(
            cluster.ClusterState.from_model(model))
        self.assertEqual('it is on no host', asked.why_not_move(0))


class TestPermission(base.TestCase):

    def test_ordinary(self):
        self.assertIsNone(ask(models.instance('a')).why_not_touch(0))

    def test_excluded(self):
        asked = ask(models.instance('a', watcher_exclude=True))
        self.assertEqual('it is excluded by the scope of the audit',
                         asked.why_not_move(0))

    def test_locked(self):
        server = models.instance('a', locked=True)
        self.assertIsNone(ask(server).why_not_touch(0))
        self.assertEqual(
            'it is locked',
            ask(server, locked_servers='keep').why_not_touch(0))

    def refused(self, text, server=None, **options):
        asked = ask(server or models.instance('a'), **options)
        self.assertEqual(f'its owner keeps it from being moved ({text})',
                         asked.why_not_touch(0))

    def test_metadata(self):
        server = models.instance('a', metadata={'optimize': 'False'})
        wanted = settings.pairs(['optimize=false'])
        self.refused('metadata optimize=False', server,
                     opt_out_metadata=wanted)
        self.assertIsNone(ask(server).why_not_touch(0))
        self.assertIsNone(ask(
            models.instance('a', metadata={'optimize': 'yes'}),
            opt_out_metadata=wanted).why_not_touch(0))
        self.refused('metadata optimize=False', server,
                     opt_out_metadata=settings.pairs(['x=y', 'optimize']))

    def test_tag(self):
        wishes = scheduling.Wishes(tags=('keep', 'other'))
        self.refused('tag keep', wishes=wishes,
                     opt_out_tags=frozenset(('keep',)))

    def test_project(self):
        project = models.uuid('project')
        for written in (project, project.replace('-', '')):
            options = settings.Settings.from_options(
                {**vars(settings.Settings()),
                 'opt_out_metadata': [], 'opt_out_extra_specs': [],
                 'migration_blockers': [], 'live_migration_blockers': [],
                 'opt_out_projects': [written]})
            self.refused(f'project {project}',
                         opt_out_projects=options.opt_out_projects)

    def test_flavor(self):
        self.refused(
            'extra spec watcher:optimize=no of its flavor',
            wishes=scheduling.Wishes({'watcher:optimize': 'no'}),
            opt_out_extra_specs=settings.pairs(['watcher:optimize=no']))

    def test_moved_just_now(self):
        asked = ask(models.instance('a'), recently=['just now'].__getitem__)
        self.assertEqual('just now', asked.why_not_touch(0))

    def test_movable(self):
        asked = ask(models.instance('a'),
                    models.instance('b', watcher_exclude=True),
                    models.instance('c', state='stopped'),
                    models.instance('d', state='error'))
        self.assertEqual([(0, 'live'), (2, 'cold')],
                         asked.movable([0, 1, 2, 3]))


class TestEnabling(base.TestCase):

    def reason(self, **fields):
        state = cluster.ClusterState.from_model(models.cloud(
            {models.node('A', **fields): []}))
        return eligibility.why_not_enable(state.hosts[0])

    def test_only_what_we_have_disabled(self):
        self.assertIsNone(self.reason())
        self.assertIsNone(self.reason(status='disabled',
                                      disabled_reason='watcher_disabled'))
        for reason in ('bad DIMM', 'watcher_maintaining', None):
            self.assertEqual(
                'host-A was disabled by somebody else '
                f"({reason or 'no reason given'})",
                self.reason(status='disabled', disabled_reason=reason))

    def test_nothing_that_is_down(self):
        self.assertEqual(
            'the compute service of host-A is down',
            self.reason(state='down', status='disabled',
                        disabled_reason='watcher_disabled'))
