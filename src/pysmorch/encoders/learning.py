"""What the columns of a table are, from rows in memory, or from some columns at a time of rows in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, starmap

from pysmorch.encoders.categories import codes_of
from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import NEARLY_THE_TARGET, Column
from pysmorch.encoders.content import extents_of
from pysmorch.encoders.leaks import Targets, codes_tell, numbers_tell
from pysmorch.encoders.schema import learn_column
from pysmorch.encoders.streamed import StreamedRows
from pysmorch.encoders.together import learn_together
from pysmorch.encoders.values import text_values
from pysmorch.layers.base import Array


def learn_columns(
    rows: Cells | StreamedRows,
    weights: Array | None,
    choices: Mapping[str, str],
    missing: tuple[str, ...] | None,
    leaves_out: bool,
) -> list[Column]:
    """Return what all columns are.

    Parameters
    ----------
    rows : Cells or StreamedRows
        The rows of the training.
    weights : ndarray of shape (N,) or None
        One positive weight per row.
    choices : dict of str to str
        What the user says that columns hold, by their names.
    missing : tuple of str or None
        As for `learn_column`.
    leaves_out : bool
        As for `learn_column`.

    Returns
    -------
    list of Column
        In the order of the table.
    """
    if isinstance(rows, StreamedRows) and weights is not None and rows.sampled is not None:
        weights = weights[rows.sampled]

    def learned(some: list[str], cells: Cells, choices: Mapping[str, str]) -> list[Column]:
        wanted = set(some)
        plain = [name for name in cells.plain if name in wanted]
        block = cells.block(plain) if plain else None
        numbers = {} if block is None else dict(zip(plain, zip(block.T, extents_of(block), strict=True), strict=True))
        texts = [name for name in some if name not in numbers and name not in choices]
        known = learn_together(texts, cells, weights, missing, leaves_out)
        return [
            known.get(name)
            or learn_column(name, cells, numbers.get(name), weights, choices.get(name), missing, leaves_out)
            for name in some
        ]

    def in_groups(names: list[str], choices: Mapping[str, str]) -> list[Column]:
        if not isinstance(rows, StreamedRows):
            return learned(names, rows, choices)
        # A group is gone before the next one is read, since each may take a good part of the memory.
        return list(
            chain.from_iterable(starmap(lambda some, cells: learned(some, cells, choices), rows.in_groups(names)))
        )

    columns = in_groups(rows.names, choices)
    if any(column.kind != "none" for column in columns):
        return columns
    # A table of nothing but row numbers means them.
    running = [column.name for column in columns if column.holds == "running number"]
    as_numbers = {column.name: column for column in in_groups(running, dict.fromkeys(running, "number"))}
    return [as_numbers.get(column.name, column) for column in columns]


def note_the_target(
    columns: Sequence[Column],
    rows: Cells,
    numbers: Mapping[str, Array],
    missing: tuple[str, ...] | None,
    targets: Array,
) -> None:
    """Note which columns are nearly the target.

    Parameters
    ----------
    columns : sequence of Column
        Those that are looked at.
    rows : Cells
        Some rows of the training.
    numbers : dict of str to ndarray
        The columns of numbers in these rows, by name.
    missing : tuple of str or None
        What stands for missing values.
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers, of these rows.
    """
    of_rows = Targets(targets)
    for column in columns:
        if column.kind == "number":
            tells = numbers_tell(numbers[column.name], of_rows)
        else:
            tells = codes_tell(codes_of(text_values(column, rows, missing))[0] + 1, targets)
        if tells:
            column.why = ", ".join(filter(None, [column.why, NEARLY_THE_TARGET]))
