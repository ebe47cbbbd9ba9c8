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
"""What a scoring engine is."""

import abc

from watcher.common.loader import loadable


class ScoringEngine(loadable.Loadable, metaclass=abc.ABCMeta):
    """Turns features into scores, both as text."""

    @abc.abstractmethod
    def get_name(self) -> str:
        """Return the name by which strategies ask for this engine."""

    @abc.abstractmethod
    def get_description(self) -> str:
        """Return what this engine does."""

    @abc.abstractmethod
    def get_metainfo(self) -> str:
        """Return what users need to understand the scores; may be empty."""

    @abc.abstractmethod
    def calculate_score(self, features: str) -> str:
        """Return the scores of the given features.

        The format of both texts is up to the engine.
        """

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this engine."""
        return []


class ScoringEngineContainer(loadable.Loadable, metaclass=abc.ABCMeta):
    """Supplies several engines, as many as there are at the moment.

    It is used as a class and never built.
    """

    @classmethod
    @abc.abstractmethod
    def get_scoring_engine_list(cls) -> list[ScoringEngine]:
        """Return the engine objects."""

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options; they are shown but handed to nobody."""
        return []
