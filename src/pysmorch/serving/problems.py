"""What is wrong with a request, as the client is told: problem details for HTTP APIs (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from starlette.responses import Response

from pysmorch.entries import escaped

PROBLEM_JSON = "application/problem+json"

TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Of RFC 9110; Python has them from its version 3.13 on, and older ones before."""

MOST_ERRORS = 20
"""So many wrong cells are named in one answer."""

MOST_LETTERS = 80
"""So many letters of a cell are shown."""


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with the rows of a request.

    Attributes
    ----------
    detail : str
        A sentence that names the column and the row.
    column : str or None, default=None
        The column, where it is about one.
    row : int or None, default=None
        The index of the row, counted from 0, where it is about one.
    found : str or None, default=None
        What was found there.
    expected : str or None, default=None
        What is expected there.
    """

    detail: str
    column: str | None = None
    row: int | None = None
    found: str | None = None
    expected: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return what is known of it as plain data."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Problem(Exception):
    """A request that is not answered with predictions.

    Parameters
    ----------
    status : int
        The status of the answer, from 400.
    detail : str
        A sentence for the client.
    errors : sequence of Wrong, default=()
        The cells that are wrong, or the columns.
    headers : mapping of str to str, default=None
        More headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, errors: Sequence[Wrong] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    def response(self) -> Response:
        """Return the answer."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": escaped(" ".join(self.detail.split())),
        }
        if self.errors:
            content["errors"] = [wrong.plain() for wrong in self.errors]
        return Response(json.dumps(content), self.status, headers=dict(self.headers or {}), media_type=PROBLEM_JSON)


def unprocessable(errors: Sequence[Wrong]) -> Problem:
    """Return the problem of rows that a model cannot take.

    Parameters
    ----------
    errors : sequence of Wrong
        At least one; the first `MOST_ERRORS` are named, and there need not be more than one beyond.

    Returns
    -------
    Problem
        Its detail is that of the first one, and how many more there are.
    """
    others = str(len(errors) - 1) if len(errors) <= MOST_ERRORS else f"at least {MOST_ERRORS}"
    more = f" (and {others} more)" if len(errors) > 1 else ""
    return Problem(422, errors[0].detail + more, errors[:MOST_ERRORS])


def first_of(errors: Iterable[Wrong]) -> list[Wrong]:
    """Return as many errors as are named, and one more where there are more: a body may have millions."""
    return list(islice(errors, MOST_ERRORS + 1))


def shown(cell: Any) -> str:
    """Return a cell of a request as JSON has it, of a long one the beginning."""
    text = json.dumps(cell) if not isinstance(cell, int) or abs(cell) < 10**MOST_LETTERS else "a very long number"
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
