"""Classifier: from rows to classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from pysmorch.engine import Precision
from pysmorch.estimators.base import NetworkEstimator
from pysmorch.estimators.parameters import check_num_labels
from pysmorch.files import ModelFileError, saved_as
from pysmorch.files.header import entries, entry
from pysmorch.layers import Layer
from pysmorch.layers.activations import ActivationName
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy, Loss
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.schedules import Schedule


@saved_as("classifier")
class Classifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A neural network that tells classes apart, with scikit-learn's contract.

    Parameters
    ----------
    hidden : sequence of int, default=(256, 128)
        Widths of the hidden layers; empty for a linear model.
    activation : str, default="relu"
        Name of the activation of the hidden layers, one of `pysmorch.layers.activations.ACTIVATIONS`, such as "gelu" or "tanh".
    dropout : float, default=0.2
        Fraction of the hidden units that are dropped in training; from 0 to below 1.
    optimizer : str or Optimizer, default="adamw"
        A name in `pysmorch.optimizers.OPTIMIZERS` ("sgd" is with Nesterov momentum 0.9), or an object such as `SGD(0.1)`, which is
        copied and whose own learning rate and weight decay then hold.
    learning_rate : float or Schedule, default=5e-3
        A number is the peak of a `OneCycle` schedule in `fit`, and five times the constant rate of `partial_fit`; a schedule such
        as `Cosine(0.01)` or `Constant(0.001)` holds as it is.
    weight_decay : float, default=0.1
        Pulls the weights, not the biases, towards 0; not negative.
    batch_size : int or "auto", default="auto"
        Rows of one step; "auto" takes a 64th of the rows, at least 32 and at most 256.
    epochs : int, default=50
        How many times the rows are used at most.
    early_stopping : bool or "auto", default="auto"
        True holds out rows, stops when their loss has not fallen for `patience` epochs, and restores the best weights; "auto" does
        so from 5000 rows on; False never does. Without held-out rows, training stops when its own loss no longer falls.
    validation_fraction : float, default=0.1
        Fraction of the rows that are held out; between 0 and 1.
    patience : int, default=20
        Epochs without a better loss before training stops; at least 1.
    label_smoothing : float, default=0.0
        Fraction s of each label that is spread over all classes; from 0 to below 1.
    class_weight : dict, "balanced" or None, default=None
        Factors of the rows by class, as a dictionary, or "balanced" for factors inverse to the frequency of the class.
    network : callable, default=None
        A function of (input layer, number of outputs) that returns the last layer of a network of your own, or one of
        `pysmorch.models`; it replaces `hidden`, `activation` and `dropout`.
    pixels : bool, default=False
        Whether the columns of X are pixels, which share one scale and have no missing values; of arrays (N, H, W[, C]) they always
        are.
    precision : {"float32", "bf16", "auto"}, default="float32"
        "bf16" makes the products from bfloat16, "auto" does so where the processor can; see `Network.fit`.
    random_state : int, RandomState or None, default=None
        An integer makes every training on the same data the same.
    verbose : bool, default=False
        Whether progress is shown.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes, sorted.
    n_classes_ : int
        Their number K.
    network_ : Network
        The trained network; its layers are live objects.
    encoder_ : Encoder
        How rows become the input of the network, for the kind of X that it was trained on; `encoder_.describe()` says what was
        learned about the columns, or of which shape images are.
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
    Columns of arrays are scaled to mean 0 and variance 1; columns of data frames are encoded by what they hold. Images (N, H, W) or
    (N, H, W, C) enter the network with the shape (H, W, C), and a `Rescale` layer gives all pixels together mean 0 and variance 1;
    without `network` the scaled pixels are the features of a dense network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> Classifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256, 128),
        activation: ActivationName = "relu",
        dropout: float = 0.2,
        optimizer: OptimizerName | Optimizer = "adamw",
        learning_rate: float | Schedule = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int = 50,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        label_smoothing: float = 0.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        network: Callable[[Layer, int], Layer] | None = None,
        pixels: bool = False,
        precision: Precision = "float32",
        random_state: int | np.random.RandomState | None = None,
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
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.network = network
        self.pixels = pixels
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

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
        learn = None
        if classes is not None:
            given = np.unique(np.asarray(classes))
            if hasattr(self, "classes_") and not np.array_equal(given, self.classes_):
                raise ValueError(f"classes {given.tolist()} are not those of the call before, {self.classes_.tolist()}")

            def learn() -> None:
                self._set_classes(given)

        self._partial_fit(X, y, sample_weight, learn)
        return self

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each row.

        Parameters
        ----------
        X : array-like or data frame
            Rows with the columns of the training: numbers (N, D), a data frame of any library, or images (N, H, W) or (N, H, W, C).

        Returns
        -------
        ndarray of shape (N,)
            Entries of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError, TypeError
            For data that do not fit; messages name the column or the row.
        """
        likeliest = self._outputs(X, lambda probabilities: probabilities.argmax(1))
        return self.classes_[likeliest]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or data frame
            Rows with the columns of the training: numbers (N, D), a data frame of any library, or images (N, H, W) or (N, H, W, C).

        Returns
        -------
        ndarray of shape (N, K)
            Probabilities in the order of `classes_`; float64, each row sums to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError, TypeError
            For data that do not fit; messages name the column or the row.
        """
        return self._outputs(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or data frame
            Rows with the columns of the training: numbers (N, D), a data frame of any library, or images (N, H, W) or (N, H, W, C).

        Returns
        -------
        ndarray of shape (N, K)
            The logarithm of `predict_proba`; -inf for a probability of 0.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError, TypeError
            For data that do not fit; messages name the column or the row.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _check_labels(self, y: Any, num_data: int) -> Array:
        labels: Array = column_or_1d(y, warn=True)
        check_num_labels(labels, num_data)
        if labels.dtype.kind == "O" and any(label is None or label != label for label in labels):
            raise ValueError("y has missing labels; leave those rows out")
        check_classification_targets(labels)
        return labels

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
        return self._encode_labels(np.asarray(y))

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        self._set_classes(np.unique(y if sample_weight is None else y[sample_weight > 0]))

    def _set_classes(self, classes: Array) -> None:
        if len(classes) < 2:
            raise ValueError(f"y has one class only, {classes.tolist()}; a classifier needs at least two")
        self.classes_ = classes
        self.n_classes_ = len(classes)

    def _encode_labels(self, y: Array) -> Array:
        indices = np.searchsorted(self.classes_, y) if y.dtype.kind == self.classes_.dtype.kind else None
        if indices is None:
            known = {label: i for i, label in enumerate(self.classes_.tolist())}
            indices = np.array([known.get(label, -1) for label in y.tolist()])
        indices = np.clip(indices, 0, len(self.classes_) - 1)
        wrong = self.classes_[indices] != y
        if np.any(wrong):
            unknown = ", ".join(repr(label) for label in np.unique(y[wrong]).tolist()[:5])
            known_ones = ", ".join(repr(label) for label in self.classes_.tolist()[:20])
            raise ValueError(f"y has unknown labels {unknown}; the classes of this model are {known_ones}")
        return indices.astype(np.int64)

    def _num_outputs(self) -> int:
        return len(self.classes_)

    def _make_loss(self, output: Layer) -> Loss:
        return CrossEntropy(output, label_smoothing=self.label_smoothing)

    def _row_weights(self, codes: Array, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        given = np.ones(len(codes)) if sample_weight is None else sample_weight
        if isinstance(self.class_weight, dict):
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[codes])
        elif self.class_weight == "balanced":
            counts = np.bincount(codes, given, minlength=len(self.classes_))
            of_class = counts.sum() / (len(counts) * np.maximum(counts, 1e-300))
        else:
            raise ValueError(f'class_weight must be "balanced", a dictionary or None, but is {self.class_weight!r}')
        weights: Array = of_class[codes] * given
        return weights

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}, {}

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        values = entries(header, "classes", str, int, float, bool)
        dtype = entry(header, "dtype", str)
        try:
            kind = np.dtype(dtype)
            if kind.kind not in "iufbUO" or kind.itemsize > 10_000:
                raise ValueError(f"dtype {dtype} is not one of labels")
            self._set_classes(np.array(values, dtype=kind))
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"its classes are wrong: {error}") from error
