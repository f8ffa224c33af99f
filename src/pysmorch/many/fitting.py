"""The training of one model for each group: some at a time, in as many threads as the machine has cores."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.encoders.cells import as_table, count_rows, is_table, some_rows
from pysmorch.encoders.sparse import is_sparse
from pysmorch.engine import num_threads, using_threads
from pysmorch.entries import list_names, suggest
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.ensemble import ROWS_TO_STOP_WITHIN
from pysmorch.files.model import content_of
from pysmorch.layers.base import Array
from pysmorch.many.figures import Figures
from pysmorch.many.file import Contents
from pysmorch.many.grouping import Grouped, columns_of, grouped, without_columns
from pysmorch.many.models import ManyModels
from pysmorch.many.records import Written
from pysmorch.many.seeds import seed_of_group
from pysmorch.many.small import for_small_groups
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.classifier import plain_classes
from pysmorch.prediction.files import is_path, read_labelled
from pysmorch.prediction.storing import parameters_to_plain
from pysmorch.training.ending import Cancelled, Cancelling, CancellingWithin, Flag
from pysmorch.training.progress import ProgressOfGroups
from pysmorch.warnings import PysmorchWarning

FEW_ROWS = 10
"""Groups with fewer rows get a remark."""

SECONDS_BETWEEN_LOOKS = 0.2
"""How often the thread that waits looks for signals, and shows how far the others are."""


def fit_many(
    estimator: Classifier | Regressor | type[Classifier] | type[Regressor],
    X: Any,
    y: ArrayLike | str,
    by: str | Sequence[str] | ArrayLike,
    sample_weight: ArrayLike | str | None = None,
    fallback: Classifier | Regressor | None = None,
) -> ManyModels:
    """Train one model for each group of rows, such as each shop, sensor or customer.

    Each group is a training of its own, with its own statistics of columns, its own seed, and the same bits as the `fit` of its rows
    alone. Several groups are trained at a time.

    Parameters
    ----------
    estimator : type, Classifier or Regressor
        The class, for a network that suits small groups (see `for_small_groups`), or an estimator with parameters of your own, which is
        left as it is. Its `threads` are the number of groups that are trained at a time, and its `verbose` shows progress.
    X : array-like, data frame or path
        The rows of all groups, as for `fit`.
    y : array-like of shape (N,), or (N, K); or str
        Labels, as for `fit`; of a data frame or a path also the name of their column, which is no feature then.
    by : str, list of str, or array-like of shape (N,)
        The column of X that says of which group a row is, or several together; it is no feature. Or the group of each row. Groups are
        named by texts, whole numbers or booleans.
    sample_weight : array-like of shape (N,) or str, default=None
        Weights, as for `fit`; of a data frame or a path also the name of their column.
    fallback : Classifier or Regressor, default=None
        What predicts rows of groups that are not known or have no model: a fitted estimator, or one that is trained on all rows. With
        None such rows are an error.

    Returns
    -------
    ManyModels
        With all models. A group that cannot be trained has none, and the reason in `failed`.

    Raises
    ------
    ValueError, TypeError
        For parameters out of range, for rows without a group, and where no group can be trained.
    KeyboardInterrupt
        After Ctrl-C; nothing stays.

    Notes
    -----
    The seed of a group depends on `random_state` and the group's name alone. So
    ``clone(estimator).set_params(random_state=many.seed_of(group)).fit(rows, labels)`` is the model of the group, whatever other groups
    there are, in whatever order rows of different groups come, and for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from pysmorch import Regressor
    >>> rows = np.random.default_rng(0).standard_normal((90, 3))
    >>> shops = np.repeat(["Bergen", "Oslo", "Tromsø"], 30)
    >>> many = fit_many(Regressor, rows, rows.sum(1), by=shops)
    >>> many.groups
    ['Bergen', 'Oslo', 'Tromsø']
    >>> many.predict(rows, by=shops).shape
    (90,)
    """
    template = _template(estimator)
    kind = _kind_of(template)
    fallback = _checked_fallback(fallback, kind)
    if is_path(X):
        X, y, sample_weight = read_labelled(X, y, sample_weight)
    else:
        X, y, sample_weight = _by_name(X, y, sample_weight)
    columns, names = columns_of(by, X)
    features = without_columns(X, names)
    _check_lengths(features, y, sample_weight, len(columns[0].codes))
    groups = grouped(columns)
    if not groups.keys:
        raise ValueError("X has no rows, and so no group; pass one row or more")
    seed = template._draw_seed() if not isinstance(template.random_state, (int, np.integer)) else template.random_state
    work = _Work(template, int(seed), features, np.asarray(y), sample_weight, groups)
    figures = work.run()
    if fallback is not None and not hasattr(fallback, "network_"):
        fallback = _like(fallback).fit(features, y, sample_weight)
    records = work.records(fallback)
    feature_names = list(as_table(features).columns) if is_table(features) else None
    classes = work.classes if fallback is None or kind != "classifier" else _together(work.classes, fallback.classes_)
    contents = Contents(kind, groups.keys, figures, records, int(seed), names, feature_names, fallback is not None)
    if classes is not None:
        contents.classes, contents.classes_dtype = plain_classes(classes).tolist(), classes.dtype.str
    many = ManyModels(contents, work.own_classes)
    _warn_of_failed(many)
    return many


def _template(estimator: Any) -> Any:
    """Return an estimator that is not fitted, with checked parameters; the one that was given is not changed."""
    if isinstance(estimator, type):
        return for_small_groups(estimator)
    if not isinstance(estimator, (Classifier, Regressor)):
        raise TypeError(
            f"estimator must be a Classifier or Regressor, or one of these classes, but is a {type(estimator).__name__}"
        )
    template = _like(estimator)
    template._check_parameters()
    _, lost = parameters_to_plain(template)
    if lost:
        warnings.warn(
            f"models are stored like files, which cannot hold the parameter {', '.join(lost)}: they predict the same, but set it "
            "again before another fit",
            PysmorchWarning,
            stacklevel=3,
        )
    return template


def _like(estimator: Any) -> Any:
    """Return an estimator that is not fitted, with the very parameters of another one, which no training changes."""
    model = object.__new__(type(estimator))
    model.__dict__ = dict(estimator.get_params(deep=False))
    return model


def _kind_of(estimator: Any) -> str:
    return "classifier" if isinstance(estimator, Classifier) else "regressor"


def _checked_fallback(fallback: Any, kind: str) -> Any:
    if fallback is None:
        return None
    if not isinstance(fallback, NetworkModel) or _kind_of(fallback) != kind:
        raise TypeError(f"fallback must be a {kind.capitalize()} as the models are, but is {fallback!r}")
    fallback._check_parameters()
    return fallback


def _by_name(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return rows, labels and weights, of which some may be columns of a data frame."""
    given = [("y", y), ("sample_weight", sample_weight)]
    names = [name for _, name in given if isinstance(name, str)]
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None; pass a label for each row, or their column"
        )
    if not names:
        return X, y, sample_weight
    if not is_table(X):
        raise ValueError(
            f"y or sample_weight: {names[0]!r} names a column, but X is an array without names; pass its values"
        )
    table = as_table(X)
    for argument, name in given:
        if isinstance(name, str) and name not in table.columns:
            hint = suggest(name, table.columns) or f"; the columns are {list_names(table.columns)}"
            raise ValueError(f"{argument}: X has no column {name!r}{hint}")
    y, sample_weight = (table[one].to_native() if isinstance(one, str) else one for one in (y, sample_weight))
    return table.drop(names).to_native(), y, sample_weight


def _check_lengths(X: Any, y: Any, sample_weight: Any, count: int) -> None:
    rows = count_rows(X)
    for argument, values in (("by", count), ("y", len(np.asarray(y)))):
        if values != rows:
            raise ValueError(f"{argument} has {values} values, but X has {rows} rows; pass one for each row")
    if sample_weight is not None and np.ndim(sample_weight) and len(np.asarray(sample_weight)) != rows:
        raise ValueError(
            f"sample_weight has {len(np.asarray(sample_weight))} values, but X has {rows} rows; pass one for each row"
        )


@dataclass
class _Work:
    """All groups, and what has become of each.

    Attributes
    ----------
    template : Classifier or Regressor
        With the parameters of all models.
    seed : int
        Of all.
    X, y, sample_weight
        The rows of all groups, as they were given.
    groups : Grouped
        Which rows are those of which group.
    """

    template: Any
    seed: int
    X: Any
    y: Any
    sample_weight: Any
    groups: Grouped
    flag: Flag = field(default_factory=Flag)
    of_thread: threading.local = field(default_factory=threading.local)
    own_classes: list[type] = field(default_factory=list)
    classes: Array | None = None

    def run(self) -> Figures:
        """Train all groups, and return what was measured."""
        count = len(self.groups.keys)
        self.rows = _sorted_rows(self.X, self.groups)
        self.y = self.y[self.groups.order]
        weights = self.sample_weight
        self.sample_weight = None if weights is None else np.asarray(weights)[self.groups.order]
        self.figures = Figures.of(np.diff(self.groups.starts))
        self.written = Written(count + 1)
        threads = num_threads(self.template.threads)
        self._next, self._lock, self.done = 0, threading.Lock(), 0
        progress = ProgressOfGroups(count) if self.template.verbose else None
        with self._remarks_by_thread(), ThreadPoolExecutor(min(threads, count)) as pool:
            try:
                futures = [pool.submit(copy_context().run, self._work) for _ in range(min(threads, count))]
                while wait(futures, timeout=SECONDS_BETWEEN_LOOKS).not_done:
                    if progress is not None:
                        progress.show(self.done, len(self.figures.failed))
                    if any(future.done() and future.exception() is not None for future in futures):
                        self.flag.set()
                for future in futures:
                    future.result()
            except BaseException:
                self.flag.set()
                raise
            finally:
                if progress is not None:
                    progress.close(self.done, len(self.figures.failed))
        if len(self.figures.failed) == count:
            first = self.groups.keys[0]
            raise ValueError(f"X: no group can be trained; the first one, {first!r}: {self.figures.failed[0]}")
        return self.figures

    def records(self, fallback: Any) -> Any:
        """Return the models, with that of other groups at the end."""
        if fallback is not None:
            self.written.append(len(self.groups.keys), content_of(fallback))
        return self.written.finish()

    def _work(self) -> None:
        """Train one group after the other until there are none left."""
        with using_threads(1):
            while not self.flag.is_set():
                with self._lock:
                    index, self._next = self._next, self._next + 1
                if index >= len(self.groups.keys):
                    return
                try:
                    self._train(index)
                except Cancelled:
                    return
                with self._lock:
                    self.done += 1

    def _train(self, index: int) -> None:
        first, last = int(self.groups.starts[index]), int(self.groups.starts[index + 1])
        model = object.__new__(type(self.template))
        model.__dict__ = dict(vars(self.template))  # its parameters, which no training changes
        model.random_state = seed_of_group(self.seed, self.groups.keys[index])
        model.threads, model.verbose, model.warm_start = 1, False, False
        self.of_thread.remarks = remarks = []
        try:
            X, y = self.rows(first, last), self.y[first:last]
            weights = None if self.sample_weight is None else self.sample_weight[first:last]
            model.fit(X, y, weights, callbacks=[_cancelling(self.flag, last - first)])
            if self.flag.is_set():  # an ensemble leaves out the networks that were cancelled
                raise Cancelled
            score = _score(model, X, y, weights)
            for name in ("threads", "verbose", "warm_start"):
                setattr(model, name, getattr(self.template, name))
            content = content_of(model)
        except Exception as error:
            if isinstance(error, Cancelled):
                raise
            self.figures.failed[index] = _one_line(error)
            return
        finally:
            self.of_thread.remarks = None
        if not self.own_classes:
            self.own_classes = [*(type(layer) for layer in model.own_layers()), type(model)]
        if isinstance(model, Classifier):
            with self._lock:
                self.classes = _together(self.classes, model.classes_)
        self.written.append(index, content)
        if last - first < FEW_ROWS:
            remarks.append(
                f"it has {last - first} row{'s' * (last - first > 1)} only, from which little can be learned"
            )
        if isinstance(model, Regressor) and _is_constant(y):
            remarks.append("all its targets are the same, and so are its predictions")
        self.figures.take(index, model.n_iter_, model.loss_curve_[-1], score, remarks)

    @contextmanager
    def _remarks_by_thread(self) -> Iterator[None]:
        """Inside this context warnings of the library are remarks about the group that their thread trains."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", PysmorchWarning)
            shown = warnings.showwarning

            def show(message: Any, category: Any, *arguments: Any, **options: Any) -> None:
                remarks = getattr(self.of_thread, "remarks", None)
                if remarks is None or not issubclass(category, PysmorchWarning):
                    shown(message, category, *arguments, **options)
                else:
                    remarks.append(str(message))

            warnings.showwarning = show
            yield


def _sorted_rows(X: Any, groups: Grouped) -> Callable[[int, int], Any]:
    """Return what returns some rows, by their positions in the order of the groups."""
    if is_table(X) and isinstance(X, (list, np.ndarray)):
        return lambda first, last: some_rows(X, groups.order[first:last])
    if is_table(X):
        table = as_table(some_rows(X, groups.order))
        return lambda first, last: table[first:last].to_native()
    rows = X.tocsr()[groups.order] if is_sparse(X) else np.asarray(X)[groups.order]
    return lambda first, last: rows[first:last]


def _together(classes: Array | None, others: Array) -> Array:
    """Return the classes of both, sorted."""
    if classes is None or (classes.dtype == others.dtype and np.array_equal(classes, others)):
        return others
    return np.union1d(classes, others)


def _cancelling(flag: Flag, count: int) -> Cancelling:
    """Return the callback that ends a training on this number of rows when the flag is set."""
    return (CancellingWithin if count >= ROWS_TO_STOP_WITHIN else Cancelling)(flag)


def _score(model: Any, X: Any, y: Array, weights: Any) -> float:
    """Return what `score` does, NaN where R² is not defined; in the usual cases without the checks of scikit-learn."""
    if isinstance(model, Regressor) and (len(y) < 2 or _is_constant(y)):
        return float("nan")
    if weights is not None or y.ndim != 1 or y.dtype.kind not in "fiubU":
        return float(model.score(X, y, weights))
    predicted = model.predict(X)
    if isinstance(model, Classifier):
        return float((predicted == y).mean())
    with np.errstate(over="ignore", invalid="ignore"):
        spread, left = np.square(y - y.mean(dtype=np.float64)).sum(), np.square(y - predicted).sum()
    return float(model.score(X, y)) if predicted.ndim != 1 or not np.isfinite(spread) else float(1 - left / spread)


def _is_constant(y: Array) -> bool:
    """Whether all targets are the same."""
    numbers = np.asarray(y, np.float64)
    return bool((numbers == numbers[:1]).all())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _warn_of_failed(many: ManyModels) -> None:
    """Say in one warning how many groups have no model."""
    if not many.failed:
        return
    count = len(many.failed)
    group, reason = next(iter(many.failed.items()))
    warnings.warn(
        f"{count} of {len(many.groups)} groups {'has' if count == 1 else 'have'} no model, see `failed`; the first is {group!r}: {reason}",
        PysmorchWarning,
        stacklevel=3,
    )
