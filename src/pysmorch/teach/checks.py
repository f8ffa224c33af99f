"""Tests of every layer and of every loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers, pass_on
from pysmorch.teach.comparison import W_HINT, compare, is_right
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.reading import made_for_the_first_batch

PARTS = ("constructor", "forward", "backward", "care")
"""Groups of tests: how a class is made, its values, its gradients, and what goes wrong later (other batches, repeated
calls, changed arrays, large numbers)."""

OTHER_SEED = 100
"""Added to a seed for a second set of numbers."""


@dataclass(frozen=True)
class Trial:
    """One test of a class: `run(cls)` raises Failure when the class fails it.

    It is worth nothing until one of the tests that it waits for, if there are any, is passed.
    """

    name: str
    part: str
    points: float
    run: Callable[[Any], None]
    waits_for: tuple[str, ...] = ()


Check = Callable[[Exercise, Any, Problem], None]

Row = tuple[str, str, float, Check]
"""Name, part, points and check of a trial."""


def failure_of(check: Check, exercise: Exercise, cls: Any, problem: Problem) -> Failure | None:
    """Return why a check fails; None when it does not."""
    try:
        check(exercise, cls, problem)
    except Failure as failure:
        return failure
    return None


def check_constructor(exercise: Exercise, cls: Any, p: Problem) -> None:
    """in_layer, out_dims and W are there."""
    attempt = Attempt(exercise, cls, p)
    if getattr(attempt.layer, "in_layer", None) is not attempt.source:
        raise Failure("self.in_layer is not the layer that the constructor got.", "Keep it: the passes call it.")
    if p.W is not None and np.shape(attempt.layer.W) != p.W.shape:
        raise Failure(_shape_of_W(np.shape(attempt.layer.W), p.W.shape))
    if exercise.labels is None:
        check_out_dims(attempt.layer, np.shape(exercise.output(attempt.problem)))


def _shape_of_W(found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say what is wrong with the shape of W."""
    if len(expected) == 2 and expected[0] == 1 and found == expected[::-1]:
        return f"W is a column {found} and has to be a row {expected}."
    if len(expected) == 2 and found == expected[::-1]:
        return f"W has shape {found}, the other way round: here it is (features, outputs), {expected}, so that forward is X W."
    if sorted(found) == sorted(expected):
        return f"The axes of W are in another order: W has shape {found}, but has to have {expected}."
    return f"W has shape {found}, but has to have {expected}."


def check_out_dims(layer: Any, expected: tuple[int, ...]) -> None:
    """out_dims is the shape of the output."""
    dims = as_numbers(getattr(layer, "out_dims", None))
    if dims is None or dims.ndim != 1:
        raise Failure("out_dims is not the shape of the output.", "The next layer learns its sizes from out_dims.")
    found = tuple(int(d) for d in dims)
    if found != expected:
        raise Failure(
            f"out_dims is {found}, but forward has to return an array of shape {expected}.",
            "The next layer learns its sizes from out_dims.",
        )


def check_forward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """The values of forward."""
    attempt = Attempt(exercise, cls, p)
    compare(attempt, "output", attempt.forward())


def check_G(exercise: Exercise, cls: Any, p: Problem) -> None:
    """The gradient for W, also where backward fails after it."""
    attempt = Attempt(exercise, cls, p)
    attempt.forward()
    try:
        attempt.backward()
    except Failure:
        G = as_numbers(attempt.found("G"))
        if G is not None and agrees(G, attempt.expected("G"), exercise.tolerance):
            return
        raise
    if attempt.found("G") is None:
        raise Failure("backward does not set self.G.", "The gradient for W is stored in the attribute G.")
    compare(attempt, "G", attempt.found("G"))


def check_pass_back(exercise: Exercise, cls: Any, p: Problem) -> None:
    """The gradient for the input."""
    attempt = Attempt(exercise, cls, p)
    attempt.forward()
    attempt.backward()
    compare(attempt, "pass_back", attempt.found("pass_back"))


PLAIN_CHECKS: dict[str, Check] = {"output": check_forward, "G": check_G, "pass_back": check_pass_back}


def compare_all(attempt: Attempt, out: Any, *, explain: bool = True) -> None:
    """Compare what a pass has given, but not what is wrong in a plain pass already and costs its points there."""
    found = {"output": out, "pass_back": attempt.found("pass_back")}
    if attempt.problem.W is not None:
        found["G"] = attempt.found("G")
    excused = []
    for what, value in found.items():
        if is_right(attempt, what, value):
            continue
        if not _plain_is_wrong(attempt, what):
            compare(attempt, what, value, explain=explain)
        excused.append(what)
    if len(excused) == len(found):
        raise _plain_failure(attempt, excused[0]) or Failure(SOMETIMES)


SOMETIMES = "The same pass on the same numbers is right at one time and wrong at another."


def _plain_is_wrong(attempt: Attempt, what: str) -> bool:
    """Whether a plain pass is wrong already."""
    exercise = attempt.exercise
    try:
        plain, found = pass_on(attempt, exercise.problem(exercise.sizes), what)
    except Failure:
        return True
    return not is_right(plain, what, found)


def _plain_failure(attempt: Attempt, what: str) -> Failure | None:
    """Return what is wrong in a plain pass already; a test of something else says no more than that."""
    exercise = attempt.exercise
    return failure_of(PLAIN_CHECKS[what], exercise, attempt.cls, exercise.problem(exercise.sizes))


def refuse_what_is_wrong_anyway(attempt: Attempt) -> None:
    """Raise what is wrong in a plain pass, where it stops or where nothing of it is right."""
    if stop := plain_stop(attempt):
        raise stop
    whats = ("output", "pass_back") if attempt.problem.W is None else ("output", "pass_back", "G")
    if all(_plain_is_wrong(attempt, what) for what in whats):
        raise _plain_failure(attempt, "output") or Failure(SOMETIMES)


def plain_stop(attempt: Attempt) -> Failure | None:
    """Return the failure of a plain pass that stops with an error."""
    exercise = attempt.exercise
    try:
        plain = Attempt(exercise, attempt.cls, exercise.problem(exercise.sizes))
        plain.forward()
        plain.backward()
    except Failure as failure:
        return failure if failure.stopped else None
    return None


def both_passes(attempt: Attempt) -> Any:
    """Run forward and backward and return the output; what stops in a plain pass already is told as it is there."""
    try:
        out = attempt.forward()
        attempt.backward()
    except Failure as failure:
        raise plain_stop(attempt) or failure from failure
    return out


def check_batch_of_one(exercise: Exercise, cls: Any, p: Problem) -> None:
    """A batch of one row."""
    attempt = Attempt(exercise, cls, exercise.problem((1, *p.sizes[1:]), p.seed))
    out = both_passes(attempt)
    found = as_numbers(out)
    if exercise.name == "Normalize" and found is not None and not np.isfinite(found).all():
        raise Failure(
            "forward divides by 0 where a feature does not vary, as in a batch of one row: epsilon is missing.",
            "What is added to the variance so that its square root is never 0?",
        )
    compare_all(attempt, out)


def check_repeated_calls(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Two forward passes and two backward passes give the same as one."""
    attempt = Attempt(exercise, cls, p)
    attempt.forward()
    out = both_passes(attempt)
    attempt.backward()
    if p.W is not None:
        _refuse_a_sum(attempt, attempt.expected("G"))
    try:
        compare_all(attempt, out)
    except Failure as failure:
        if not attempt.changed():
            raise
        raise Failure(f"A pass changes {attempt.changed()} in place.", IN_PLACE_HINT, failure.example) from failure


def _refuse_a_sum(attempt: Attempt, earlier: Array) -> None:
    """Raise Failure when G is the sum of this pass and an earlier one."""
    G, expected = as_numbers(attempt.found("G")), attempt.expected("G")
    earlier = earlier if earlier.shape == expected.shape else earlier.T.reshape(expected.shape)
    if G is not None and earlier.any() and agrees(G, earlier + expected, attempt.tolerance):
        raise Failure(
            "A second backward pass adds to the G of the first: G is accumulated by mistake (+=).",
            "G belongs to one pass; it is set anew each time.",
        )


def check_new_numbers(exercise: Exercise, cls: Any, p: Problem) -> None:
    """A second pass with other numbers uses them."""
    attempt = Attempt(exercise, cls, p)
    both_passes(attempt)
    earlier = attempt.problem
    attempt.use(exercise.problem(p.sizes, p.seed + OTHER_SEED))
    out = both_passes(attempt)
    if p.W is not None:
        _refuse_a_sum(attempt, exercise.expected(earlier, "G"))
    found = {"output": as_numbers(out), "pass_back": as_numbers(attempt.found("pass_back"))}
    if p.W is not None:
        found["G"] = as_numbers(attempt.found("G"))
    stale = replace(attempt.problem, x=earlier.x)
    old_labels = replace(attempt.problem, labels=earlier.labels)
    for what, array in found.items():
        if array is None or agrees(array, attempt.expected(what), exercise.tolerance):
            continue
        if agrees(array, exercise.expected(stale, what), exercise.tolerance):
            raise Failure(
                f"{_subject(what)} comes from the input of an earlier pass (stale input).",
                "The array that comes in may be another one in every pass: when is it stored?",
            )
        if exercise.labels and agrees(array, exercise.expected(old_labels, what), exercise.tolerance):
            raise Failure(
                f"The labels of the constructor are used after self.{exercise.labels} has changed.",
                f"Look at self.{exercise.labels} in every pass.",
            )
    compare_all(attempt, out)


def _subject(what: str) -> str:
    return {"output": "What forward returns", "G": "G", "pass_back": "What is passed back"}[what]


def check_other_batch_size(exercise: Exercise, cls: Any, p: Problem) -> None:
    """A pass with more rows than before."""
    attempt = Attempt(exercise, cls, p)
    both_passes(attempt)
    earlier = attempt.problem
    attempt.use(exercise.problem((p.sizes[0] + 3, *p.sizes[1:]), p.seed + OTHER_SEED))
    rows = f"{p.sizes[0] + 3} rows after {p.sizes[0]}"
    hint = "The number of rows may change from pass to pass; take it from the array that comes in."
    try:
        out = attempt.forward()
        attempt.backward()
    except Failure as failure:
        raise plain_stop(attempt) or _stopped_by_rows(attempt, p.sizes[0], failure, hint) from failure
    if p.W is not None:
        _refuse_a_sum(attempt, exercise.expected(earlier, "G"))
    for what, value in (("output", out), ("pass_back", attempt.found("pass_back"))):
        array, expected = as_numbers(value), attempt.expected(what)
        factor = (p.sizes[0] + 3) / p.sizes[0]
        if exercise.labels and array is not None and agrees(array, factor * expected, exercise.tolerance):
            raise Failure(
                f"With {rows}, {_subject(what)[0].lower()}{_subject(what)[1:]} is divided by the size of the first batch.",
                hint,
            )
    compare_all(attempt, out)


def _stopped_by_rows(attempt: Attempt, earlier: int, failure: Failure, hint: str) -> Failure:
    """Return the failure of a pass with another number of rows, and what has the old number."""
    rows = len(attempt.problem.x)
    of_the_source = made_for_the_first_batch(attempt.cls)
    why = ""
    if of_the_source:
        why = f" {of_the_source}"
    elif f"({earlier}," in failure.cause:
        why = f" Something has as many rows as the first batch, {earlier}."
    return Failure(f"With {rows} rows after {earlier}: {failure.cause}{why}", hint, stopped=failure.stopped)


def check_nothing_is_changed(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Arrays that belong to others are left as they were."""
    attempt = Attempt(exercise, cls, p)
    attempt.forward()
    _check_arrays(attempt, "forward")
    attempt.backward()
    _check_arrays(attempt, "backward")


IN_PLACE_HINT = "Which line writes into an array (+=, *=, array[...] = , out=)? Work on a copy, or make a new array."


def _check_arrays(attempt: Attempt, method: str) -> None:
    if attempt.changed():
        raise Failure(f"{method} changes {attempt.changed()} in place; that array belongs to others.", IN_PLACE_HINT)
    if not attempt.W_is_kept():
        raise Failure(f"{method} changes W.", W_HINT)


def check_calls(exercise: Exercise, cls: Any, p: Problem) -> None:
    """A pass calls the input layer once in each direction."""
    attempt = Attempt(exercise, cls, p)
    attempt.forward()
    if attempt.source.num_calls != 1:
        times = "not at all" if attempt.source.num_calls == 0 else f"{attempt.source.num_calls} times"
        raise Failure(
            f"forward calls self.in_layer.forward() {times} instead of once.",
            "Each call runs all layers before; call it once and store what it returns.",
        )
    attempt.backward()
    if attempt.source.num_calls != 1:
        raise Failure(
            "backward calls self.in_layer.forward() again.", "What backward needs was there in forward: keep it then."
        )
    if len(attempt.source.received) != 1:
        raise Failure(
            f"backward calls self.in_layer.backward(...) {len(attempt.source.received)} times instead of once.",
            "Pass back one gradient with everything in it.",
        )


def check_two_layers(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Two layers of a class do not share state."""
    first = Attempt(exercise, cls, p)
    second = Attempt(exercise, cls, exercise.problem(p.sizes, p.seed + OTHER_SEED))
    out, _ = first.forward(), second.forward()
    first.backward()
    second.backward()
    try:
        compare_all(first, out)
    except Failure as failure:
        if failure_of(check_both_passes, exercise, cls, p) is None:
            raise Failure(
                "A second layer of the class disturbs the first: what is stored for backward is shared by all "
                "layers (a global name or an attribute of the class).",
                "Each layer keeps its own arrays, as attributes of self.",
                failure.example,
            ) from failure
        raise


def check_both_passes(exercise: Exercise, cls: Any, p: Problem) -> None:
    """One layer alone gives what is right."""
    attempt = Attempt(exercise, cls, p)
    compare_all(attempt, both_passes(attempt))


def check_float32(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Numbers of single precision give the same, to their precision."""
    attempt = Attempt(exercise, cls, p)
    attempt.tolerance = max(exercise.tolerance, 1e-4)
    attempt.source.data = p.x.astype(np.float32)
    if attempt.dwnstrm is not None:
        attempt.dwnstrm = attempt.dwnstrm.astype(np.float32)
    compare_all(attempt, both_passes(attempt))


STATE_CHECKS: list[Row] = [
    ("a batch of one row is right", "care", 1, check_batch_of_one),
    ("repeated passes give the same", "care", 1, check_repeated_calls),
    ("a pass uses the numbers of that pass", "care", 1, check_new_numbers),
    ("a batch of another size is right", "care", 1, check_other_batch_size),
    ("two layers do not disturb each other", "care", 1, check_two_layers),
    ("float32 is right", "care", 1, check_float32),
]
SHARED_CHECKS: list[Row] = [
    ("arrays of others are left as they were", "care", 1, check_nothing_is_changed),
    ("the input layer is called once", "care", 1, check_calls),
]
