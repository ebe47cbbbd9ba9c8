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
"""Options that installed plug-ins bring along, and a table of plug-ins.

The plug-ins are found through their entry points, never by import, so that
this room knows nothing about the engines.
"""

import logging
from collections.abc import Iterator

import prettytable
import stevedore
from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: Entry-point groups whose plug-ins may carry options, in listing order.
PLUGIN_NAMESPACES = (
    'watcher_actions',
    'watcher_planners',
    'watcher_scoring_engines',
    'watcher_scoring_engine_containers',
    'watcher_strategies',
    'watcher_destination_filters',
    'watcher_cluster_data_model_collectors',
    'watcher_workflow_engines',
)


def _report_broken(manager, entry_point, error: Exception) -> None:
    LOG.warning(
        'Plug-in %(name)s (%(path)s) of %(namespace)s cannot be imported and '
        'is left out: %(error)s. Repair or uninstall its package.',
        {'name': entry_point.name, 'path': entry_point.value,
         'namespace': manager.namespace, 'error': error})


def _extensions() -> Iterator[tuple[str, stevedore.extension.Extension]]:
    for namespace in PLUGIN_NAMESPACES:
        manager = stevedore.ExtensionManager(
            namespace, on_load_failure_callback=_report_broken)
        for extension in sorted(manager, key=lambda ext: ext.name):
            yield namespace, extension


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return ``(namespace.plug-in name, options)`` of plug-ins with options.

    A plug-in that cannot be imported or asked is logged and left out.
    """
    pairs = []
    for namespace, extension in _extensions():
        try:
            options = list(extension.plugin.get_config_opts())
        except Exception as error:
            LOG.warning(
                'Options of plug-in %(name)s of %(namespace)s cannot be '
                'listed: %(error)s',
                {'name': extension.name, 'namespace': namespace,
                 'error': error})
            continue
        if options:
            pairs.append((f'{namespace}.{extension.name}', options))
    return pairs


def show_plugins() -> str:
    """Return a framed table of the importable plug-ins."""
    table = prettytable.PrettyTable(
        field_names=['Namespace', 'Plugin name', 'Import path'])
    table.align = 'l'
    for namespace, extension in _extensions():
        table.add_row([f'{namespace}.{extension.name}', extension.name,
                       extension.entry_point.value.replace(':', '.')])
    return table.get_string()
