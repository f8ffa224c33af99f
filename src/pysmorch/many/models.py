"""The models of all groups: which is made when it is wanted, and predicts the rows of its group."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.encoders.cells import as_table, count_rows, is_table, some_rows
from pysmorch.entries import list_names
from pysmorch.files import ModelFileError, ModelPath, read_parts
from pysmorch.layers.base import Array
from pysmorch.loading import made_of
from pysmorch.many.file import Contents, read_many, save_many
from pysmorch.many.grouping import Key, columns_of, grouped, positions, written
from pysmorch.many.records import Content, Descriptor
from pysmorch.many.seeds import seed_of_group
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.files import is_path, table_in
from pysmorch.prediction.regressor import RegressorModel
from pysmorch.sources.streaming import StreamedTable

MODELS_IN_MEMORY = 64
"""Models that stay in memory after they were used; each takes some ten KiB."""


@final
class ManyModels:
    """One model for each group; `fit_many` makes it, and `pysmorch.load` reads it from a file.

    Parameters
    ----------
    contents : Contents
        What was learned, with the models as model files.
    own : sequence of type, default=()
        Classes of your own, of layers, losses and estimators, that the models have.

    Attributes
    ----------
    groups : list of str, int, bool or tuple
        The names of all groups, sorted; tuples where several columns make them.
    models : mapping of group to Classifier or Regressor
        The models; each is read when it is wanted, and is an ordinary estimator.
    failed : dict of group to str
        Why a group has no model.
    remarks : dict of group to list of str
        What deserves attention in a group, of those that have a model.
    by : list of str or None
        The columns that say of which group a row is; None where that was passed as values.
    fallback : Classifier, Regressor or None
        What predicts rows of other groups.
    random_state : int
        That of all, from which the seed of each group follows.
    notes_ : dict
        What the command line stores of the training.
    """

    def __init__(self, contents: Contents, own: Sequence[type] = ()) -> None:
        self._contents, self._own = contents, tuple(own)
        self.groups: list[Key] = contents.groups
        self.by = contents.by
        self.random_state = contents.seed
        self.notes_: dict[str, Any] = contents.notes
        self._position = positions(self.groups)
        self._held: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    # What was learned.

    @property
    def models(self) -> Models:
        """The models by group."""
        return Models(self)

    @property
    def failed(self) -> dict[Key, str]:
        """Why a group has no model."""
        return {self.groups[index]: reason for index, reason in sorted(self._contents.figures.failed.items())}

    @property
    def remarks(self) -> dict[Key, list[str]]:
        """What deserves attention in a group."""
        return {self.groups[index]: list(said) for index, said in sorted(self._contents.figures.remarks.items())}

    @property
    def figures(self) -> dict[str, list[Any]]:
        """What was measured in the training of each group, as columns of a table, which any data frame takes.

        "group", "rows", "epochs", "loss" of the last epoch, "score" of the rows of the training (accuracy, or R²), and "remark", in which
        is also why a group has no model.
        """
        figures = self._contents.figures
        said = [
            figures.failed.get(index) or "; ".join(figures.remarks.get(index, [])) for index in range(len(self.groups))
        ]
        return {"group": list(self.groups), **figures.columns(), "remark": said}

    @property
    def fallback(self) -> Any:
        """What predicts rows of other groups, or None."""
        return self._model(len(self.groups)) if self._contents.has_fallback else None

    @property
    def is_classifier(self) -> bool:
        """Whether the models predict classes."""
        return self._contents.kind == "classifier"

    def seed_of(self, group: Key) -> int:
        """Return the `random_state` of the model of a group.

        Parameters
        ----------
        group : str, int, bool or tuple
            Its name; of any group, also one that is not known.

        Returns
        -------
        int
            Of the name and the `random_state` of all.
        """
        return seed_of_group(self.random_state, group)

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        failed = len(self._contents.figures.failed)
        kind = "classifiers" if self.is_classifier else "regressors"
        by = "" if self.by is None else f" by {', '.join(self.by)}"
        without = f", {failed} without a model" if failed else ""
        return f"ManyModels({len(self.groups)} {kind}{by}{without})"

    def __getstate__(self) -> dict[str, Any]:
        return {"contents": self._contents.in_memory(), "own": self._own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["contents"], state["own"])

    # Prediction.

    def predict(self, X: Any, by: Any = None) -> Array:
        """Return what the model of its group predicts for each row.

        Parameters
        ----------
        X : array-like, data frame or path
            Rows with the columns of the training, which may have others too.
        by : str, list of str, or array-like of shape (N,), default=None
            The group of each row; None for the columns of the training.

        Returns
        -------
        ndarray of shape (N,) or (N, K)
            In the order of the rows.

        Raises
        ------
        ValueError, TypeError
            A row is of a group that has no model, and there is no fallback; data that do not fit.
        """
        return self._predicted(X, by, lambda model, rows: model.predict(rows))

    def predict_proba(self, X: Any, by: Any = None) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, data frame or path
            As for `predict`.
        by : str, list of str, or array-like of shape (N,), default=None
            As for `predict`.

        Returns
        -------
        ndarray of shape (N, K)
            In the order of `classes_`, which has those of all groups; 0 for a class that no row of the group had.

        Raises
        ------
        ValueError, TypeError
            As for `predict`; also where the models predict numbers.
        """
        if not self.is_classifier:
            raise ValueError("X is of models that predict numbers, which have no probabilities; take predict")
        classes = self.classes_

        def of_all(model: Any, rows: Any) -> Array:
            probabilities = model.predict_proba(rows)
            spread = np.zeros((len(probabilities), len(classes)))
            spread[:, np.searchsorted(classes, model.classes_)] = probabilities
            return spread

        return self._predicted(X, by, of_all)

    @property
    def classes_(self) -> Array:
        """The classes of all groups, sorted."""
        if not self.is_classifier:
            raise AttributeError("the models predict numbers, and have no classes")
        return np.array(self._contents.classes, dtype=self._contents.classes_dtype)

    def score(
        self, X: Any, y: ArrayLike | str, by: Any = None, sample_weight: ArrayLike | str | None = None
    ) -> dict[Key, float]:
        """Return the accuracy of each group's predictions, or R² of numbers.

        Parameters
        ----------
        X : array-like, data frame or path
            As for `predict`.
        y : array-like of shape (N,), or str
            The labels; of a data frame or a path also the name of their column.
        by : str, list of str, or array-like of shape (N,), default=None
            As for `predict`.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights that are not negative.

        Returns
        -------
        dict of group to float
            Of those groups that have rows, in the order of `groups`; of groups without a model that of the fallback.

        Raises
        ------
        ValueError, TypeError
            As for `predict`.
        """
        if is_path(X):
            X = table_in(X).features
        y, sample_weight = (_values(X, one, name) for one, name in ((y, "y"), (sample_weight, "sample_weight")))
        scores: dict[Key, float] = {}
        for key, model, rows, some in self._by_group(X, by):
            weights = None if sample_weight is None else np.asarray(sample_weight)[rows]
            scores[key] = model.score(some, np.asarray(y)[rows], weights)
        return scores

    def _predicted(self, X: Any, by: Any, predict: Callable[[Any, Any], Array]) -> Array:
        X = table_in(X).features if is_path(X) else X
        if isinstance(X, StreamedTable):
            return np.concatenate([self._predicted(block, by, predict) for _, block in X.blocks()])
        parts, order = [], []
        for _, model, rows, some in self._by_group(X, by):
            parts.append(predict(model, some))
            order.append(rows)
        if not parts:
            raise ValueError("X has no rows: 0 sample(s), but a minimum of 1 is required")
        together = np.concatenate(parts)
        predicted = np.empty_like(together)
        predicted[np.concatenate(order)] = together
        return predicted

    def _by_group(self, X: Any, by: Any) -> Iterator[tuple[Key, Any, Array, Any]]:
        """Go through the groups of rows: the name, the model, which rows, and these."""
        if by is None and self.by is None:
            raise ValueError("by: the group of each row was passed as values in the training; pass it here, too")
        columns, _ = columns_of(self.by if by is None else by, X)
        if len(columns) != (1 if self.by is None else len(self.by)):
            raise ValueError(f"by must be as many columns as in the training, {len(self.by or [0])}")
        features = self._features(X)
        if len(columns[0].codes) != count_rows(features):
            raise ValueError(
                f"by has {len(columns[0].codes)} values, but X has {count_rows(features)} rows; pass one for each row"
            )
        groups = grouped(columns)
        indices = [self._position.get(written(key), -1) for key in groups.keys]
        if not self._contents.has_fallback:
            self._refuse_unknown(groups.keys, indices, np.diff(groups.starts))
        for position in np.argsort(indices, kind="stable").tolist():
            index, key = indices[position], groups.keys[position]
            rows = groups.order[groups.starts[position] : groups.starts[position + 1]]
            known = index >= 0 and self._contents.records.has(index)
            model = self._model(index) if known else self.fallback
            yield self.groups[index] if index >= 0 else key, model, rows, some_rows(features, rows)

    def _features(self, X: Any) -> Any:
        """Return the columns that the models know, of a table with others too."""
        wanted = self._contents.columns
        if wanted is None or not is_table(X):
            return X
        table = as_table(X)
        missing = [name for name in wanted if name not in set(table.columns)]
        if missing:
            raise ValueError(f"X lacks {list_names(missing)}, on which the models were trained")
        return table.select(wanted).to_native()

    def _refuse_unknown(self, keys: Sequence[Key], indices: Sequence[int], counts: Array) -> None:
        for key, index, count in zip(keys, indices, counts.tolist(), strict=True):
            if index >= 0 and self._contents.records.has(index):
                continue
            why = (
                "is not one of the training"
                if index < 0
                else f"has no model, since {self._contents.figures.failed.get(index, 'it failed')}"
            )
            raise ValueError(
                f"the group {key!r} of {count} row{'s' * (count > 1)} of X {why}; leave out such rows, or train with fallback= a model "
                "for all other groups"
            )

    def _model(self, index: int) -> Any:
        """Return a model, one of those that are held, or read it."""
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
                return self._held[index]
        try:
            model = self._read(index)
        except ModelFileError as error:
            what = "the fallback" if index == len(self.groups) else f"the group {self.groups[index]!r}"
            raise ModelFileError(f"the model of {what}: {error}") from error
        with self._lock:
            self._held[index] = model
            while len(self._held) > MODELS_IN_MEMORY:
                self._held.popitem(last=False)
        return model

    def _read(self, index: int) -> Any:
        models = [one for one in self._own if issubclass(one, NetworkModel)]
        own = [one for one in self._own if one not in models]
        model = made_of(*read_parts(self._contents.records.read(index)), "its file", own, models)
        if not isinstance(model, ClassifierModel if self.is_classifier else RegressorModel):
            raise ModelFileError(f"it is a {type(model).__name__}, but the models are {self._contents.kind}s")
        return model

    # Files.

    def save(self, path: ModelPath) -> None:
        """Write all models into one .safetensors file, whole or not at all; `pysmorch.load` reads it.

        Parameters
        ----------
        path : str, Path or binary file
            The file.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        self._contents.notes = self.notes_
        save_many(self._contents, path)


class Models(Mapping[Key, Any]):
    """The models by group; those that cannot be trained are not among them.

    Parameters
    ----------
    many : ManyModels
        What holds them.
    """

    def __init__(self, many: ManyModels) -> None:
        self._many = many

    def __getitem__(self, group: Key) -> Any:
        many = self._many
        index = many._position.get(written(group), -1)
        if index < 0:
            raise KeyError(
                f"there is no group {group!r}; the groups are {list_names([repr(key) for key in many.groups], 5)}"
            )
        if not many._contents.records.has(index):
            raise KeyError(f"the group {group!r} has no model: {many._contents.figures.failed.get(index)}")
        return many._model(index)

    def __iter__(self) -> Iterator[Key]:
        many = self._many
        return (key for index, key in enumerate(many.groups) if many._contents.records.has(index))

    def __len__(self) -> int:
        records = self._many._contents.records
        return sum(records.has(index) for index in range(len(self._many.groups)))

    def __repr__(self) -> str:
        return f"<{len(self)} models>"


def open_models(path: Any, content: Any, name: str, own: Sequence[type]) -> ManyModels | None:
    """Return the models in a file, which stays open, or in its content; None where it is another kind of file.

    Parameters
    ----------
    path : str, Path or object
        The file.
    content : bytes-like or None
        Its content, where it is no path.
    name : str
        What messages call it.
    own : sequence of type
        Classes of the user, of layers, losses and estimators.

    Returns
    -------
    ManyModels or None
        Of which each model is read when it is wanted.

    Raises
    ------
    ModelFileError
        The file is damaged or altered, or comes from a newer version.
    """
    contents = read_many(Content(Descriptor.of_path(path) if content is None else content), name)
    return None if contents is None else ManyModels(contents, own)


def _values(X: Any, given: Any, argument: str) -> Any:
    """Return values, which may be those of a column of a table."""
    if not isinstance(given, str):
        return given
    if not is_table(X) and not isinstance(X, StreamedTable):
        raise ValueError(f"{argument}={given!r} names a column, but X is an array without names; pass its values")
    table: Any = X if isinstance(X, StreamedTable) else as_table(X)
    names = table.column_names if isinstance(X, StreamedTable) else table.columns
    if given not in names:
        raise ValueError(f"{argument}: X has no column {given!r}; the columns are {list_names(names)}")
    return np.asarray(table[given])
