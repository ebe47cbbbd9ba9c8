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
"""Base class of the cluster data models."""

import abc


class Model(metaclass=abc.ABCMeta):
    """What every cluster data model can do.

    A collector plug-in that brings its own kind of model derives it from
    this class. A model is true unless it is stale, and it can be copied by
    ``copy()`` or, where it has no such method, by ``copy.deepcopy``.
    """

    @abc.abstractmethod
    def to_string(self) -> str:
        """Return the model as text for logs and reports."""

    @abc.abstractmethod
    def to_xml(self) -> str:
        """Return the model as an XML document."""
