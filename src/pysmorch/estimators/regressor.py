"""Regressor: from rows to numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from pysmorch.encoders.numbers import units_of
from pysmorch.entries import check_finite, check_float32, name_entry
from pysmorch.estimators.base import NetworkEstimator
from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.fitting import own_loss
from pysmorch.estimators.remarks import warn_of_skew
from pysmorch.estimators.rows import Labelled, as_labels, weighted_rows
from pysmorch.files import saved_as
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.losses import (
    AbsoluteLoss,
    GammaLoss,
    HuberLoss,
    Loss,
    PoissonLoss,
    QuantileLoss,
    SquareLoss,
    TweedieLoss,
)
from pysmorch.metrics import Metric
from pysmorch.prediction.parameters import check_num_labels
from pysmorch.prediction.regressor import LOSSES, RegressorModel

LARGEST = 1e305
"""Of targets, so that predictions beyond the largest, and sums of several, are numbers in float64."""


@saved_as("regressor")
class Regressor(RegressorMixin, RegressorModel, NetworkEstimator):  # type: ignore[misc]
    """A neural network that predicts one or several numbers, with scikit-learn's contract.

    Parameters
    ----------
    hidden : sequence of int, default=None
        Widths of the hidden layers; empty for a linear model. None goes by the preset: three of 256 with "balanced" and "best" for
        tables of 3000 rows and more below 200,000, else 256 and 128.
    activation : str, default=None
        Name of the activation of the hidden layers, one of `pysmorch.layers.activations.ACTIVATIONS`, such as "gelu" or "tanh". None
        goes by the preset: "mish" with "balanced" and "best" for the same tables, else "relu".
    dropout : float, default=0.1
        Fraction of the hidden units that are dropped in training; from 0 to below 1.
    optimizer : str or Optimizer, default="adamw"
        A name in `pysmorch.optimizers.OPTIMIZERS` ("sgd" is with Nesterov momentum 0.9), or an object such as `SGD(0.1)`, which is
        copied and whose own learning rate and weight decay then hold.
    learning_rate : float or Schedule, default=5e-3
        A number is the peak of a `OneCycle` schedule in `fit`, and five times the constant rate of `partial_fit`; a schedule such
        as `Cosine(0.01)` or `Constant(0.001)` holds as it is.
    weight_decay : float, default=None
        Pulls the weights, not the biases, towards 0; not negative. None is 0.1; in "balanced" and "best" every second network of less
        than 2000 rows of a table has 0.6, and of 3000 to 20,000 held-out rows choose between 0.1 and 10,000 divided by the rows.
    batch_size : int or "auto", default="auto"
        Rows of one step; "auto" takes a 64th of the rows, at least 32, or 128 from 3,000 rows of a table on, and at most 256.
    epochs : int, default=None
        How many times the rows are used at most; half as often where held-out rows choose the strong weight decay. None is 50, and 22 for
        each of several networks of a table in "balanced": twice as many of 10,000 rows or more with little noise, and of few rows as many as
        take 400 steps, 50 at most.
    early_stopping : bool or "auto", default="auto"
        True holds out rows, stops when their loss has not fallen for `patience` epochs, and restores the best weights; False never
        does. "auto" does so from 5000 rows on; with fewer, and without `eval_set` and `network`, it chooses the number of epochs by
        cross-validation in two halves, then trains on all rows. Without held-out rows, training stops when its
        own loss no longer falls. Several networks of a preset each hold out a fold instead, and
        end when a sixth of the epochs was clearly worse than the best one.
    validation_fraction : float, default=0.1
        Fraction of the rows that are held out; between 0 and 1.
    patience : int, default=20
        Epochs without a better loss before training stops; at least 1.
    conformal_fraction : float, default=0.0
        Fraction of the rows that are set aside, from the training and from all choices, so that the coverage of `predict_interval` is
        guaranteed; from 0 to below 1. With 0 its scores are those of the rows that end the training, and the coverage is near that.
    loss : {"square", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie"} or callable, default="square"
        "square" predicts the mean, "absolute" the median, "huber" something between that is robust against outliers, "quantile" the
        quantiles of that name, "poisson" the rate of counts, "gamma" the mean of positive amounts, whose errors count by their ratio,
        and "tweedie" that of amounts that often are 0. A class of losses of your own, or a function that makes a loss of the
        output layer, such as ``lambda output: HuberLoss(output, delta=2)``; it sees targets of mean 0 and variance 1.
    quantile : float or sequence of Q floats, default=0.5
        The quantiles that the quantile loss predicts; between 0 and 1. Several ones such as (0.1, 0.5, 0.9) are for a single target.
    power : float, default=1.5
        Of the mean, to which the variance is proportional for the loss "tweedie"; between 1 (counts) and 2 (amounts that are never 0).
    network : callable, default=None
        A function of (input layer, number of outputs) that returns the last layer of a network of your own, or one of
        `pysmorch.models`; it replaces `hidden`, `activation` and `dropout`.
    pixels : bool, default=False
        Whether the columns of X are pixels, which share one scale; those of arrays (N, H, W[, C]) always do.
    precision, predict_precision : {"float32", "bf16", "auto"}, default="float32"
        Of training, which can also be "float64", and of prediction: "bf16" makes products of bfloat16, "auto" where the processor can.
    columns : dict of str to str, default=None
        What columns of a data frame hold, by name, where that is not to be found out: "number", "boolean", "time", "duration",
        "time of day", "category", "ordered category" (in the order of the alphabet), "text", or "id", which is left out. A sample
        says how texts are read, as in "time written 31/12/2024" or "number written 1.234,5".
    missing : sequence of str, default=None
        Texts that stand for a missing value in every column of a data frame; None for NA, N/A, NaN, nan, null, NULL, None and ? in
        columns of numbers, booleans and times, while in others these are values. Empty texts are always missing.
    random_state : int, RandomState or None, default=None
        An integer makes every training on the same data the same.
    verbose : bool, default=False
        Whether progress is shown.
    warm_start : bool, default=False
        Whether another `fit` trains the network on from where it is, for `epochs` more epochs.
    threads : int, default=None
        How many threads training and prediction may use; None goes by `pysmorch.set_num_threads`. The result does not depend on it.
    preset : {"fast", "balanced", "best"}, default="balanced"
        How much is spent on a table: one network, the mean of four (of eight for fewer than 2000 rows), or of sixteen that each hold out
        rows of their own. docs/presets.md has what that brings. For images and a `network` of your own all of them train one network.
    members : int, default=None
        How many networks are trained, each with a seed and a best epoch of its own, and averaged; None for as many as the preset says.
    time_limit : float, default=None
        Seconds that `fit` may take. Where that is too little, there are fewer networks and epochs, in the last resort fewer rows, and a
        `PysmorchWarning` says what was done. The result then depends on the clock.
    embedding : bool, default=None
        Whether the numbers of a table have a trainable embedding before the first hidden layer (see `embedded`); None for
        tables of 3000 rows and more below 200,000. Without hidden layers, with more than 128 numbers, and of pixels there is none.

    Attributes
    ----------
    n_outputs_ : int
        How many numbers K are predicted for each row.
    conformal_scores_ : ConformalScores or None
        Scores of the held-out rows, for `predict_interval`.
    network_ : Network
        The trained network; its layers are live objects.
    encoder_ : Encoder
        How rows become the input of the network; `encoder_.describe()` says what was learned about X.
    columns_ : Encoder
        The same; for a data frame `columns_.columns` has what each column holds and why, and a notebook shows it as a table.
    history_ : History
        What was measured in each epoch of the last training.
    loss_curve_, validation_curve_ : list of float
        Loss of each epoch, on the training rows and on the held-out rows.
    optimizer_ : Optimizer
        The optimizer with its state.
    n_iter_ : int
        Completed epochs.
    n_features_in_ : int
        Number of columns of X in training, or of pixels of an image.
    feature_names_in_ : ndarray of str
        Names of the columns; only for a data frame.

    Raises
    ------
    ValueError
        In `fit`, for parameters out of range: the constructor only stores them, as in scikit-learn.

    See Also
    --------
    Classifier : Predicts classes.
    Network.fit : Trains any network, with more options.

    Notes
    -----
    It minimises the weighted mean (1/N) sum_i w_i l(y_i, f(x_i)) of the loss l (see `SquareLoss`, `AbsoluteLoss`, `HuberLoss`,
    `QuantileLoss`, `PoissonLoss`, `GammaLoss`, `TweedieLoss`). Targets are scaled to mean 0 and variance 1 in training, and predictions
    are scaled back. For the losses "gamma" and "tweedie" they are divided by their mean, and for "poisson" they stay as they are.

    A network of `Linear`, `Bias`, activation and `Dropout` layers for every entry of `hidden` is trained on batches in random order.
    Columns of arrays are scaled to mean 0 and variance 1; columns of data frames are encoded by what they hold. Images (N, H, W) or
    (N, H, W, C) enter the network with the shape (H, W, C), and a `Rescale` layer gives all pixels together mean 0 and variance 1;
    without `network` the scaled pixels are the features of a dense network.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> Regressor(random_state=0).fit(X, y).score(X, y) > 0.5
    True
    """

    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on the rows once, from where training is; also after `fit`.

        Parameters
        ----------
        X : array-like or data frame
            As for `fit`. A first call learns from these rows how columns are encoded.
        y : array-like of shape (N,) or (N, K)
            The targets of each row. A first call learns their scale.
        sample_weight : array-like of shape (N,), default=None
            Weights that are not negative; only their ratios count.

        Returns
        -------
        Regressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            For data that cannot be used; messages name the column or the row.
        """
        return self._partial_fit(X, y, sample_weight)

    def score(self, X: Any, y: ArrayLike | str, sample_weight: ArrayLike | str | None = None) -> float:
        """Return R², the share of the variance of y that the predictions explain.

        Parameters
        ----------
        X : array-like or data frame
            As for `predict`.
        y : array-like of shape (N,) or (N, K), or str
            The targets; of a path the name of their column.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights that are not negative; only their ratios count. Of a path also the name of their column.

        Returns
        -------
        float
            1 for exact predictions, 0 for those of the mean; of several targets the mean, and of several quantiles that which is nearest
            to the median.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        X, y, weights = weighted_rows(X, y, sample_weight)
        values = self.predict(X)
        if self._num_quantiles() > 1:
            values = values[:, np.abs(np.asarray(self.quantile) - 0.5).argmin()]
        units = units_of(values)  # squares of large numbers would be infinite
        return float(r2_score(np.asarray(y, np.float64) / units, values / units, sample_weight=weights))

    def _check_labels(self, y: Any, num_data: int) -> Array:
        given = as_labels(y)
        if given.dtype.kind in "mM":
            held = "times" if given.dtype.kind == "M" else "durations"
            raise ValueError(f"y holds {held}; make numbers of them, such as seconds, or days since a date")
        if given.dtype.kind == "c":
            raise ValueError("y holds complex numbers; make two targets of them, the real and the imaginary part")
        if given.dtype.kind in "fiu" and given.ndim and given.size:  # all that scikit-learn would do is this
            return self._checked_numbers(given.astype(np.float64), num_data)
        try:
            labels: Array = check_array(
                given, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y", ensure_all_finite=False
            )
        except ValueError as error:
            if given.dtype.kind not in "OUST" or "could not convert" not in str(error):
                raise
            raise ValueError(f"y: {error}; a Regressor predicts numbers, and a Classifier predicts texts") from None
        return self._checked_numbers(labels, num_data)

    def _checked_numbers(self, labels: Array, num_data: int) -> Array:
        """Return targets in float64 after checks of their shape and values."""
        check_finite(labels, "y")
        _check_size(labels)
        check_num_labels(labels, num_data)
        if labels.ndim > 2:
            raise ValueError(f"y must have the shape (N,) or (N, K), but has {labels.shape}")
        self._check_signs(labels)
        if self._num_quantiles() > 1 and labels.reshape(num_data, -1).shape[1] > 1:
            raise ValueError(
                f"quantile: several quantiles are for one target, but y has shape {labels.shape}; fit a model for each target"
            )
        if hasattr(self, "network_") and labels.reshape(num_data, -1).shape[1] != self.n_outputs_:
            raise ValueError(f"y has shape {labels.shape}, but the model predicts {self.n_outputs_} numbers per row")
        return labels

    def _check_signs(self, labels: Array) -> None:
        """Refuse targets that no mean of a loss of logarithms has."""
        if not self._has_log_link():
            return
        wrong = labels <= 0 if self.loss == "gamma" else labels < 0
        if wrong.any():
            row = int(np.argwhere(wrong)[0, 0])
            value = labels[row][wrong[row]].ravel()[0] if labels.ndim > 1 else labels[row]
            rule = "must be above 0" if self.loss == "gamma" else "must not be negative"
            raise ValueError(
                f'y {rule} for loss="{self.loss}", but row {row} has {value:g}; leave out such rows, or choose another loss'
            )

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        targets = y.reshape(len(y), -1)
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        self._flat = y.ndim == 1
        self.n_outputs_ = targets.shape[1]
        self._target_mean, self._target_scale = np.zeros(self.n_outputs_), np.ones(self.n_outputs_)
        if self.loss in ("gamma", "tweedie"):
            means = np.average(targets, axis=0, weights=w)
            self._target_scale = np.where(means > 0, means, 1.0)
        elif self.loss != "poisson":
            units = units_of(targets)
            in_units = targets / units
            mean = w @ in_units / w.sum()
            std = np.sqrt(w @ np.square(in_units - mean) / w.sum())
            # Rounding gives the mean of equal numbers another last digit.
            self._target_mean = np.where(np.ptp(in_units, axis=0) == 0, targets[0], mean * units)
            self._target_scale = np.where(std > 1e-12 * np.abs(mean), std * units, 1.0)
        if self.loss == "square":
            warn_of_skew(targets)

    def _start(self, *arguments: Any, **options: Any) -> Labelled:
        for name in ("network_", "n_outputs_"):  # a second fit may have other targets
            if hasattr(self, name):
                delattr(self, name)
        return super()._start(*arguments, **options)

    def _encode_labels(self, y: Array) -> Array:
        units = units_of(np.stack([self._target_mean, self._target_scale]))
        targets = (y.reshape(len(y), -1) / units - self._target_mean / units) / (self._target_scale / units)
        check_float32(targets, "y" if self._has_log_link() else "y, scaled to mean 0 and variance 1,")
        return targets.astype(np.float32)

    def _make_loss(self, output: Layer) -> Loss:
        if callable(self.loss):
            return own_loss(self.loss, output)
        if self.loss == "quantile":
            quantiles = np.ravel(self.quantile).astype(float).tolist()
            return QuantileLoss(output, quantile=quantiles if len(quantiles) > 1 else quantiles[0])
        if self.loss == "tweedie":
            return TweedieLoss(output, power=self.power)
        classes = {
            "square": SquareLoss,
            "absolute": AbsoluteLoss,
            "huber": HuberLoss,
            "poisson": PoissonLoss,
            "gamma": GammaLoss,
        }
        return classes[self.loss](output)

    def _anchors(self, codes: Array, weights: Array | None) -> list[Array]:
        """Return the mean, or its logarithm."""
        if self.loss != "square" and not self._has_log_link():
            return []
        mean = np.average(codes.astype(np.float64), axis=0, weights=weights)
        if self.loss == "square":
            return [mean]
        return [np.log(mean)] if (mean > 0).all() else []

    def _settle(self, codes: Array, calibration: Calibration | None) -> None:
        """Leave targets that are all the same as they are: the network's output is 0."""
        constant = (np.ptp(codes, axis=0) == 0) & (codes[0] != 0 if self.loss == "tweedie" else True)
        if constant.any() and self.network is None and self.loss in LOSSES and self.loss != "poisson":
            trust, anchor = calibration or Calibration(1.0, np.zeros(self._num_outputs()))
            constant = np.resize(constant, self._num_outputs())
            calibration = Calibration(np.where(constant, 0.0, trust), np.where(constant, 0.0, anchor))
        super()._settle(codes, calibration)

    def _of_labels(self, metric: Metric) -> Metric:
        """Return a metric of scaled targets and predictions that measures them in the units of y."""
        mean, scale = self._target_mean, self._target_scale
        flat = self._flat and metric.takes == "predictions"

        def measure(labels: Array, predictions: Array, **weights: Any) -> Any:
            targets, values = (array.reshape(len(array), -1) * scale + mean for array in (labels, predictions))
            return metric.function(*((targets[:, 0], values[:, 0]) if flat else (targets, values)), **weights)

        return replace(metric, function=measure)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._num_quantiles() == 1
        tags.target_tags.positive_only = self._has_log_link()
        return tags


def _check_size(labels: Array) -> None:
    """Refuse targets so large that a prediction near them may be none in float64."""
    if max(-float(labels.min(initial=0.0)), float(labels.max(initial=0.0))) > LARGEST:
        index = tuple(int(i) for i in np.argwhere(np.abs(labels) > LARGEST)[0])
        raise ValueError(
            f"y has {labels[index]:.6g} in {name_entry(index)}, but targets are at most {LARGEST:g}, so that predictions are "
            "finite; divide all by the same number first"
        )
