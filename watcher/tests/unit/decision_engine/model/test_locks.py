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
"""Locks of models and collectors: field report 1.4 lines 45, 46, 47."""

import threading

from watcher.common import exception
from watcher.decision_engine.model import model_root
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.model.collector import test_base


def is_free(lock):
    """Tell whether another thread could take the lock now."""
    answers = []

    def attempt():
        taken = lock.acquire(blocking=False)
        if taken:
            lock.release()
        answers.append(taken)
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return answers[0]


class TestModels(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B'): []})

    def test_every_model_has_its_own(self):
        """A strategy never waits for the collector, nor the other way."""
        view = self.model.copy()
        others = (view, model_root.ModelRoot(),
                  model_root.StorageModelRoot())
        with self.model.lock:
            for other in others:
                self.assertTrue(is_free(other.lock))
            # Elements of a view write under the lock of that view.
            finished = threading.Thread(target=lambda: setattr(
                view.get_instance_by_uuid(models.uuid('a')), 'vcpus', 3))
            finished.start()
            finished.join(base.PATIENCE)
            self.assertFalse(finished.is_alive())

    def test_methods_call_each_other_by_object_and_by_uuid(self):
        node = self.model.get_node_by_uuid(models.uuid('B'))
        for server, host in (
                (models.instance('new'), models.node('C')),
                (models.uuid('new'), models.uuid('B'))):
            with self.model.lock:
                self.model.map_instance(server, host)
                self.model.get_node_free_resources(host)
        self.assertEqual([models.uuid('new')], [
            server.uuid for server in self.model.get_node_instances(node)])

    def test_errors_leave_it_free(self):
        unknown = models.uuid('unknown')
        instance, node = models.instance('x'), models.node('x')
        for method, *arguments in (
                ('add_node', 'text'), ('add_instance', 'text'),
                ('remove_node', unknown), ('remove_instance', unknown),
                ('map_instance', unknown, unknown),
                ('map_instance', instance, unknown),
                ('unmap_instance', unknown, unknown),
                ('migrate_instance', instance, node, models.node('y')),
                ('get_node_by_uuid', unknown),
                ('get_node_by_name', unknown),
                ('get_instance_by_uuid', unknown),
                ('get_node_by_instance_uuid', unknown),
                ('get_node_instances', unknown),
                ('get_node_used_resources', unknown),
                ('get_node_free_resources', unknown)):
            self.assertRaises(exception.WatcherException,
                              getattr(self.model, method), *arguments)
            self.assertTrue(is_free(self.model.lock), method)


class TestCollectors(test_base.CollectorTestCase):

    def assert_free(self):
        for name in ('lock', 'sync_lock', '_build_lock'):
            self.assertTrue(is_free(getattr(self.collector, name)), name)

    def test_errors_leave_them_free(self):
        self.collector.error = KeyError('bug')
        self.assertRaises(exception.ClusterDataModelCollectionError,
                          self.collector.get_latest_cluster_data_model)
        self.assert_free()
        self.collector.synchronize()
        self.assert_free()

        def bad():
            raise KeyError('bug')
        self.collector.error = None
        self.collector.synchronize()
        self.assertRaises(KeyError, self.collector.deliver, bad)
        self.assert_free()
