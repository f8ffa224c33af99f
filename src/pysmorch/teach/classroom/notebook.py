"""A Jupyter notebook as cells of plain Python: magics, shell lines and cells in other languages are left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

PYTHON_MAGICS = {"capture", "prun", "python", "python3", "time", "timeit"}
"""Cell magics after which a cell is still Python."""

_MAGIC = re.compile(
    r"\s*(?:[%!?]"  # %matplotlib inline, !pip install, ?np.dot
    r"|[\w.,\s*\[\]]+=\s*(?:!|%[A-Za-z])"  # files = !ls
    r"|[\w.*]+\?{1,2}\s*$)"  # np.dot?
)
_DEFINITION = re.compile(r"(?:class|def|import|from|@)\b")
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"""|\Z)'
    r"|'''(?:\\.|[^\\])*?(?:'''|\Z)"
    r'|"(?:\\.|[^"\\\n])*"?'
    r"|'(?:\\.|[^'\\\n])*'?"
    r"|\#[^\n]*|\\\n|[\[\](){}\n]",
    re.DOTALL,
)


class NotebookError(ValueError):
    """A file that is no notebook, or not one of Python; the message says what it is, as a sentence."""


@dataclass(frozen=True)
class Cell:
    """A cell of code.

    Parameters
    ----------
    number : int
        Which of the cells of code it is, counted from 1.
    text : str
        Its source.
    """

    number: int
    text: str


def cells_of(text: str) -> list[Cell]:
    """Return the cells of code of a notebook.

    Parameters
    ----------
    text : str
        The notebook's file: JSON in the format of Jupyter, version 3 or 4.

    Returns
    -------
    list of Cell
        Those that have code, in their order.

    Raises
    ------
    NotebookError
        For what is no notebook, or one in another language.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise NotebookError("The file is no notebook: it is not JSON. Save it again in Jupyter.") from None
    found = document.get("cells") if isinstance(document, dict) else None
    if found is None and isinstance(document, dict):  # version 3 of the format
        sheets = document.get("worksheets")
        found = sheets[0].get("cells") if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else None
    if not isinstance(found, list):
        raise NotebookError("The file is no notebook: it has no list of cells. Save it again in Jupyter.")
    language = _language(document)
    if language != "python":
        raise NotebookError(f"The notebook is written in {language}, and not in Python.")
    sources = [_source(cell) for cell in found if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    return [Cell(i, source) for i, source in enumerate(sources, 1) if source.strip()]


def _language(document: dict[str, Any]) -> str:
    """The language that a notebook names, in lower case; Python where it names none."""
    metadata = document.get("metadata")
    for entry, name in (("language_info", "name"), ("kernelspec", "language")):
        described = metadata.get(entry) if isinstance(metadata, dict) else None
        language = described.get(name) if isinstance(described, dict) else None
        if isinstance(language, str) and language:
            return re.sub(r"^i?python\d*$", "python", language.lower())
    return "python"


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def plain_python(source: str) -> str:
    """Return the source of a cell without what only IPython understands.

    Parameters
    ----------
    source : str
        The cell as it was written, with line feeds alone between its lines.

    Returns
    -------
    str
        As many lines: one that is left out is empty, or `pass` where a block needs a statement.
    """
    cell_magic = re.match(r"\s*%%(\w+)[^\n]*", source)
    if cell_magic:
        rest = source[cell_magic.end() :]
        skipped = "\n" * cell_magic[0].count("\n")
        return skipped + (plain_python(rest) if cell_magic[1] in PYTHON_MAGICS else "\n" * rest.count("\n"))
    parts, position = [], 0
    while position < len(source):
        end = _end_of_line(source, position) if _MAGIC.match(_line(source, position)) else -1
        if end < 0:
            end = _end_of_statement(source, position)
            parts.append(source[position:end])
        else:
            line = source[position:end]
            indent = re.match(r"[ \t]*", line)
            parts.append(f"{indent[0] if indent else ''}pass" + "\n" * line.count("\n"))
        position = end
    return "".join(parts)


def _line(source: str, start: int) -> str:
    end = source.find("\n", start)
    return source[start:] if end < 0 else source[start:end]


def _end_of_line(source: str, start: int) -> int:
    """Where the line ends that begins at `start`, with the lines that a backslash joins to it."""
    end = re.compile(r"(?:\\\n|[^\n])*\n?").match(source, start)
    return end.end() if end else len(source)


def _end_of_statement(source: str, start: int) -> int:
    """Where the logical line ends that begins at `start`: not within brackets, unless one was never closed, or a string."""
    depth = 0
    for token in _TOKEN.finditer(source, start):
        if token[0] in "([{":
            depth += 1
        elif token[0] in ")]}":
            depth = max(depth - 1, 0)
        elif token[0] == "\n" and (depth == 0 or _DEFINITION.match(source, token.end())):
            return token.end()
    return len(source)
