"""One try of a student's class: it is made on small numbers, run forward and backward, and watched."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer
from pysmorch.teach.child import Printed, described
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.grade_report import clean
from pysmorch.teach.remote import (
    Lost,
    RemoteObject,
    StudentError,
    leaves_passes_to_the_library,
    watched_exp_of,
)

_NOT_THEIRS = (str(Path(__file__).parents[1]), str(Path(os.__file__).parent), "<frozen")
"""How the names of files begin that are not the student's: the library's own and Python's."""


class Failure(Exception):
    """What a student's class does wrong: one sentence, an example and a hint.

    `stopped` says that it raised an error instead of giving a wrong result.
    """

    def __init__(self, cause: str, hint: str = "", example: str = "", stopped: bool = False) -> None:
        super().__init__(cause)
        self.cause, self.hint, self.example, self.stopped = cause, hint, example, stopped


class Source:
    """The input layer of the layer that is graded: returns an array, and records the gradients that it gets."""

    def __init__(self, data: Array) -> None:
        self.data = data
        self.out_dims = data.shape
        self.num_calls = 0
        self.received: list[Any] = []

    def forward(self) -> Array:
        """Return the array."""
        self.num_calls += 1
        return self.data

    def backward(self, dwnstrm: Any = None) -> None:
        """Record a copy of the gradient."""
        self.received.append(np.array(dwnstrm) if isinstance(dwnstrm, np.ndarray) else dwnstrm)


class _Renamed:
    """A layer whose attributes have other names than in the tests."""

    def __init__(self, layer: Any, names: Mapping[str, str]) -> None:
        vars(self).update(_layer=layer, _names=names)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_layer"], vars(self)["_names"].get(name, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_layer"], vars(self)["_names"].get(name, name), value)


class Attempt:
    """A layer or loss of a student's class, with a source as its input layer.

    Attributes:
        exercise, cls: what is tried.
        tolerance: the relative error that passes.
        problem: the numbers, with what the class has chosen by itself.
        source: the input layer.
        layer: the student's, with attributes under the names of the tests; `made` is the object itself.
        W: a copy of its parameters, to see whether they change; None where there are none.
        dwnstrm: the gradient with respect to its output, which it should not change; None for a loss.
    """

    def __init__(self, exercise: Exercise, cls: Any, problem: Problem, **options: Any) -> None:
        self.exercise = exercise
        self.name = exercise.name
        self.cls = cls
        self.tolerance = exercise.tolerance
        self.source = Source(problem.x.copy())
        arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in exercise.arguments(problem)]
        self.labels = arguments[0] if exercise.labels else None
        hint = f"It is made as {exercise.signature}."
        self.made = call(f"{self.name}(...)", cls, self.source, *arguments, hint=hint, **options)
        self.layer: Any = _Renamed(self.made, exercise.names) if exercise.names else self.made
        for method in ("forward", "backward"):
            if not callable(getattr(self.layer, method, None)):
                raise Failure(f"{self.name} has no method {method}.", f"Write one: def {method}(self, ...).")
        self.problem = exercise.with_setting(problem, exercise.setting(problem, self.layer))
        self.dwnstrm = None if self.problem.dwnstrm is None else self.problem.dwnstrm.copy()
        self.W: Array | None = None
        if problem.W is not None:
            self._set_W(problem.W)
        self.source.num_calls = 0

    def _set_W(self, values: Array) -> None:
        W = getattr(self.layer, "W", None)
        if W is None:
            raise Failure(f"{self.name} has no attribute W after it was made.", "The constructor makes the parameters.")
        if np.size(W) != values.size:
            raise Failure(
                f"W has shape {np.shape(W)}, but has to have {values.shape}{_AXES_OF_W.get(self.name, '')}.",
                f"It is made as {self.exercise.signature}, from out_dims of the input layer.",
            )
        values = _like(values, np.shape(W)).copy()
        if isinstance(W, np.ndarray) and W.dtype.kind == "f":
            W[...] = values
        else:
            call("W = ...", setattr, self.layer, "W", values)
        self.W = np.array(self.layer.W)

    def use(self, problem: Problem) -> None:
        """Let other numbers come from the source, and other labels and gradients with them; W stays."""
        self.source.data = problem.x.copy()
        self.problem = self.exercise.with_parameters_of(problem, self.problem)
        self.dwnstrm = None if self.problem.dwnstrm is None else self.problem.dwnstrm.copy()
        if self.exercise.labels:
            self.labels = problem.labels.copy()
            self.set_labels(self.labels)

    def set_labels(self, labels: Array) -> None:
        """Give a loss other labels, by its attribute or else by its method."""
        if hasattr(self.layer, str(self.exercise.labels)):
            setattr(self.layer, str(self.exercise.labels), labels)
            return
        method = getattr(self.layer, "set_labels", None) or getattr(self.layer, "set_data", None)
        if method is None:
            raise Failure(
                f"{self.name} has neither an attribute {self.exercise.labels} nor a method set_labels.",
                f"Keep the labels as self.{self.exercise.labels}.",
            )
        call("set_labels", method, labels)

    def forward(self) -> Any:
        """Run forward and return what comes out."""
        before = _printed()
        out = call(f"{self.name}.forward", self.layer.forward)
        if out is None and _printed() > before:
            raise Failure("forward prints its result and returns nothing.", "print shows a value; return hands it on.")
        if out is None:
            raise Failure(
                "forward returns nothing (None).", "Is there a return at the end of it, also in every branch?"
            )
        return np.array(out) if isinstance(out, np.ndarray) else out

    def backward(self) -> None:
        """Run backward, and see that the input layer gets a gradient."""
        count = len(self.source.received)
        arguments = [] if self.exercise.labels else [self.dwnstrm]
        returned = call(f"{self.name}.backward", self.layer.backward, *arguments)
        if len(self.source.received) == count:
            raise self._nothing_handed_back(returned)

    def _nothing_handed_back(self, returned: Any) -> Failure:
        if in_our_style(self.made):
            return Failure("pull_back returns nothing (None).", "It returns the gradient for the input of the layer.")
        hint = "backward ends by handing the gradient for the input to the input layer."
        if returned is not None:
            return Failure("backward returns the gradient instead of calling self.in_layer.backward(...).", hint)
        return Failure("backward does not call self.in_layer.backward(...): nothing is passed back.", hint)

    def watched_exp(self) -> AbstractContextManager[list[float]]:
        """Watch np.exp and math.exp where the student's code runs; the list gets the largest argument of each call."""
        return watched_exp_of(self.made)

    def found(self, what: str) -> Any:
        """Return what was found after a pass, for "G" or "pass_back"; None where there is nothing."""
        return self.source.received[-1] if what == "pass_back" else getattr(self.layer, "G", None)

    def changed(self) -> str:
        """Return which array, that belongs to others, is not as it was; empty when none is."""
        arrays = (
            ("its input array", self.source.data, self.problem.x),
            ("the labels", self.labels, self.problem.labels),
            ("dwnstrm", self.dwnstrm, self.problem.dwnstrm),
        )
        return next((name for name, now, was in arrays if now is not None and not np.array_equal(now, was)), "")

    def W_is_kept(self) -> bool:
        """Whether W is as it was before the passes."""
        return self.W is None or bool(np.array_equal(self.layer.W, self.W))

    def expected(self, what: str) -> Array:
        """Return what is right for "output", "G" or "pass_back"; G has the shape of W as the class has it."""
        right = self.exercise.expected(self.problem, what)
        return _like(right, np.shape(self.layer.W)) if what == "G" else right


_AXES_OF_W = {
    "Linear": ": a row for each feature of the input, a column for each output; the batch plays no part in it",
    "Conv2d": ": rows and columns of the window, channels of the image, filters",
    "Bias": ": one row, with a number for each feature, which all rows of the batch share",
    "Scale": ": one row, with a number for each feature, which all rows of the batch share",
}
"""What the axes of W stand for."""


def _like(values: Array, shape: tuple[int, ...]) -> Array:
    """Return values in the shape that a class has chosen for W, which may be the other way round."""
    turned = values.ndim == 2 and values.shape[::-1] == shape != values.shape
    return values.T if turned else values.reshape(shape)


def in_our_style(layer: Any) -> bool:
    """Whether a layer defines compute and pull_back and leaves forward and backward to the library."""
    if isinstance(layer, RemoteObject):
        return leaves_passes_to_the_library(layer)
    return isinstance(layer, Layer) and type(layer).backward is Layer.backward


def call(what: str, function: Callable[..., Any], *arguments: Any, hint: str = "", **options: Any) -> Any:
    """Call a student's function; whatever it raises becomes a Failure that says where."""
    try:
        return function(*arguments, **options)
    except (Failure, KeyboardInterrupt, Lost):
        raise
    except BaseException as error:
        cause, special_hint = explain_error(what, error)
        raise Failure(cause, special_hint or hint, stopped=True) from error


_HINTS = {
    "NotImplementedError": "This still has to be written.",
    "SystemExit": "Return to the caller instead of ending the program.",
    "MemoryError": "Arrays here are small; which array grows so large?",
    "RecursionError": "Which function calls itself? The input layer is self.in_layer.",
    "NameError": "Is the name spelled right, is it an attribute (self.name), and is everything imported in this file?",
    "ZeroDivisionError": "What is divided by, and when is it 0?",
    "EOFError": "Nobody answers input() here; take what is needed from the arguments.",
}


def explain_error(what: str, error: BaseException) -> tuple[str, str]:
    """Return a sentence on what was raised and where in the student's code, and a hint."""
    return explain_raised(what, error.raised if isinstance(error, StudentError) else described(error))


def explain_raised(what: str, raised: dict[str, Any]) -> tuple[str, str]:
    """Return a sentence on what was raised, as `child.described` tells it, and a hint."""
    kind, bases = raised["kind"], raised["bases"]
    text = " ".join(clean(raised["text"]).split())[:300]
    text = re.sub(r"matmul: Input operand .* \(size", "the shapes do not fit in a matrix product (size", text)
    text = text.rstrip(".")
    cause = f"{what} stops with {clean(kind)}{f': {text}' if text else ''}{_place(raised)}."
    missing = re.search(r"object has no attribute '(\w+)'", text)
    if "AttributeError" in bases and missing:
        return cause, f"Nothing has set self.{missing[1]} by then; forward keeps what backward needs."
    if "ValueError" in bases and "truth value of an array" in text:
        return cause, "if, and, or and Python's max need one truth value; NumPy's functions work entry by entry."
    if "ValueError" in bases and re.search(r"shapes \((\d+),\d+\) \(\1,\)", text):
        return cause, "One number for each row has to be a column: keepdims=True keeps the axis that is summed over."
    if "ValueError" in bases and re.search("shape|dimension|align|broadcast|matmul|axes|axis|size", text):
        return cause, "Write down the shape of each factor and of what should come out of it."
    return cause, next((hint for name, hint in _HINTS.items() if name in bases), "")


def is_theirs(error: BaseException) -> bool:
    """Whether an error was raised in a student's code, and not in the grader's own."""
    return isinstance(error, StudentError) or bool(_frames(described(error)))


def _frames(raised: dict[str, Any]) -> list[Any]:
    """The lines of a student's code that an error came through: file, number and text."""
    return [
        frame
        for frame in raised["frames"]
        if not frame[0].startswith(_NOT_THEIRS) and "site-packages" not in frame[0] and not frame[0].endswith(".pyx")
    ]


def _place(raised: dict[str, Any]) -> str:
    """Say which line of the student's code raised an error."""
    if "SyntaxError" in raised["bases"]:
        return f", in line {raised['line']}" if raised["line"] else ""
    own = _frames(raised)
    if not own:
        return ""
    _, number, text = own[-1]
    line = clean(text)[:120]
    return f", in line {number}" + (f": {line}" if line else "")


def pass_on(attempt: Attempt, problem: Problem, what: str) -> tuple[Attempt, Any]:
    """Run the class of an attempt on another problem; return that attempt, and "output", "G" or "pass_back" of it.

    Raises Failure where it stops.
    """
    other = Attempt(attempt.exercise, attempt.cls, problem)
    out = other.forward()
    if what == "output":
        return other, out
    other.backward()
    return other, other.found(what)


def _printed() -> int:
    return sys.stdout.count if isinstance(sys.stdout, Printed) else 0


def as_numbers(value: Any) -> Array | None:
    """Return an array of floating-point numbers, or None where it is not one of numbers."""
    try:
        array = np.array(value)
        return array.astype(np.float64) if array.dtype.kind in "fiub" else None
    except Exception:  # arrays of a student's own making may do anything
        return None
