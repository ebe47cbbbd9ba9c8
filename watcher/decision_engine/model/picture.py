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
"""Whether what is known of a cluster is enough to be optimised on.

Nothing is optimised silently on a picture that is partial or too old: hosts
of which too little is known are left out of the view of an audit, or the
audit is refused, and in any case it says so.
"""

import dataclasses
import datetime
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import element

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: How many hosts an error or a log line names before it only counts.
MAX_NAMED = 20

#: The same for what audits say; it has to fit into their status message.
FEW = 2


@dataclasses.dataclass(frozen=True)
class View:
    """What an audit may see of a model.

    :ivar model: the model reduced to the scope and to what is well known;
        None when there is none, or it is stale.
    :ivar caveats: in words, what is to be known about it, the most
        important first.
    """

    model: Any
    caveats: list[str]


def take(name: str, model: Any, handler: Any, *,
         interval: float | None = None, failure: str | None = None,
         now: datetime.datetime | None = None) -> View:
    """Reduce an audit's own copy of a model to what it may see.

    :param name: of the collector.
    :param handler: reduces it to the scope of the audit.
    :param interval: seconds between two runs of the audit.
    :param failure: why the model could not be read anew, if that failed.
    :param now: default is the present.
    :raises: ClusterDataModelCollectionError when hosts of the scope are not
        known well enough and that is not to be accepted, or when none is
        left.
    """
    if not isinstance(model, cluster.ClusterModel) or not model:
        return View(handler.get_scoped_model(model), [])
    if now is None:
        now = datetime.datetime.now(datetime.UTC)
    caveats = _lateness(name, model, now, interval, failure)
    if not model.incomplete_nodes and not model.gaps:
        return View(_scoped(name, model, handler, caveats), caveats)
    doubts = _Doubts(name, model, now)
    scoped = doubts.reduce(handler, caveats)
    doubts.settle(scoped)
    return View(scoped, doubts.told() + caveats)


def _lateness(name, model, now, interval, failure):
    """Say that a model is older than it should be."""
    if model.built_at is None:
        return []
    age = (now - model.built_at).total_seconds()
    facts = {'cdm': name, 'age': age, 'interval': interval,
             'reason': failure}
    told = []
    if failure is not None:
        told.append(_('The %(cdm)s model is from %(age)d seconds ago, '
                      'because it cannot be read: %(reason)s.') % facts)
    if interval is not None and age > interval:
        told.append(_('The %(cdm)s model is from %(age)d seconds ago, which '
                      'is more than the interval of %(interval)d seconds '
                      'between two runs.') % facts)
    for text in told:
        LOG.warning('%s', text)
    return told


def _scoped(name, model, handler, caveats):
    """Reduce a model to the scope, and say so if nothing is left."""
    before = model.has_hosts
    scoped = handler.get_scoped_model(model)
    if scoped and before and not scoped.has_hosts:
        caveats.append(_('The scope leaves nothing of the %(cdm)s model: '
                         '%(rules)s.') % {
            'cdm': name, 'rules': '; '.join(
                getattr(handler, 'unmatched', ())) or _('it matches no host')})
    return scoped


class _Doubts:
    """What of a model is not well known, as far as an audit may see it.

    :ivar older: reasons by key of hosts that older values describe.
    :ivar unknown: reasons by key of hosts that are not known well enough.
    """

    def __init__(self, name, model, now):
        self._name = name
        self._now = now
        self._gaps = model.gaps
        self._reasons = dict(model.incomplete_nodes)
        self._freshness = model.freshness
        self._absent = {key: host for key, host in model.absent.items()
                        if key in self._reasons and key not in model}
        # Nobody can tell whether the scope means these.
        self._anywhere = [key for key in self._reasons
                          if key not in model and key not in self._absent]
        self._model = model
        self.older: dict[str, str] = {}
        self.unknown: dict[str, str] = {}

    def reduce(self, handler, caveats):
        """Reduce the model to the scope, and the doubts with it."""
        # Rules name hosts: absent ones stand there by name while they are
        # looked for.
        for key, host in self._absent.items():
            self._model.add_node(element.ComputeNode(uuid=key, hostname=host))
        scoped = _scoped(self._name, self._model, handler, caveats)
        missing = [key for key in self._absent if key in scoped]
        scoped.leave_out(missing)
        for key in (*missing, *self._anywhere):
            self.unknown[key] = self._text(key)
        for key in self._reasons:
            if key in scoped:
                self._judge(key)
        return scoped

    def _judge(self, key):
        """Decide whether what is known of a host is recent enough."""
        age = self._freshness[key].age(self._now)
        limit = CONF.collector.last_known_max_age
        text = self._text(key)
        if age is None:
            self.unknown[key] = text
        elif limit and age <= limit:
            self.older[key] = _('%(what)s (%(age)d s old)') % {
                'what': text, 'age': age}
        else:
            self.unknown[key] = _('%(what)s (%(age)d s old, too old)') % {
                'what': text, 'age': age}

    def _text(self, key):
        """Return the reason with the name of the host in front."""
        name, reason = self._absent.get(key, key), self._reasons[key]
        if key in self._model:
            name = getattr(self._model.get_host(key), 'hostname', key)
        return reason if reason.startswith(f'{name}: ') else (
            f'{name}: {reason}')

    def settle(self, scoped):
        """Leave out what is not known well enough, or refuse to go on.

        :raises: ClusterDataModelCollectionError
        """
        if self.older:
            LOG.warning('In the %(cdm)s model of this audit older values '
                        'describe %(count)d hosts: %(named)s', self._facts(
                            self.older))
        if not self.unknown and not self._gaps:
            return
        if CONF.collector.incomplete_hosts == 'refuse':
            raise self._refusal(_(
                '%(count)d hosts of the %(cdm)s model are not known well '
                'enough, and [collector] incomplete_hosts is refuse. '
                '%(named)s'))
        if not self.unknown:
            LOG.warning('The %(cdm)s model of this audit has gaps: %(gaps)s',
                        {'cdm': self._name, 'gaps': '; '.join(self._gaps)})
            return
        scoped.leave_out(self.unknown)
        if not scoped.has_hosts:
            raise self._refusal(_(
                'No host of the %(cdm)s model is known well enough; all '
                '%(count)d of them would have to be left out. %(named)s'))
        LOG.warning('%(count)d hosts are left out of the %(cdm)s model of '
                    'this audit, with all that is on them: %(named)s',
                    self._facts(self.unknown))

    def _facts(self, hosts, most=MAX_NAMED):
        named = sorted(hosts.values())[:most]
        if len(hosts) > most:
            named.append(_('and %d more') % (len(hosts) - most))
        return {'cdm': self._name, 'count': len(hosts),
                'named': '; '.join(named)}

    def _refusal(self, text):
        facts = self._facts(self.unknown)
        facts['named'] = '; '.join(filter(None, (
            facts['named'], *self._gaps)))
        return exception.ClusterDataModelCollectionError(
            text % facts, cdm=self._name)

    def told(self):
        """Return what the audit says."""
        told = []
        if self.unknown:
            told.append(_('Hosts left out of the %(cdm)s model because too '
                          'little is known (%(count)d): %(named)s.')
                        % self._facts(self.unknown, FEW))
        if self.older:
            told.append(_('Hosts of the %(cdm)s model described by older '
                          'values (%(count)d): %(named)s.')
                        % self._facts(self.older, FEW))
        return told + [f'{gap}.' for gap in self._gaps]
