"""What is wrong with a column, in a message that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysmorch.entries import name_row


class ColumnError(ValueError):
    """A column that cannot be used; the message names it and says what is wrong.

    Parameters
    ----------
    column : str
        Its name.
    found : str
        What is wrong with it; "{row}" in it stands for the row.
    row : int, default=None
        Index of the row where that is so, if it is about one.
    line_of : callable, default=None
        Returns the line of a row in the file, where the rows come from one.
    """

    def __init__(
        self, column: str, found: str, row: int | None = None, line_of: Callable[[int], int | str] | None = None
    ) -> None:
        self.column, self.found, self.row = column, found, row
        where = "" if row is None else name_row(row, line_of)
        super().__init__(f"column {column!r} {found.replace('{row}', where, 1)}")

    def __reduce__(self) -> Any:
        return ColumnError, (self.column, self.found, self.row)

    def after(self, rows: int) -> ColumnError:
        """Return the same error for rows that follow others.

        Parameters
        ----------
        rows : int
            How many there are before.

        Returns
        -------
        ColumnError
            Its row is counted from the first of those.
        """
        return ColumnError(self.column, self.found, None if self.row is None else self.row + rows)

    def in_file(self, line_of: Callable[[int], int | str] | None) -> ColumnError:
        """Return the same error for rows of a file.

        Parameters
        ----------
        line_of : callable or None
            Returns the line of a row.

        Returns
        -------
        ColumnError
            Its message names the line.
        """
        return ColumnError(self.column, self.found, self.row, line_of)
