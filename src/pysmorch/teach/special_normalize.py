"""Tests of Normalize: running statistics, which training moves and prediction uses."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers
from pysmorch.teach.checks import OTHER_SEED, Row
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import number

STATISTICS = ("running_mean", "running_var")

USED_IN_PREDICTION = (
    "In prediction (training is False) the running mean and variance have to be used: what is predicted for a row must not "
    "depend on its company."
)
PREDICTION_HINT = "Which mean is known when a single row comes?"


def check_momentum(exercise: Exercise, cls: Any, p: Problem) -> None:
    """One pass in training moves the running statistics by momentum; a class without any is made for training alone."""
    attempt = Attempt(exercise, cls, p)
    layer = attempt.layer
    before = _statistics(layer)
    momentum = getattr(layer, "momentum", None)
    if before is None or not isinstance(momentum, float):
        return
    attempt.forward()
    after = _statistics(layer)
    if after is None:
        raise Failure(
            "forward spoils the running statistics.", "running_mean and running_var have an entry for each feature."
        )
    variance, unbiased = p.x.var(0), p.x.var(0, ddof=1)
    targets: dict[str, dict[str, Array]] = {
        "running_mean": {"": p.x.mean(0)},
        "running_var": {
            "": unbiased,
            " ": variance,
            " (the standard deviation stands where the variance belongs)": p.x.std(0),
        },
    }
    for name, old, new in zip(STATISTICS, before, after, strict=True):
        _check_move(name, old, new, momentum, targets[name])


def _check_move(name: str, old: Array, new: Array, momentum: float, targets: dict[str, Array]) -> None:
    """Compare one statistic before and after an update with where it has to go."""
    hint = f"{name} = (1 - momentum) * {name} + momentum * that of the batch."
    if np.array_equal(old, new):
        raise Failure(f"{name} does not move in training: it has to follow the batches.", hint)
    moved = {words: factor_between(new - old, target - old) for words, target in targets.items()}
    if any(words.strip() == "" and step and abs(step - momentum) < 1e-4 for words, step in moved.items()):
        return
    for words, step in moved.items():
        if step is None:
            continue
        if abs(step - (1 - momentum)) < 1e-4:
            raise Failure(
                f"momentum is the wrong way round: {name} moves by 1 - momentum = {number(step)} of the way to the batch; "
                f"it has to move by momentum = {number(momentum)}.",
                hint,
            )
        if abs(step - 1) < 1e-4:
            raise Failure(
                f"{name} is replaced by that of the batch: it has to move by momentum only{words.rstrip()}.", hint
            )
        raise Failure(
            f"{name} moves by {number(step)} of the way to that of the batch; it has to move by momentum = "
            f"{number(momentum)}{words.rstrip()}.",
            hint,
        )
    target = next(iter(targets.values()))
    for sentence, value in (
        (
            f"momentum times that of the batch is added to {name}, but {name} is not made smaller by 1 - momentum.",
            old + momentum * target,
        ),
        (
            f"{name} is made smaller by 1 - momentum, but that of the batch is added without the factor momentum.",
            (1 - momentum) * old + target,
        ),
        (f"{name} has a value for each row: mean and variance are taken over the wrong axis.", None),
    ):
        if (value is not None and agrees(new, value, 1e-4)) or (value is None and new.shape != old.shape):
            raise Failure(sentence, hint)
    raise Failure(f"{name} does not move towards that of the batch.", hint)


def _statistics(layer: Any) -> tuple[Array, Array] | None:
    """Return copies of the running mean and variance; None where a class has none."""
    mean, variance = (as_numbers(getattr(layer, name, None)) for name in STATISTICS)
    if mean is None or variance is None or not mean.size or mean.size != variance.size:
        return None
    return mean.ravel(), variance.ravel()


def check_prediction(exercise: Exercise, cls: Any, p: Problem) -> None:
    """In prediction the running statistics are used; a class without any is made for training alone."""
    attempt, before = _in_prediction(exercise, cls, p)
    if attempt is None:
        return
    x = attempt.problem.x
    out = as_numbers(attempt.forward())
    after = _statistics(attempt.layer)
    if out is None or out.shape != x.shape:
        raise Failure("In prediction forward does not return an array of the shape of the input.", PREDICTION_HINT)
    attempt.source.data = x[:1].copy()
    alone = as_numbers(attempt.forward())
    if alone is None or not agrees(alone, out[:1], exercise.tolerance):
        raise Failure(USED_IN_PREDICTION, PREDICTION_HINT)
    if before is None:
        return
    if not agrees(out, (x - before[0]) / np.sqrt(before[1] + attempt.problem.setting), exercise.tolerance):
        raise Failure(_wrong_prediction(attempt, out), PREDICTION_HINT)
    if after is None or not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
        raise Failure(
            "The running statistics move in prediction as well; they follow the batches of training only.",
            "What may change when a trained network predicts?",
        )


def _in_prediction(exercise: Exercise, cls: Any, p: Problem) -> tuple[Attempt | None, tuple[Array, Array] | None]:
    """Return a layer that was trained on two batches and predicts now, and its running statistics."""
    attempt = Attempt(exercise, cls, p)
    layer = attempt.layer
    statistics = _statistics(layer)
    if not hasattr(layer, "training"):
        if statistics is None:
            return None, None
        raise Failure("Normalize has no attribute training.", "training is True at first; False stands for prediction.")
    if statistics is not None:
        check_momentum(exercise, cls, p)
    attempt.forward()
    attempt.use(exercise.problem(p.sizes, p.seed + OTHER_SEED))
    attempt.forward()
    layer.training = False
    attempt.use(exercise.problem(p.sizes, p.seed + 2 * OTHER_SEED))
    return attempt, _statistics(layer)


def _wrong_prediction(attempt: Attempt, out: Array) -> str:
    mean, variance = _statistics(attempt.layer) or (np.zeros(1), np.ones(1))
    x, epsilon = attempt.problem.x, attempt.problem.setting
    s = np.sqrt(variance + epsilon)
    known = {
        "In prediction the input is returned as it came; the running mean and variance have to be used.": x,
        "In prediction the running mean is not taken away.": x / s,
        "In prediction it is not divided by the root of the running variance.": x - mean,
        "In prediction it is divided by the running variance instead of its square root.": (x - mean)
        / (variance + epsilon),
        "In prediction the square root is taken twice.": (x - mean) / np.sqrt(s),
    }
    fits = (sentence for sentence, value in known.items() if agrees(out, value, 1e-4))
    return next(fits, "In prediction forward does not return (X - running_mean) / sqrt(running_var + epsilon).")


def check_prediction_backward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """In prediction the statistics are constants, and dwnstrm over the root of the running variance is passed back."""
    attempt, statistics = _in_prediction(exercise, cls, p)
    if attempt is None or statistics is None:
        return
    attempt.forward()
    attempt.backward()
    found, d = as_numbers(attempt.found("pass_back")), attempt.problem.dwnstrm
    s = np.sqrt(statistics[1] + attempt.problem.setting)
    if found is not None and agrees(found, d / s, exercise.tolerance):
        return
    batch = exercise.expected(attempt.problem, "pass_back")
    if found is not None and agrees(found, batch, exercise.tolerance):
        raise Failure(USED_IN_PREDICTION, PREDICTION_HINT)
    y = (attempt.problem.x - statistics[0]) / s
    known = {
        "In prediction dwnstrm is passed back as it came; it has to be divided by the root of the running variance.": d,
        "In prediction dwnstrm is multiplied by the root of the running variance instead of divided.": d * s,
        "In prediction the running mean and variance are constants: what is passed back is dwnstrm divided by the root of the "
        "running variance, without the terms of training.": (d - d.mean(0) - y * (d * y).mean(0)) / s,
    }
    fits = (sentence for sentence, value in known.items() if found is not None and agrees(found, value, 1e-4))
    raise Failure(
        next(fits, "In prediction what is passed back is not dwnstrm divided by the root of the running variance."),
        "In prediction mean and variance do not depend on the input.",
    )


NORMALIZE_CHECKS: list[Row] = [
    ("one update moves the running statistics by momentum", "forward", 2, check_momentum),
    ("in prediction the running statistics are used", "forward", 2, check_prediction),
    ("in prediction dwnstrm / s is passed back", "backward", 2, check_prediction_backward),
]
