"""What a person should look at in a submission: imports, and gradients from differences.

A flag takes no points away.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pysmorch import layers, losses
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, Source, as_numbers
from pysmorch.teach.exercises import Exercise, Problem

FORBIDDEN = ("pysmorch", "torch", "tensorflow", "jax", "autograd")
"""Modules whose import is flagged: they have the classes, or differentiate."""

EXACT = 1e-13
"""Relative error of a gradient that was worked out; differences of a forward pass are less exact."""

ALMOST = 1e-9
"""Relative error of good differences; it counts where a class may choose a constant, such as epsilon, by itself."""


def forbidden_imports(texts: Iterable[str], loaded: Iterable[str], forbidden: Sequence[str]) -> list[str]:
    """Return a flag for each module that must not be imported and is, by the text or in the process of the file."""
    found = {str(name).split(".")[0] for name in loaded}
    for text in texts:
        found |= _imported(text)
    return [f"It imports {name}." for name in forbidden if name in found]


def _imported(text: str) -> set[str]:
    """Return the modules that a text imports, also by strings that are run or given to __import__."""
    found = set(re.findall(r"^[ \t]*(?:import|from)[ \t]+(\w+)", text, re.MULTILINE))
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"\b(?:import|from)[ \t]+(\w+)", node.value))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("__import__", "import_module"):
                found.add(str(node.args[0].value).split(".")[0])
    return found


def looks_numerical(exercise: Exercise, cls: Any) -> str:
    """Return a flag where a gradient is right, but not to the precision of a formula; empty where all is well."""
    try:
        attempt = Attempt(exercise, cls, exercise.problem(exercise.sizes))
        exact = _exact(exercise, attempt.problem)
        if exact is None:
            return ""
        out = np.asarray(attempt.forward())
        attempt.backward()
    except Failure:
        return ""
    for what, right in exact.items():
        value = attempt.found(what)
        found = as_numbers(value)
        if found is None or found.shape != right.shape or (_is_single(value) and _is_single(out)):
            continue
        error = float(np.abs(found - right).max(initial=0.0) / max(np.abs(right).max(initial=0.0), 1e-30))
        if EXACT < error < (exercise.tolerance if exercise.tolerance <= 1e-5 else ALMOST):
            name = "G" if what == "G" else "what is passed back"
            return (
                f"{exercise.name}: {name} looks numerical: it is right to {error:.0e} and not to the last digits, as differences of a "
                "forward pass are."
            )
    return ""


def _is_single(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype == np.float32


def _exact(exercise: Exercise, p: Problem) -> dict[str, Array] | None:
    """Return the gradients by the formulas of the library's class of that name, or of the right class of an exercise."""
    make = exercise.right or getattr(layers, exercise.name, None) or getattr(losses, exercise.name, None)
    if make is None or not hasattr(make, "backward") or exercise.name == "Dropout":
        return None
    source = Source(p.x.copy())
    options = {"padding": p.setting} if exercise.name == "Conv2d" else {}
    layer = make(source, *exercise.arguments(p), **options)
    if exercise.name == "Normalize":
        layer.epsilon = p.setting
    if p.W is not None:
        setattr(layer, exercise.names.get("W", "W"), np.array(p.W))
    layer.forward()
    layer.backward(*([] if exercise.labels else [p.dwnstrm.copy()]))
    exact = {"pass_back": np.asarray(source.received[-1], dtype=np.float64)}
    if p.W is not None:
        exact["G"] = np.asarray(getattr(layer, exercise.names.get("G", "G")), dtype=np.float64)
    return exact
