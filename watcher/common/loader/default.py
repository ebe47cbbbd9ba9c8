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
"""Loads plug-ins from entry points, with their configuration."""

import os
import threading

from oslo_config import cfg
from oslo_log import log
from stevedore import driver
from stevedore import exception as stevedore_exc
from stevedore import extension

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.common.loader import base

LOG = log.getLogger(__name__)


class _ConfigFiles:
    """Re-reads the configuration files, but only after they changed.

    An operator who edits a plug-in's options sees them used by the next
    load, without every load reading all files again.
    """

    def __init__(self):
        self._lock = threading.Lock()
        # By id: option sets cannot be hashed. There is one per process.
        self._seen = {}

    @staticmethod
    def _paths(conf):
        try:
            files, directories = conf.config_file, conf.config_dir
        except cfg.NoSuchOptError:  # nothing was ever parsed
            return []
        paths = list(files or [])
        for directory in directories or []:
            if os.path.isdir(directory):
                paths += sorted(entry.path for entry in os.scandir(directory)
                                if entry.name.endswith('.conf'))
        return paths

    def _signature(self, conf):
        stats = []
        for path in self._paths(conf):
            try:
                stat = os.stat(path)
            except OSError:
                continue
            stats.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return stats

    def refresh(self, conf):
        with self._lock:
            signature = self._signature(conf)
            if self._seen.get(id(conf), []) == signature:
                return
            if not conf.reload_config_files():
                LOG.warning('The configuration files could not be read again; '
                            'plug-ins keep the values known before. '
                            'Check: %s', ', '.join(s[0] for s in signature))
            self._seen[id(conf)] = signature


_CONFIG_FILES = _ConfigFiles()


class DefaultLoader(base.BaseLoader):
    """Loader of one entry-point group.

    :param namespace: the entry-point group.
    :param conf: where the options of plug-ins are registered.
    """

    def __init__(self, namespace: str, conf: cfg.ConfigOpts = cfg.CONF):
        super().__init__()
        self.namespace = namespace
        self.conf = conf

    def list_available(self) -> dict[str, type]:
        """Return the importable plug-in classes of the group by name."""
        manager = extension.ExtensionManager(
            namespace=self.namespace,
            on_load_failure_callback=self._log_import_failure)
        return {ext.name: ext.plugin for ext in manager.extensions}

    def load(self, name: str, **kwargs):
        """Build a new object of the plug-in with this name.

        :param kwargs: passed to the constructor beside the configuration.
        :raises: LoadingError for any failure.
        """
        try:
            cls = self._find(name)
            return cls(self._load_plugin_config(name, cls), **kwargs)
        except Exception as exc:
            # A name nobody installed needs no traceback, broken code does.
            LOG.error('The plug-in %(name)s of the group %(namespace)s '
                      'cannot be loaded: %(reason)s',
                      {'name': name, 'namespace': self.namespace,
                       'reason': exc},
                      exc_info=not isinstance(exc, stevedore_exc.NoMatches))
            raise exception.LoadingError(
                _("The plug-in '%(name)s' of the group %(namespace)s could "
                  "not be loaded: %(reason)s") % {
                      'name': name, 'namespace': self.namespace,
                      'reason': exc},
                name=name) from exc

    def get_entry_name(self, name: str) -> str:
        """Return the configuration group of the plug-in."""
        return f'{self.namespace}.{name}'

    def _find(self, name):
        return driver.DriverManager(
            namespace=self.namespace, name=name,
            on_load_failure_callback=self._raise_import_failure,
            warn_on_missing_entrypoint=False).driver

    def _load_plugin_config(self, name, cls):
        opts = cls.get_config_opts()
        if not opts:
            return utils.Struct()
        group = self.get_entry_name(name)
        self.conf.register_opts(opts, group=group)
        _CONFIG_FILES.refresh(self.conf)
        return utils.Struct(self.conf[group].items())

    def _log_import_failure(self, manager, entry_point, error):
        LOG.error('The plug-in %(name)s (%(target)s) of the group '
                  '%(namespace)s is left out, it cannot be imported: '
                  '%(error)s',
                  {'name': entry_point.name, 'target': entry_point.value,
                   'namespace': self.namespace, 'error': error})

    @staticmethod
    def _raise_import_failure(manager, entry_point, error):
        raise error
