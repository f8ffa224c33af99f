"""What is wrong with running statistics: how a pass in training has moved them, and how prediction uses them."""

from __future__ import annotations

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import number

CLOSE = 1e-4


def wrong_move(name: str, found: Array | None, batch: Array, momentum: float) -> str:
    """Say how running_mean (from 0) or running_var (from 1) has moved in one pass; empty where that is not known."""
    if found is None or found.size != batch.shape[1]:
        return f"{name} does not have a number for each feature: mean and variance are those of the columns (axis=0)."
    variance, unbiased = batch.var(0), batch.var(0, ddof=1)
    start = np.zeros(found.shape) if name == "running_mean" else np.ones(found.shape)
    targets = {"": batch.mean(0)} if name == "running_mean" else {"": variance, " ": unbiased}
    if np.array_equal(found, start):
        return f"A pass in training leaves {name} as it was."
    for target in targets.values():
        step = factor_between(found - start, target - start)
        known = {
            f"{name} is replaced by that of the batch: it has to move by momentum only.": step is not None
            and abs(step - 1) < CLOSE,
            f"momentum times that of the batch is added to {name}, but {name} is not multiplied by 1 - momentum.": agrees(
                found, start + momentum * target, CLOSE
            ),
            f"{name} is multiplied by 1 - momentum, but that of the batch is added without the factor momentum.": agrees(
                found, (1 - momentum) * start + target, CLOSE
            ),
            f"{name} is multiplied by momentum, and so is that of the batch: the weights have to add up to 1.": agrees(
                found, momentum * start + momentum * target, CLOSE
            ),
            f"{name} moves away from that of the batch: the sign is wrong.": step is not None
            and abs(step + momentum) < CLOSE,
        }
        if sentence := next((text for text, fits in known.items() if fits), ""):
            return sentence
        if step is not None:
            return f"{name} moves by {number(step)} of the way to that of the batch instead of momentum = {momentum:g}."
    others = {
        "the standard deviation instead of the variance": batch.std(0),
        "the variance with epsilon": variance + 1e-5,
        "the variance instead of the mean": variance,
        "the mean instead of the variance": batch.mean(0),
        "the root of the variance with epsilon": np.sqrt(variance + 1e-5),
        "one number for all features": np.full(found.shape, batch.mean() if name == "running_mean" else batch.var()),
        "the mean of the squares instead of the variance": (batch**2).mean(0),
        "the inverse of the standard deviation": 1 / batch.std(0),
    }
    for words, value in others.items():
        if agrees(found, start + momentum * (value - start), 1e-6):
            return f"{name} follows {words}."
    return ""


def wrong_prediction(found: Array, x: Array, mean: Array, variance: Array, epsilon: float) -> str:
    """Say what forward makes of the running statistics in prediction; empty where that is not known."""
    s = np.sqrt(variance + epsilon)
    known = {
        "In prediction the input is returned as it came; the running mean and variance have to be used.": x,
        "In prediction the running mean is not taken away.": x / s,
        "In prediction the division by the root of the running variance is missing.": x - mean,
        "In prediction it is divided by the running variance instead of its square root.": (x - mean)
        / (variance + epsilon),
        "In prediction the square root of the running variance is taken twice.": (x - mean) / np.sqrt(s),
        "In prediction it is multiplied by the root of the running variance instead of divided.": (x - mean) * s,
        "In prediction the running mean is used, but the variance of the batch.": (x - mean)
        / np.sqrt(x.var(0) + epsilon),
        "In prediction the running variance is used, but the mean of the batch.": (x - x.mean(0)) / s,
        "In prediction the running mean is added instead of taken away.": (x + mean) / s,
    }
    return next((sentence for sentence, value in known.items() if agrees(found, value, CLOSE)), "")


def wrong_prediction_backward(found: Array, d: Array, y: Array, variance: Array, epsilon: float) -> str:
    """Say what is passed back in prediction instead of dwnstrm / s; empty where that is not known. y is the right output."""
    s = np.sqrt(variance + epsilon)
    constants = (
        "In prediction the running mean and variance are constants: what is passed back is dwnstrm divided by the root of the "
        "running variance, without the terms of training."
    )
    known = {
        "In prediction dwnstrm is passed back as it came; it has to be divided by the root of the running variance.": d,
        "In prediction dwnstrm is multiplied by the root of the running variance instead of divided.": d * s,
        "In prediction dwnstrm is divided by the running variance instead of its square root.": d
        / (variance + epsilon),
        constants: (d - d.mean(0) - y * (d * y).mean(0)) / s,
        f"{constants} The variance is a constant already, the mean is not.": (d - d.mean(0)) / s,
    }
    return next((sentence for sentence, value in known.items() if agrees(found, value, CLOSE)), "")
