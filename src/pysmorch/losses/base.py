"""The base of all losses: the mean over the samples, their weights, and the checks of labels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.arguments import floating
from pysmorch.layers.base import Array, Layer, ShapeError
from pysmorch.layers.protocol import LayerLike

MetricInput = Literal["predictions", "values", "classes", "probabilities", "scores"]
"""What a metric compares with labels: see `pysmorch.metrics.Metric`."""


class Loss(Layer):
    """The base of all losses: L = (1/M) sum_i w_i l_i over the M samples of the batch.

    A concrete loss says what l_i is (`sample_losses`), what its gradient is (`sample_gradients`), and what the network predicts
    (`predictions`); the mean and the weights are applied here.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network.
    labels : array_like, default=None
        What the output is compared with, one label per sample; None to set them later, as `Network.fit` does.

    Attributes
    ----------
    labels : ndarray or None
        What the output is compared with.
    sample_weight : ndarray of shape (M,) or None
        One factor w_i that is not negative per sample; None for ones.
    num_data : int
        Number of samples M in the last forward pass.
    pass_back : ndarray
        Gradient of the loss with respect to its input, from the last backward pass.
    """

    objective: str = ""
    """The exact objective, as a formula."""
    metric: str = "mae"
    """The default metric, by its name in `pysmorch.metrics`: the mean of `sample_scores`, measured with the loss."""
    metric_inputs: tuple[MetricInput, ...] = ("predictions", "values")
    """What the predictions can be turned into for a metric."""
    takes_class_indices: bool = False
    """Whether labels of shape (M,) are class indices."""
    native_attributes: tuple[str, ...] = ()
    """The attributes that the native form of the loss reads: numbers, or one number per output."""

    def __init__(self, in_layer: LayerLike, labels: ArrayLike | None = None) -> None:
        super().__init__(in_layer)
        self.out_dims = ()
        self.labels: Any = None
        self.sample_weight: Any = None
        if labels is not None:
            self.set_labels(labels)

    def set_labels(self, labels: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Compare with these labels from now on.

        Parameters
        ----------
        labels : array_like
            One label per sample, as the loss takes them; they are checked in the next forward pass.
        sample_weight : array_like of shape (M,), default=None
            One factor per sample; None for ones.
        """
        self.labels = np.asarray(labels)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)

    def set_data(self, labels: ArrayLike) -> None:
        """Compare with these labels from now on, without weights.

        Parameters
        ----------
        labels : array_like
            One label per sample, as the loss takes them.
        """
        self.set_labels(labels)

    # What a concrete loss defines.

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Check labels against the shape of the network's output; samples are counted from 0 in messages.

        Parameters
        ----------
        labels : ndarray
            The labels of a batch or of a data set.
        out_shape : tuple of int
            Shape of the output for these samples, (M, ...).

        Raises
        ------
        ShapeError
            For labels of another shape.
        TypeError
            For labels that are not numbers.
        ValueError
            For labels out of the loss's range.
        """
        check_shape(self, labels, out_shape)

    def targets(self, x: Array, labels: Array) -> Array:
        """Return labels that were checked in the shape and the dtype of the output.

        Parameters
        ----------
        x : ndarray of shape (M, ...)
            The network's output.
        labels : ndarray
            Labels that `check_labels` accepts.

        Returns
        -------
        ndarray of shape (M, ...)
            The targets.
        """
        return labels.reshape(x.shape).astype(x.dtype, copy=False)

    def sample_losses(self, x: Array, y: Array) -> Array:
        """Return the per-sample losses l_i.

        Parameters
        ----------
        x : ndarray of shape (M, ...)
            The network's output.
        y : ndarray of shape (M, ...)
            The targets.

        Returns
        -------
        ndarray of shape (M,)
            One loss per sample.
        """
        raise NotImplementedError

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """Return the gradients of the per-sample losses.

        Parameters
        ----------
        x : ndarray of shape (M, ...)
            The network's output.
        y : ndarray of shape (M, ...)
            The targets.

        Returns
        -------
        ndarray of shape (M, ...)
            The gradient of l_i with respect to x_i.
        """
        raise NotImplementedError

    def predictions(self, x: Array) -> Array:
        """Turn the network's output into what it predicts: probabilities, rates, or the output itself.

        Parameters
        ----------
        x : ndarray of shape (M, ...)
            The network's output.

        Returns
        -------
        ndarray of shape (M, ...)
            The predictions.
        """
        return x

    def sample_scores(self, x: Array, labels: Array) -> Array:
        """Return the per-sample values of the default metric; here the mean absolute error over the outputs.

        Parameters
        ----------
        x : ndarray of shape (M, ...)
            The network's output.
        labels : ndarray
            Labels that `check_labels` accepts.

        Returns
        -------
        ndarray of shape (M,)
            One value per sample.
        """
        return sum_sample(np.abs(self.predictions(x) - self.targets(x, labels))) / max(sample_size(x), 1)

    def metric_arguments(self, takes: MetricInput, x: Array, labels: Array) -> tuple[Array, Array]:
        """Return labels and predictions in the form that a metric takes.

        Parameters
        ----------
        takes : {"predictions", "values", "classes", "probabilities", "scores"}
            The form, one of `metric_inputs`.
        x : ndarray of shape (M, ...)
            The network's output.
        labels : ndarray
            Labels that `check_labels` accepts.

        Returns
        -------
        labels, predictions : ndarray
            For "predictions" the labels as they are; for "values" both of shape (M, K).
        """
        if takes == "predictions":
            return labels, self.predictions(x)
        rows = (len(x), sample_size(x))
        return self.targets(x, labels).reshape(rows), self.predictions(x).reshape(rows)

    def native_form(self, labels: Array) -> str:
        """Return the name of the native form for labels of this shape.

        Parameters
        ----------
        labels : ndarray
            Labels that `check_labels` accepts.

        Returns
        -------
        str
            The name; `native` where there is one form only.
        """
        return str(self.native)

    # The mean over the samples.

    def compute(self, x: Array) -> Any:
        """L = (1/M) sum_i w_i l_i."""
        if self.labels is None:
            raise RuntimeError(f"{self!r} has no labels yet; call set_labels(labels) first")
        x, labels = floating(x), np.asarray(self.labels)
        self.num_data = len(x)
        if self.num_data == 0:
            raise ShapeError(f"{self!r}: the batch is empty, and a mean over no rows is not defined")
        self.check_labels(labels, x.shape)
        self._y = self.targets(x, labels)
        self._w = self._weights(x)
        return np.mean(self._w * self.sample_losses(x, self._y), dtype=np.float64)

    def pull_back(self, dwnstrm: Array) -> Array:
        """(w_i / M) times the gradient of l_i, for every sample i."""
        x = floating(self.in_array)
        factors = dwnstrm * self._w / self.num_data
        return factors.reshape(-1, *(1,) * (x.ndim - 1)) * self.sample_gradients(x, self._y)

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


def check_shape(loss: Loss, labels: Array, out_shape: tuple[int, ...]) -> None:
    """Check that labels are numbers in the shape of the output, or one each where there is one output."""
    if labels.dtype.kind not in "fiub":
        raise TypeError(f"{type(loss).__name__}: labels must be numbers, but have dtype {labels.dtype}")
    one_each = labels.ndim == 1 and out_shape[1:] == (1,) and len(labels) == out_shape[0]
    if labels.shape != out_shape and not one_each:
        raise ShapeError(
            f"{type(loss).__name__}: labels have shape {labels.shape}, but the network's output has {out_shape}"
        )


def sample_size(x: Array) -> int:
    """Return the number of entries of one sample."""
    return int(np.prod(x.shape[1:]))


def sum_sample(x: Array) -> Array:
    """Return the sum over the entries of each sample, shape (M,)."""
    return x.reshape(len(x), -1).sum(1)


def first_sample(mask: Array) -> int:
    """Return the first sample for which the mask is True."""
    return int(np.argwhere(mask)[0][0])
