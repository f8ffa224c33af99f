"""Regressor: from rows to numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length

from pysmorch.entries import check_finite
from pysmorch.estimators.base import NetworkEstimator
from pysmorch.files import ModelFileError, saved_as
from pysmorch.files.header import entry
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.losses import AbsoluteLoss, HuberLoss, Loss, PoissonLoss, QuantileLoss, SquareLoss
from pysmorch.metrics import Metric
from pysmorch.optimizers import Optimizer

LOSSES = ("square", "absolute", "huber", "quantile", "poisson")


@saved_as("regressor")
class Regressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A neural network that predicts one or several numbers, with scikit-learn's contract.

    The targets are scaled to mean 0 and variance 1 for training, except for the Poisson loss, and predictions are
    scaled back.

    Args:
        loss: "square" predicts the mean, "absolute" the median, "huber" something between that is robust against
            outliers, "quantile" the given quantile, "poisson" the rate of counts.
        quantile: for the quantile loss, between 0 and 1.
        hidden, activation, dropout, optimizer, learning_rate, weight_decay, batch_size, epochs, early_stopping,
            validation_fraction, patience, network, precision, random_state, verbose: as for `Classifier`.

    Attributes:
        network_, encoder_, history_, loss_curve_, validation_curve_, n_iter_, n_features_in_, feature_names_in_: as for
            `Classifier`. n_outputs_: how many numbers are predicted.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> Regressor(random_state=0).fit(X, y).score(X, y) > 0.5
    True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256, 128),
        activation: str = "relu",
        dropout: float = 0.1,
        optimizer: str | Optimizer = "adamw",
        learning_rate: Any = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int | str = "auto",
        epochs: int = 50,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        loss: str = "square",
        quantile: float = 0.5,
        network: Callable[[Any, int], Layer] | None = None,
        precision: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.loss = loss
        self.quantile = quantile
        self.network = network
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Go through the rows once, from where training is, also after `fit`.

        A first call learns the columns and the scale of the targets from these rows.
        """
        self._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Array:
        """Return the prediction for each row, shape (N,), or (N, K) for several targets."""
        values = self._outputs(X) * self._target_scale + self._target_mean
        return values[:, 0] if self._flat else values

    def _check_labels(self, y: Any, num_data: int) -> Array:
        labels: Array = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", ensure_all_finite=False)
        check_finite(labels, "y")
        check_consistent_length(np.empty(num_data), labels)
        if labels.ndim > 2:
            raise ValueError(f"y must have the shape (N,) or (N, K), but has {labels.shape}")
        if self.loss == "poisson" and (labels < 0).any():
            raise ValueError("y must not be negative for the Poisson loss")
        if hasattr(self, "network_") and labels.reshape(num_data, -1).shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has shape {labels.shape}, but the model predicts {self.n_outputs_} numbers for each row"
            )
        return labels

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        targets = y.reshape(len(y), -1)
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        self._flat = y.ndim == 1
        self.n_outputs_ = targets.shape[1]
        self._target_mean, self._target_scale = np.zeros(self.n_outputs_), np.ones(self.n_outputs_)
        if self.loss != "poisson":
            self._target_mean = w @ targets / w.sum()
            std = np.sqrt(w @ np.square(targets - self._target_mean) / w.sum())
            self._target_scale = np.where(std > 1e-12 * np.abs(self._target_mean), std, 1.0)

    def _start(self, X: Any, y: Any, sample_weight: Any, learn: Any = None) -> Any:
        for name in ("network_", "n_outputs_"):  # a second fit may have other targets
            if hasattr(self, name):
                delattr(self, name)
        return super()._start(X, y, sample_weight, learn)

    def _encode_labels(self, y: Array) -> Array:
        targets = (y.reshape(len(y), -1) - self._target_mean) / self._target_scale
        return targets.astype(np.float32)

    def _num_outputs(self) -> int:
        return int(self.n_outputs_)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, but is {self.loss!r}")

    def _make_loss(self, output: Layer) -> Loss:
        if self.loss == "quantile":
            return QuantileLoss(output, quantile=self.quantile)
        classes = {"square": SquareLoss, "absolute": AbsoluteLoss, "huber": HuberLoss, "poisson": PoissonLoss}
        return classes[self.loss](output)

    def _of_labels(self, metric: Metric) -> Metric:
        """Return a metric of scaled targets and predictions that measures them in the units of y."""
        mean, scale = self._target_mean, self._target_scale
        flat = self._flat and metric.takes == "predictions"

        def measure(labels: Array, predictions: Array, **weights: Any) -> Any:
            targets, values = (array.reshape(len(array), -1) * scale + mean for array in (labels, predictions))
            return metric.function(*((targets[:, 0], values[:, 0]) if flat else (targets, values)), **weights)

        return replace(metric, function=measure)

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"flat": self._flat}, {"mean": self._target_mean, "scale": self._target_scale}

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        self._flat = entry(header, "flat", bool)
        if not {"mean", "scale"} <= set(tensors) or tensors["mean"].ndim != 1:
            raise ModelFileError("the scale of its targets is missing")
        self._target_mean, self._target_scale = tensors["mean"], tensors["scale"]
        self.n_outputs_ = len(self._target_mean)
        if self._target_scale.shape != self._target_mean.shape or (self._flat and self.n_outputs_ != 1):
            raise ModelFileError("the scale of its targets does not fit their number")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
