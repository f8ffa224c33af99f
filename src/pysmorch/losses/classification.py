"""Classification losses, computed from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.activations import sigmoid, softplus
from pysmorch.layers.arguments import finite, rows_of_features
from pysmorch.layers.base import Array, ShapeError
from pysmorch.layers.protocol import LayerLike
from pysmorch.losses.base import Loss, MetricInput, first_sample, sample_size, sum_sample

__all__ = ["BinaryCrossEntropy", "CrossEntropy"]


class BinaryCrossEntropy(Loss):
    """Yes or no for every output, from logits: L = 1/M sum_i w_i sum_k (log(1 + exp(x_ik)) - y_ik x_ik).

    The probability of yes is 1 / (1 + exp(-x)); several outputs of one sample may be yes.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        From 0 (no) to 1 (yes); shape (M,) where K is 1. None to set them later, as `Network.fit` does.

    Raises
    ------
    ValueError
        For a label outside 0..1.
    """

    native = "binary_cross_entropy"
    objective = "1/M sum_i w_i sum_k (log(1 + exp(x_ik)) - y_ik x_ik)"
    metric = "accuracy"
    metric_inputs = ("predictions", "classes", "probabilities", "scores")

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output, from 0 to 1."""
        super().check_labels(labels, out_shape)
        wrong = ~((labels >= 0) & (labels <= 1))
        if wrong.any():
            raise ValueError(
                f"BinaryCrossEntropy: labels must be from 0 to 1, but row {first_sample(wrong)} has {labels[wrong][0]}"
            )

    def sample_losses(self, x: Array, y: Array) -> Array:
        """log(1 + exp(x)) - y x, summed."""
        return sum_sample(softplus(x) - y * x)

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """Probability minus label."""
        return sigmoid(x) - y

    def predictions(self, x: Array) -> Array:
        """The probability of yes."""
        return sigmoid(x)

    def sample_scores(self, x: Array, labels: Array) -> Array:
        """The fraction of outputs on the right side of one half."""
        right = (x > 0) == (self.targets(x, labels) > 0.5)
        return sum_sample(right) / max(sample_size(x), 1)

    def metric_arguments(self, takes: MetricInput, x: Array, labels: Array) -> tuple[Array, Array]:
        """Return class 0 or 1 for each sample and (M, 2) for the two of them; with several outputs (M, K) for both."""
        if takes == "predictions":
            return super().metric_arguments(takes, x, labels)
        rows = (len(x), sample_size(x))
        logits = x.reshape(rows)
        right = (self.targets(x, labels) > 0.5).astype(np.intp).reshape(rows)
        if takes == "classes":
            made = (logits > 0).astype(np.intp)
            return (right[:, 0], made[:, 0]) if rows[1] == 1 else (right, made)
        if rows[1] == 1:
            right, logits = right[:, 0], np.concatenate([-logits / 2, logits / 2], 1)
            return right, logits if takes == "scores" else softmax(logits)
        return right, logits if takes == "scores" else sigmoid(logits)


class CrossEntropy(Loss):
    """Softmax cross-entropy from logits: L = 1/M sum_i w_i sum_k c_k t_ik (log sum_j exp(x_ij) - x_ik).

    t_ik = (1 - s) y_ik + s / K with label smoothing s; c_k are class weights. The largest logit of a sample is
    subtracted from all first.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K): logits.
    ones_hot : array_like of shape (M, K) or (M,), default=None
        The labels: probabilities of the classes, usually with a single one, or class indices from 0 to K - 1. None to
        set them later, as `Network.fit` does.
    label_smoothing : float, default=0.0
        s, from 0 to below 1.
    class_weights : sequence of K floats, default=None
        c_k, not negative; None for ones.

    Raises
    ------
    ValueError
        For a class index out of range, with the sample, and for arguments out of range.
    ShapeError
        For labels of another shape.

    Notes
    -----
    Source: label smoothing from Szegedy et al., "Rethinking the inception architecture", 2016.

    Examples
    --------
    >>> from pysmorch import Data
    >>> loss = CrossEntropy(Data([[0.0, 0.0]]), [1])
    >>> bool(loss.forward() == np.log(2))
    True
    """

    native = "cross_entropy"
    native_attributes = ("label_smoothing", "class_weights")
    takes_class_indices = True
    objective = "1/M sum_i w_i sum_k c_k t_ik (log sum_j exp(x_ij) - x_ik)"
    metric = "accuracy"
    metric_inputs = ("predictions", "classes", "probabilities", "scores")

    def __init__(
        self,
        in_layer: LayerLike,
        ones_hot: ArrayLike | None = None,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(in_layer, ones_hot)
        num_classes = rows_of_features(self, in_layer)[1]
        if not 0 <= finite(self, "label_smoothing", label_smoothing) < 1:
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
        """Class indices in range, one per sample, or probabilities in the shape of the output."""
        if labels.ndim != 1:
            return super().check_labels(labels, out_shape)
        num_data, num_classes = out_shape
        if labels.dtype.kind not in "iub":
            raise TypeError(
                f"CrossEntropy: labels must be integers, the class indices, but have dtype {labels.dtype}; "
                f"pass integers of shape (M,) or rows of shape (M, {num_classes})"
            )
        if len(labels) != num_data:
            raise ShapeError(f"CrossEntropy: got {len(labels)} labels for {num_data} rows")
        wrong = (labels < 0) | (labels >= num_classes)
        if wrong.any():
            row = first_sample(wrong)
            raise ValueError(
                f"CrossEntropy: labels must be class indices from 0 to {num_classes - 1}, but row {row} has {labels[row]}"
            )

    def targets(self, x: Array, labels: Array) -> Array:
        """c_k t_ik for every sample and class."""
        if labels.ndim == 1:
            y = (labels.astype(np.intp)[:, None] == np.arange(x.shape[1])).astype(x.dtype)
        else:
            y = super().targets(x, labels)
        if self.label_smoothing:
            y = (1 - self.label_smoothing) * y + self.label_smoothing / x.shape[1]
        return y if self.class_weights is None else y * np.asarray(self.class_weights, x.dtype)

    def sample_losses(self, x: Array, y: Array) -> Array:
        """The sum of t times (log sum exp - x)."""
        shifted = x - x.max(1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(1, keepdims=True))
        return sum_sample(np.where(y != 0, y, 0) * (log_sum - shifted))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """softmax(x) sum_k t_k - t."""
        return softmax(x) * y.sum(1, keepdims=True) - y

    def predictions(self, x: Array) -> Array:
        """The probability of each class."""
        return softmax(x)

    def sample_scores(self, x: Array, labels: Array) -> Array:
        """1 where the largest logit is that of the label."""
        return (x.argmax(1) == _class_indices(labels)).astype(x.dtype)

    def metric_arguments(self, takes: MetricInput, x: Array, labels: Array) -> tuple[Array, Array]:
        """Return class indices, with the index of the largest logit, the probabilities, or the logits as scores."""
        if takes == "predictions":
            return super().metric_arguments(takes, x, labels)
        right = _class_indices(labels)
        if takes == "classes":
            return right, x.argmax(1)
        return right, x if takes == "scores" else softmax(x)

    def native_form(self, labels: Array) -> str:
        """Return the form for class indices, or that for rows of probabilities."""
        return "cross_entropy" if labels.ndim == 1 else "cross_entropy_of_rows"


def softmax(x: Array) -> Array:
    """Return exp(x_k) / sum_j exp(x_j) for each sample; the largest x is subtracted first.

    Parameters
    ----------
    x : ndarray of shape (M, K)
        Logits.

    Returns
    -------
    ndarray of shape (M, K)
        Probabilities.
    """
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _class_indices(labels: Array) -> Array:
    return labels if labels.ndim == 1 else labels.argmax(1)
