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
"""What an audit scope does to the compute model.

Hosts outside the scope are removed together with their servers. Excluded
servers stay in the picture, because they use resources, but are marked so
that no strategy touches them.
"""

from collections.abc import Iterable
from typing import Any

from watcher._i18n import _
from watcher.common import exception
from watcher.common import nova_helper
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import workload
from watcher.decision_engine.scope import base


def _text(value: Any) -> str:
    return str(value).lower()


class ComputeScope(base.BaseScope):
    """Handler of the compute part of an audit scope.

    Aggregates and zones are united; those in an ``all_of`` count as far as
    they have hosts in common. Exclusions are then taken away. Aggregates and
    zones come from the model, so that building and filtering cannot
    disagree; only a model made by other means has them asked of Nova.
    """

    def __init__(self, scope: list | None, config: Any):
        super().__init__(scope, config)
        self._helper = None

    @property
    def nova_helper(self) -> nova_helper.NovaHelper:
        """Way to Nova for models that know no aggregates or zones."""
        if self._helper is None:
            self._helper = nova_helper.NovaHelper()
        return self._helper

    def get_scoped_model(
            self, cluster_model: model_root.ModelRoot | None,
    ) -> model_root.ModelRoot | None:
        """Remove hosts outside the scope and mark excluded servers.

        :raises: WildcardCharacterIsUsed when ``*`` is not alone.
        """
        if not cluster_model:
            return None
        self.unmatched = []
        evaluation = _Evaluation(self, cluster_model)
        for path, key, selectors in base.rules_of(self.scope, 'compute'):
            evaluation.apply(path, key, selectors)
        evaluation.finish()
        return cluster_model


#: How many unreadable workload characters a message quotes.
MAX_NAMED = 3


class _Evaluation:
    """The rules of one scope, applied to one model."""

    def __init__(self, handler, model):
        self._report = handler._report
        self._handler = handler
        self._model = model
        self._aggregates = model.aggregates
        self._zones = model.zones
        self._included: set[str] | None = None
        self._inclusions: list[str] = []
        self._excluded: set[str] = set()
        self._marked: set[str] = set()
        self._metadata: list[dict[str, str]] = []
        self._projects: set[str] = set()
        self._workloads: set[str] = set()
        self._unreadable: list[str] = []

    def apply(self, path: str, key: str, selectors: list[dict]) -> None:
        """Take one rule into account."""
        if key == 'exclude':
            for inner, name, excluded in base.entries_of(path, selectors):
                self._exclude(inner, name, excluded)
        elif key == 'all_of':
            self._include(path, self._common_hosts(path, selectors))
        else:
            hosts = self._hosts_of(path, key, selectors)
            if hosts is not None:
                self._include(path, hosts)

    def _common_hosts(self, path, entries):
        found = [hosts for inner, name, selectors
                 in base.entries_of(path, entries)
                 if (hosts := self._hosts_of(inner, name, selectors))
                 is not None]
        return set.intersection(*found) if found else set()

    def _hosts_of(self, path, key, selectors) -> set[str] | None:
        if key == 'host_aggregates':
            return self._aggregate_hosts(path, selectors)
        if key == 'availability_zones':
            return self._zone_hosts(path, selectors)
        self._report(_('%s is not known and has no effect') % path)
        return None

    def _include(self, path, hosts):
        self._inclusions.append(path)
        self._included = (self._included or set()) | hosts

    def _exclude(self, path, key, selectors):
        if key == 'compute_nodes':
            self._excluded |= self._node_names(path, selectors)
        elif key == 'host_aggregates':
            self._excluded |= self._aggregate_hosts(path, selectors)
        elif key == 'instances':
            self._marked |= self._instance_uuids(path, selectors)
        elif key == 'projects':
            self._projects |= {base.plain_id(selector['uuid'])
                               for selector in selectors
                               if 'uuid' in selector}
        elif key == 'workloads':
            base.has_wildcard(selectors, 'name', 'workloads')
            self._workloads |= {selector['name'] for selector in selectors
                                if 'name' in selector}
        elif key == 'instance_metadata':
            wanted = {}
            for selector in selectors:
                wanted.update(selector)
            if wanted:
                self._metadata.append(
                    {name: _text(value) for name, value in wanted.items()})
        else:
            self._report(_('%s is not known and has no effect') % path)

    # Selectors ------------------------------------------------------------

    def _aggregate_hosts(self, path, selectors):
        everything = [
            base.has_wildcard(selectors, member, 'host aggregates')
            for member in ('id', 'name')]
        if self._aggregates is None:
            self._aggregates = self._handler.nova_helper.get_aggregate_list()
        if any(everything):
            return {host for aggregate in self._aggregates
                    for host in aggregate.hosts}
        hosts = set()
        for selector in selectors:
            found = [aggregate for aggregate in self._aggregates
                     if _is_aggregate(aggregate, selector)]
            if not any(aggregate.hosts for aggregate in found):
                self._report(
                    _('the host aggregate %(selector)s in %(path)s '
                      '%(problem)s') % {
                          'selector': selector, 'path': path,
                          'problem': (_('has no hosts') if found
                                      else _('does not exist'))})
            for aggregate in found:
                hosts.update(aggregate.hosts)
        return hosts

    def _zone_hosts(self, path, selectors):
        everything = base.has_wildcard(selectors, 'name', 'availability zones')
        if self._zones is None:
            self._zones = {
                service.host: service.zone for service
                in self._handler.nova_helper.get_service_list()}
        if everything:
            return set(self._zones)
        wanted = {selector['name'] for selector in selectors
                  if isinstance(selector.get('name'), str)}
        for name in sorted(wanted - set(self._zones.values())):
            self._report(
                _("the availability zone '%(name)s' in %(path)s has no "
                  'compute host') % {'name': name, 'path': path})
        return {host for host, zone in self._zones.items()
                if zone in wanted}

    def _node_names(self, path, selectors):
        names = set()
        for selector in selectors:
            name = selector.get('name')
            try:
                self._model.get_node_by_name(name)
            except exception.ComputeNodeNotFound:
                self._report(
                    _("there is no compute host '%(name)s', named in "
                      '%(path)s') % {'name': name, 'path': path})
            else:
                names.add(name)
        return names

    def _instance_uuids(self, path, selectors):
        uuids = set()
        for selector in selectors:
            uuid = selector.get('uuid')
            try:
                self._model.get_instance_by_uuid(uuid)
            except exception.InstanceNotFound:
                self._report(
                    _("there is no server '%(uuid)s', named in %(path)s") % {
                        'uuid': uuid, 'path': path})
            else:
                uuids.add(uuid)
        return uuids

    # Effects --------------------------------------------------------------

    def finish(self) -> None:
        """Change the model."""
        self._remove_hosts()
        for uuid in self._marked:
            try:
                instance = self._model.get_instance_by_uuid(uuid)
            except exception.InstanceNotFound:
                continue  # removed with its host
            instance.watcher_exclude = True
        if self._metadata or self._projects or self._workloads:
            self._mark(self._model.get_all_instances().values())
        if self._unreadable:
            self._report(
                _('Instances that may be of an excluded workload are excluded '
                  '(%(count)d): %(named)s') % {
                      'count': len(self._unreadable),
                      'named': '; '.join(self._unreadable[:MAX_NAMED])})

    def _remove_hosts(self):
        if self._included is None and not self._excluded:
            return
        nodes = self._model.get_all_compute_nodes()
        removed = [
            uuid for uuid, node in nodes.items()
            if node.hostname in self._excluded
            or (self._included is not None
                and node.hostname not in self._included)]
        self._model.remove_nodes(removed)
        if nodes and len(removed) == len(nodes):
            self._report(
                _('no compute host is left: %(rules)s') % {
                    'rules': ', '.join(self._inclusions)
                    or _('all are excluded')})

    def _mark(self, instances: Iterable):
        for instance in instances:
            if (self._of_excluded_project(instance)
                    or self._has_excluded_metadata(instance)
                    or self._has_excluded_workload(instance)):
                instance.watcher_exclude = True

    def _of_excluded_project(self, instance):
        return bool(self._projects) and base.plain_id(
            instance.get('project_id')) in self._projects

    def _has_excluded_metadata(self, instance):
        if not self._metadata:
            return False
        metadata = instance.get('metadata') or {}
        return any(
            all(name in metadata and _text(metadata[name]) == value
                for name, value in wanted.items())
            for wanted in self._metadata)


    def _has_excluded_workload(self, instance):
        if not self._workloads:
            return False
        text = workload.text_of(instance.get('metadata'))
        if text is None:
            return False
        try:
            name = workload.parse(text).name
        except workload.InvalidWorkload as exc:
            # Its owner wants something; nobody knows what.
            self._unreadable.append(f'{instance.uuid}: {exc}')
            return True
        return bool({name, base.WILDCARD} & self._workloads)


def _is_aggregate(aggregate, selector):
    if 'id' in selector:
        wanted = selector['id']
        return not isinstance(wanted, bool) and aggregate.id == wanted
    return 'name' in selector and aggregate.name == selector['name']
