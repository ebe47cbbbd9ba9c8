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

import random

import numpy

from watcher.decision_engine.strategy.common import room
from watcher.tests import base


class TestRoomIndex(base.TestCase):
    """What it finds is what a search through all hosts would find."""

    def setUp(self):
        super().setUp()
        dice = random.Random(1)
        self.dice = dice
        self.room = numpy.array([
            [dice.randrange(10), dice.randrange(10)] for _ in range(200)],
            dtype=numpy.float64)
        self.index = room.RoomIndex(self.room)

    def places(self, need, above=-1):
        return [place for place in range(len(self.room))
                if place > above and (self.room[place] >= need).all()]

    def check_all(self):
        for _ in range(50):
            need = numpy.array([self.dice.randrange(12) for _ in range(2)])
            above = self.dice.randrange(-1, 200)
            self.assertEqual(
                self.places(need, above)[::-1],
                list(self.index.from_the_end(need, above)))
            self.assertEqual(self.places(need),
                             list(self.index.from_the_start(need)))

    def test_search(self):
        self.assertEqual(200, len(self.index))
        self.check_all()

    def test_search_after_changes(self):
        for _ in range(100):
            place = self.dice.randrange(200)
            self.room[place] = self.dice.randrange(12)
            self.index.update(place, self.room[place])
        for place in range(0, 200, 7):
            self.room[place] = -numpy.inf
            self.index.close(place)
        self.check_all()

    def test_no_hosts(self):
        index = room.RoomIndex(numpy.empty((0, 2)))
        self.assertEqual([], list(index.from_the_end(numpy.zeros(2))))


class TestBestFit(base.TestCase):
    """The order is always that of sorting all hosts anew."""

    def test_order_follows_changes(self):
        dice = random.Random(2)
        free = numpy.array([[dice.randrange(8), dice.randrange(8)]
                            for _ in range(150)], dtype=numpy.float64)
        hosts = [host for host in range(149, -1, -1) if host % 10]
        fit = room.BestFit(free, hosts)
        for _ in range(300):
            need = numpy.array([dice.randrange(8), dice.randrange(8)])
            self.assertEqual(
                sorted((host for host in hosts
                        if (free[host] >= need).all()),
                       key=lambda host: free[host, 0]),
                list(fit.hosts(need)))
            host = dice.randrange(150)
            if dice.random() < 0.1:
                fit.remove(host)
                hosts = [other for other in hosts if other != host]
            free[host] = dice.randrange(8), dice.randrange(8)
            fit.changed(host)

    def test_no_hosts(self):
        fit = room.BestFit(numpy.zeros((1, 2)), [])
        fit.changed(0)
        self.assertEqual([], list(fit.hosts(numpy.zeros(2))))
