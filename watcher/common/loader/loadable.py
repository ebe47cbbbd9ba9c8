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
"""Base classes of everything that a loader builds."""

import abc
import threading


class Loadable(metaclass=abc.ABCMeta):
    """A plug-in with its own configuration options.

    :param config: mapping with attribute access that holds the values of
        the options at the time of loading.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

    @classmethod
    @abc.abstractmethod
    def get_config_opts(cls) -> list:
        """Return the options of this plug-in; may be empty."""
        raise NotImplementedError


class LoadableSingletonMeta(abc.ABCMeta):
    """Keeps one instance for each class in this process.

    Clearing ``_instances`` makes the next load build a new one.
    """

    _instances: dict = {}
    _lock = threading.RLock()

    def __call__(cls, *args, **kwargs):
        with LoadableSingletonMeta._lock:
            if cls not in cls._instances:
                cls._instances[cls] = super().__call__(*args, **kwargs)
            return cls._instances[cls]


class LoadableSingleton(metaclass=LoadableSingletonMeta):
    """A plug-in that exists once for each class and process."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    @classmethod
    @abc.abstractmethod
    def get_config_opts(cls) -> list:
        """Return the options of this plug-in; may be empty."""
        raise NotImplementedError
