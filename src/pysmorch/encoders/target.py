"""The target of a table that was read: class labels as they are written, numbers by the rules for columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.encoders.formats import (
    INFINITE,
    INTEGER,
    MARKERS,
    NumberFormat,
    all_match,
    any_match,
    find_number_format,
    parse_numbers,
    without_blanks,
    without_markers,
)
from pysmorch.encoders.objects import arrow_of_objects
from pysmorch.layers.base import Array
from pysmorch.sources.target import known_labels


def read_labels(
    target: Any, name: str, missing: tuple[str, ...] | None = None, classes: Array | None = None
) -> tuple[Array | None, Array]:
    """Return the labels of all rows that have one.

    Texts become numbers only where nothing is lost: "007", "1.0" beside "1", and "TRUE" stay as they are written. Integers that no
    dtype of NumPy holds stay texts, too.

    Parameters
    ----------
    target : ndarray or pyarrow.ChunkedArray
        As it was read.
    name : str
        What to call it.
    missing : tuple of str, default=None
        What stands for a missing label; None for `MARKERS` where labels are numbers, and nothing where they are text.
    classes : ndarray, default=None
        The classes of a model that knows them: labels are texts if these are.

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
    import pyarrow as pa

    if isinstance(target, np.ndarray):
        return known_labels(target, name)
    if pa.types.is_binary(target.type) or pa.types.is_large_binary(target.type):
        target = pa.chunked_array([arrow_of_objects(target.to_pylist())])
    kind = target.type.value_type if pa.types.is_dictionary(target.type) else target.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_decimal(kind)):
        return known_labels(target, name)
    cells = without_markers(without_blanks(target.cast(pa.string()).combine_chunks()), missing or ())
    if classes is not None and classes.dtype.kind not in "fiu":
        return known_labels(pa.chunked_array([cells]), name)
    marked = without_markers(cells, MARKERS) if missing is None else cells
    values = marked.unique().drop_null()
    numbers = _exact_numbers(marked, values) if len(values) else None
    return known_labels(pa.chunked_array([cells if numbers is None else numbers]), name)


def _exact_numbers(cells: Any, values: Any) -> Any | None:
    """Return texts as a PyArrow array of integers or float64; None where they are no numbers."""
    import pyarrow as pa

    if all_match(values, INTEGER):
        for kind in (pa.int64(), pa.uint64()):
            try:
                return _without_plus(cells).cast(kind)
            except pa.ArrowInvalid:
                continue
        return None
    written = find_number_format(values)
    if written is None or _are_told_apart(values, written):
        return None
    numbers = parse_numbers(cells, written)[0]
    whole = not written.is_plain and not any_match(values, INFINITE) and bool((np.nan_to_num(numbers) % 1 == 0).all())
    array = pa.array(numbers, from_pandas=True)
    return array.cast(pa.int64()) if whole else array


def _without_plus(cells: Any) -> Any:
    import pyarrow.compute as pc

    return pc.replace_substring_regex(cells, r"^\+", "")


def _are_told_apart(values: Any, written: NumberFormat) -> bool:
    """Whether few texts, such as 1 and 1.0, are different ones of equal value: then they are classes."""
    numbers = parse_numbers(values, written)[0]
    return len(values) <= 20 and len(np.unique(numbers)) < len(values)
