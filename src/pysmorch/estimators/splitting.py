"""Splitting rows into those for training and those held out, and when to hold out any."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.extmath import _approximate_mode

from pysmorch.engine.rows import blocks_of, index_dtype
from pysmorch.layers.base import Array

ROWS_AT_A_TIME = 2**16

EARLY_STOPPING_FROM = 5000
"""Rows from which early_stopping="auto" holds out validation data; with fewer, each row is worth more in training."""


def holds_out(early_stopping: bool | str, num_rows: int) -> bool:
    """Whether rows are held out for validation.

    Parameters
    ----------
    early_stopping : bool or "auto"
        The parameter of an estimator.
    num_rows : int
        How many rows there are.

    Returns
    -------
    bool
        "auto" holds out rows where there are many.
    """
    return num_rows >= EARLY_STOPPING_FROM if early_stopping == "auto" else bool(early_stopping)


class SplitBy(NamedTuple):
    """What says which rows are held out: whole groups of them, drawn at random, or the latest ones.

    Attributes
    ----------
    groups : ndarray of int, shape (N,), or None
        The index of each row's group.
    times : ndarray of float64, shape (N,), or None
        The time of each row.
    """

    groups: Array | None = None
    times: Array | None = None

    def take(self, rows: Array) -> SplitBy:
        """Return that of some of the rows, by their indices."""
        groups, times = (None if values is None else values[rows] for values in self)
        return SplitBy(groups, times)

    def held_out(self, fraction: float, seed: int, argument: str) -> Array:
        """Mark the rows that are held out; those of one group or of one time are not torn apart.

        Parameters
        ----------
        fraction : float
            Of the groups, or of the rows.
        seed : int
            The same seed gives the same groups.
        argument : str
            The option and its fraction, for messages.

        Returns
        -------
        ndarray of bool, shape (N,)
            All False where all times are the same.

        Raises
        ------
        ValueError
            Nothing would be left.
        """
        if self.groups is not None:
            present, indices = np.unique(self.groups, return_inverse=True)
            if len(present) < 2:
                raise ValueError(
                    f"{argument}: the rows are of one group, so that no other can be held out; pass more groups"
                )
            check_fraction(argument, fraction, len(present), "groups")
            return np.isin(indices, split_rows(None, len(present), fraction, seed)[1])
        assert self.times is not None
        check_fraction(argument, fraction, len(self.times), "rows")
        border = np.sort(self.times)[-int(np.ceil(fraction * len(self.times)))]
        held_out: Array = self.times >= border
        return self.times > border if held_out.all() else held_out

    def folds(self, count: int, seed: int) -> list[tuple[Array, Array]]:
        """Return rows for training and held-out rows of each fold: of times there is one.

        Parameters
        ----------
        count : int
            How many folds of groups there are, if there are as many groups.
        seed : int
            The same seed gives the same folds.

        Returns
        -------
        list of (training, held_out)
            Indices of rows, in order.
        """
        if self.groups is None:
            held_out = self.held_out(1 / count, seed, "time")
            return [(np.flatnonzero(~held_out), np.flatnonzero(held_out))]
        present, indices = np.unique(self.groups, return_inverse=True)
        if len(present) < 2:
            raise ValueError("groups: the rows are of one group, so that no other can be held out; pass more groups")
        folds = KFold(min(count, len(present)), shuffle=True, random_state=seed).split(present)
        of_fold = [np.isin(indices, held_out) for _, held_out in folds]
        return [(np.flatnonzero(~held_out), np.flatnonzero(held_out)) for held_out in of_fold]


def check_fraction(argument: str, fraction: float, count: int, what: str) -> None:
    """Refuse a fraction that holds everything out.

    Parameters
    ----------
    argument : str
        The option and the fraction.
    fraction : float
        Of what is held out, rounded up.
    count : int
        How many there are.
    what : str
        "rows" or "groups".

    Raises
    ------
    ValueError
        Nothing would be left.
    """
    num_held_out = int(np.ceil(fraction * count))
    if num_held_out >= count:
        raise ValueError(
            f"{argument} holds out {num_held_out} of {count} {what}, so that none is left for training; "
            "say a smaller fraction"
        )


def hold_out(
    by: SplitBy | None, classes: Array | None, num_rows: int, fraction: float, seed: int, argument: str
) -> tuple[Array, Array]:
    """Return the rows for training and those held out, as an estimator holds out rows.

    Parameters
    ----------
    by : SplitBy or None
        What says which; None draws rows at random.
    classes : ndarray of shape (num_rows,) or None
        The class of each row, which then both parts have in the same proportions; None where that does not matter.
    num_rows : int
        How many rows there are.
    fraction : float
        Fraction that is held out.
    seed : int
        The same seed gives the same rows.
    argument : str
        The parameter that says the fraction, and that.

    Returns
    -------
    training, held_out : ndarray of int
        Indices of rows, in order.

    Raises
    ------
    ValueError
        A part would be empty.
    """
    if by is None:
        return split_rows(classes, num_rows, fraction, seed)[:2]
    held_out = by.held_out(fraction, seed, argument)
    if not held_out.any():
        raise ValueError(f"{argument}: all rows that are left have the same time, so that none of them is the latest")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def split_rows(classes: Array | None, num_rows: int, fraction: float, seed: int) -> tuple[Array, Array, bool]:
    """Return the rows for training, those held out, and whether both have all classes in the same proportions.

    That is impossible where a class has one row only, which is then for training, or a part has fewer rows than there are classes.

    Parameters
    ----------
    classes : ndarray of shape (num_rows,) or None
        The class of each row; None where there are no classes.
    num_rows : int
        How many rows there are.
    fraction : float
        Fraction of the rows that is held out.
    seed : int
        The same seed gives the same rows.

    Returns
    -------
    training, held_out : ndarray of int
        Indices of rows, in order.
    stratified : bool
        Whether both parts have all classes in the same proportions.
    """
    single = np.zeros(num_rows, dtype=bool)
    if classes is not None:
        # Of very many rows the inverse of `unique`, and whatever has 8 bytes for each, takes several times their memory.
        index, counts = _indices(np.unique(classes), classes)
        alone = (counts == 1)[index]
        if num_rows - np.count_nonzero(alone) >= 2:
            single = alone
        several = int((counts > 1).sum())
        num_split = num_rows - int(np.count_nonzero(single))
        num_held_out = int(np.ceil(fraction * num_split))
        if several and not (alone & ~single).any() and several <= min(num_held_out, num_split - num_held_out):
            held_out = _stratified(index, counts, num_held_out, seed)
            in_training = np.ones(num_rows, dtype=bool)
            in_training[held_out] = False
            return indices_of(in_training), held_out, not single.any()
    rows = np.arange(num_rows, dtype=index_dtype(num_rows))
    split: Any = train_test_split(rows[~single], test_size=fraction, random_state=seed)
    training = np.sort(np.concatenate([split[0], rows[single]]))
    return training, np.sort(split[1]), False


def indices_of(chosen: Array) -> Array:
    """Return the indices of rows that are marked, in as few bytes as they need.

    Parameters
    ----------
    chosen : ndarray of bool, shape (N,)
        For each row.

    Returns
    -------
    ndarray of int
        In increasing order.
    """
    indices = np.empty(np.count_nonzero(chosen), index_dtype(len(chosen)))
    end = 0
    for rows in blocks_of(len(chosen), ROWS_AT_A_TIME):
        found = np.flatnonzero(chosen[rows])
        indices[end : end + len(found)] = found + rows.start
        end += len(found)
    return indices


def _indices(classes: Array, labels: Array) -> tuple[Array, Array]:
    """Return the index of each label among the classes, and how often each class comes."""
    index, counts = np.empty(len(labels), np.min_scalar_type(-len(classes))), np.zeros(len(classes), np.int64)
    for rows in blocks_of(len(labels), ROWS_AT_A_TIME):
        index[rows] = np.searchsorted(classes, labels[rows])
        counts += np.bincount(index[rows], minlength=len(classes))
    return index, counts


def _stratified(index: Array, counts: Array, num_held_out: int, seed: int) -> Array:
    """Return the rows that scikit-learn's `train_test_split` would hold out, in order, without its lists of Python's objects.

    Rows whose class comes once are not held out.
    """
    rng = check_random_state(seed)
    present = counts[counts > 1]
    of_training = _approximate_mode(present, present.sum() - num_held_out, rng)
    _approximate_mode(present - of_training, num_held_out, rng)  # it draws the numbers that are drawn there
    ends = np.cumsum(counts)
    by_class = _rows_by_class(index, ends - counts)
    held_out = []
    for end, count, trained in zip(ends[counts > 1].tolist(), present.tolist(), of_training.tolist(), strict=True):
        of_class = by_class[end - count : end]
        rng.shuffle(of_class)  # it draws what `permutation` draws, which takes 8 bytes for each row
        held_out.append(of_class[trained:])
    return np.sort(np.concatenate(held_out))


def _rows_by_class(index: Array, starts: Array) -> Array:
    """Return all rows, those of a class after those of the class before it, as a stable `argsort` in few bytes does."""
    by_class, filled = np.empty(len(index), index_dtype(len(index))), starts.copy()
    for rows in blocks_of(len(index), ROWS_AT_A_TIME):
        order = np.argsort(index[rows], kind="stable")
        counts = np.bincount(index[rows], minlength=len(starts))
        # Where the rows of a class go, less where they are in the block.
        shifts = np.repeat(filled - (np.cumsum(counts) - counts), counts)
        by_class[shifts + np.arange(len(order))] = order + rows.start
        filled += counts
    return by_class
