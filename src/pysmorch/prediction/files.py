"""Rows in files: tables that estimators read themselves, block by block where the memory cannot hold them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from pysmorch.encoders import Encoder, read_labels
from pysmorch.encoders.plain import numbers_of
from pysmorch.entries import list_names
from pysmorch.layers.base import Array
from pysmorch.sources import Source, read
from pysmorch.sources.stack import UPPER_BITS
from pysmorch.sources.streaming import StreamedTable
from pysmorch.warnings import PysmorchWarning


def is_path(X: Any) -> bool:
    """Whether X is not rows, but where they are."""
    return isinstance(X, (str, os.PathLike))


def read_labelled(path: Any, y: Any, sample_weight: Any, classes: Array | None = None) -> tuple[Any, Any, Any]:
    """Return the rows of a file, their labels and their weights.

    Parameters
    ----------
    path : str or Path
        A table.
    y : str or array-like
        The column with the labels, which is no feature; or the labels themselves.
    sample_weight : str, array-like or None
        The column with the weights, which is no feature; or the weights themselves.
    classes : ndarray, default=None
        The classes of a model that knows them: labels are texts if these are.

    Returns
    -------
    features : pyarrow.Table or StreamedTable
        All other columns, in rows that have a label.
    y, sample_weight : array-like or None
        Of these rows.

    Raises
    ------
    ValueError, OSError
        The file cannot be read, or has no such columns.
    """
    source = table_in(path)
    features = source.features
    if y is None:
        raise ValueError(
            f"y must be the name of the column to predict, but is None; the columns of {source.name} are "
            f"{list_names(features.column_names)}"
        )
    by_name = [name for name in (y, sample_weight) if isinstance(name, str)]
    for argument, name in (("y", y), ("sample_weight", sample_weight)):
        if isinstance(name, str) and name not in features.column_names:
            close = get_close_matches(name, features.column_names, n=1)
            hint = (
                f"; did you mean {close[0]!r}?" if close else f"; the columns are {list_names(features.column_names)}"
            )
            raise ValueError(f"{argument}: {source.name} has no column {name!r}{hint}")
    rest = features.drop_columns(by_name)
    if isinstance(sample_weight, str):
        sample_weight = _weights(features[sample_weight], sample_weight)
    if not isinstance(y, str):
        return rest, y, sample_weight
    known, labels = read_labels(features[y], y, classes=classes)
    if known is None:
        return rest, labels, sample_weight
    _warn(f"{len(rest) - len(known)} rows of {source.name} have no value of {y!r} and are left out")
    return rest.take(known), labels, None if sample_weight is None else np.asarray(sample_weight)[known]


def read_features(path: Any, encoder: Encoder) -> Any:
    """Return the columns of a file that a model was trained on.

    Parameters
    ----------
    path : str or Path
        A table, which may have other columns too.
    encoder : Encoder
        That of the model.

    Returns
    -------
    pyarrow.Table or StreamedTable
        In the order of the training.

    Raises
    ------
    ValueError, OSError
        The file cannot be read, or lacks a column.
    """
    return encoder.select(table_in(path), by_position=False)


def check_takes_files(encoder: Encoder, X: Any) -> None:
    """Raise ValueError for a table that is read block by block where rows of arrays are expected."""
    if isinstance(X, StreamedTable) and not encoder.takes_files:
        raise ValueError(
            f"X is a table that is read block by block, but {encoder.what} are expected, which must be in memory"
        )


def bits_in(notes: Mapping[str, Any]) -> int:
    """Return how many bits the greys of a training's images used, by its notes; files from before that was learned do not say."""
    return int(notes.get("bits", UPPER_BITS))


def had_header(notes: Mapping[str, Any]) -> bool:
    """Whether the file of a training had names of columns, by its notes."""
    return bool(notes.get("header", True))


def parse_missing(text: str | None) -> tuple[str, ...]:
    """Return what cells without a value hold in a text such as NA,?."""
    return () if text is None else tuple(part.strip() for part in text.split(","))


def table_in(path: Any) -> Source:
    """Return the table in a file; ValueError where it holds none. Its remarks are warnings."""
    source = read(os.path.expanduser(os.fspath(path)))
    if source.column_names is None:
        raise ValueError(f"X: {source.name} is no table; read its arrays or images, and pass them as X")
    for remark in source.remarks:
        _warn(remark)
    return source


def _weights(cells: Any, name: str) -> Array:
    import pyarrow as pa

    try:
        return numbers_of(cells)
    except pa.ArrowException:
        raise ValueError(f"sample_weight: the column {name!r} must hold numbers, but has type {cells.type}") from None


def _warn(text: str) -> None:
    warnings.warn(text, PysmorchWarning, stacklevel=2)
