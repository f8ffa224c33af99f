"""Which rows are held out of the training."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from pysmorch.cli.data import Rows, in_file, numbers
from pysmorch.cli.options import HoldOutOptions
from pysmorch.cli.output import Report
from pysmorch.cli.parameters import parse_fraction
from pysmorch.encoders import encode_rows, kind_of
from pysmorch.encoders.beside import TIMES, group_indices
from pysmorch.estimators.splitting import SplitBy, check_fraction, split_rows
from pysmorch.layers.base import Array

DEFAULT_FRACTION = 0.2
TOO_FEW = 5
"""With fewer rows none can be held out at random."""


def check_options(options: HoldOutOptions) -> None:
    """Refuse options that exclude each other or are out of range."""
    given = [name for name in ("test_file", "split_time", "split_group") if getattr(options, name) is not None]
    flags = [f"--{name.replace('_', '-')}" for name in given]
    if len(flags) > 1:
        raise ValueError(f"{flags[0]} and {flags[1]} exclude each other")
    test = options.test
    if test is not None and not 0 <= test < 1:
        raise ValueError(f"--test must be from 0 to below 1, but is {test}")
    if test is not None and options.test_file is not None:
        raise ValueError("--test and --test-file exclude each other")
    for labels, source in (("test_labels", "test_file"), ("validation_labels", "validation")):
        if getattr(options, labels) is not None and getattr(options, source) is None:
            raise ValueError(f"--{labels.replace('_', '-')} are those of --{source.replace('_', '-')}; add that")
    if test == 0 and flags:
        raise ValueError(f"--test 0 holds no rows out, but {flags[0]} says which")


def validation_source(options: HoldOutOptions) -> str | None:
    """Return the source of validation rows, where `--validation` names one and no fraction."""
    return options.validation if parse_fraction(options.validation) is None else None


def fraction_of(options: HoldOutOptions) -> float:
    """Return the fraction of the rows that is held out."""
    return DEFAULT_FRACTION if options.test is None else options.test


def split_column(options: HoldOutOptions) -> tuple[str, str] | None:
    """Return the column that says which rows are held out, and its option."""
    if options.split_time is not None:
        return options.split_time, "--split-time"
    return None if options.split_group is None else (options.split_group, "--split-group")


def split(rows: Rows, options: HoldOutOptions, task: str, seed: int, report: Report) -> tuple[Rows, Rows | None]:
    """Return the rows for training, and those held out if any are.

    Raises ValueError where a part would be empty, or the training would lack a class.
    """
    fraction = fraction_of(options)
    if fraction == 0:
        return rows, None
    if options.split_time is not None:
        rows = replace(rows, by=SplitBy(times=_times(rows, options.split_time)))
        held_out = _latest(rows, options.split_time, fraction, report)
    elif options.split_group is not None:
        rows = replace(rows, by=SplitBy(groups=_groups(rows, options.split_group)))
        held_out = _some_groups(rows, options.split_group, fraction, seed, report)
    else:
        held_out = _random(rows, task, fraction, seed, report)
    if not held_out.any():
        return rows, None
    return rows.take(np.flatnonzero(~held_out)), rows.take(np.flatnonzero(held_out))


def _random(rows: Rows, task: str, fraction: float, seed: int, report: Report) -> Array:
    if len(rows) < TOO_FEW:
        raise ValueError(f"{len(rows)} rows are too few to hold some out; add --test 0")
    check_fraction(f"--test {fraction}", fraction, len(rows), "rows")
    classes = rows.y if task == "classification" else None
    training, chosen, stratified = split_rows(classes, len(rows), fraction, seed)
    held_out = np.zeros(len(rows), dtype=bool)
    held_out[chosen] = True
    if classes is not None and not stratified:
        # A class whose rows were all held out could not be learned.
        held_out &= np.isin(rows.y, rows.y[training])
        report.note(
            "some classes have too few rows to be in both parts; the held-out rows are drawn without regard to them, "
            "and each class is in training"
        )
    return held_out


def _times(rows: Rows, name: str) -> Array:
    return numbers(rows.split_by, name, rows, f"--split-time {name} needs a time or number in each row", TIMES)


def _latest(rows: Rows, name: str, fraction: float, report: Report) -> Array:
    """Mark the latest rows."""
    assert rows.by is not None
    assert rows.by.times is not None
    times, cells = rows.by.times, rows.split_by
    held_out = rows.by.held_out(fraction, 0, f"--test {fraction}")
    if not held_out.any():
        raise ValueError(f"--split-time {name}: all rows have the same value, {cells[0].as_py()}")
    first = cells[int(np.flatnonzero(held_out)[times[held_out].argmin()])].as_py()
    report.note(f"held out are the {held_out.sum()} latest rows, with {name!r} from {first} on")
    return held_out


def _groups(rows: Rows, name: str) -> Array:
    indices, missing = group_indices(rows.split_by)
    if missing is not None:
        raise ValueError(f"--split-group {name} needs a value in each row, but {rows.line(missing)} has none")
    return indices


def _some_groups(rows: Rows, name: str, fraction: float, seed: int, report: Report) -> Array:
    """Mark the rows of some groups, drawn at random."""
    assert rows.by is not None
    assert rows.by.groups is not None
    groups, said = rows.by.groups, f"--test {fraction}"
    count = int(groups.max()) + 1
    check_fraction(said, fraction, count, f"groups of {name!r}")
    held_out = rows.by.held_out(fraction, seed, said)
    number = len(np.unique(groups[held_out]))
    report.note(f"held out are {number} of {count} groups of {name!r}, which is no feature")
    return held_out


def check_classes(training: Rows, held_out: Rows | None, report: Report, which: str = "held-out") -> None:
    """Refuse parts from which no classifier can be trained and measured, before anything is trained."""
    classes = np.unique(training.y)
    if len(classes) < 2:
        more = held_out is not None and not np.isin(held_out.y, classes).all()
        folders = "" if training.source.files is None else "; put the images of others into folders of their own"
        raise ValueError(
            f"the target {training.target!r} has one class only{' in training' * more}, {classes.tolist()[0]!r}; "
            f"a classifier needs at least two{folders}"
        )
    if held_out is None:
        return
    unknown = np.flatnonzero(~np.isin(held_out.y, classes))
    if len(unknown):
        row = int(unknown[0])
        raise ValueError(
            f"the class {held_out.y.tolist()[row]!r} of {held_out.line(row)} of {held_out.source.name} is among the "
            f"{which} rows only, so that it cannot be learned; hold out other rows, or leave out those of this class"
        )
    lacking = classes[~np.isin(classes, held_out.y)].tolist()
    if lacking:
        report.note(f"no {which} row is of the class{'es' * (len(lacking) > 1)} {', '.join(map(str, lacking[:20]))}")


def in_words(options: HoldOutOptions, training: Rows, held_out: Rows | None, task: str, seed: int) -> str:
    """Return which rows were held out and how, in sentences."""
    if held_out is None:
        return f"No rows were held out: these are the {len(training):,} rows of the training, on which a model looks better than on new ones."
    others = f"The model was trained on {len(training):,} others."
    if options.test_file is not None:
        return f"These are the rows of {options.test_file}. {others}"
    if options.split_time is not None:
        return f"Held out are the {len(held_out):,} rows with the latest {options.split_time!r}. {others}"
    how = f"drawn at random with the seed {seed}"
    if options.split_group is not None:
        return f"Held out are {len(held_out):,} rows: whole groups of {options.split_group!r}, {how}. {others}"
    shares = ", from each class its share where it has enough rows" if task == "classification" else ""
    total = len(held_out) + len(training)
    return f"Held out are {len(held_out):,} of {total:,} rows ({len(held_out) / total:.0%}), {how}{shares}. {others}"


class Inputs:
    """Takes the features of other sources as a model will take them that is to be trained.

    An encoder is learned here once more, so that a file that does not fit is refused before the training.

    Parameters
    ----------
    model : NetworkEstimator
        Not trained yet.
    training : Rows
        The rows of its training.
    """

    def __init__(self, model: Any, training: Rows) -> None:
        self.model, self.training = model, training

    def features_of(self, rows: Rows, by_position: bool) -> Any:
        """Return the features of rows of another source, after encoding them for a trial."""
        encoder, source = self._encoder, rows.source
        features = encoder.select(source, by_position)
        in_file(source, lambda: encode_rows(encoder, encoder.check(features, self.model, reset=False), sys.maxsize))
        return features

    @cached_property
    def _encoder(self) -> Any:
        model, features, y = self.model, self.training.source.features, self.training.y
        encoder = kind_of(features, model.pixels, bool(model.columns) or model.missing is not None)()
        encoder.choose(model.columns, model.missing)
        targets = np.unique(y, return_inverse=True)[1] if is_classifier(model) else y[:, None]
        encoder.learn(encoder.check(features, model, reset=True), self.training.weights, targets)
        return encoder
