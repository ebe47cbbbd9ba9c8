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
"""What runs one action plan."""

import abc
from typing import Any


class BaseActionPlanHandler(metaclass=abc.ABCMeta):
    """Runs one action plan from its start to a final state."""

    @abc.abstractmethod
    def execute(self) -> Any:
        """Run the plan; returns when it is in a final state."""
        raise NotImplementedError
