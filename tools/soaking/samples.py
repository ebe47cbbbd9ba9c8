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
"""What a soak writes down."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass
class Sample:
    """Figures of one moment.

    :ivar seconds: since the beginning
    :ivar settled: false while something is being restarted, and shortly
        after: what is held then tells nothing
    """

    seconds: float
    settled: bool
    figures: dict[str, float]


def read(path: Path) -> list[Sample]:
    """The samples of a file."""
    return [Sample(**json.loads(line))
            for line in path.read_text().splitlines()]
