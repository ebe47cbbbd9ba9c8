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
"""Reads what binds servers to hosts, beside room.

A few requests for the whole cloud. What cannot be read now stays as it was
in the model before; when there was none, the model says that it has a gap.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import placement_helper
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling

LOG = log.getLogger(__name__)


class RulesReader:
    """Fills in what strategies must respect in a model that is being built.

    :param model: the new model.
    :param before: the model that it will replace, or None.
    :param call: calls a function until it succeeds or trying is in vain.
    """

    def __init__(self, model: model_root.ModelRoot,
                 before: model_root.ModelRoot | None,
                 call: Callable[..., Any]):
        self._model = model
        self._before = before
        self._call = call
        self._register = scheduling.Register()

    def note(self, uuid: str, record: Mapping[str, Any]) -> None:
        """Note what a server of the model asks of its host.

        :param record: as Nova sends it; an older one tells no zone.
        """
        specs = record['flavor'].get('extra_specs') or {}
        pinned = record.get('pinned_availability_zone') or ''
        if 'pinned_availability_zone' in record:
            self._model.pinned_zones_known = True
        tags = tuple(record.get('tags') or ())
        # Servers that boot from a volume have none, older Novas tell none.
        image = scheduling.image_wishes(
            (record.get('image') or {}).get('properties'))
        if specs or pinned or tags or image:
            self._model.set_wishes(
                uuid, self._register.wishes(specs, pinned, tags, image))

    def keep(self, uuid: str) -> None:
        """Have the wishes of a server as they were before."""
        if self._before is not None:
            wishes = self._before.get_wishes(uuid)
            self._model.set_wishes(uuid, self._register.wishes(
                wishes.extra_specs, wishes.pinned_az, wishes.tags,
                wishes.image))

    def read_groups(self, nova: nova_helper.NovaHelper) -> None:
        """Read the server groups of all projects."""
        try:
            found = nova.get_server_groups(call=self._call)
        except exception.NovaClientError as exc:
            self._model.server_groups = self._as_before(
                'server_groups', _('the server groups'), exc)
            return
        self._model.server_groups = tuple(
            scheduling.ServerGroup(
                group.id, group.name, group.policy, group.members,
                group.max_server_per_host)
            for group in found if group.members)

    def read_traits(self,
                    placement: placement_helper.PlacementHelper) -> None:
        """Read who has the traits that the noted servers ask for."""
        try:
            self._model.traits = {
                trait: self._call(placement.get_providers_with_trait, trait)
                for trait in self._register.traits()}
        except exception.PlacementClientError as exc:
            self._model.traits = self._as_before(
                'traits', _('the traits of the hosts'), exc)

    def read_offers(self,
                    placement: placement_helper.PlacementHelper) -> None:
        """Read which parts of hosts have resources that are asked for.

        What the hosts themselves offer stands in their inventories. CPUs
        that are dedicated to servers are always theirs.
        """
        try:
            self._model.offers = {
                name: scheduling.offers_by_host(
                    self._call(placement.get_offers, name))
                for name in self._register.classes()
                if name != requests.PCPU}
        except exception.PlacementClientError as exc:
            self._model.offers = self._as_before(
                'offers', _('the resources of parts of hosts'), exc)

    def _as_before(self, name, what, problem):
        known = getattr(self._before, name, None)
        if known is None:
            self._model.gaps += (
                _('%(what)s are not known (%(problem)s)') % {
                    'what': what, 'problem': problem},)
        LOG.warning('%(what)s cannot be read and %(stay)s: %(problem)s',
                    {'what': what, 'problem': problem,
                     'stay': 'are not known' if known is None
                     else 'stay as they were'})
        return known
