"""Tuner: the search for the parameters of an estimator."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone, is_classifier

from pysmorch.cluster import Cluster, as_cluster, joined
from pysmorch.encoders.cells import count_rows, some_rows
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.related import related_rows
from pysmorch.estimators.rows import as_labels, weighted_rows
from pysmorch.estimators.splitting import hold_out
from pysmorch.prediction.dense import dense_of
from pysmorch.prediction.parameters import check_num_labels
from pysmorch.prediction.presets import WEIGHT_DECAY, epochs_of
from pysmorch.tuning.space import as_stored, from_stored, searched_in, suggested
from pysmorch.tuning.storage import open_study, optuna_or_error, quiet, search_of
from pysmorch.tuning.trials import loss_of, optimize_on


class Tuner(BaseEstimator):  # type: ignore[misc]
    """The search for the parameters of an estimator, with Optuna (`pip install "pysmorch[tune]"`).

    Each trial trains with other parameters and is measured by the smallest loss on the same validation rows; one that is worse than
    the median of the others after as many epochs is stopped. The first trial has the defaults. Parameters of the estimator that are
    not at their default stay as they are.

    Parameters
    ----------
    estimator : Classifier or Regressor
        With the parameters that stay; it is not changed.
    trials : int, default=50
        How many trials the study has in the end, those that were stored before and those of other processes included.
    storage : str or Path, default=None
        An SQLite file for the trials: a search goes on from there after an interruption, and several processes with the same file
        share a search. None for the memory of this process.
    name : str, default="pysmorch"
        Of the study in the file, which may have several.
    validation_fraction : float, default=0.2
        Fraction of the rows that trials are measured by, where no `eval_set` is passed; between 0 and 1.
    seed : int, default=0
        Of the validation rows and of the parameters that are drawn: the same one gives the same trials in one process.

    cluster : str or Cluster, default=None
        The Ray cluster whose machines make the trials, as many at a time as there are workers (`pip install "pysmorch[ray]"`): the
        address of its head node, "auto" for the one of this machine, or a `Cluster`. The same number of workers makes the same trials.

    Attributes
    ----------
    best_estimator_ : Classifier or Regressor
        Fitted to all rows with the best parameters; an ordinary estimator.
    best_params_ : dict
        The parameters that were found.
    best_loss_ : float
        The smallest loss on the validation rows.
    trials_ : list of dict
        For each trial "number", "state", "loss" (None where it was stopped), "epochs" and "parameters".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Tuner(Classifier(random_state=0), trials=20).fit(X, y).best_estimator_  # doctest: +SKIP
    """

    def __init__(
        self,
        estimator: Classifier | Regressor,
        trials: int = 50,
        storage: str | Path | None = None,
        name: str = "pysmorch",
        validation_fraction: float = 0.2,
        seed: int = 0,
        cluster: str | Cluster | None = None,
    ) -> None:
        self.estimator = estimator
        self.trials = trials
        self.storage = storage
        self.name = name
        self.validation_fraction = validation_fraction
        self.seed = seed
        self.cluster = cluster

    def fit(
        self,
        X: Any,
        y: ArrayLike | str,
        sample_weight: ArrayLike | str | None = None,
        eval_set: Sequence[Any] | None = None,
        groups: ArrayLike | str | None = None,
        time: ArrayLike | str | None = None,
    ) -> Self:
        """Search, and fit the best parameters to all rows.

        Parameters
        ----------
        X : array-like, data frame or path
            As for `fit` of the estimator.
        y : array-like or str
            The label of each row, or the name of their column.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights that are not negative.
        eval_set : tuple, default=None
            (X, y) or (X, y, sample_weight): what trials are measured by, instead of some of the rows.
        groups, time : array-like of shape (N,) or str, default=None
            As for `fit` of the estimator: whole groups, or the latest rows, are what trials are measured by.

        Returns
        -------
        Tuner
            Itself, with `best_estimator_`.

        Raises
        ------
        ImportError
            Optuna is not installed, or Ray for a cluster.
        ConnectionError
            There is no cluster, or its workers were lost.
        ValueError, TypeError
            For parameters out of range and data that cannot be used.
        """
        self.search(X, y, sample_weight, eval_set, groups, time)
        best = clone(self.estimator).set_params(**self.best_params_)
        self.best_estimator_ = best.fit(X, y, sample_weight, eval_set, groups=groups, time=time)
        return self

    def search(
        self,
        X: Any,
        y: ArrayLike | str,
        sample_weight: ArrayLike | str | None = None,
        eval_set: Sequence[Any] | None = None,
        groups: ArrayLike | str | None = None,
        time: ArrayLike | str | None = None,
        tell: Callable[[dict[str, Any]], Any] | None = None,
    ) -> Self:
        """Search, without a fit of the best parameters.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        sample_weight, eval_set, groups, time : array-like, default=None
            As for `fit`.
        tell : callable, default=None
            Called with the entry of `trials_` after each trial.

        Returns
        -------
        Tuner
            Itself, with all but `best_estimator_`.

        Raises
        ------
        ImportError, ConnectionError, ValueError, TypeError
            As for `fit`.
        """
        optuna = optuna_or_error()
        if self.cluster is not None:
            joined(as_cluster(self.cluster))  # before anything is read
        if not isinstance(self.trials, (int, np.integer)) or self.trials < 1:
            raise ValueError(f"trials must be an integer of at least 1, but is {self.trials!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, but is {self.validation_fraction!r}")
        space = searched_in(self.estimator)
        data = self._split(X, y, sample_weight, eval_set, groups, time)
        search = search_of(self.estimator, space, data["labels"], data["count"])
        with quiet(optuna):
            study = open_study(optuna, self.storage, self.name, search, epochs_of(self.estimator))
            if not study.trials:
                defaults = {name: getattr(self.estimator, name) for name in space} | self._left_open(
                    X, data["count"], space
                )
                study.enqueue_trial(as_stored(defaults), skip_if_exists=True)
            self._optimize(optuna, study, space, data, tell)
            self.trials_ = [_entry(trial) for trial in study.trials]
            if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
                raise ValueError(
                    "no trial had a loss that is finite; look for numbers in X or y that are far too large"
                )
            self.best_params_ = from_stored(study.best_params)
            self.best_loss_ = float(study.best_value)
        return self

    def _optimize(
        self,
        optuna: Any,
        study: Any,
        space: dict[str, Any],
        data: dict[str, Any],
        tell: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        """Make trials until there are enough, in this process or on a cluster."""

        def goes_on() -> bool:
            return self._goes_on(optuna, study)

        def model_of(trial: Any) -> Any:
            return self._model_of(optuna, study, trial, space, data["columns"])

        def told(trial: Any) -> None:
            if tell is not None:
                tell(_entry(trial))

        if self.cluster is not None:
            optimize_on(as_cluster(self.cluster), optuna, study, goes_on, model_of, data["rows"], told)
            return
        objective = _objective(optuna, model_of, data["rows"])
        while goes_on():
            study.optimize(objective, n_trials=1, callbacks=[lambda _, trial: told(trial)])

    def _left_open(self, X: Any, count: int, space: Collection[str]) -> dict[str, Any]:
        """Return what a single network has where parameters that are searched are None."""
        of_table = None if self.estimator.pixels or len(getattr(X, "shape", ())) > 2 else count
        left = dense_of(self.estimator, of_table)._asdict() | {"weight_decay": WEIGHT_DECAY}
        return {name: left[name] for name in space if name in left}

    def _split(self, X: Any, y: Any, sample_weight: Any, eval_set: Any, groups: Any, time: Any) -> dict[str, Any]:
        """Return the arguments of the fits of all trials as "rows", what columns hold, and the labels and the number of all rows."""
        X, y, sample_weight, by, column = related_rows(X, y, sample_weight, groups, time, None)
        X, y, weights = weighted_rows(X, y, sample_weight)
        labels, count = as_labels(y), count_rows(X)
        check_num_labels(labels, count)
        columns = self.estimator.columns if column is None else {**(self.estimator.columns or {}), column: "id"}
        said = {"labels": labels, "count": count, "columns": columns}
        if eval_set is not None:
            rows = {"X": X, "y": y, "sample_weight": weights, "eval_set": eval_set}
            return said | {"rows": rows}
        classes = labels if is_classifier(self.estimator) and labels.ndim == 1 else None
        option = f"validation_fraction={self.validation_fraction}"
        training, held_out = hold_out(by, classes, count, self.validation_fraction, self.seed, option)
        if classes is not None:  # what no trial can learn says nothing about trials
            held_out = held_out[np.isin(classes[held_out], classes[training])]
        parts = [
            (some_rows(X, part), labels[part], None if weights is None else weights[part])
            for part in (training, held_out)
        ]
        rows = dict(zip(("X", "y", "sample_weight"), parts[0], strict=True)) | {"eval_set": parts[1]}
        return said | {"rows": rows}

    def _goes_on(self, optuna: Any, study: Any) -> bool:
        """Whether another trial is to begin here, beside those of other processes."""
        optuna.storages.fail_stale_trials(study)
        state = optuna.trial.TrialState
        counted = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED, state.RUNNING))
        return len(counted) < self.trials

    def _model_of(self, optuna: Any, study: Any, trial: Any, space: dict[str, Any], columns: Any) -> Any:
        """Return the model of a trial, which is not trained yet."""
        # A seed for each trial makes a search that goes on draw what it would have drawn anyway.
        study.sampler = optuna.samplers.TPESampler(seed=self.seed + trial.number)
        model = clone(self.estimator).set_params(**suggested(trial, space), columns=columns)
        return model.set_params(members=1, time_limit=None, conformal_fraction=0.0, warm_start=False, verbose=False)


def _objective(optuna: Any, model_of: Callable[[Any], Any], rows: dict[str, Any]) -> Callable[[Any], float]:
    """Return what Optuna calls with each trial of this process."""

    def objective(trial: Any) -> float:
        loss = loss_of(trial, model_of(trial), rows)
        if loss is None:
            raise optuna.TrialPruned
        return loss

    return objective


def _entry(trial: Any) -> dict[str, Any]:
    """Return what `trials_` has of a trial."""
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "loss": trial.value if trial.state.name == "COMPLETE" else None,
        "epochs": len(trial.intermediate_values),
        "parameters": from_stored(trial.params),
    }
