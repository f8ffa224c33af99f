"""From what a model says of some rows to the body of an answer, in JSON, CSV or Arrow's format."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.explaining.explanation import Explanation
from pysmorch.prediction.predicted import Predicted
from pysmorch.serving.inputs import ARROW, CSV, JSON, Rows
from pysmorch.serving.problems import Problem

ANSWERS = (JSON, CSV, ARROW)
"""The types of answers; the first one where the client does not say which it takes."""


def chosen_type(accept: str) -> str:
    """Return the type of the answer.

    Parameters
    ----------
    accept : str
        The header Accept, perhaps empty.

    Returns
    -------
    str
        The type of `ANSWERS` that the client likes best, the first one among equals.

    Raises
    ------
    Problem
        It takes none of them.

    Examples
    --------
    >>> chosen_type("text/html, text/csv;q=0.9, */*;q=0.8")
    'text/csv'
    """
    if not accept.strip():
        return JSON
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, _, parameters = part.strip().partition(";")
        named = dict(p.strip().partition("=")[::2] for p in parameters.split(";"))
        try:
            weights[kind.strip()] = float(named.get("q", 1))
        except ValueError:
            weights[kind.strip()] = 0.0
    patterns = [(kind, (kind, f"{kind.partition('/')[0]}/*", "*/*")) for kind in ANSWERS]
    liked = [(next((weights[p] for p in some if p in weights), 0.0), kind) for kind, some in patterns]
    weight, best = max(liked, key=lambda pair: pair[0])
    if weight <= 0:
        raise Problem(406, f"answers are {', '.join(ANSWERS)}, but the header Accept is {accept!r}")
    return best


def as_json(predicted: Predicted, rows: Rows, explanation: Explanation | None, columns: Sequence[str]) -> bytes:
    """Return an answer in JSON.

    Parameters
    ----------
    predicted : Predicted
        What the model says of the rows.
    rows : Rows
        These.
    explanation : Explanation or None
        The reasons, where they were wanted.
    columns : sequence of str
        The columns that play a part.

    Returns
    -------
    bytes
        An object with "predictions", one for each row, and "remarks" and "ignored" where there are such.
    """
    answers = [{"prediction": value} for value in _plain(predicted.values)]
    names = [str(name) for name in predicted.names]
    if predicted.probabilities is not None:
        for answer, row in zip(answers, _plain(predicted.probabilities), strict=True):
            answer["probabilities"] = dict(zip(names, row, strict=True))
    if predicted.sets is not None:
        labels = [_plain_one(name) for name in predicted.names]
        for answer, members in zip(answers, predicted.sets.tolist(), strict=True):
            answer["set"] = [label for label, member in zip(labels, members, strict=True) if member]
    if predicted.intervals is not None:
        bounds = _plain(predicted.intervals[:, 0] if predicted.intervals.shape[1] == 1 else predicted.intervals)
        for answer, interval in zip(answers, bounds, strict=True):
            answer["interval"] = interval
    if explanation is not None:
        for i, answer in enumerate(answers):
            answer["explanation"] = _reasons(explanation, i, set(columns))
    content: dict[str, Any] = {"predictions": answers}
    content |= {name: found for name, found in (("remarks", rows.remarks), ("ignored", rows.ignored)) if found}
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def _reasons(explanation: Explanation, index: int, columns: set[str]) -> dict[str, Any]:
    """Return the explanation of one row."""
    found: dict[str, Any] = {
        "of": _plain_one(explanation.outputs[index]),
        "unit": explanation.unit,
        "value": _plain_one(float(explanation.predictions[index])),
        "baseline": _plain_one(float(explanation.baseline[index])),
    }
    if not explanation.names:
        return found | {"pixels": _plain(explanation.contributions[index])}
    contributions = [
        {"column": name, "value": _plain_one(cell), "contribution": _plain_one(contribution)}
        for name, cell, contribution in explanation.row(index)
        if name in columns
    ]
    return found | {"contributions": contributions}


def _plain(values: Any) -> list[Any]:
    """Return an array as JSON has it."""
    if values.dtype.kind in "iub" or (values.dtype.kind == "f" and np.isfinite(values).all()):
        return list(values.tolist())
    return [_plain_one(value) for value in values.tolist()]


def _plain_one(value: Any) -> Any:
    """Return one value as JSON has it: null for what is no finite number, a text for times."""
    if isinstance(value, list):
        return [_plain_one(one) for one in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def as_table(predicted: Predicted, kind: str) -> bytes:
    """Return an answer as a table, with the columns of `pysmorch predict`.

    Parameters
    ----------
    predicted : Predicted
        What the model says of the rows.
    kind : str
        CSV or Arrow's stream.

    Returns
    -------
    bytes
        The whole table.
    """
    import pyarrow as pa
    from pyarrow import csv

    table = pa.table({name: pa.array(values.tolist()) for name, values in predicted.columns().items()})
    content = io.BytesIO()
    if kind == CSV:
        csv.write_csv(table, content)
    else:
        with pa.ipc.new_stream(content, table.schema) as writer:
            writer.write_table(table)
    return content.getvalue()


def types_in_words(types: Sequence[str]) -> str:
    """Return types of bodies as they are listed in a message."""
    return ", ".join(types[:-1]) + f" or {types[-1]}" if len(types) > 1 else types[0]
