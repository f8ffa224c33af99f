"""What is said about the columns of a table: warnings, and a table for notebooks."""

from __future__ import annotations

import warnings
from html import escape

from pysmorch.encoders.columns import Column
from pysmorch.entries import list_names
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
        one = len(names) == 1
        whom = f"column {names[0]!r}" if one else f"columns {list_names(names)}"
        verb = "is" if one else "are"
        warnings.warn(f"{whom} {reason.format(verb=verb)}", PysmorchWarning, stacklevel=2)


LEFT_OUT = {
    "empty": "{verb} left out: no values",
    "constant": "{verb} left out: one value only",
    "running number": "{verb} left out: a running number, which only counts the rows; choose number to keep it",
    "id": "{verb} left out: all values are distinct texts, which carry nothing to new rows; choose text to keep them",
}


def _reasons(column: Column) -> list[str]:
    if column.kind == "none" and column.why != "as chosen":
        return [LEFT_OUT[column.holds]]
    why = column.why.replace("{", "(").replace("}", ")")
    if column.buckets:
        return [f"of categories: {len(column.values)} values, of which the less frequent ones share indicators"]
    return [f"({column.holds}): {why}"] if "could" in why or why.startswith("mixed") else []


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
        rows.append("<tr>" + "".join(f"<td>{escape(fact)}</td>" for fact in facts) + "</tr>")
    more = f"<p>and {len(columns) - 200} more</p>" if len(columns) > 200 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}"
