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

import hypothesis
from hypothesis import strategies as st

from watcher.decision_engine.strategy.common import feasibility
from watcher.tests import base
from watcher.tests.fixtures import models

#: A slow machine is no failure.
RELAXED = hypothesis.settings(deadline=None, derandomize=True)

AMOUNTS = st.builds(
    feasibility.Resources,
    vcpus=st.integers(-4, 64), memory=st.integers(-4096, 65536),
    disk=st.one_of(st.none(), st.integers(-10, 2000)))

NEEDS = st.builds(
    feasibility.Resources,
    vcpus=st.integers(0, 16), memory=st.integers(0, 16384),
    disk=st.integers(0, 200))


def host(name='B', free=None, state='up', status='enabled', reason=None):
    return feasibility.Host(
        uuid=models.uuid(name), hostname=f'host-{name}', state=state,
        status=status, disabled_reason=reason,
        free=free or feasibility.Resources(16, 65536, 1000))


def server(name='a1', needs=None, state='active', **fields):
    return feasibility.Server(
        uuid=models.uuid(name), name=f'vm-{name}', state=state,
        resources=needs or feasibility.Resources(2, 4096, 20), **fields)


class TestResources(base.TestCase):

    def test_exactly_enough_fits(self):
        amount = feasibility.Resources(2, 4096, 20)
        self.assertTrue(amount.fits(amount))

    def test_shortage_names_each_resource(self):
        text = feasibility.Resources(1, 100, 5).shortage(
            feasibility.Resources(2, 200, 10))
        self.assertEqual('vCPU: 2 needed, 1 free; memory: 200 MB needed, '
                         '100 MB free; disk: 10 GB needed, 5 GB free', text)

    def test_disk_that_is_not_accounted_for_is_not_compared(self):
        free = feasibility.Resources(4, 8192, None)
        self.assertTrue(free.fits(feasibility.Resources(2, 4096, 20)))
        self.assertIsNone((free - feasibility.Resources(2, 4096, 20)).disk)

    def test_nothing_wanted_fits_an_overcommitted_host(self):
        self.assertTrue(feasibility.Resources(-1, -1, -1).fits(
            feasibility.Resources(0, 0, 0)))

    @RELAXED
    @hypothesis.given(AMOUNTS, NEEDS)
    def test_what_is_left_is_not_negative_exactly_if_it_fits(self, free,
                                                             need):
        left = free - need
        enough = all(
            need_of == 0 or left_of is None or left_of >= 0
            for left_of, need_of in ((left.vcpus, need.vcpus),
                                     (left.memory, need.memory),
                                     (left.disk, need.disk)))
        self.assertEqual(enough, free.fits(need))


class TestDestination(base.TestCase):

    def test_up_and_enabled(self):
        self.assertIsNone(feasibility.why_no_destination(host()))

    def test_disabled_host_with_the_reason_of_its_operator(self):
        self.assertEqual(
            'host-B is disabled (bad DIMM)', feasibility.why_no_destination(
                host(status='disabled', reason='bad DIMM')))

    def test_down(self):
        self.assertEqual(
            'the compute service of host-B is down',
            feasibility.why_no_destination(host(state='down')))


class TestImpossible(base.TestCase):

    def test_nothing_to_place(self):
        self.assertIsNone(feasibility.why_impossible([], []))

    def test_no_host(self):
        self.assertIn('no other compute node', feasibility.why_impossible(
            [server()], [host(status='disabled')]))

    def test_one_instance_too_big_for_each_host(self):
        big = server(needs=feasibility.Resources(8, 1024, 1))
        hosts = [host('B', feasibility.Resources(4, 65536, 100)),
                 host('C', feasibility.Resources(6, 65536, 100))]
        text = feasibility.why_impossible([big], hosts)
        self.assertIn('fits on none of 2', text)
        self.assertIn('host-C has too little vCPU: 8 needed, 6 free', text)

    def test_too_many_together(self):
        servers = [server(str(i)) for i in range(3)]
        hosts = [host('B', feasibility.Resources(2, 65536, 100)),
                 host('C', feasibility.Resources(2, 65536, 100))]
        self.assertIn('together have too little vCPU: 6 needed, 4 free',
                      feasibility.why_impossible(servers, hosts))

    @RELAXED
    @hypothesis.given(st.lists(NEEDS, max_size=5),
                      st.lists(AMOUNTS, min_size=1, max_size=4))
    def test_never_denies_what_first_fit_manages(self, needs, rooms):
        servers = [server(str(i), need) for i, need in enumerate(needs)]
        hosts = [host(str(i), free) for i, free in enumerate(rooms)]
        left = [h.free for h in hosts]
        for one in servers:
            for position, free in enumerate(left):
                if free.fits(one.resources):
                    left[position] = free - one.resources
                    break
            else:
                return
        self.assertIsNone(feasibility.why_impossible(servers, hosts))


class TestFromModel(base.TestCase):

    def test_host_without_disk_has_unaccounted_disk(self):
        node = models.node('A', disk=0)
        model = models.cloud({node: [models.instance('a1')]})
        made = feasibility.host_from(node, model)
        self.assertEqual(feasibility.Resources(14, 61440, None), made.free)

    def test_excluded_and_locked(self):
        made = feasibility.server_from(
            models.instance('a1', watcher_exclude=True, locked=True))
        self.assertTrue(made.excluded and made.locked)
        self.assertIn('excluded', feasibility.why_not_touch(made))
