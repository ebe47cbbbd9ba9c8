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
"""What an audit scope does to the bare metal model."""

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import model_root
from watcher.decision_engine.scope import base


class BaremetalScope(base.BaseScope):
    """Handler of the bare metal part of an audit scope.

    There are exclusions only: the listed nodes are removed, so that no
    strategy switches them.
    """

    def get_scoped_model(
            self, cluster_model: model_root.BaremetalModelRoot | None,
    ) -> model_root.BaremetalModelRoot | None:
        """Remove what is excluded."""
        if not cluster_model:
            return None
        self.unmatched = []
        excluded: dict[str, str] = {}
        for path, key, entries in base.rules_of(self.scope, 'baremetal'):
            if key != 'exclude':
                self._report(_('%s is not known and has no effect') % path)
                continue
            for inner, name, selectors in base.entries_of(path, entries):
                if name != 'ironic_nodes':
                    self._report(
                        _('%s is not known and has no effect') % inner)
                    continue
                for selector in selectors:
                    if 'uuid' in selector:
                        excluded.setdefault(str(selector['uuid']), inner)
        self._remove(cluster_model, excluded)
        return cluster_model

    def _remove(self, model, excluded):
        with model.lock:
            before = len(model)
            for uuid, path in excluded.items():
                try:
                    model.remove_node(uuid)
                except exception.IronicNodeNotFound:
                    self._report(
                        _("there is no bare metal node '%(uuid)s', named in "
                          '%(path)s') % {'uuid': uuid, 'path': path})
            if before and not len(model):
                self._report(_('no bare metal node is left'))
