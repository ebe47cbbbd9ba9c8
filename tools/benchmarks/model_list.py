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
"""What it takes to show the data model of a large cloud.

Each step from the model of a decision engine to the bytes of the answer, for
the microversions with and without freshness: the best of several rounds, in
milliseconds, and as a multiple of what writing and reading the bare JSON of
the same rows takes once, which no implementation can save.

    python tools/benchmarks/model_list.py
    python tools/benchmarks/model_list.py --servers 200000
"""

import argparse
import datetime
import functools
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import model_views
from oslo_serialization import jsonutils

from watcher.api import versions
from watcher.api.controllers.v1 import data_model
from watcher.common import rpc
from watcher.decision_engine.model import model_root

ROUNDS = 5


class Steps:
    """One answer, step by step."""

    def __init__(self, model: model_root.ModelRoot,
                 version: versions.Version):
        self.model = model
        self.version = version
        self.fresh = version >= versions.DATA_MODEL_TYPES
        self.value: Any = None

    def rows(self) -> None:
        self.value = {'context': self.model.to_list(self.fresh)}

    def make_ready_for_the_bus(self) -> None:
        self.value = rpc.RequestContextSerializer().serialize_entity(
            None, self.value)

    def write_the_message(self) -> None:
        self.value = jsonutils.dumps(self.value)

    def read_the_message(self) -> None:
        self.value = jsonutils.loads(self.value)

    def leave_out_what_is_not_shown(self) -> None:
        self.value['context'] = data_model._visible(
            self.value['context'], data_model.COMPUTE, self.version)

    def write_the_answer(self) -> None:
        self.value = jsonutils.dump_as_bytes(self.value)


STEPS = (Steps.rows, Steps.make_ready_for_the_bus, Steps.write_the_message,
         Steps.read_the_message, Steps.leave_out_what_is_not_shown,
         Steps.write_the_answer)


def timed(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--servers', type=int, default=20000)
    model = model_views.build(parser.parse_args().servers)
    model.built_at = datetime.datetime.now(datetime.UTC)
    for host in model.get_all_compute_nodes():
        model.touch(host, model.built_at, 'build')
    bare = json.loads(json.dumps(model.to_list(), default=str))
    unit = min(timed(lambda: json.loads(json.dumps(bare)))
               for _ in range(ROUNDS))
    shown = (versions.TEMPLATE_DEFAULT_PARAMETERS, versions.DATA_MODEL_TYPES)
    best: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS):
        for version in shown:
            answer = Steps(model, version)
            for step in STEPS:
                key = str(version), step.__name__.replace('_', ' ')
                best[key] = min(best.get(key, float('inf')),
                                timed(functools.partial(step, answer)))
    print(f'{"bare JSON, written and read":<30}{unit:12.0f}    1.00')
    for version in map(str, shown):
        figures = {name: value for (of, name), value in best.items()
                   if of == version}
        figures['everything'] = sum(figures.values())
        print(f'version {version}')
        for name, value in figures.items():
            print(f'  {name:<28}{value:12.0f} {value / unit:7.2f}')


if __name__ == '__main__':
    main()
