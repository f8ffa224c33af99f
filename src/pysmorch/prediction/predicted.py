"""All that a model says of some rows at once: predictions, probabilities, sets of classes and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.one_model import of_one_model


@dataclass(frozen=True)
class Predicted:
    """What a model says of N rows.

    Attributes
    ----------
    values : ndarray of shape (N,), (N, K) or (N, Q)
        As from `predict`.
    names : list
        Of the K outputs: classes, quantiles or the indices of targets.
    probabilities : ndarray of float64, shape (N, K), or None
        Of the classes, of a classifier.
    sets : ndarray of bool, shape (N, K), or None
        Which classes are in the set of each row, where sets were wanted.
    intervals : ndarray of float64, shape (N, targets, 2), or None
        Lower and upper bounds, where intervals were wanted.
    """

    values: Array
    names: list[Any]
    probabilities: Array | None = None
    sets: Array | None = None
    intervals: Array | None = None

    def columns(self) -> dict[str, Array]:
        """Return the columns of a table of predictions, by name.

        Returns
        -------
        dict of str to ndarray of shape (N,)
            "prediction", or one for each label, target or quantile; then probabilities, sets and intervals.
        """
        classifies = self.probabilities is not None
        quantiles = not classifies and all(isinstance(name, float) for name in self.names)
        values = self.values if self.values.ndim > 1 else self.values[:, None]
        before = "prediction of quantile " if quantiles else "prediction of " if classifies else "prediction "
        names = ["prediction"]
        if values.shape[1] > 1 or quantiles:
            names = [f"{before}{name}" for name in self.names]
        columns = {name: values[:, i] for i, name in enumerate(names)}
        if self.probabilities is not None:
            columns |= {f"probability of {name}": self.probabilities[:, i] for i, name in enumerate(self.names)}
        if self.sets is not None:
            columns |= {f"set has {name}": self.sets[:, i] for i, name in enumerate(self.names)}
        if self.intervals is not None:
            which = [""] if self.intervals.shape[1] == 1 else [f" {i}" for i in range(self.intervals.shape[1])]
            for i, name in enumerate(which):
                bounds = self.intervals[:, i]
                columns |= {f"lower bound{name}": bounds[:, 0], f"upper bound{name}": bounds[:, 1]}
        return columns


@of_one_model
def predict_all(model: Any, X: Any, coverage: float | None = None) -> Predicted:
    """Return all that a model says of some rows, from one pass through its network.

    Parameters
    ----------
    model : ClassifierModel or RegressorModel
        Fitted.
    X : array-like or data frame
        As for `predict`.
    coverage : float, default=None
        Of the sets or intervals; None for none of them.

    Returns
    -------
    Predicted
        With the same bits as from `predict`, `predict_proba`, `predict_set` and `predict_interval`.

    Raises
    ------
    NotFittedError, ValueError, TypeError
        As these do.
    """
    # `isinstance` would import scikit-learn for a regressor from `load`, whose class is that of the estimator.
    if issubclass(type(model), ClassifierModel):
        p = model.predict_proba(X)
        decided = model._decide(p)
        values = decided if model._multilabel else model.classes_[decided]
        return Predicted(values, model._output_names(), p, None if coverage is None else model._sets(p, coverage))
    several = model.loss == "quantile" and np.ndim(model.quantile) == 1
    names = [float(quantile) for quantile in model.quantile] if several else model._output_names()
    found = model._in_units(model._predictions(X))
    intervals = None if coverage is None else model._intervals(found, coverage).reshape(len(found), -1, 2)
    return Predicted(np.asarray(model._predicted(found)), names, intervals=intervals)
