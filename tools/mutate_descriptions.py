"""Call the native extension with descriptions and arrays that nothing checked: `tools/mutate_descriptions.py --count 200000 --seed 0`.

What the library tells the extension of every layer, loss and optimizer, in training and prediction, is recorded; then the calls are made
again with one to four changes of their numbers, names, lists and arrays, without a call, or in another order. The extension may raise
exceptions and nothing else. It has to be a build with sanitizers, or memory that is not its own is touched without a word.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from campaign import parser_of, run

import pysmorch as ps
from pysmorch.engine.extension import extension
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES

VALUES = [
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    7,
    64,
    1000,
    2**31,
    2**63,
    2**64,
    -(2**63),
    0.5,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
]
VALUES += ["", "dense", "relu", [], [0], [-1], {}, (), (2**40, 2**40)]
DTYPES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool", "complex64", "U1", "O"]
MODULE = extension()
PROGRAMS = {name: getattr(MODULE, name) for name in ("Program32", "Program64")}
THREADS = {"train": 8, "predict": 2, "memory": 1}
"""Which argument of a method is the number of threads."""
MOST_THREADS = 4

Call = tuple[str, list[Any]]
"""A method of a program, or the class of a new one, and its arguments."""


class Fixed(list[Any]):
    """What becomes a tuple when the calls are made."""


def listed(value: Any) -> Any:
    """Return a copy of containers, with tuples as lists; arrays are the same."""
    if isinstance(value, dict):
        return {name: listed(item) for name, item in value.items()}
    if isinstance(value, (tuple, Fixed)):
        return Fixed(listed(item) for item in value)
    return [listed(item) for item in value] if isinstance(value, list) else value


def given(value: Any) -> Any:
    """Return a copy of containers in which the tuples are tuples."""
    if isinstance(value, dict):
        return {name: given(item) for name, item in value.items()}
    if isinstance(value, list):
        return (tuple if isinstance(value, Fixed) else list)(given(item) for item in value)
    return value


class Recorded:
    """A program that notes the calls of its methods."""

    def __init__(
        self, name: str, make: Callable[..., Any], recordings: list[list[Call]], arguments: tuple[Any, ...]
    ) -> None:
        self.program = make(*arguments)
        self.calls: list[Call] = [(name, list(listed(arguments)))]
        recordings.append(self.calls)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.program, name)

        def call(*arguments: Any) -> Any:
            self.calls.append((name, list(listed(arguments))))
            return method(*arguments)

        return call


def recordings() -> list[list[Call]]:
    """Return the calls for each program that small networks need."""
    found: list[list[Call]] = []
    for name, make in PROGRAMS.items():
        setattr(MODULE, name, lambda *arguments, name=name, make=make: Recorded(name, make, found, arguments))
    for dtype in ("float32", "float64"):
        for case in LAYER_CASES.values():
            layer = case()
            use(ps.Network(ps.SquareLoss(layer)), [feeder.data for feeder in layer.in_layers], dtype)
        for loss in LOSS_CASES.values():
            network = ps.Network(loss())
            use(network, [network.inputs[0].data], dtype, network.loss.labels)
        for optimizer in (ps.SGD(0.1, momentum=0.9), ps.Adam(clip_norm=1.0), ps.AdamW(), ps.RMSprop(momentum=0.5)):
            X = np.random.default_rng(0).standard_normal((9, 4))
            rows = ps.batch_norm(ps.mlp(ps.Dropout(ps.Data(shape=(None, 4)), 0.2), [5], 3))
            use(ps.Network(ps.CrossEntropy(rows)), [X], dtype, np.arange(9) % 3, optimizer)
    x = ps.Data(shape=(None, 9))
    joined = ps.Concat(ps.Columns(x, 0, 3), ps.Scale(ps.Columns(x, 3, 9)))
    first = ps.Linear(joined, 5)
    first.runs = ((2, 2), (1, 2))
    use(
        ps.Network(ps.CrossEntropy(first)),
        [np.random.default_rng(0).standard_normal((9, 9))],
        "float32",
        np.arange(9) % 3,
    )
    wide = ps.Network(ps.CrossEntropy(ps.mlp(ps.Flatten(ps.Conv2d(ps.Data(shape=(None, 2, 2, 2)), 32, 3)), [32], 3)))
    images = np.random.default_rng(0).standard_normal((9, 2, 2, 2))
    wide.quantize(images).predict(images)
    return [calls for calls in found if len(calls) > 1]


def use(network: Any, data: list[Any], dtype: str, y: Any = None, optimizer: Any = "adam") -> None:
    """Train a network and predict."""
    X = tuple(data) if len(data) > 1 else data[0]
    y = np.zeros_like(network.predict(X)) if y is None else y
    network.fit(X, y, epochs=1, batch_size=4, dtype=dtype, optimizer=optimizer, seed=0, progress=False)
    network.predict(X)
    network.predict(X[:1] if len(data) == 1 else tuple(rows[:1] for rows in data))


def nodes_of(calls: list[Call]) -> list[tuple[Any, Any]]:
    """Return all (container, key) of the arguments of calls."""
    found: list[tuple[Any, Any]] = []
    todo: list[Any] = [arguments for _, arguments in calls]
    while todo:
        item = todo.pop()
        for key in list(item) if isinstance(item, dict) else range(len(item)):
            found.append((item, key))
            if isinstance(item[key], (dict, list)):
                todo.append(item[key])
    return found


def changed_array(rng: random.Random, array: Any) -> Any:
    """Return an array with other values, another dtype or shape, or another layout in memory."""
    kind = rng.randrange(7)
    if kind == 0:
        return np.zeros(array.shape, rng.choice(DTYPES))
    if kind == 1:
        return array.reshape(-1)[: rng.randrange(array.size + 1)]
    if kind == 2:
        return np.full(
            [size * rng.choice([0, 1, 1, 2]) for size in array.shape], rng.choice([-1, 0, 5, 100]), array.dtype
        )
    if kind == 3:
        return np.repeat(array, 2, -1)[..., ::2] if array.ndim else array
    if kind == 4:
        misplaced = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype) if array.ndim else array
        return misplaced.reshape(array.shape)
    if kind == 5:
        fixed = array.copy()
        fixed.flags.writeable = False
        return fixed
    with np.errstate(all="ignore"):
        return np.full(array.shape, rng.choice([np.nan, np.inf, -1e30, 2.0**40, -1])).astype(array.dtype)


def change(rng: random.Random, calls: list[Call]) -> None:
    """Change an argument, or which calls there are."""
    if rng.random() < 0.05 and len(calls) > 2:
        i, j = rng.randrange(1, len(calls)), rng.randrange(1, len(calls))
        calls[i], calls[j] = calls[j], calls[i]
        if rng.random() < 0.5:
            del calls[i]
        return
    nodes = nodes_of(calls)
    where, key = rng.choice(nodes)
    value = where[key]
    kind = rng.randrange(5)
    if isinstance(value, np.ndarray) and kind < 3:
        where[key] = changed_array(rng, value)
    elif kind == 0:
        where[key] = listed(rng.choice(VALUES))
    elif kind == 1:
        other, name = rng.choice(nodes)
        where[key] = listed(other[name])
    elif kind == 2:
        del where[key]
    elif kind == 3 and isinstance(where, list):
        where.insert(key, listed(value))
    elif isinstance(value, (int, float)):
        where[key] = value + rng.choice([-1, 1, 2, 5])


def replay(calls: list[Call]) -> None:
    """Make the calls."""
    with np.errstate(all="ignore"):
        program = PROGRAMS[calls[0][0]](*given(calls[0][1]))
        for name, arguments in calls[1:]:
            at = THREADS.get(name, len(arguments))
            if at < len(arguments) and isinstance(arguments[at], int):
                arguments[at] = min(arguments[at], MOST_THREADS)
            getattr(program, name)(*given(arguments))


def main() -> int:
    """Run, and print how many calls were made and refused; the exit code is 1 where anything else happened."""
    options = parser_of(__doc__, 10_000).parse_args()
    recorded = recordings()
    for calls in recorded:
        replay([(name, listed(arguments)) for name, arguments in calls])

    def case(rng: random.Random, _: int) -> str:
        calls = [(name, listed(arguments)) for name, arguments in rng.choice(recorded)]
        for _ in range(rng.randint(1, 4)):
            change(rng, calls)
        try:
            replay(calls)
        except SystemError:  # the extension forgot an exception
            raise
        except Exception:
            return "refused"
        return "made"

    return run(f"changed calls of {len(recorded)} programs", ("made", "refused"), case, options)


if __name__ == "__main__":
    sys.exit(main())
