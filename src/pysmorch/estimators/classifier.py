"""Classifier: from rows to classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from pysmorch.estimators.base import NetworkEstimator
from pysmorch.files import ModelFileError, saved_as
from pysmorch.files.header import entries, entry
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy, Loss
from pysmorch.optimizers import Optimizer


@saved_as("classifier")
class Classifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A neural network that tells classes apart, with scikit-learn's contract.

    It minimises the mean cross-entropy of the softmax (see `pysmorch.CrossEntropy`).

    Args:
        hidden: widths of the hidden layers.
        activation: "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "mish" or "selu".
        dropout: share of the hidden units that are dropped while training.
        optimizer: "adamw", "adam", "sgd" (with Nesterov momentum 0.9) or "rmsprop", or an object such as `SGD(0.1)`, whose
            own learning rate and weight decay then hold.
        learning_rate: a number is the peak of a `OneCycle` schedule in `fit`, and five times the constant rate of
            `partial_fit`; a schedule such as `Cosine(0.01)` or `Constant(0.001)` holds as it is.
        weight_decay: pulls the weights (not the biases) towards 0.
        batch_size: rows for one step; "auto" takes a 64th of the rows, at least 32 and at most 256.
        epochs: how many times the rows are used at most.
        early_stopping: True holds out rows, stops when their loss has not fallen for `patience` epochs, and takes the best
            weights back; "auto" does so from 5000 rows on; False never does. Without held-out rows, training stops when
            its own loss no longer falls.
        validation_fraction: share of the rows that are held out.
        patience: epochs without a better loss before training stops.
        label_smoothing: share of each label that is spread over all classes.
        class_weight: "balanced", or a dictionary from class to weight.
        network: a function of (input layer, number of outputs) that returns the last layer of a network of your own, or of
            `pysmorch.models`, instead of `hidden`, `activation` and `dropout`.
        precision: "bf16" makes the products from bfloat16, "auto" does so where the processor can; see `Network.fit`.
        random_state: an integer makes every training of the same data the same.
        verbose: whether progress is shown.

    Images (N, H, W) or (N, H, W, C) go into the network as they are, each with the shape (H, W, C), where a `Rescale` layer
    gives all pixels together mean 0 and variance 1; without `network`, their scaled pixels are the features of the dense
    network.

    Attributes:
        classes_: the classes, sorted.
        network_: the trained `pysmorch.Network`.
        encoder_: how rows become the input of the network, for the kind of X that it was trained on; `encoder_.describe()` says
            what was learned about the columns, or of which shape images are.
        history_: the `History` of the last training.
        loss_curve_, validation_curve_: loss of each epoch, on the training and the held-out rows.
        n_iter_: epochs so far. n_features_in_, feature_names_in_: columns of the training, or the number of pixels
            of an image.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> Classifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256, 128),
        activation: str = "relu",
        dropout: float = 0.2,
        optimizer: str | Optimizer = "adamw",
        learning_rate: Any = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int | str = "auto",
        epochs: int = 50,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        label_smoothing: float = 0.0,
        class_weight: dict[Any, float] | str | None = None,
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
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.network = network
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Classifier:
        """Go through the rows once, from where training is, also after `fit`.

        A first call learns the columns from these rows and needs `classes`, all classes that will come, unless they are
        all in y.
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
        """Return the likeliest class of each row."""
        likeliest = self._outputs(X).argmax(1)
        return self.classes_[likeliest]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (N, classes), in the order of `classes_`."""
        return self._outputs(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class, shape (N, classes)."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _check_labels(self, y: Any, num_data: int) -> Array:
        labels: Array = column_or_1d(y, warn=True)
        check_consistent_length(np.empty(num_data), labels)
        if labels.dtype.kind == "O" and any(label is None or label != label for label in labels):
            raise ValueError("y has missing labels; leave those rows out")
        check_classification_targets(labels)
        return labels

    def encode_labels(self, y: Any) -> Array:
        """Return the class indices of labels, their positions in `classes_`; ValueError names labels that are not among them."""
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
            raise ValueError(f"unknown labels {unknown}; the classes of this model are {known_ones}")
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
