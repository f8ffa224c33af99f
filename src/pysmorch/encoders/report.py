"""What is said about the columns of a table: warnings, and a table for notebooks."""

from __future__ import annotations

import warnings
from html import escape

import numpy as np

from pysmorch.encoders.categories import indices_of
from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import CHOSEN, LETTERS, NEARLY_THE_TARGET, Column
from pysmorch.encoders.values import text_values
from pysmorch.entries import escaped, list_names
from pysmorch.warnings import PysmorchWarning


def warn_of_columns(columns: list[Column]) -> None:
    """Warn of columns that are left out, and of those that may have been misread; one warning for each reason.

    Parameters
    ----------
    columns : list of Column
        All columns of a table.
    """
    said: dict[str, list[str]] = {}
    for column in columns:
        for reason in _reasons(column):
            said.setdefault(reason, []).append(column.name)
    for reason, names in said.items():
        _warn(names, reason)


def warn_of_target(columns: list[int]) -> None:
    """Warn of the columns of an array that are nearly the target, if there are any.

    Parameters
    ----------
    columns : list of int
        Their indices.
    """
    if columns:
        _warn([str(i) for i in columns], TELLS_THE_TARGET)


MANY_UNKNOWN = 0.01
"""With unknown values in a smaller part of the rows nothing is said: of many values some are always rare."""


def warn_of_unknown(columns: list[Column], rows: Cells, missing: tuple[str, ...] | None, argument: str) -> None:
    """Warn of categories with values that the rows of the training do not have, or once at most.

    Parameters
    ----------
    columns : list of Column
        All columns of a table.
    rows : Cells
        Other rows than those of the training.
    missing : tuple of str or None
        What stands for missing values; None for nothing but empty cells.
    argument : str
        What the rows were passed as.
    """
    for column in columns:
        if column.kind != "category" or not len(rows):
            continue
        cells = text_values(column, rows, missing)
        unknown = np.flatnonzero((indices_of(column, cells) < 0) & ~cells.is_null().to_numpy(zero_copy_only=False))
        if len(unknown) >= MANY_UNKNOWN * len(rows):
            warnings.warn(
                f"{argument}: column {column.name!r} has in {len(unknown):,} of {len(rows):,} rows values that come at most once in the "
                f"rows of the training, such as {cells[int(unknown[0])].as_py()!r}: the model does not know them; train on rows with such "
                "values too",
                PysmorchWarning,
                stacklevel=3,
            )


def _warn(names: list[str], reason: str) -> None:
    one = len(names) == 1
    whom = f"column {names[0]!r}" if one else f"columns {list_names(names)}"
    warnings.warn(f"{whom} {reason.format(verb='is' if one else 'are')}", PysmorchWarning, stacklevel=3)


LEFT_OUT = {
    "empty": "{verb} left out: no values",
    "constant": "{verb} left out: one value only",
    "running number": "{verb} left out: a running number, which only counts the rows; choose number to keep it",
    "id": "{verb} left out: all values are distinct texts, which carry nothing to new rows; choose text to keep them",
}

TELLS_THE_TARGET = f"{{verb}} {NEARLY_THE_TARGET}; leave out what is known only after the target is"


def _reasons(column: Column) -> list[str]:
    if column.kind == "none" and column.why != CHOSEN:
        return [LEFT_OUT[column.holds]]
    why = column.why.replace("{", "(").replace("}", ")")
    reasons = [TELLS_THE_TARGET] if why.endswith(NEARLY_THE_TARGET) else []
    if column.format == LETTERS and not why.startswith(CHOSEN):
        reasons.append("of text: its script has no blanks between words, so groups of letters are counted")
    elif column.statistics:
        reasons.append(
            f"of categories: {len(column.values)} values, of which the {column.num_own} most frequent have indicators; "
            "the others have only means of the target"
        )
    elif "could" in why or why.startswith("mixed"):
        reasons.append(f"({column.holds}): {why}")
    return reasons


def as_html(columns: list[Column]) -> str:
    """Return the columns as a table of HTML, for notebooks.

    Parameters
    ----------
    columns : list of Column
        All columns of a table; of more than 200 the first ones are shown.

    Returns
    -------
    str
        Names and facts are escaped.
    """
    head = "".join(f"<th>{title}</th>" for title in ("column", "kind", "holds", "values", "missing", "why"))
    rows = []
    for column in columns[:200]:
        values = str(len(column.values)) if column.kind in ("category", "text") else ""
        kind = "left out" if column.kind == "none" else column.kind
        facts = (column.name, kind, column.holds, values, "yes" if column.missing else "", column.why)
        rows.append("<tr>" + "".join(f"<td>{escape(escaped(fact))}</td>" for fact in facts) + "</tr>")
    more = f"<p>and {len(columns) - 200} more</p>" if len(columns) > 200 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}"
