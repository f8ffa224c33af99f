"""Load model files that were changed at random, with a checksum that fits: `tools/mutate_models.py --count 1000000 --seed 0`.

Each file is one of tests/files/models with one to three changes of its header or its arrays, as somebody who means harm could make
them. It has to load, and then to be saved and loaded again, or to be refused with a ModelFileError within five seconds.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as to_bytes

import pysmorch as ps
from pysmorch.files import ModelFileError, model

MODELS = Path(__file__).parents[1] / "tests" / "files" / "models"
VALUES = [
    None,
    True,
    -1,
    0,
    1,
    7,
    2**31,
    2**63,
    10**400,
    0.5,
    -0.0,
    1e308,
    "",
    "x",
    "Linear",
    "\x1b[2J",
    [],
    [1],
    {},
    {"is": "list"},
]
SECONDS = 5.0


def nodes_of(value: Any) -> list[tuple[Any, Any]]:
    """Return all (container, key) of plain data."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        item = todo.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            found.append((item, key))
            if isinstance(item[key], (dict, list)):
                todo.append(item[key])
    return found


def change_header(rng: random.Random, header: dict[str, Any]) -> None:
    """Change an entry: another value, a neighbour's, one more or less."""
    nodes = nodes_of(header)
    where, key = rng.choice(nodes)
    kind = rng.randrange(5)
    if kind == 0:
        where[key] = copy.deepcopy(rng.choice(VALUES))
    elif kind == 1:
        other, name = rng.choice(nodes)
        where[key] = copy.deepcopy(other[name])
    elif kind == 2:
        del where[key]
    elif kind == 3 and isinstance(where, dict):
        where[str(key) + "_"] = where[key]
    elif kind == 3:
        where.insert(key, copy.deepcopy(where[key]))
    elif isinstance(where[key], (int, float)) and not isinstance(where[key], bool):
        where[key] = where[key] * rng.choice([-1, 2, 1000]) + rng.choice([-1, 0, 1])


def change_arrays(rng: random.Random, arrays: dict[str, Any]) -> None:
    """Change an array: its values, dtype, shape or name."""
    if not arrays:
        return
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    kind = rng.randrange(5)
    if kind == 0 and array.size:
        changed = array.copy()
        changed.flat[rng.randrange(array.size)] = rng.choice(
            [0, 1, -1, 127] if array.dtype.kind in "iub" else [0, np.nan, np.inf, 1e30]
        )
        arrays[name] = changed
    elif kind == 1:
        arrays[name] = np.zeros(
            array.shape, rng.choice(["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"])
        )
    elif kind == 2:
        arrays[name] = array.reshape(-1)[: rng.randrange(array.size + 1)]
    elif kind == 3:
        del arrays[name]
    else:
        arrays[name + rng.choice(["_", "0", ".W"])] = arrays[name]


def check(header: dict[str, Any], arrays: dict[str, Any]) -> str:
    """Return what became of a file."""
    header.pop("checksum", None)
    header["checksum"] = model._checksum(header, arrays)
    content = to_bytes(arrays, metadata={model.METADATA_KEY: json.dumps(header)})
    start = time.process_time()
    try:
        loaded = ps.load(content)
    except ModelFileError:
        outcome = "refused"
    else:
        outcome = "loaded"
        kind, parts, tensors = model.parts_of(loaded)
        ps.load(model._content(kind, parts, tensors, {}))
    if time.process_time() - start > SECONDS:
        raise TimeoutError(f"took {time.process_time() - start:.1f} s")
    return outcome


def main() -> int:
    """Run, and print how many files were refused and loaded; the exit code is 1 where anything else happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    originals = [model.read_parts(path) for path in sorted(MODELS.glob("*.safetensors"))]
    outcomes: Counter[str] = Counter()
    for i in range(options.count):
        rng = random.Random(f"{options.seed} {i}")
        header, arrays = rng.choice(originals)
        header, arrays = copy.deepcopy(header), dict(arrays)
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.75:
                change_header(rng, header)
            else:
                change_arrays(rng, arrays)
        try:
            outcomes[check(header, arrays)] += 1
        except Exception as error:
            outcomes["wrong"] += 1
            print(f"file {i}: {type(error).__name__}: {str(error)[:200]}")
    print(f"{options.count} files, seed {options.seed}: {dict(outcomes)}")
    return int(outcomes["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
