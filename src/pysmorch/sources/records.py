"""Tables as JSON: one object a line, or an array of objects."""

from __future__ import annotations

import json
import re
from typing import Any

from pysmorch.entries import integer_of_json
from pysmorch.sources.columns import column_of
from pysmorch.sources.opening import File
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.text import to_utf8

START = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\]])")
"""How a text begins that is JSON, whatever it is called."""

EXPECTED = (
    "expected one object a line, or an array of objects; with pandas: to_json(file, orient='records', lines=True)"
)


def is_json(path: str, head: bytes) -> bool:
    """Whether a text is JSON by its ending, before that of a packed file, or by its beginning."""
    return (
        re.search(r"\.(json|jsonl|ndjson)(\.(gz|bz2|xz|zst|zip))?$", path.lower()) is not None
        or START.match(head) is not None
    )


def read_json(file: File, encoding: str | None) -> Source:
    """Read the objects as rows; a key that an object lacks is a missing cell.

    Integers of any length stay exact; a column with numbers and texts is one of texts.
    """
    import pyarrow as pa

    text = to_utf8(file.path, file.content(), encoding).decode()
    array = text.lstrip()[:1] == "["
    records, lines = _array(file.path, text) if array else _lines(file.path, text)
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise SourceError(f"{file.path}: there are no objects with values; {EXPECTED}")

    def name_row(row: int) -> str:
        return f"object {row + 1} of the array" if array else f"line {lines[row]}"

    columns = [
        column_of(
            [record.get(name) for record in records],
            lambda row, name=name: f"{file.path}: column {name!r} in {name_row(row)}",  # type: ignore[misc]
        )
        for name in names
    ]
    return Source(file.name, pa.table(columns, names), line_of=None if array else lambda row: lines[row])


def _array(path: str, text: str) -> tuple[list[dict[str, Any]], list[int]]:
    try:
        records = json.loads(text, object_pairs_hook=_object, parse_int=integer_of_json)
    except json.JSONDecodeError as error:
        raise SourceError(f"{path}, line {error.lineno}: not JSON, or truncated ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: {error}") from None
    for i, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise SourceError(f"{path}: element {i} of the array is a {type(record).__name__}; {EXPECTED}")
    return records, []


def _lines(path: str, text: str) -> tuple[list[dict[str, Any]], list[int]]:
    records, lines = [], []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_object, parse_int=integer_of_json)
        except json.JSONDecodeError as error:
            reason = f"{error.msg} at letter {error.colno}"
            raise SourceError(f"{path}, line {number}: not JSON, or truncated ({reason}); {EXPECTED}") from None
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: {error}") from None
        if not isinstance(record, dict):
            raise SourceError(f"{path}, line {number} is a {type(record).__name__}; {EXPECTED}")
        nested = next((name for name, value in record.items() if isinstance(value, (dict, list))), None)
        if nested is not None:
            kind = "an object" if isinstance(record[nested], dict) else "an array"
            raise SourceError(f"{path}, line {number}: {nested!r} is {kind}; {EXPECTED}, each value a number or a text")
        records.append(record)
        lines.append(number)
    return records, lines


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice in one object")
    return made
