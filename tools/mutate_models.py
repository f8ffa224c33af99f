"""Load model files that were changed at random, with a checksum that fits: `tools/mutate_models.py --count 1000000 --seed 0`.

The files are those of tests/files/models, networks of every layer, loss and optimizer, estimators of every kind of column, quantized
ones, and checkpoints. Each gets one to three changes of its header or its arrays, as somebody who means harm could make them, or,
in one case of ten, of its bytes, as a disk could. It has to be refused with a ModelFileError, or to load, to predict, and then to be
saved and loaded again as a model that predicts the same bits; one with changed bytes has to be as it was.
"""

from __future__ import annotations

import json
import marshal
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from campaign import parser_of, run
from safetensors.numpy import save as to_bytes

import pysmorch as ps
from pysmorch.files import ModelFileError, model
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES
from pysmorch.layers.graph import graph

MODELS = Path(__file__).parents[1] / "tests" / "files" / "models"
LARGEST = 10_000
"""Values for each row in a network that is asked to predict."""
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


def copied(value: Any) -> Any:
    """Return a copy of plain data."""
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


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
        where[key] = copied(rng.choice(VALUES))
    elif kind == 1:
        other, name = rng.choice(nodes)
        where[key] = copied(other[name])
    elif kind == 2:
        del where[key]
    elif kind == 3 and isinstance(where, dict):
        where[str(key) + "_"] = where[key]
    elif kind == 3:
        where.insert(key, copied(where[key]))
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
        number = rng.choice([0, np.nan, np.inf, 1e30] if array.dtype.kind == "f" else [0, 1, -1, 127])
        changed.flat[rng.randrange(array.size)] = np.array(number).astype(array.dtype)
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


def networks() -> Iterator[ps.Network]:
    """Make a network of every layer, loss, optimizer and schedule, and a quantized one."""
    for case in LAYER_CASES.values():
        yield ps.Network(ps.SquareLoss(case()))
    for loss in LOSS_CASES.values():
        yield ps.Network(loss())
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4)), np.arange(20) % 3
    for optimizer in (
        ps.SGD(ps.Cosine(0.1), momentum=0.9, nesterov=True),
        ps.Adam(ps.OneCycle(0.01), clip_norm=1.0),
        ps.AdamW(ps.WarmUp(ps.Step(0.01, every=2))),
        ps.RMSprop(0.001, momentum=0.5),
    ):
        rows = ps.Dropout(ps.Scale(ps.Normalize(ps.Linear(ps.Data(shape=(None, 4)), 3))), 0.2)
        network = ps.Network(ps.CrossEntropy(rows))
        network.fit(X, y, optimizer=optimizer, epochs=1, seed=0)
        network.optimizer = optimizer
        yield network
    wide = ps.Network(ps.CrossEntropy(ps.mlp(ps.Flatten(ps.Conv2d(ps.Data(shape=(None, 2, 2, 2)), 32, 3)), [32], 3)))
    yield wide.quantize(rng.standard_normal((20, 2, 2, 2)))


def estimators() -> Iterator[Any]:
    """Make estimators of rows of numbers, of tables with every kind of column, of several targets, and quantized ones."""
    import pandas as pd

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), np.arange(40) % 3
    table = pd.DataFrame(
        {
            "number": rng.standard_normal(40),
            "gaps": np.where(np.arange(40) % 5, rng.standard_normal(40), np.nan),
            "word": np.array(["red", "green", "blue"])[np.arange(40) % 3],
            "flag": np.arange(40) % 2 == 0,
            "day": pd.date_range("2024-01-01", periods=40),
            "moment": pd.date_range("2024-01-01", periods=40, freq="7h"),
            "many": [f"town {i % 30}" for i in range(40)],
        }
    )
    options: dict[str, Any] = {"hidden": (3,), "epochs": 1, "random_state": 0}
    yield ps.Classifier(**options).fit(X, np.array(["a", "b", "c"])[y])
    yield ps.Classifier(**options, optimizer=ps.SGD(ps.Cosine(0.1), momentum=0.9)).fit(X, y % 2 == 0)
    yield ps.Classifier(**options).fit(table, y)
    yield ps.Regressor(**options).fit(table, X[:, 0])
    yield ps.Regressor(**options).fit(X, X[:, :2])
    yield ps.Classifier(**options).fit(rng.integers(0, 256, (40, 4, 4)).astype(np.uint8), y)
    yield ps.Classifier(hidden=(32,), epochs=1, random_state=0).fit(X, y).quantize(X)


def originals() -> list[tuple[bytes, str, dict[str, Any]]]:
    """Return the files: their content, their header as `marshal` writes it, and their arrays."""
    contents = [path.read_bytes() for path in sorted(MODELS.glob("*.safetensors"))]
    for made in [*networks(), *estimators()]:
        kind, parts, tensors = model.parts_of(
            made, **({"optimizer": made.optimizer} if isinstance(made, ps.Network) else {})
        )
        contents.append(model._content(kind, parts, tensors, {}))
    with tempfile.TemporaryDirectory() as folder:
        X, y = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 3
        network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 4)), [3], 3)))
        network.fit(X, y, epochs=1, seed=0, checkpoint=f"{folder}/network", callbacks=[ps.EarlyStopping("loss")])
        ps.Classifier(hidden=(3,), epochs=1, random_state=0).fit(X, y, checkpoint=f"{folder}/estimator")
        contents += [path.read_bytes() for path in sorted(Path(folder).glob("*/last.safetensors"))]
    return [
        (content, marshal.dumps(header), arrays)
        for content in contents
        for header, arrays in [model.read_parts(content)]
    ]


def answers(loaded: Any, kind: str, parts: dict[str, Any], tensors: dict[str, Any]) -> bytes:
    """Return what a model of these parts is and what its network predicts for two rows of ones, or why it cannot, as bytes."""
    stored = [
        kind,
        json.dumps(parts),
        *(f"{name} {array.dtype} {array.shape}" for name, array in sorted(tensors.items())),
    ]
    found = " ".join(stored).encode() + b"".join(array.tobytes() for _, array in sorted(tensors.items()))
    network = loaded if isinstance(loaded, ps.Network) else loaded.network_
    sizes = [layer.out_dims[1:] for layer in graph(network.loss) if hasattr(layer, "out_dims")]
    if sum(abs(int(np.prod([1 if size is None else size for size in shape]))) for shape in sizes) > LARGEST:
        return found
    rows = [
        np.ones((2, *(1 if size is None else size for size in layer.out_dims[1:])), int) for layer in network.inputs
    ]
    try:
        return found + network.predict(tuple(rows) if len(rows) > 1 else rows[0]).tobytes()
    except (ValueError, ArithmeticError) as error:
        return found + str(error).encode()


def outcome_of(content: bytes, expected: bytes | None = None) -> str:
    """Load a file; `expected` is what its model has to answer where its checksum was not made anew."""
    try:
        loaded = ps.load(content)
    except ModelFileError:
        return "refused"
    kind, parts, tensors = model.parts_of(loaded)
    found = answers(loaded, kind, parts, tensors)
    if expected is None:
        again = ps.load(model._content(kind, parts, tensors, {}))
        expected = answers(again, *model.parts_of(again))
    if found != expected:
        raise AssertionError("it was loaded as another model")
    return "loaded"


def changed_bytes(rng: random.Random, content: bytes) -> bytes:
    """Change, remove or insert some bytes."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(found) + 1) if rng.random() < 0.5 else rng.randrange(min(len(found), 16) + 1)
        kind = rng.randrange(4)
        if kind == 0 and start < len(found):
            found[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[start:]
        elif kind == 2:
            del found[start : start + rng.randint(1, 64)]
        else:
            found[start:start] = rng.randbytes(rng.randint(1, 16))
    return bytes(found)


def main() -> int:
    """Run, and print how many files were refused and loaded; the exit code is 1 where anything else happened."""
    options = parser_of(__doc__, 10_000).parse_args()
    files = originals()
    models = [ps.load(content) for content, _, _ in files]
    wanted = [answers(one, *model.parts_of(one)) for one in models]

    def case(rng: random.Random, _: int) -> str:
        number = rng.randrange(len(files))
        content, stored, original = files[number]
        if rng.random() < 0.1:
            return outcome_of(changed_bytes(rng, content), wanted[number])
        header, arrays = marshal.loads(stored), dict(original)
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.75:
                change_header(rng, header)
            else:
                change_arrays(rng, arrays)
        header.pop("checksum", None)
        header["checksum"] = model._checksum(header, arrays)
        return outcome_of(to_bytes(arrays, metadata={model.METADATA_KEY: json.dumps(header)}))

    return run(f"changed files of {len(files)} kinds", ("loaded", "refused"), case, options)


if __name__ == "__main__":
    sys.exit(main())
