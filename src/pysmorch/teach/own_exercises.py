"""A teacher's own exercise: a file with a right class and a function that draws its numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pysmorch.layers.randomness import global_state_restored
from pysmorch.teach.attempt import Source, explain_error
from pysmorch.teach.exercises import Exercise, Problem, numbers
from pysmorch.teach.grading import run_trial
from pysmorch.teach.trials import trials_of

ROWS, USUAL_ROWS = 5, 10
RESULTS = {"forward": "output", "backward": "pass_back", "G": "G"}
"""How hints and mistakes of an exercise name the results, and how the tests do."""

NAMES = ("W", "G", "in_layer", "out_dims", "labels")
"""Attributes that may have other names in an exercise."""


def read_exercise(path: str | Path) -> tuple[Exercise, float | None]:
    """Read an exercise of a teacher's own.

    Parameters
    ----------
    path : str or Path
        A Python file with a class that has a method `forward` (and, if one likes, `backward`), and a function `draw(rng, rows)` that returns
        the input of the layer, or the input and the arguments of the constructor after `in_layer`. Optional: `hints`, `mistakes`, `names`,
        `tolerance`, `points`, `formula`, and `right`, the class, where there are several.

    Returns
    -------
    exercise : Exercise
        The tests of classes of that name.
    points : float or None
        What the file says that the class is worth.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When there is no right class or no draw, or when the right class fails its own tests.

    Notes
    -----
    The file runs in this process. Gradients that are expected come from differences of the right class's forward pass.
    """
    path = Path(path)
    module = _run(path)
    right = _right_class(path, module)
    draw = getattr(module, "draw", None)
    if not callable(draw):
        raise ValueError(
            f"{path}: there is no function draw(rng, rows), which returns the numbers for {right.__name__}"
        )
    exercise = _exercise(path, module, right, draw)
    _try(path, exercise)
    points = getattr(module, "points", None)
    if points is not None and not (isinstance(points, int | float) and 0 < points < float("inf")):
        raise ValueError(f"{path}: points must be a positive number, but is {points!r}")
    return exercise, points


def _run(path: Path) -> ModuleType:
    source = path.read_bytes()
    module = ModuleType("exercise")
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        raise ValueError(explain_error(str(path), error)[0]) from error
    return module


def _right_class(path: Path, module: ModuleType) -> Any:
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and hasattr(value, "forward")
    ]
    right = getattr(module, "right", None)
    if right is None and len(own) > 1:
        names = ", ".join(cls.__name__ for cls in own)
        raise ValueError(
            f"{path}: one file is one exercise, but it has the classes {names}; say right = {own[0].__name__}"
        )
    right = right if right is not None else next(iter(own), None)
    if right is None or not inspect.isclass(right) or not hasattr(right, "forward"):
        raise ValueError(
            f"{path}: there is no right class: write one with a method forward, whose gradients are then known"
        )
    return right


def _exercise(path: Path, module: ModuleType, right: Any, draw: Callable[..., Any]) -> Exercise:
    names = _dict(path, module, "names", NAMES)
    hints = {RESULTS[key]: text for key, text in _dict(path, module, "hints", RESULTS).items()}
    mistakes = {RESULTS[key]: formulas for key, formulas in _dict(path, module, "mistakes", RESULTS).items()}
    w_name = names.get("W", "W")
    draws: Callable[..., Problem] = partial(_drawn, draw, right, w_name)
    try:
        first = draws(np.random.default_rng(0), ROWS)
        is_loss = np.ndim(_output(right, w_name, first)) == 0
    except Exception as error:
        raise ValueError(f"{path}: {explain_error(f'the right class {right.__name__}', error)[0]}") from error
    parameters = list(inspect.signature(right).parameters)
    labels = None
    if is_loss:
        if not first.arguments:
            raise ValueError(
                f"{path}: {right.__name__} returns a number, as losses do; draw returns (input, labels) for one"
            )
        labels = names.pop("labels", parameters[1])
        draws = partial(_drawn_loss, draws)
    return Exercise(
        right.__name__,
        f"{right.__name__}({', '.join(parameters)})",
        getattr(module, "formula", "what the right class returns"),
        draws,
        partial(_output, right, w_name),
        sizes=(ROWS,),
        usual_sizes=(USUAL_ROWS,),
        hints=hints,
        arguments=_arguments,
        labels=labels,
        small=((1,), (2,), (3,)),
        tolerance=getattr(module, "tolerance", 1e-5),
        mistakes=mistakes,
        names=names,
        right=right,
        source=path.read_text("utf-8", "replace"),
    )


def _drawn(draw: Callable[..., Any], right: Any, w_name: str, rng: np.random.Generator, rows: int) -> Problem:
    """Draw input and arguments, and W in the shape that the right class makes it in."""
    drawn = draw(rng, rows)
    x, *arguments = drawn if isinstance(drawn, tuple) else (drawn,)
    x = np.asarray(x, dtype=np.float64)
    with global_state_restored(seed=0):
        W = getattr(right(Source(x), *arguments), w_name, None)
    return Problem(x, W=None if W is None else numbers(rng, *np.shape(W)), arguments=tuple(arguments))


def _drawn_loss(draw: Callable[..., Problem], rng: np.random.Generator, rows: int) -> Problem:
    """Take the first argument for the labels."""
    p = draw(rng, rows)
    return Problem(p.x, W=p.W, labels=np.asarray(p.arguments[0]), arguments=p.arguments[1:])


def _arguments(p: Problem) -> tuple[Any, ...]:
    return p.arguments if p.labels is None else (p.labels, *p.arguments)


def _output(right: Any, w_name: str, p: Problem) -> Any:
    """Return what the right class returns."""
    with global_state_restored(seed=0):
        layer = right(Source(p.x), *_arguments(p))
        if p.W is not None:
            setattr(layer, w_name, p.W)
        return np.array(layer.forward(), dtype=np.float64)


def _dict(path: Path, module: ModuleType, name: str, keys: Any) -> dict[str, Any]:
    value = getattr(module, name, {})
    if not isinstance(value, dict) or any(key not in keys for key in value):
        raise ValueError(f"{path}: {name} must be a dict with keys among {', '.join(keys)}, but is {value!r}")
    return dict(value)


def _try(path: Path, exercise: Exercise) -> None:
    """Refuse an exercise whose right class has a backward pass and fails its own tests."""
    if not hasattr(exercise.right, "backward"):
        return
    for trial in trials_of(exercise.name, exercise.right, exercises={exercise.name: exercise}):
        result, _ = run_trial(trial, exercise.right)
        if not result.passed:
            raise ValueError(f"{path}: the right class {exercise.name} fails '{result.name}': {result.cause}")
