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
"""What a goal is: a name and what its solutions are measured by."""

import abc

from watcher.common.loader import loadable


class Goal(loadable.Loadable, metaclass=abc.ABCMeta):
    """Base class of goals.

    :param config: values of the goal's own options.
    """

    def __init__(self, config):
        super().__init__(config)
        self.name = self.get_name()
        self.display_name = self.get_display_name()
        self.efficacy_specification = self.get_efficacy_specification()

    @classmethod
    @abc.abstractmethod
    def get_name(cls) -> str:
        """Return the name: the same as that of the entry point."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def get_display_name(cls) -> str:
        """Return the name for people, translated."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def get_translatable_display_name(cls) -> str:
        """Return the name for people as it is stored, not translated."""
        raise NotImplementedError

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this goal."""
        return []

    @classmethod
    @abc.abstractmethod
    def get_efficacy_specification(cls):
        """Return the efficacy specification object of this goal."""
        raise NotImplementedError
