"""What a gradient check found, as rows and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pysmorch.layers.base import Array

NOTHING = "nothing was compared"
"""In the message of a row that could not be compared; its reason follows."""


@dataclass(frozen=True)
class CheckRow:
    """One array of derivatives that was compared.

    Parameters
    ----------
    layer : str
        Name of the layer.
    what : str
        What was differentiated: "W", or "input" (numbered where there are several).
    entries : int
        How many entries were compared.
    error : float
        The worst relative error; NaN where nothing could be compared.
    passed : bool
        Whether the error is within the tolerance.
    message : str, default=""
        What is wrong, where, and the likely mistake; empty when nothing is.
    errors : array or None, default=None
        The relative error of every entry, in the shape of the array; NaN for entries that were not compared, None where nothing could
        be.
    """

    layer: str
    what: str
    entries: int
    error: float
    passed: bool
    message: str = ""
    errors: Array | None = field(default=None, repr=False, compare=False)


def text_of(error: Exception) -> str:
    """Return what an exception says, after a colon and in one line; nothing where it says nothing."""
    text = " ".join(str(error).split())
    return f": {text}" if text else ""


def failed_row(layer: str, what: str, message: str) -> CheckRow:
    """Return the row of what is wrong, or was not compared, before any numbers are.

    Parameters
    ----------
    layer, what, message : str
        As in `CheckRow`.

    Returns
    -------
    CheckRow
    """
    return CheckRow(layer, what, 0, float("nan"), False, message)


@dataclass
class CheckReport:
    """All rows of a check; true when all of them passed, and a table as text.

    Parameters
    ----------
    rows : list of CheckRow, default=[]
        One row for each array.

    Attributes
    ----------
    passed : bool
        Whether every row passed, and there was at least one.
    messages : list of str
        What is wrong, row by row.
    """

    rows: list[CheckRow] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every row passed, and there was at least one."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def messages(self) -> list[str]:
        """What is wrong, row by row."""
        return [row.message for row in self.rows if row.message]

    def __bool__(self) -> bool:
        return self.passed

    def __iter__(self) -> Iterator[CheckRow]:
        return iter(self.rows)

    def __str__(self) -> str:
        head = ("layer", "with respect to", "entries", "worst relative error", "verdict")
        table = [head] + [
            (row.layer, row.what, str(row.entries), f"{row.error:.1e}", _verdict(row)) for row in self.rows
        ]
        widths = [max(len(line[c]) for line in table) for c in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in table]
        return "\n".join([*lines, *self.messages])

    __repr__ = __str__


def _verdict(row: CheckRow) -> str:
    if NOTHING in row.message:
        return "not compared"
    return "right" if row.passed else "WRONG"
