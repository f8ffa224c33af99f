"""Checks of all layers at once: those of the library, or those in a file."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES, NUM_DATA
from pysmorch.gradcheck.check_report import CheckReport, CheckRow
from pysmorch.gradcheck.checker import check
from pysmorch.layers.base import Layer
from pysmorch.layers.dense import Data

NUM_FEATURES = 4
NUM_OUTPUTS = 3


def check_library(tol: float = 1e-7) -> CheckReport:
    """Check every layer and every loss of the library on a small example.

    Parameters
    ----------
    tol : float, default=1e-7
        The largest relative error that passes.

    Returns
    -------
    CheckReport
    """
    rows = []
    for name, make in {**LAYER_CASES, **LOSS_CASES}.items():
        rows += [replace(row, layer=name) for row in check(make(), tol)]
    return CheckReport(rows)


def check_file(path: str | Path, tol: float = 1e-7) -> CheckReport:
    """Check every layer class that is defined in a Python file.

    Parameters
    ----------
    path : str or Path
        The file. It is run to get at its classes.
    tol : float, default=1e-7
        The largest relative error that passes.

    Returns
    -------
    CheckReport

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it cannot be run, or has no layer classes.

    Notes
    -----
    A class is made with a Data layer of random rows, random labels for parameters called labels or ones_hot, and small numbers for
    other required parameters. A class that needs more has a method `example()` (a class method or static method) that returns an
    instance.
    """
    path = Path(path)
    classes = _layer_classes(_load(path))
    if not classes:
        raise ValueError(f"{path} defines no layer classes (classes with a forward and a backward, fed by an in_layer)")
    rows = []
    for cls in classes:
        try:
            layer = cls.example() if hasattr(cls, "example") else _make(cls)
        except Exception as error:  # the user's constructor may raise anything
            message = (
                f"{cls.__name__}: could not be made: {type(error).__name__}: {error}; "
                "give it a static method example() that returns an instance"
            )
            rows.append(CheckRow(cls.__name__, "-", 0, float("nan"), False, message))
            continue
        rows += [replace(row, layer=cls.__name__) for row in check(layer, tol)]
    return CheckReport(rows)


def _load(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:  # the user's file may raise anything
        raise ValueError(f"{path}: could not be run: {type(error).__name__}: {error}") from error
    return module


def _layer_classes(module: Any) -> list[Any]:
    return [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and cls.__module__ == module.__name__
        and (issubclass(cls, Layer) or (hasattr(cls, "forward") and hasattr(cls, "backward")))
        and (hasattr(cls, "example") or _is_fed(cls))
    ]


def _is_fed(cls: Any) -> bool:
    parameters = list(inspect.signature(cls).parameters.values())
    return bool(parameters) and (parameters[0].kind is parameters[0].VAR_POSITIONAL or "layer" in parameters[0].name)


def _make(cls: Any) -> Any:
    rng = np.random.default_rng(0)

    def data() -> Data:
        return Data(rng.standard_normal((NUM_DATA, NUM_FEATURES)))

    arguments: list[Any] = []
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            arguments += [data() for _ in range(_num_inputs(cls))]
        elif "layer" in parameter.name:
            arguments.append(data())
        elif parameter.default is not parameter.empty or parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            continue
        elif parameter.name == "ones_hot":
            arguments.append(np.eye(NUM_FEATURES)[rng.integers(0, NUM_FEATURES, NUM_DATA)])
        elif parameter.name == "labels":
            arguments.append(rng.standard_normal((NUM_DATA, NUM_FEATURES)))
        else:
            arguments.append(NUM_OUTPUTS)
    return cls(*arguments)


def _num_inputs(cls: Any) -> int:
    """How many layers feed a class whose constructor takes any number: as many as its compute takes, or two."""
    taken = [p for p in inspect.signature(cls.compute).parameters.values() if p.name != "self"]
    return 2 if any(p.kind is p.VAR_POSITIONAL for p in taken) else len(taken)
