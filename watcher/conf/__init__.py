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
"""All options of the service, registered when this package is imported.

One module per subject. Each offers ``register_opts(conf)`` and
``list_opts()``; :mod:`watcher.conf.opts` joins the lists for the sample
configuration, :mod:`watcher.conf.plugins` adds the options of installed
plug-ins.
"""

from oslo_config import cfg

from watcher.conf import aetos_client
from watcher.conf import api
from watcher.conf import applier
from watcher.conf import cinder
from watcher.conf import clients_auth
from watcher.conf import collector
from watcher.conf import compute_model
from watcher.conf import datasources
from watcher.conf import db
from watcher.conf import decision_engine
from watcher.conf import exception
from watcher.conf import gnocchi_client
from watcher.conf import grafana_client
from watcher.conf import grafana_translators
from watcher.conf import ironic
from watcher.conf import keystone
from watcher.conf import maas_client
from watcher.conf import notifications
from watcher.conf import nova
from watcher.conf import paths
from watcher.conf import placement
from watcher.conf import planner
from watcher.conf import prometheus_client
from watcher.conf import retention
from watcher.conf import running
from watcher.conf import service
from watcher.conf import service_metrics
from watcher.conf import strategies
from watcher.conf import windows
from watcher.conf import wsgi

CONF = cfg.CONF

MODULES = (
    service, service_metrics, paths, exception, notifications, api, wsgi,
    db,
    decision_engine, retention, applier, running, windows, planner, strategies,
    collector,
    compute_model, datasources,
    clients_auth, nova, cinder, keystone, placement,
    gnocchi_client, ironic, maas_client, aetos_client,
    prometheus_client, grafana_client, grafana_translators,
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of the service on ``conf``."""
    for module in MODULES:
        module.register_opts(conf)


register_opts(CONF)
