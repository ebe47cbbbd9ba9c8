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
"""Entry point for the sample configuration and the option reference."""

import itertools

from oslo_config import cfg

from watcher import conf
from watcher.conf import plugins


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return ``(group, options)`` pairs, each group once.

    Options of installed plug-ins are included, third-party ones as well.
    """
    groups: dict[str, list[cfg.Opt]] = {}
    pairs = itertools.chain.from_iterable(
        module.list_opts() for module in (*conf.MODULES, plugins))
    for group, options in pairs:
        groups.setdefault(getattr(group, 'name', group), []).extend(options)
    return list(groups.items())
