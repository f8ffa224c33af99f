"""The target of a source: the column that is to be predicted, or labels that come apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.entries import check_finite, list_names, suggest
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source, SourceError


def split_target(source: Source, target: str | None, header: bool) -> tuple[Source, Any, str]:
    """Return a source without its target, the target, and its name.

    Parameters
    ----------
    source : Source
        A table, or arrays with labels.
    target : str or None
        A column: its name, or its number from either end.
    header : bool
        Whether the names of the columns were in the file.

    Returns
    -------
    source : Source
        Without the column.
    target : ndarray or pyarrow.ChunkedArray
        As it was read.
    name : str
        Of the column, or "labels".

    Raises
    ------
    ValueError
        There is no such target; says which there are.
    """
    if source.labels is not None:
        if target is not None:
            raise ValueError(f"{source.name} has labels of its own and no column {target!r}; leave out --target")
        return source, source.labels, "labels"
    if source.files is not None:
        raise SourceError(
            f"{source.name} has no class folders; put the images of each class into a folder of its own, "
            f"{source.name}/CLASS/FILE"
        )
    names = source.column_names
    if names is None:
        raise SourceError(
            f"{source.name} has no labels; name them with --labels, or put an array y into the .npz "
            "(--validation-labels and --test-labels are for other files)"
        )
    if target is None:
        raise ValueError(f"which column is to be predicted? Give --target; the columns are {list_names(names)}")
    name = _resolve(target, names, source.name, header)
    return source.without([name]), source.features[name], name


def _resolve(target: str, names: list[str], source: str, header: bool) -> str:
    if target in names:
        return target
    try:
        return names[int(target)]
    except (ValueError, IndexError):
        hint = suggest(target, names)
        no_header = " (is the first line data? then add --no-header)" if header else ""
        raise ValueError(
            f"{source} has no column {target!r}{hint}; the columns are {list_names(names)}{no_header}"
        ) from None


def known_labels(target: Any, name: str) -> tuple[Array | None, Array]:
    """Return the labels of all rows that have one.

    Parameters
    ----------
    target : ndarray or pyarrow.ChunkedArray
        As it was read.
    name : str
        What to call it.

    Returns
    -------
    rows : ndarray of int or None
        Which rows have a label; None where all have.
    labels : ndarray of shape (number of rows,)
        Numbers, or text.

    Raises
    ------
    ValueError
        There are no labels, or they are of a type that is no label.
    """
    if isinstance(target, np.ndarray):
        check_finite(target, "y")
        if target.ndim > 1:
            raise ValueError(f"y must have one label for each row, but has shape {target.shape}")
        return None, target
    import pyarrow as pa

    known = target.is_valid().to_numpy(zero_copy_only=False)
    if not known.any():
        raise ValueError(f"the target {name!r} has no values")
    rows = None if known.all() else np.flatnonzero(known)
    if rows is not None:
        target = target.filter(known)
    if pa.types.is_string(target.type) or pa.types.is_dictionary(target.type) or pa.types.is_large_string(target.type):
        return rows, _texts(target.cast(pa.string()))
    if pa.types.is_boolean(target.type):
        return rows, np.array(target.to_pylist(), dtype=str)
    labels = target.to_numpy()
    if labels.dtype.kind not in "fiu":
        raise ValueError(f"the target {name!r} has type {target.type}; expected numbers or text")
    check_finite(labels, f"the target {name!r}")
    return rows, labels


def _texts(target: Any) -> Array:
    """Return strings as an array; each value becomes an object of Python once, since very many objects take much memory."""
    encoded = target.combine_chunks().dictionary_encode()
    return np.array(encoded.dictionary.to_pylist(), dtype=str)[encoded.indices.to_numpy(zero_copy_only=False)]
