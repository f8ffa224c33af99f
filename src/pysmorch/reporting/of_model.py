"""The model itself: its network, its parameters, versions, memory, and how it is used."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from typing import Any

from pysmorch.diagram import diagram
from pysmorch.engine import num_threads, step_memory
from pysmorch.engine.extension import instructions
from pysmorch.layers.graph import graph
from pysmorch.reporting.content import Code, Drawing, Table, Tile, Tiles, Words, number
from pysmorch.reporting.measured import Measured
from pysmorch.summary import table_of
from pysmorch.version import __version__

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow")
MOST_LAYERS = 60
"""A network of more layers is a table only, since its picture would be larger than the rest of the page."""

MOST_IN_TABLE = 200
LONGEST_VALUE = 200
"""Characters of a parameter's value."""


def network(model: Any) -> list[Any]:
    """Return the picture of a network, or of one of those whose mean it is, and the table of its layers.

    Parameters
    ----------
    model : NetworkModel
        Fitted.

    Returns
    -------
    list of blocks
        For a section.
    """
    members = getattr(model, "_members", 1)
    last = model.network_.output
    said = ""
    if members > 1:
        last = model.network_.output.in_layer.in_layer.in_layers[0]
        said = f"The network is the mean of {members} networks of the same layers; this is the first one."
    layers = graph(last)
    rows = table_of(layers)
    total = sum(W.size for W in model.network_.parameters.values())
    blocks: list[Any] = [Words(f"{said} Altogether there are {total:,} parameters.".strip())]
    if len(layers) <= MOST_LAYERS:
        blocks.append(Drawing(diagram(last), "The layers from the input to the output, with shapes and parameters."))
    caption = "Layers" if len(rows) <= MOST_IN_TABLE else f"The first {MOST_IN_TABLE} of {len(rows)} layers"
    shown = [[name, shape, size and f"{int(size):,}", fed] for name, shape, size, fed in rows[:MOST_IN_TABLE]]
    return [*blocks, Table(caption, ["layer", "output", "parameters", "fed by"], shown, frozenset({0, 1, 3}))]


def parameters(model: Any) -> list[Any]:
    """Return all parameters of a model, those that are not at their default first, and what its file says."""
    given = model.get_params(deep=False)
    defaults = {name: one.default for name, one in _signature(model).items()}
    rows = [
        [name, _value(value), "" if _same(value, defaults[name]) else _value(defaults[name])]
        for name, value in given.items()
    ]
    rows.sort(key=lambda row: row[2] == "")
    blocks: list[Any] = [
        Table(
            "Parameters; those that were chosen come first",
            ["parameter", "value", "instead of"],
            rows,
            frozenset({0, 1, 2}),
        )
    ]
    notes = {name: value for name, value in getattr(model, "notes_", {}).items() if name != "test"}
    if notes:
        blocks.append(
            Table(
                "What was noted at the training",
                ["what", "value"],
                [[name, _value(v)] for name, v in notes.items()],
                frozenset({0, 1}),
            )
        )
    return blocks


def _signature(model: Any) -> Any:
    import inspect

    return inspect.signature(model.__class__).parameters


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and repr(value) == repr(default)


def _value(value: Any) -> str:
    """Return how a parameter is shown; functions and classes by their names, without an address in memory."""
    words = value if isinstance(value, str) else getattr(value, "__name__", None) or repr(value)
    return words if len(words) <= LONGEST_VALUE else words[: LONGEST_VALUE - 1] + "…"


def versions() -> list[Any]:
    """Return the versions of the program and its libraries, and of the machine."""
    rows = [["pysmorch", __version__], ["Python", platform.python_version()]]
    for name in LIBRARIES:
        try:
            rows.append([name, importlib.metadata.version(name)])
        except importlib.metadata.PackageNotFoundError:
            continue
    engine = instructions()
    rows.append(["system", f"{platform.system()} {platform.machine()}"])
    rows.append(
        [
            "engine",
            "NumPy"
            if engine is None
            else f"native, {engine} instructions, {num_threads()} thread{'s' * (num_threads() != 1)}",
        ]
    )
    return [Table("Versions", ["what", "version"], rows, frozenset({0, 1}))]


def costs(one: Measured, seconds: float | None) -> list[Any]:
    """Return seconds and memory of training and prediction.

    Parameters
    ----------
    one : Measured
        A model on rows.
    seconds : float or None
        How long its training took.

    Returns
    -------
    list of blocks
        Tiles.
    """
    model = one.model
    total = sum(W.nbytes for W in model.network_.parameters.values())
    count = len(one.rows) + one.not_finite
    tiles = [
        Tile(
            "training",
            "–" if seconds is None else f"{seconds:.1f} s",
            "a model file does not say" if seconds is None else "",
        )
    ]
    tiles.append(
        Tile(
            "prediction",
            f"{number(count / max(one.seconds, 1e-9), 3)} rows/s",
            f"{count:,} rows in {one.seconds:.3f} s",
        )
    )
    tiles.append(Tile("parameters", _bytes(total), "in memory"))
    batch = model.batch_size if isinstance(model.batch_size, int) else 128
    step = step_memory(model.network_.layers, model.network_.loss, batch)
    if step is not None:
        tiles.append(Tile("training step", _bytes(step), f"besides parameters, with {batch} rows"))
    peak = _peak()
    if peak is not None:
        tiles.append(Tile("this process", _bytes(peak), "most memory so far"))
    return [Tiles(tiles)]


def _bytes(count: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def _peak() -> int | None:
    """Return the most memory that this process has had, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else 1024 * found


def usage(model: Any, path: str) -> list[Any]:
    """Return a program of five lines that predicts with a model file.

    Parameters
    ----------
    model : NetworkModel
        Fitted.
    path : str
        Where its file is, or where it may be.

    Returns
    -------
    list of blocks
        The program.
    """
    names = getattr(model.encoder_, "columns", None)
    read = ["import pandas as pd", "rows = pd.read_csv('new.csv')"]
    if names is None:
        read = ["import numpy as np", f"rows = np.load('new.npy')  # (N, {', '.join(map(str, _shape(model)))})"]
    more = "model.predict_proba(rows)" if hasattr(model, "classes_") else "model.predict(rows)"
    program = [read[0], "from pysmorch import load", f"model = load({path!r})", read[1], f"print({more})"]
    return [
        Words("In Python, with the columns of the training:"),
        Code(program),
        Words("On the command line:"),
        Code(
            [
                f"pysmorch predict {shlex.quote(path)} {'new.csv' if names is not None else 'photos' if len(_shape(model)) == 3 else 'new.npz'}"
            ]
        ),
    ]


def _shape(model: Any) -> tuple[int, ...]:
    return model.encoder_.shape if len(model.encoder_.shape) > 1 else (model.n_features_in_,)
