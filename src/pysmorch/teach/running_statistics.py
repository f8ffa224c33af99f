"""Tests of Normalize in prediction, and of weights when a layer is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, Source, as_numbers, call
from pysmorch.teach.checks import OTHER_SEED, Check, Row
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.wrong_statistics import wrong_move, wrong_prediction, wrong_prediction_backward

MOMENTUM = 0.25
"""Given to classes that have the attribute momentum: unlike 1 - momentum, and unlike what is usual."""

BATCH_STATISTICS = (
    "In prediction (training is False) the running mean and variance have to be used: what is predicted for a row must not depend on "
    "the other rows."
)
SWAPPED = "training is read the wrong way round: the running statistics move, and those of the batch are used, where it is False."
REVERSED = (
    "momentum is the weight of the batch in the running statistics, running = (1 - momentum) * running + momentum * batch; here it "
    "is the weight of the old ones."
)


@dataclass(frozen=True)
class _Trained:
    """A layer after one pass in training, with its running statistics, in prediction now: what comes out, what is passed back, and
    whether the statistics have moved once more.
    """

    attempt: Attempt
    batch: Array
    statistics: list[Array | None]
    out: Array | None
    pass_back: Array | None
    moved_later: bool

    def running(self, momentum: float) -> list[tuple[Array, Array]]:
        """Return mean and variance after the pass, with the variance of the batch divided by its number or by one less."""
        variances = [self.batch.var(axis=0, ddof=ddof) for ddof in (0, 1)]
        return [(momentum * self.batch.mean(axis=0), 1 - momentum + momentum * variance) for variance in variances]

    def deviations(self, variance: Array) -> Array:
        """Return the square root of a variance with epsilon."""
        return np.sqrt(variance + self.attempt.problem.setting)


def _trained(exercise: Exercise, cls: Any, p: Problem) -> _Trained | None:
    """Return a layer in prediction after a pass; None for a class that keeps no statistics."""
    attempt = Attempt(exercise, cls, p)
    layer = attempt.layer
    if not hasattr(layer, "running_mean") and not hasattr(layer, "training"):
        return None
    for name in ("running_mean", "running_var", "training"):
        if not hasattr(layer, name):
            raise Failure(f"Normalize has no attribute {name}.", "For prediction it has running_mean and running_var.")
    if hasattr(layer, "momentum"):
        call("momentum = ...", setattr, layer, "momentum", MOMENTUM)
    attempt.forward()
    statistics = _statistics(layer)
    call("training = ...", setattr, layer, "training", False)
    attempt.use(exercise.problem(p.sizes, p.seed + OTHER_SEED))
    out = as_numbers(attempt.forward())
    attempt.backward()
    moved = not all(np.array_equal(a, b) for a, b in zip(statistics, _statistics(layer), strict=True))
    return _Trained(attempt, p.x, statistics, out, as_numbers(attempt.found("pass_back")), moved)


def _statistics(layer: Any) -> list[Any]:
    return [as_numbers(np.ravel(getattr(layer, name))) for name in ("running_mean", "running_var")]


def _momentum(trained: _Trained) -> float:
    """Return the weight of the batch: the one that was given, or the one that the class has chosen by itself."""
    if hasattr(trained.attempt.layer, "momentum"):
        return MOMENTUM
    mean = trained.statistics[0]
    if mean is None or mean.size != trained.batch.shape[1]:
        return 0.1
    own = float(np.mean(mean / trained.batch.mean(axis=0)))
    return own if 0 < own <= 0.5 else 0.1


def check_moves_by_momentum(exercise: Exercise, cls: Any, p: Problem) -> None:
    """One pass in training moves the running statistics by momentum."""
    trained = _trained(exercise, cls, p)
    if trained is None:
        return
    found, momentum = trained.statistics, _momentum(trained)
    if _fit(found, trained.running(momentum), exercise.tolerance):
        return
    if _fit(found, trained.running(1 - momentum), exercise.tolerance):
        raise Failure(REVERSED, "Which of the two has the small weight?")
    hint = "running = (1 - momentum) * running + momentum * batch, for each feature."
    for name, got, rights in zip(
        ("running_mean", "running_var"), found, zip(*trained.running(momentum), strict=True), strict=True
    ):
        wrong = wrong_move(name, got, trained.batch, momentum)
        if wrong and not (got is not None and any(agrees(got, right, exercise.tolerance) for right in rights)):
            raise Failure(wrong, hint)
    names = zip(("running_mean", "running_var"), found, trained.running(momentum)[0], strict=True)
    name, got, right = next(row for row in names if row[1] is None or not agrees(row[1], row[2], exercise.tolerance))
    raise Failure(
        f"One pass in training does not move {name} from {'0' if name == 'running_mean' else '1'} by momentum = {momentum:g} "
        "towards that of the batch.",
        hint,
        f"expected    {_row(right)}\nfound       {_row(got)}",
    )


def _fit(found: list[Array | None], rights: list[tuple[Array, Array]], tolerance: float) -> bool:
    return any(
        all(a is not None and agrees(a, b, tolerance) for a, b in zip(found, right, strict=True)) for right in rights
    )


def _row(array: Array | None) -> str:
    return "no numbers" if array is None else "  ".join(f"{v:.4g}" for v in array.ravel()[:6])


def check_prediction(exercise: Exercise, cls: Any, p: Problem) -> None:
    """In prediction the running statistics are used."""
    trained = _trained(exercise, cls, p)
    if trained is not None:
        x = trained.attempt.problem.x

        def right(mean: Array, variance: Array) -> Array:
            return np.asarray((x - mean) / trained.deviations(variance))

        _compare(trained, "What forward returns", trained.out, right)
        if trained.moved_later:
            raise Failure(
                "The running statistics move in prediction as well; they follow the batches of training only.",
                "What may change when a trained network predicts?",
            )


def check_prediction_backward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """In prediction dwnstrm is divided by the running deviation, and nothing else."""
    trained = _trained(exercise, cls, p)
    if trained is not None:
        dwnstrm = trained.attempt.problem.dwnstrm
        _compare(trained, "What is passed back", trained.pass_back, lambda mean, var: dwnstrm / trained.deviations(var))


def _compare(trained: _Trained, subject: str, found: Array | None, right: Any) -> None:
    attempt, momentum = trained.attempt, _momentum(trained)
    tolerance = attempt.tolerance
    rights = [right(*running) for running in trained.running(momentum)]
    if found is not None and any(agrees(found, one, tolerance) for one in rights):
        return
    if found is not None:
        what = "output" if subject.startswith("What forward") else "pass_back"
        if agrees(found, attempt.expected(what), tolerance):
            if trained.moved_later and trained.statistics[0] is not None and not trained.statistics[0].any():
                raise Failure(SWAPPED, "training is True at first; False stands for prediction.")
            raise Failure(BATCH_STATISTICS, "Which mean and variance are used when training is False?")
        if any(agrees(found, right(*running), tolerance) for running in trained.running(1 - momentum)):
            raise Failure(REVERSED, "Which of the two has the small weight?")
    check_moves_by_momentum(attempt.exercise, attempt.cls, attempt.exercise.problem(attempt.exercise.sizes))
    hint = {
        "What forward returns": "(x - running_mean) / sqrt(running_var + epsilon).",
        "What is passed back": "The running statistics do not depend on the input: dwnstrm / sqrt(running_var + epsilon).",
    }[subject]
    raise Failure(
        _named(trained, subject, found)
        or f"{subject} in prediction (training is False) is not that of the running statistics.",
        hint,
        f"expected    {_row(rights[0])}\nfound       {_row(found)}",
    )


def _named(trained: _Trained, subject: str, found: Array | None) -> str:
    """Name the mistake of a class whose running statistics are right."""
    problem, (mean, variance) = trained.attempt.problem, trained.statistics
    if found is None or mean is None or variance is None:
        return ""
    if subject.startswith("What forward"):
        return wrong_prediction(found, problem.x, mean, variance, problem.setting)
    y = (problem.x - mean) / np.sqrt(variance + problem.setting)
    return wrong_prediction_backward(found, problem.dwnstrm, y, variance, problem.setting)


def check_start(exercise: Exercise, cls: Any, p: Problem) -> None:
    """The weights differ from each other when a layer is made."""
    layer = call(f"{exercise.name}(...)", cls, Source(p.x.copy()), *exercise.arguments(p))
    W = as_numbers(getattr(layer, "W", None))
    if W is not None and W.size > 1 and (W.ravel()[0] == W).all():
        raise Failure(
            f"All of W is {W.ravel()[0]:g} at the start: all outputs are the same, get the same gradient, and stay the same.",
            "Draw random numbers: np.random.randn of the shape of W, divided by the square root of the number of inputs.",
        )


FOR_PREDICTION: list[Row] = [
    ("in prediction forward uses the running statistics, where there are some", "forward", 3, check_prediction),
    ("a pass moves the running statistics by momentum, where there are some", "forward", 3, check_moves_by_momentum),
    ("in prediction dwnstrm / s is passed back, where there are some", "backward", 3, check_prediction_backward),
]
STARTS_AT_RANDOM: Row = ("W starts at random", "constructor", 1, check_start)

MORE_CHECKS: dict[str, list[Row]] = {
    "Normalize": FOR_PREDICTION,
    "Linear": [STARTS_AT_RANDOM],
    "Conv2d": [STARTS_AT_RANDOM],
}

RUN_ONCE: tuple[Check, ...] = (check_start, check_prediction, check_moves_by_momentum, check_prediction_backward)
"""Checks whose examples are their own, without a search for smaller ones."""
