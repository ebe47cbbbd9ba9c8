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
"""What an audit scope does to the storage model.

Backends outside the scope are removed with their pools and volumes. Excluded
pools and volumes are removed as well, so that no strategy moves them or fills
them; what they use is still part of the figures of their pools and backends,
which come from Cinder.
"""

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import model_root
from watcher.decision_engine.scope import base


class StorageScope(base.BaseScope):
    """Handler of the storage part of an audit scope.

    Zones and volume types are united, exclusions are then taken away. All of
    it comes from the model; Cinder is not asked again.
    """

    def get_scoped_model(
            self, cluster_model: model_root.StorageModelRoot | None,
    ) -> model_root.StorageModelRoot | None:
        """Remove what is outside the scope.

        :raises: WildcardCharacterIsUsed when ``*`` is not alone.
        """
        if not cluster_model:
            return None
        self.unmatched = []
        evaluation = _Evaluation(self._report, cluster_model)
        for path, key, selectors in base.rules_of(self.scope, 'storage'):
            evaluation.apply(path, key, selectors)
        evaluation.finish()
        return cluster_model


class _Evaluation:
    """The rules of one scope, applied to one model."""

    def __init__(self, report, model):
        self._report = report
        self._model = model
        self._included: set[str] | None = None
        self._inclusions: list[str] = []
        self._pools: set[str] = set()
        self._volumes: set[str] = set()
        self._projects: set[str] = set()

    def apply(self, path: str, key: str, selectors: list[dict]) -> None:
        """Take one rule into account."""
        if key == 'exclude':
            for inner, name, excluded in base.entries_of(path, selectors):
                self._exclude(inner, name, excluded)
        elif key == 'availability_zones':
            self._include(path, self._backends(
                path, selectors, _('availability zone'),
                lambda node: (node.get('zone'),)))
        elif key == 'volume_types':
            self._include(path, self._backends(
                path, selectors, _('volume type'),
                lambda node: node.get('volume_type') or ()))
        else:
            self._report(_('%s is not known and has no effect') % path)

    def _include(self, path, hosts):
        self._inclusions.append(path)
        self._included = (self._included or set()) | hosts

    def _exclude(self, path, key, selectors):
        if key == 'storage_pools':
            self._pools |= self._known(
                path, selectors, 'name', _('storage pool'),
                self._model.get_pool_by_pool_name)
        elif key == 'volumes':
            self._volumes |= self._known(
                path, selectors, 'uuid', _('volume'),
                self._model.get_volume_by_uuid)
        elif key == 'projects':
            self._projects |= {base.plain_id(selector['uuid'])
                               for selector in selectors
                               if 'uuid' in selector}
        else:
            self._report(_('%s is not known and has no effect') % path)

    # Selectors ------------------------------------------------------------

    def _backends(self, path, selectors, what, values):
        """Return the hosts of the backends that have one of the values."""
        everything = base.has_wildcard(selectors, 'name', f'{what}s')
        nodes = self._model.get_all_storage_nodes()
        if everything:
            return set(nodes)
        wanted = {selector['name'] for selector in selectors
                  if isinstance(selector.get('name'), str)}
        hosts, found = set(), set()
        for host, node in nodes.items():
            matching = wanted.intersection(values(node))
            if matching:
                hosts.add(host)
                found |= matching
        for name in sorted(wanted - found):
            self._report(
                _("the %(what)s '%(name)s' in %(path)s has no storage "
                  'backend') % {'what': what, 'name': name, 'path': path})
        return hosts

    def _known(self, path, selectors, member, what, find):
        """Return the keys of elements that are part of the model."""
        keys = set()
        for selector in selectors:
            key = str(selector.get(member))
            try:
                find(key)
            except exception.StorageResourceNotFound:
                self._report(
                    _("there is no %(what)s '%(key)s', named in %(path)s") % {
                        'what': what, 'key': key, 'path': path})
            else:
                keys.add(key)
        return keys

    # Effects --------------------------------------------------------------

    def finish(self) -> None:
        """Change the model."""
        with self._model.lock:
            self._remove_backends()
            pools = self._model.get_all_pools()
            for name in self._pools & set(pools):
                self._remove_pool(name)
            if self._volumes or self._projects:
                self._remove_volumes()

    def _remove_backends(self):
        if self._included is None:
            return
        nodes = self._model.get_all_storage_nodes()
        removed = [host for host in nodes if host not in self._included]
        for name in list(self._model.get_all_pools()):
            if self._host_of(name) not in self._included:
                self._remove_pool(name)
        for host in removed:
            self._model.remove_node(host)
        if len(removed) < len(nodes):
            return
        # Nothing was meant, so volumes that are in no pool are not meant
        # either.
        for uuid in list(self._model.get_all_volumes()):
            self._model.remove_volume(uuid)
        self._report(_('no storage backend is left: %s') %
                     ', '.join(self._inclusions))

    def _host_of(self, pool):
        try:
            return self._model.get_node_by_pool_name(pool).host
        except exception.StorageNodeNotFound:
            return None

    def _remove_pool(self, name):
        for volume in self._model.get_pool_volumes(name):
            self._model.remove_volume(volume.uuid)
        self._model.remove_pool(name)

    def _remove_volumes(self):
        removed = [
            uuid for uuid, volume in self._model.get_all_volumes().items()
            if uuid in self._volumes
            or (self._projects and base.plain_id(
                volume.get('project_id')) in self._projects)]
        for uuid in removed:
            self._model.remove_volume(uuid)
