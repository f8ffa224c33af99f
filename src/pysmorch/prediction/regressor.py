"""What a Regressor predicts with: its parameters, and the units of its targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from pysmorch.engine import Precision
from pysmorch.entries import list_names
from pysmorch.export.forms import ValuesForm
from pysmorch.files import ModelFileError
from pysmorch.files.header import entry
from pysmorch.layers import Layer
from pysmorch.layers.activations import ActivationName
from pysmorch.layers.base import Array
from pysmorch.losses import GammaLoss, Loss, PoissonLoss, TweedieLoss
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.conformal import radius_of, scores_to_parts, take_scores
from pysmorch.prediction.exported import form_of_values
from pysmorch.prediction.one_model import of_one_model
from pysmorch.prediction.parameters import TrainingPrecision, check_loss
from pysmorch.prediction.presets import PresetName
from pysmorch.schedules import Schedule

if TYPE_CHECKING:
    from pysmorch.explaining.gradients import Head

RegressionLoss = Literal["square", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie"]
LOSSES = get_args(RegressionLoss)
OF_LOGARITHMS = ("poisson", "gamma", "tweedie")
"""Losses whose output is the logarithm of the mean."""


class RegressorModel(NetworkModel):
    """What predicts numbers; `Regressor` is one that can be trained, and documents the parameters."""

    n_outputs_: int

    def __init__(
        self,
        hidden: Sequence[int] | None = None,
        activation: ActivationName | None = None,
        dropout: float = 0.1,
        optimizer: OptimizerName | Optimizer = "adamw",
        learning_rate: float | Schedule = 5e-3,
        weight_decay: float | None = None,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int | None = None,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        loss: RegressionLoss | Callable[[Layer], Loss] = "square",
        quantile: float | Sequence[float] = 0.5,
        network: Callable[[Layer, int], Layer] | None = None,
        pixels: bool = False,
        precision: TrainingPrecision = "float32",
        columns: Mapping[str, str] | None = None,
        missing: Sequence[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        warm_start: bool = False,
        threads: int | None = None,
        predict_precision: Precision = "float32",
        conformal_fraction: float = 0.0,
        preset: PresetName = "balanced",
        members: int | None = None,
        time_limit: float | None = None,
        power: float = 1.5,
        embedding: bool | None = None,
    ) -> None:
        self.preset = preset
        self.members = members
        self.time_limit = time_limit
        self.hidden = hidden
        self.activation = activation
        self.embedding = embedding
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.conformal_fraction = conformal_fraction
        self.loss = loss
        self.quantile = quantile
        self.power = power
        self.network = network
        self.pixels = pixels
        self.precision = precision
        self.columns = columns
        self.missing = missing
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.threads = threads
        self.predict_precision = predict_precision

    @of_one_model
    def predict(self, X: Any) -> Array:
        """Return the prediction for each row.

        Parameters
        ----------
        X : array-like, data frame or path
            Rows with the columns of the training; a table in a file may have more.

        Returns
        -------
        ndarray of shape (N,), (N, K) or (N, Q)
            float64, in the units and the number of dimensions of the y of the training; a column for each of several quantiles, in
            their order, of which a higher one is never below a lower one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError, TypeError
            For data that do not fit; messages name the column or the row.
        """
        return self._predicted(self._in_units(self._predictions(X)))

    def _predicted(self, values: Array) -> Array:
        """Return what is predicted, from what the network says in the units of y."""
        if self._num_quantiles() > 1:
            # Sorting is the nearest way to quantiles that do not cross (Chernozhukov, Fernández-Val and Galichon, 2010).
            ranks = np.argsort(np.argsort(np.asarray(self.quantile)))
            return np.sort(values, axis=1)[:, ranks]
        return values[:, 0] if self._flat else values

    @of_one_model
    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Return an interval for each row that holds its target with a probability of at least `coverage`.

        Split conformal prediction: f(x) - q to f(x) + q, where q is the ceil((n + 1) coverage)-th smallest of the distances
        abs(y - f(x)) of n held-out rows. If these rows were set aside (`conformal_fraction`), and they and a new row are exchangeable,
        such as drawn independently from the same distribution, then

            coverage <= P(lower <= y <= upper) <= coverage + 1 / (n + 1),

        the upper bound where no two distances are equal, exactly and for every n, network and distribution (Vovk, Gammerman and Shafer,
        "Algorithmic Learning in a Random World", 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-Free
        Predictive Inference for Regression", 2018, theorem 2.2). The probability is over new rows and over what was drawn for
        the training: one model may be a little off. Without `conformal_fraction` the rows are those that chose the number of epochs,
        by validation or cross-validation; the coverage is then near that, and mostly above it, but not guaranteed.

        Parameters
        ----------
        X : array-like, data frame or path
            As for `predict`.
        coverage : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        ndarray of shape (N, 2), or (N, K, 2) for several targets
            Lower and upper bounds, in the units of y. Each of several targets is covered on its own.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`; also for a model without scores of held-out rows, and a coverage that needs more of them.

        Notes
        -----
        With several quantiles, from the lowest l(x) to the highest u(x), the distances are max(l(x) - y, y - u(x)) and the interval is
        l(x) - q to u(x) + q, so that its width follows x (Romano, Patterson and Candès, "Conformalized Quantile Regression", 2019).

        Held-out rows count by their `sample_weight`, with mean one, and a new row counts one: weights stand for rows that come more
        often than in the sample, and then the guarantee holds approximately.
        """
        radius_of(self, coverage)  # before the rows are read
        return self._intervals(self._in_units(self._predictions(X)), coverage)

    def _intervals(self, values: Array, coverage: float) -> Array:
        """Return the interval of each row around what the network says in the units of y."""
        radius = radius_of(self, coverage)
        lower, upper = self._bounds(values)
        intervals = np.stack([lower - radius, upper + radius], axis=-1)
        crossed = intervals[..., 0] > intervals[..., 1]
        intervals[crossed] = intervals[crossed].mean(axis=-1, keepdims=True)
        if self._has_log_link():
            intervals = np.maximum(intervals, 0.0)
        return intervals[:, 0] if self._flat else intervals

    def _in_units(self, predictions: Array) -> Array:
        return predictions * self._target_scale + self._target_mean

    def _bounds(self, values: Array) -> tuple[Array, Array]:
        """Return the lowest and the highest of several quantiles, else the predictions themselves, twice."""
        if self._num_quantiles() > 1:
            return values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
        return values, values

    def _conformal_scores(self, outputs: Array, codes: Array) -> Array:
        lower, upper = self._bounds(self._in_units(self.network_.loss.predictions(outputs)))
        targets = self._in_units(codes.astype(np.float64))
        return np.maximum(lower - targets, targets - upper)

    def _has_log_link(self) -> bool:
        return isinstance(self.loss, str) and self.loss in OF_LOGARITHMS

    def _num_quantiles(self) -> int:
        return np.size(self.quantile) if isinstance(self.loss, str) and self.loss == "quantile" else 1

    def _num_outputs(self) -> int:
        return int(self.n_outputs_) * self._num_quantiles()

    def _form_of_answers(self) -> ValuesForm:
        return form_of_values(self)

    def _difference(self, found: dict[str, Array], X: Any) -> float:
        here = self.predict(X)
        largest = np.abs(here).max(initial=0.0)
        return float(np.abs(found["prediction"] - here).max(initial=0.0) / (largest or 1.0))

    def _output_names(self) -> list[Any]:
        if self._num_quantiles() > 1:
            return [float(quantile) for quantile in np.ravel(self.quantile)]
        return ["prediction"] if self._num_outputs() == 1 else list(range(self._num_outputs()))

    def _default_outputs(self, outputs: Array) -> Array:
        names = self._output_names()
        if len(names) > 1:
            raise ValueError(
                f"of must say which of {list_names([str(name) for name in names])} is explained, but is None"
            )
        return np.zeros(len(outputs), dtype=np.int64)

    def _head(self) -> tuple[str, Head]:
        from pysmorch.explaining.heads import scaled

        loss = self.network_.loss
        if type(loss).predictions is Loss.predictions:
            return "prediction", scaled(self._target_mean, self._target_scale)
        if isinstance(loss, (GammaLoss, PoissonLoss, TweedieLoss)):
            return "logarithm of the prediction", scaled(np.log(self._target_scale), np.ones(1))
        return "output of the network", scaled(np.zeros(1), np.ones(1))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_loss(self.loss, LOSSES)
        if self.loss == "quantile" and (np.ndim(self.quantile) > 1 or np.size(self.quantile) == 0):
            raise ValueError(f"quantile must be a number or a sequence of numbers, but is {self.quantile!r}")
        if self.loss == "tweedie" and not 1 < self.power < 2:
            raise ValueError(f"power must be between 1 and 2, but is {self.power!r}")

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        header, tensors = scores_to_parts(self)
        return {"flat": self._flat} | header, {"mean": self._target_mean, "scale": self._target_scale} | tensors

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        self._flat = entry(header, "flat", bool)
        if not {"mean", "scale"} <= set(tensors) or tensors["mean"].ndim != 1:
            raise ModelFileError("the scale of its targets is missing")
        self._target_mean, self._target_scale = tensors["mean"], tensors["scale"]
        self.n_outputs_ = len(self._target_mean)
        if self._target_scale.shape != self._target_mean.shape or (self._flat and self.n_outputs_ != 1):
            raise ModelFileError("the scale of its targets does not fit their number")
        take_scores(self, header, tensors, self.n_outputs_)
