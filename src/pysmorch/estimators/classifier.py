"""Classifier: from rows to classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin

from pysmorch.estimators.base import NetworkEstimator
from pysmorch.estimators.classes import checked_classes, class_anchors, class_indices, rows_by_class
from pysmorch.estimators.fitting import own_loss
from pysmorch.estimators.held_out import HeldOut, threshold_of
from pysmorch.estimators.labels import check_of_several, checked_indicators, is_indicator, label_anchors, of_one_class
from pysmorch.estimators.remarks import warn_of_classes
from pysmorch.estimators.rows import Labelled, as_labels, weighted_rows
from pysmorch.files import saved_as
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.losses import BinaryCrossEntropy, CrossEntropy, Loss
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.presets import calibrates_by_preset
from pysmorch.prediction.thresholds import rule_of


@saved_as("classifier")
class Classifier(ClassifierMixin, ClassifierModel, NetworkEstimator):  # type: ignore[misc]
    """A neural network that tells classes apart, with scikit-learn's contract.

    Parameters
    ----------
    hidden : sequence of int, default=None
        Widths of the hidden layers; empty for a linear model. None goes by the preset: three of 256 with "balanced" and "best" for
        tables of 3000 rows and more below 200,000, else 256 and 128.
    activation : str, default=None
        Name of the activation of the hidden layers, one of `pysmorch.layers.activations.ACTIVATIONS`, such as "gelu" or "tanh". None
        goes by the preset: "mish" with "balanced" and "best" for the same tables, else "relu".
    dropout : float, default=0.2
        Fraction of the hidden units that are dropped in training; from 0 to below 1.
    optimizer : str or Optimizer, default="adamw"
        A name in `OPTIMIZERS` ("sgd" has Nesterov momentum 0.9), or an object, whose own learning rate and weight decay then hold.
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
        does. "auto" does so from 5000 rows on; with fewer, and without `eval_set` and `network`, it chooses the number of epochs and
        a calibration of the probabilities by cross-validation in two halves, then trains on all rows. Without held-out rows, training
        stops when its own loss no longer falls. Several networks of a preset each hold out a fold instead, and
        end when a sixth of the epochs was clearly worse than the best one.
    validation_fraction : float, default=0.1
        Fraction of the rows that are held out; between 0 and 1.
    patience : int, default=20
        Epochs without a better loss before training stops; at least 1.
    conformal_fraction : float, default=0.0
        Fraction of the rows that are set aside, from the training and from all choices, so that the coverage of `predict_set` is
        guaranteed; from 0 to below 1. With 0 its scores are those of the rows that end the training, and the coverage is near that.
    calibrate : bool or "auto", default="auto"
        True divides the logits by a temperature, chosen by the log loss of the validation rows, which are held out for it where none are.
        "auto" calibrates only where the number of epochs is chosen by cross-validation, and False not there either.
    threshold : str, float, dict or array-like, default=None
        How `predict` decides; None for the likeliest class. A number predicts the second of two classes where its probability is at
        least that; "f1" (of the second class), "balanced_accuracy" or "accuracy" choose that number by the validation rows. A
        matrix of costs (a row for each right class, a column for each predicted one), or a dictionary of costs by (right class,
        predicted class), in which other mistakes cost 1, predicts the class with the smallest expected cost.
    label_smoothing : float, default=0.0
        Fraction s of each label that is spread over all classes; from 0 to below 1.
    class_weight : dict, "balanced" or None, default=None
        Factors of the rows by class, as a dictionary, or "balanced" for factors inverse to the frequency of the class.
    network : callable, default=None
        Of (input layer, number of outputs), returns the last layer; one of `pysmorch.models` or your own, instead of a dense network.
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
    loss : "cross_entropy" or callable, default="cross_entropy"
        A class of losses of your own, or a function that makes a loss of the output layer; its `predictions` are the probabilities,
        and its labels class indices.
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
    classes_ : ndarray of shape (K,)
        The classes, sorted.
    n_classes_ : int
        Their number K.
    threshold_ : float, ndarray of shape (K, K) or None
        The decision threshold of the second class, or the costs; None where the likeliest class is predicted.
    conformal_scores_ : ConformalScores or None
        Scores of the held-out rows, for `predict_set`.
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
    Regressor : Predicts numbers.
    Network.fit : Trains any network, with more options.

    Notes
    -----
    It minimises the weighted mean cross-entropy L = -(1/N) sum_i w_i sum_k t_ik log p_ik of the softmax p, where t_ik is 1 - s + s/K
    for the class of row i and s/K for all others, and s is `label_smoothing` (see `CrossEntropy`).

    A network of `Linear`, `Bias`, activation and `Dropout` layers for every entry of `hidden` is trained on batches in random order.
    Where y has several columns of 0 and 1, each is a label that a row has or has not: L is the sum of their binary cross-entropies (see
    `BinaryCrossEntropy`), and `classes_` are the indices of the columns.

    Columns of arrays are scaled to mean 0 and variance 1; columns of data frames are encoded by what they hold. Images (N, H, W) or
    (N, H, W, C) enter the network with the shape (H, W, C), and a `Rescale` layer gives all pixels together mean 0 and variance 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> Classifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train on the rows once, from where training is; also after `fit`.

        Parameters
        ----------
        X : array-like or data frame
            As for `fit`. A first call learns from these rows how columns are encoded.
        y : array-like of shape (N,)
            The class of each row.
        classes : array-like of shape (K,), default=None
            All classes that will come; a first call needs them unless they are all in y.
        sample_weight : array-like of shape (N,), default=None
            Weights that are not negative; only their ratios count.

        Returns
        -------
        Classifier
            Itself.

        Raises
        ------
        ValueError, TypeError
            For data that cannot be used, and for classes that are not those of the first call.
        """
        if classes is None:
            return self._partial_fit(X, y, sample_weight)
        given = np.unique(np.asarray(classes))
        if hasattr(self, "classes_") and not np.array_equal(given, self.classes_):
            raise ValueError(f"classes {given.tolist()} are not those of the call before, {self.classes_.tolist()}")
        return self._partial_fit(X, y, sample_weight, lambda: self._set_classes(given, is_indicator(y)))

    def score(self, X: Any, y: ArrayLike | str, sample_weight: ArrayLike | str | None = None) -> float:
        """Return the accuracy: the fraction of the rows whose class is predicted.

        Parameters
        ----------
        X : array-like or data frame
            As for `predict`.
        y : array-like of shape (N,) or str
            The classes; of a path the name of their column.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights that are not negative; only their ratios count. Of a path also the name of their column.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        X, y, weights = weighted_rows(X, y, sample_weight, getattr(self, "classes_", None))
        return float(super().score(X, as_labels(y), weights))

    def _check_labels(self, y: Any, num_data: int) -> Array:
        if hasattr(self, "network_") and self._multilabel:
            return checked_indicators(y, num_data, len(self.classes_))
        return checked_indicators(y, num_data) if is_indicator(y) else checked_classes(y, num_data)

    def encode_labels(self, y: ArrayLike) -> Array:
        """Return the class indices of labels: their positions in `classes_`.

        Parameters
        ----------
        y : array-like of shape (N,)
            Labels.

        Returns
        -------
        ndarray of shape (N,)
            Indices from 0 to K - 1.

        Raises
        ------
        ValueError
            For labels that are not among `classes_`.
        """
        return self._encode_labels(as_labels(y))

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        if y.ndim == 2:
            check_of_several(self)
            self._set_classes(np.arange(y.shape[1]), multilabel=True)
            return
        self._set_classes(np.unique(y))
        warn_of_classes(y, self.classes_)

    def _encode_labels(self, y: Array) -> Array:
        return y.astype(np.float32) if self._multilabel else class_indices(self.classes_, y)

    def _make_loss(self, output: Layer) -> Loss:
        if self.loss == "cross_entropy" and self._multilabel:
            return BinaryCrossEntropy(output)
        if self.loss == "cross_entropy":
            return CrossEntropy(output, label_smoothing=self.label_smoothing)
        return own_loss(self.loss, output)

    def _anchors(self, codes: Array, weights: Array | None) -> list[Array]:
        if self.loss != "cross_entropy" or self.calibrate is False:
            return []
        return label_anchors(codes, weights) if self._multilabel else class_anchors(codes, weights, len(self.classes_))

    def _calibrates(self) -> bool:
        return self.calibrate is True or (self.calibrate == "auto" and calibrates_by_preset(self))

    def _wants_held_out(self) -> bool:
        return self.calibrate is True or isinstance(self.threshold, str)

    def _threshold_from(self, held_out: HeldOut | None) -> float | None:
        return threshold_of(self, held_out, self.threshold) if isinstance(self.threshold, str) else None

    def _learning_of(self, labels: Any) -> Callable[[], None]:
        """Return what learns all classes: one whose rows were all set aside is a class, too."""
        checked = self._check_labels(labels, len(labels))
        return lambda: self._learn_labels(checked, None)

    def _start(self, *arguments: Any, **options: Any) -> Labelled:
        for name in ("network_", "classes_"):  # a second fit may have other labels
            if hasattr(self, name):
                delattr(self, name)
        self._multilabel = False
        data = super()._start(*arguments, **options)
        self.threshold_ = rule_of(self.threshold, self.classes_)
        return data

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = not of_one_class(self)
        return tags

    def _row_weights(self, codes: Array, sample_weight: Array | None) -> Array | None:
        return rows_by_class(self.class_weight, self.classes_, codes, sample_weight)
