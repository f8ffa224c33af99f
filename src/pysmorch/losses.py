"""Losses: the last layer of a network, which compares the output with labels and returns one number.

Every loss is a mean over the M rows of the batch, L = (1/M) sum_i w_i l_i, with sample weights w_i that are 1 unless
given. A class here says what l_i is (`rows`) and what its gradient is (`row_gradients`); the mean and the weights are
applied in one place. No loss exponentiates a positive number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.activations import sigmoid, softplus
from pysmorch.layers.arguments import rows_of_features
from pysmorch.layers.base import Array, Layer, ShapeError


class Loss(Layer):
    """The base of all losses: L = (1/M) sum_i w_i l_i over the M rows of the batch.

    Attributes:
        labels: what the output is compared with, one row per row of the output.
        sample_weight: one factor w_i that is not negative per row, or None for ones.
        num_data: number of rows M in the last forward pass.
        pass_back: gradient of the loss with respect to its input, from the last backward pass.
    """

    objective: str = ""
    """The exact objective, as a formula."""
    metric: str = "mae"
    """Name of what `score_rows` measures."""

    def __init__(self, in_layer: Any, labels: ArrayLike | None = None) -> None:
        super().__init__(in_layer)
        self.out_dims = ()
        self.labels: Any = None
        self.sample_weight: Any = None
        if labels is not None:
            self.set_labels(labels)

    def set_labels(self, labels: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Compare with these labels, weighted by `sample_weight`, from now on."""
        self.labels = np.asarray(labels)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)

    def set_data(self, labels: ArrayLike) -> None:
        """Compare with these labels from now on."""
        self.set_labels(labels)

    # What a concrete loss defines.

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Say what is wrong with labels for an output of this shape; rows are counted from 0."""
        _check_shape(self, labels, out_shape)

    def targets(self, x: Array, labels: Array) -> Array:
        """Return labels that were checked in the shape and the dtype of the output `x`."""
        return labels.reshape(x.shape).astype(x.dtype, copy=False)

    def rows(self, x: Array, y: Array) -> Array:
        """Return l_i for each row, shape (M,), given the output and the targets."""
        raise NotImplementedError

    def row_gradients(self, x: Array, y: Array) -> Array:
        """Return the gradient of l_i with respect to row i of x, in the shape of x."""
        raise NotImplementedError

    def predictions(self, x: Array) -> Array:
        """Turn the network's output into what it predicts: probabilities, rates, or the output itself."""
        return x

    def score_rows(self, x: Array, labels: Array) -> Array:
        """Return the metric of each row, shape (M,); here the mean absolute error."""
        return _sum_row(np.abs(self.predictions(x) - self.targets(x, labels))) / max(_row_size(x), 1)

    # The mean over the rows.

    def compute(self, x: Array) -> Any:
        """L = (1/M) sum_i w_i l_i."""
        if self.labels is None:
            raise RuntimeError(f"{self!r} has no labels yet; call set_labels(labels) first")
        labels = np.asarray(self.labels)
        self.num_data = len(x)
        if self.num_data == 0:
            raise ShapeError(f"{self!r}: the batch is empty, and a mean over no rows is not defined")
        self.check_labels(labels, x.shape)
        self._y = self.targets(x, labels)
        self._w = self._weights(x)
        return np.mean(self._w * self.rows(x, self._y), dtype=np.float64)

    def pull_back(self, dwnstrm: Array) -> Array:
        """(w_i / M) times the gradient of l_i, for every row i."""
        x = self.in_array
        factors = dwnstrm * self._w / self.num_data
        return factors.reshape(-1, *(1,) * (x.ndim - 1)) * self.row_gradients(x, self._y)

    def _weights(self, x: Array) -> Array:
        if self.sample_weight is None:
            return np.ones(len(x), x.dtype)
        if self.sample_weight.shape != (len(x),):
            raise ShapeError(
                f"{self!r}: sample_weight has shape {self.sample_weight.shape}, expected one number for each of the "
                f"{len(x)} rows"
            )
        return self.sample_weight.astype(x.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the batch: labels, weights and what belongs to the last pass."""
        state = super().__getstate__()
        state.update(labels=None, sample_weight=None)
        return {name: value for name, value in state.items() if name not in ("_y", "_w")}

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the layer and the labels."""
        return {name: value for name, value in super().config.items() if name not in ("labels", "ones_hot")}


class SquareLoss(Loss):
    """Half the mean squared distance: L = 1/(2M) sum_i w_i ||x_i - y_i||^2, summed over the outputs of a row.

    X and Y are (M, K); labels of shape (M,) will do for one output.

    >>> from pysmorch import Data
    >>> float(SquareLoss(Data([[1.0], [2.0]]), [[0.0], [0.0]]).forward())
    1.25
    """

    native = "square_loss"
    objective = "1/(2M) sum_i w_i ||x_i - y_i||^2"

    def rows(self, x: Array, y: Array) -> Array:
        """||x - y||^2 / 2."""
        return 0.5 * _sum_row(np.square(x - y))

    def row_gradients(self, x: Array, y: Array) -> Array:
        """x - y."""
        return x - y


class AbsoluteLoss(Loss):
    """The mean absolute distance: L = 1/M sum_i w_i sum_k |x_ik - y_ik|; the derivative at 0 is taken as 0.

    X and Y are (M, K); labels of shape (M,) will do for one output. The best constant is the median.
    """

    native = "absolute_loss"
    objective = "1/M sum_i w_i sum_k |x_ik - y_ik|"

    def rows(self, x: Array, y: Array) -> Array:
        """|x - y|, summed."""
        return _sum_row(np.abs(x - y))

    def row_gradients(self, x: Array, y: Array) -> Array:
        """sign(x - y)."""
        return np.sign(x - y)


class HuberLoss(Loss):
    """Squares near 0 and absolute values far away: L = 1/M sum_i w_i sum_k h(x_ik - y_ik).

    h(d) = d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere. X and Y are (M, K); labels of shape (M,) will
    do for one output.
    Source: Huber, "Robust estimation of a location parameter", 1964.

    Raises ValueError when delta is not positive.
    """

    native = "huber_loss"
    objective = "1/M sum_i w_i sum_k h(x_ik - y_ik), h(d) = d^2/2 up to delta, then delta (|d| - delta/2)"

    def __init__(self, in_layer: Any, labels: ArrayLike | None = None, delta: float = 1.0) -> None:
        super().__init__(in_layer, labels)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be positive, but is {delta!r}")
        self.delta = float(delta)

    def rows(self, x: Array, y: Array) -> Array:
        """h(x - y), summed."""
        distance = np.abs(x - y)
        near = np.minimum(distance, self.delta)
        return _sum_row(near * (distance - 0.5 * near))

    def row_gradients(self, x: Array, y: Array) -> Array:
        """x - y, kept within -delta and delta."""
        return np.clip(x - y, -self.delta, self.delta)


class QuantileLoss(Loss):
    """The pinball loss, whose best constant is a quantile: L = 1/M sum_i w_i sum_k max(q d, (q - 1) d), d = y - x.

    X is (M, K); Y is (M, K), or (M,) to compare every output with one label. `quantile` is one number between 0 and
    1, or one for each output, as in `QuantileLoss(x, quantile=(0.05, 0.5, 0.95))` for an interval. The derivative at
    d = 0 is taken as 0.
    Source: Koenker and Bassett, "Regression quantiles", 1978.

    Raises ValueError for a quantile outside 0..1, ShapeError when there are not as many as outputs.
    """

    native = "quantile_loss"
    objective = "1/M sum_i w_i sum_k max(q d, (q - 1) d), d = y_ik - x_ik"

    def __init__(self, in_layer: Any, labels: ArrayLike | None = None, quantile: float | Sequence[float] = 0.5) -> None:
        super().__init__(in_layer, labels)
        if not all(0 < q < 1 for q in np.ravel(quantile)):
            raise ValueError(f"QuantileLoss: quantile must be between 0 and 1, but is {quantile!r}")
        if np.ndim(quantile) == 1 and len(np.ravel(quantile)) != in_layer.out_dims[-1]:
            raise ShapeError(
                f"QuantileLoss: got {len(np.ravel(quantile))} quantiles for {in_layer.out_dims[-1]} outputs"
            )
        self.quantile = (
            tuple(np.asarray(quantile, float).tolist()) if np.ndim(quantile) else float(np.asarray(quantile))
        )

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output, or one for each row."""
        if labels.shape not in ((out_shape[0],), (out_shape[0], 1)):
            super().check_labels(labels, out_shape)

    def targets(self, x: Array, labels: Array) -> Array:
        """The labels, repeated for every quantile where there is one label a row."""
        if labels.shape != x.shape:
            labels = np.broadcast_to(labels.reshape(-1, 1), x.shape)
        return super().targets(x, labels)

    def rows(self, x: Array, y: Array) -> Array:
        """max(q d, (q - 1) d), summed."""
        d, q = y - x, np.asarray(self.quantile, x.dtype)
        return _sum_row(np.maximum(q * d, (q - 1) * d))

    def row_gradients(self, x: Array, y: Array) -> Array:
        """-q where x is below y, 1 - q where it is above."""
        q = np.asarray(self.quantile, x.dtype)
        return np.where(x < y, -q, np.where(x > y, 1 - q, 0))


class PoissonLoss(Loss):
    """For counts: L = 1/M sum_i w_i sum_k (exp(x_ik) - y_ik x_ik); the network's output is the logarithm of the rate.

    This is the negative log-likelihood without the term log(y!), which does not depend on the network. X and Y are
    (M, K); labels of shape (M,) will do for one output. For positive x, exp(x) is computed as 1 / exp(-x).

    Raises ValueError for a negative label.
    """

    native = "poisson_loss"
    objective = "1/M sum_i w_i sum_k (exp(x_ik) - y_ik x_ik), x the logarithm of the rate"

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output that are not negative."""
        super().check_labels(labels, out_shape)
        if (labels < 0).any():
            row = _first_row(labels < 0)
            raise ValueError(
                f"PoissonLoss: labels are counts and must not be negative, but row {row} has {labels[row]}"
            )

    def rows(self, x: Array, y: Array) -> Array:
        """exp(x) - y x, summed."""
        return _sum_row(_exp(x) - y * x)

    def row_gradients(self, x: Array, y: Array) -> Array:
        """exp(x) - y."""
        return _exp(x) - y

    def predictions(self, x: Array) -> Array:
        """The rate exp(x)."""
        return _exp(x)


class BinaryCrossEntropy(Loss):
    """Yes or no for every output, from logits: L = 1/M sum_i w_i sum_k (log(1 + exp(x_ik)) - y_ik x_ik).

    X and Y are (M, K), with labels from 0 to 1 and several labels for one row allowed; labels of shape (M,) will do
    for one output. The probability of yes is 1 / (1 + exp(-x)).

    Raises ValueError for a label outside 0..1.
    """

    native = "binary_cross_entropy"
    objective = "1/M sum_i w_i sum_k (log(1 + exp(x_ik)) - y_ik x_ik)"
    metric = "accuracy"

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output, from 0 to 1."""
        super().check_labels(labels, out_shape)
        wrong = ~((labels >= 0) & (labels <= 1))
        if wrong.any():
            raise ValueError(
                f"BinaryCrossEntropy: labels must be from 0 to 1, but row {_first_row(wrong)} has {labels[wrong][0]}"
            )

    def rows(self, x: Array, y: Array) -> Array:
        """log(1 + exp(x)) - y x, summed."""
        return _sum_row(softplus(x) - y * x)

    def row_gradients(self, x: Array, y: Array) -> Array:
        """Probability minus label."""
        return sigmoid(x) - y

    def predictions(self, x: Array) -> Array:
        """The probability of yes."""
        return sigmoid(x)

    def score_rows(self, x: Array, labels: Array) -> Array:
        """The share of outputs on the right side of one half."""
        right = (x > 0) == (self.targets(x, labels) > 0.5)
        return _sum_row(right) / max(_row_size(x), 1)


class CrossEntropy(Loss):
    """Softmax cross-entropy from logits: L = 1/M sum_i w_i sum_k c_k t_ik (log sum_j exp(x_ij) - x_ik).

    X is (M, K). Labels are rows of probabilities (M, K), usually with a single one, or class numbers (M,) from 0 to
    K - 1. t_ik = (1 - s) y_ik + s / K with label smoothing s; c_k are class weights, 1 unless given. The largest logit
    of a row is taken away from all first.
    Source: label smoothing from Szegedy et al., "Rethinking the inception architecture", 2016.

    Raises ValueError, with the row, for a class number out of range, ShapeError for labels of another shape.

    >>> from pysmorch import Data
    >>> loss = CrossEntropy(Data([[0.0, 0.0]]), [1])
    >>> bool(loss.forward() == np.log(2))
    True
    """

    native = "cross_entropy"
    objective = "1/M sum_i w_i sum_k c_k t_ik (log sum_j exp(x_ij) - x_ik)"
    metric = "accuracy"

    def __init__(
        self,
        in_layer: Any,
        ones_hot: ArrayLike | None = None,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(in_layer, ones_hot)
        num_classes = rows_of_features(self, in_layer)[1]
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"CrossEntropy: label_smoothing must be from 0 to below 1, but is {label_smoothing!r}")
        self.label_smoothing = float(label_smoothing)
        self.class_weights = None if class_weights is None else tuple(float(c) for c in class_weights)
        if self.class_weights is not None and (len(self.class_weights) != num_classes or min(self.class_weights) < 0):
            raise ValueError(
                f"CrossEntropy: class_weights must be {num_classes} numbers that are not negative, one per class, "
                f"but are {class_weights!r}"
            )

    @property
    def ones_hot(self) -> Any:
        """The labels."""
        return self.labels

    @ones_hot.setter
    def ones_hot(self, labels: ArrayLike) -> None:
        self.labels = np.asarray(labels)

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Class numbers in range, one a row, or rows in the shape of the output."""
        if labels.ndim != 1:
            return super().check_labels(labels, out_shape)
        num_data, num_classes = out_shape
        if labels.dtype.kind not in "iub":
            raise TypeError(
                f"CrossEntropy: class numbers must be integers, but labels have dtype {labels.dtype}; "
                f"pass integers of shape (M,) or rows of shape (M, {num_classes})"
            )
        if len(labels) != num_data:
            raise ShapeError(f"CrossEntropy: got {len(labels)} labels for {num_data} rows")
        wrong = (labels < 0) | (labels >= num_classes)
        if wrong.any():
            row = _first_row(wrong)
            raise ValueError(
                f"CrossEntropy: class numbers must be from 0 to {num_classes - 1}, but row {row} has {labels[row]}"
            )

    def targets(self, x: Array, labels: Array) -> Array:
        """c_k t_ik for every row and class."""
        if labels.ndim == 1:
            y = np.eye(x.shape[1], dtype=x.dtype)[labels.astype(np.intp)]
        else:
            y = super().targets(x, labels)
        if self.label_smoothing:
            y = (1 - self.label_smoothing) * y + self.label_smoothing / x.shape[1]
        return y if self.class_weights is None else y * np.asarray(self.class_weights, x.dtype)

    def rows(self, x: Array, y: Array) -> Array:
        """The sum of t times (log sum exp - x)."""
        shifted = x - x.max(1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(1, keepdims=True))
        return _sum_row(np.where(y != 0, y, 0) * (log_sum - shifted))

    def row_gradients(self, x: Array, y: Array) -> Array:
        """softmax(x) sum_k t_k - t."""
        return softmax(x) * y.sum(1, keepdims=True) - y

    def predictions(self, x: Array) -> Array:
        """The probability of each class."""
        return softmax(x)

    def score_rows(self, x: Array, labels: Array) -> Array:
        """1 where the largest logit is that of the label."""
        right = labels if labels.ndim == 1 else labels.argmax(1)
        return (x.argmax(1) == right).astype(x.dtype)


def softmax(x: Array) -> Array:
    """exp(x_k) / sum_j exp(x_j) for each row, with the largest x taken away first."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _check_shape(loss: Loss, labels: Array, out_shape: tuple[int, ...]) -> None:
    if labels.dtype.kind not in "fiub":
        raise TypeError(f"{type(loss).__name__}: labels must be numbers, but have dtype {labels.dtype}")
    one_each = labels.ndim == 1 and out_shape[1:] == (1,) and len(labels) == out_shape[0]
    if labels.shape != out_shape and not one_each:
        raise ShapeError(
            f"{type(loss).__name__}: labels have shape {labels.shape}, but the network's output has {out_shape}"
        )


def _exp(x: Array) -> Array:
    with np.errstate(divide="ignore", over="ignore"):
        e = np.exp(-np.abs(x))
        return np.where(x > 0, 1 / e, e)


def _row_size(x: Array) -> int:
    return int(np.prod(x.shape[1:]))


def _sum_row(x: Array) -> Array:
    return x.reshape(len(x), -1).sum(1)


def _first_row(mask: Array) -> int:
    return int(np.argwhere(mask)[0][0])
