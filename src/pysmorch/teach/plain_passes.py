"""The forward pass of each class a second time, written plainly, and what a class may choose in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Problem


def matrix_product(p: Problem) -> Array:
    """X W."""
    columns = p.W.T
    return np.array([[math.fsum(row * column) for column in columns] for row in p.x])


def entry_by_entry(f: Callable[[float], float]) -> Callable[[Problem], Array]:
    """A function of one number, for every entry."""
    return lambda p: np.array([f(float(v)) for v in p.x.ravel()]).reshape(p.x.shape)


def sigmoid(v: float) -> float:
    """1 / (1 + exp(-v))."""
    return 1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v))


def square_loss(p: Problem) -> float:
    """1/(2M) ||X - Y||^2."""
    return math.fsum((v - y) ** 2 for v, y in zip(p.x.ravel(), p.labels.ravel(), strict=True)) / (2 * len(p.x))


def cross_entropy(p: Problem) -> float:
    """The mean of log(sum_j exp(x_j)) - x_k."""
    losses = []
    for row, label in zip(p.x, p.labels, strict=True):
        largest = max(row)
        log_sum = largest + math.log(math.fsum(math.exp(v - largest) for v in row))
        losses.append(math.fsum(y * (log_sum - v) for v, y in zip(row, label, strict=True)))
    return math.fsum(losses) / len(losses)


def convolution(p: Problem) -> Array:
    """Every window of an image, times every filter."""
    W = p.W
    kernel_height, kernel_width = W.shape[:2]
    x = p.x
    if p.setting == "same":
        before = ((kernel_height - 1) // 2, (kernel_width - 1) // 2)
        x = np.pad(x, ((0, 0), (before[0], kernel_height // 2), (before[1], kernel_width // 2), (0, 0)))
    windows = sliding_window_view(x, (kernel_height, kernel_width), (1, 2))  # (N, H, W, C, KH, KW)
    return np.tensordot(windows, W, ((4, 5, 3), (0, 1, 2)))


def normalized(p: Problem) -> Array:
    """Mean 0 and variance 1 for each feature, over the batch."""
    columns = [(column - math.fsum(column) / len(column)) for column in p.x.reshape(-1, p.x.shape[-1]).T]
    rows = np.array([c / math.sqrt(math.fsum(c * c) / len(c) + p.setting) for c in columns]).T
    return rows.reshape(p.x.shape)


# What a class has chosen by itself.


def padding_of(p: Problem, layer: Any) -> str:
    """The padding that is named, or the one that out_dims fits; "same" where neither says."""
    padding = getattr(layer, "padding", None)
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    dims = tuple(getattr(layer, "out_dims", ()))
    valid = tuple(size - kernel + 1 for size, kernel in zip(p.x.shape[1:3], p.W.shape[:2], strict=True))
    return "valid" if len(dims) == 4 and tuple(dims[1:3]) == valid else "same"


def epsilon_of(p: Problem, layer: Any) -> Any:
    """The epsilon that is named, or the usual one."""
    epsilon = getattr(layer, "epsilon", None)
    return epsilon if isinstance(epsilon, float) and 0 < epsilon < 1e-2 else p.setting
