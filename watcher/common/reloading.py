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
"""Changed options of a running service, of which some may be wrong."""

import threading
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher.common import utils

LOG = log.getLogger(__name__)

#: Group (None is DEFAULT) and name.
_Key = tuple[str | None, str]


class Reloader:
    """Has a service use the mutable options of files that have changed.

    oslo.config looks at a value when somebody wants it: a typing error would
    make each round of a running service fail. So a wrong value is not used,
    and the one before stays until the file is mended.
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        # What stays as it was, against the files.
        self._kept: set[_Key] = set()
        self._lock = threading.Lock()

    def reload(self) -> None:
        """Read the files again."""
        with self._lock:
            before = self._values()
            suspects, self._kept = self._kept, set()
            for group, name in suspects:
                self._conf.clear_override(name, group)
            try:
                suspects |= set(self._conf.mutate_config_files())
            except cfg.Error as exc:
                LOG.error('The changed configuration is not used: %s',
                          utils.first_line(exc))
            for key in suspects:
                self._check(key, before)

    def _values(self) -> dict[_Key, Any]:
        found: dict[_Key, Any] = {}
        for name in self._conf:
            value = self._conf[name]
            if isinstance(value, cfg.ConfigOpts.GroupAttr):
                found.update({(name, option): self._read((name, option))
                              for option in value})
            else:
                found[None, name] = value
        return found

    def _read(self, key: _Key) -> Any:
        group, name = key
        try:
            return (self._conf[group] if group else self._conf)[name]
        except cfg.ConfigFileValueError:
            raise
        except cfg.Error:
            # It has no value, as at the start.
            return None

    def _check(self, key: _Key, before: dict[_Key, Any]) -> None:
        group, name = key
        try:
            self._read(key)
        except cfg.ConfigFileValueError as exc:
            LOG.error('The changed option [%(group)s] %(name)s is not used, '
                      'what it was before stays: %(reason)s',
                      {'group': group or 'DEFAULT', 'name': name,
                       'reason': utils.first_line(exc)})
            self._conf.set_override(name, before.get(key), group)
            self._kept.add(key)
