"""What a Classifier predicts with: its parameters, and what the outputs of its network mean."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.engine import Precision
from pysmorch.export.forms import ClassesForm
from pysmorch.files import ModelFileError
from pysmorch.files.header import entries, entry
from pysmorch.layers import Layer
from pysmorch.layers.activations import ActivationName
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy, Loss
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.conformal import radius_of, scores_to_parts, take_scores
from pysmorch.prediction.exported import form_of_classes
from pysmorch.prediction.one_model import of_one_model
from pysmorch.prediction.parameters import TrainingPrecision, check_loss
from pysmorch.prediction.presets import PresetName
from pysmorch.prediction.thresholds import Rule, check_threshold, decide
from pysmorch.schedules import Schedule

if TYPE_CHECKING:
    from pysmorch.explaining.gradients import Head


class ClassifierModel(NetworkModel):
    """What tells classes apart; `Classifier` is one that can be trained, and documents the parameters."""

    classes_: Array
    n_classes_: int
    threshold_: Rule
    _multilabel = False

    def __init__(
        self,
        hidden: Sequence[int] | None = None,
        activation: ActivationName | None = None,
        dropout: float = 0.2,
        optimizer: OptimizerName | Optimizer = "adamw",
        learning_rate: float | Schedule = 5e-3,
        weight_decay: float | None = None,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int | None = None,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        label_smoothing: float = 0.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        network: Callable[[Layer, int], Layer] | None = None,
        pixels: bool = False,
        precision: TrainingPrecision = "float32",
        columns: Mapping[str, str] | None = None,
        missing: Sequence[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        loss: Literal["cross_entropy"] | Callable[[Layer], Loss] = "cross_entropy",
        warm_start: bool = False,
        threads: int | None = None,
        predict_precision: Precision = "float32",
        conformal_fraction: float = 0.0,
        calibrate: bool | Literal["auto"] = "auto",
        threshold: float | str | Mapping[Any, float] | ArrayLike | None = None,
        preset: PresetName = "balanced",
        members: int | None = None,
        time_limit: float | None = None,
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
        self.calibrate = calibrate
        self.threshold = threshold
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.network = network
        self.pixels = pixels
        self.precision = precision
        self.columns = columns
        self.missing = missing
        self.random_state = random_state
        self.verbose = verbose
        self.loss = loss
        self.warm_start = warm_start
        self.threads = threads
        self.predict_precision = predict_precision

    @of_one_model
    def predict(self, X: Any) -> Array:
        """Return the class that is predicted for each row: the likeliest one, or what the parameter `threshold` decides for.

        Parameters
        ----------
        X : array-like, data frame or path
            Rows with the columns of the training; a table in a file may have more.

        Returns
        -------
        ndarray of shape (N,), or (N, K) of several labels
            Entries of `classes_`; of several labels 1 where its probability is above 0.5, else 0.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            Before `fit`, and for data that do not fit; messages name the column or the row.
        """
        predicted = self._predictions(X, self._decide)
        return predicted if self._multilabel else self.classes_[predicted]

    def _decide(self, probabilities: Array) -> Array:
        """Return the index of the class that is predicted for each row, or which of several labels it has."""
        if self._multilabel:
            return (probabilities > 0.5).astype(np.int64)
        return decide(probabilities, getattr(self, "threshold_", None))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or data frame
            As for `predict`.

        Returns
        -------
        ndarray of shape (N, K)
            Probabilities in the order of `classes_`; float64, each row sums to 1. Of several labels that of each one.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        return self._predictions(X)

    @of_one_model
    def decision_function(self, X: Any) -> Array:
        """Return the outputs of the network before the softmax: the larger, the likelier the class.

        Parameters
        ----------
        X : array-like or data frame
            As for `predict`.

        Returns
        -------
        ndarray of shape (N, K), or (N,) for two classes
            Logits in the order of `classes_`; of two classes the difference, positive where the second one is likelier. Of several labels
            the log-odds of each one.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        return self._outputs(X, self._log_odds)

    def _log_odds(self, logits: Array) -> Array:
        """Return the difference of the logits of two classes, else the logits."""
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 and not self._multilabel else logits

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or data frame
            As for `predict`.

        Returns
        -------
        ndarray of shape (N, K)
            The logarithm of `predict_proba`; -inf for a probability of 0.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @of_one_model
    def predict_set(self, X: Any, coverage: float = 0.9) -> Array:
        """Return a set of classes for each row that holds its class with a probability of at least `coverage`.

        Split conformal prediction: the classes whose probability is at least 1 - q, where q is the ceil((n + 1) coverage)-th
        smallest of the scores 1 - p_y(x) of n held-out rows (Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers
        with Bounded Error Levels", 2019). If these rows were set aside (`conformal_fraction`), and they and a new row are
        exchangeable, such as drawn independently from the same distribution, then P(class in set) >= coverage, exactly and for
        every n, network and distribution (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). The probability
        is over new rows and over what was drawn for the training: one model may be a little off. Without
        `conformal_fraction` the rows are those that chose the number of epochs, by validation or cross-validation; the coverage is
        then near that, but not guaranteed.

        Parameters
        ----------
        X : array-like, data frame or path
            As for `predict`.
        coverage : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        ndarray of bool, shape (N, K)
            Whether each class is in the set, in the order of `classes_`. The likeliest class always is: where it is right more often
            than `coverage`, so are the sets.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`; also for a model without scores of held-out rows, and a coverage that needs more of them.

        Notes
        -----
        Held-out rows count by their `sample_weight`, with mean one, and not by `class_weight`; a new row counts one. Weights stand
        for rows that come more often than in the sample, and then the guarantee holds approximately.
        """
        if self._multilabel:
            raise ValueError("X has several labels, so that there are no sets of classes; take predict_proba")
        radius_of(self, coverage)  # before the rows are read
        return self._predictions(X, lambda p: self._sets(p, coverage))

    def _sets(self, probabilities: Array, coverage: float) -> Array:
        """Return whether each class is in the set of a row, by the row's probabilities."""
        sets: Array = 1 - probabilities <= radius_of(self, coverage)
        sets[np.arange(len(sets)), probabilities.argmax(1)] = True
        return sets

    def _conformal_scores(self, outputs: Array, codes: Array) -> Array:
        if self._multilabel:  # no set of classes is made of them
            return np.full((len(codes), 1), np.nan)
        p = self.network_.loss.predictions(outputs)
        return 1 - p[np.arange(len(codes)), codes][:, None]

    def _set_classes(self, classes: Array, multilabel: bool = False) -> None:
        self._multilabel = multilabel
        if len(classes) < 2:
            raise ValueError(
                f"y has one class only, {classes.tolist()}; a classifier needs at least two, in rows whose weight is not 0"
            )
        self.classes_ = classes
        self.n_classes_ = len(classes)

    def _num_outputs(self) -> int:
        return len(self.classes_)

    def _form_of_answers(self) -> ClassesForm:
        return form_of_classes(self)

    def _difference(self, found: dict[str, Array], X: Any) -> float:
        here = self.predict_proba(X)
        decided = self._decide(here)
        agree = (np.asarray(found["label"]) == (decided if self._multilabel else self.classes_[decided])).all()
        return float(np.abs(found["probabilities"] - here).max(initial=0.0)) if agree else np.inf

    def _output_names(self) -> list[Any]:
        names: list[Any] = self.classes_.tolist()
        return names

    def _default_outputs(self, outputs: Array) -> Array:
        if self._multilabel:
            raise ValueError(f"of must say which of the labels 0 to {self.n_classes_ - 1} is explained, but is None")
        return np.asarray(self._decide(self.network_.loss.predictions(outputs)))

    def _head(self) -> tuple[str, Head]:
        from pysmorch.explaining.heads import LOG_ODDS, log_odds, scaled

        if isinstance(self.network_.loss, CrossEntropy):
            return LOG_ODDS, log_odds
        return "output of the network", scaled(np.zeros(1), np.ones(1))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_loss(self.loss, ["cross_entropy"])
        check_threshold(self.threshold)
        if self.calibrate not in (True, False, "auto"):
            raise ValueError(f'calibrate must be True, False or "auto", but is {self.calibrate!r}')
        if self.calibrate is True and self.loss != "cross_entropy":
            raise ValueError('calibrate=True is for loss="cross_entropy"; leave it out')

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        header, tensors = scores_to_parts(self)
        header |= {"multilabel": True} if self._multilabel else {}
        header |= {"classes": plain_classes(self.classes_).tolist(), "dtype": self.classes_.dtype.str}
        rule = getattr(self, "threshold_", None)
        if isinstance(rule, float):
            header["threshold"] = rule
        elif rule is not None:
            tensors["costs"] = rule
        return header, tensors

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        try:
            self._set_classes(classes_from(header), "multilabel" in header and entry(header, "multilabel", bool))
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"its classes are wrong: {error}") from error
        take_scores(self, header, tensors, 1)
        if "threshold" in header:
            self.threshold_ = entry(header, "threshold", float)
        if "costs" in tensors:
            self.threshold_ = tensors["costs"]
            if tensors["costs"].shape != (self.n_classes_, self.n_classes_):
                raise ModelFileError("its costs do not fit its classes")


def plain_classes(classes: Array) -> Array:
    """Return classes as a model file has them: times and durations as counts of their unit."""
    return classes.astype(np.int64) if classes.dtype.kind in "mM" else classes


def classes_from(header: dict[str, Any]) -> Array:
    """Return the classes in the header of a model file.

    Parameters
    ----------
    header : dict
        The entry "labels", not checked yet.

    Returns
    -------
    ndarray of shape (K,)
        The classes.

    Raises
    ------
    TypeError, ValueError
        They are no labels.
    """
    values = entries(header, "classes", str, int, float, bool)
    kind = np.dtype(entry(header, "dtype", str))
    if kind.kind not in "iufbUOmM" or kind.itemsize > 10_000:
        raise ValueError(f"dtype {kind} is not one of labels")
    try:
        classes = np.array(values, dtype=kind)
    except OverflowError as error:
        raise ValueError(f"the labels are not of dtype {kind}") from error
    if plain_classes(classes).tolist() != values:
        raise ValueError(f"the labels are not of dtype {kind}")
    if not all(a < b for a, b in itertools.pairwise(values)):
        raise ValueError("the labels are not in order, or one is there twice")
    return classes
