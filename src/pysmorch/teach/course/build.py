"""Cells into files: a Jupyter notebook (nbformat 4), or a Python script with cells in comments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pysmorch.teach.course.source import Cell


def notebook(name: str, cells: Sequence[Cell]) -> str:
    """Return the notebook's file; a cell's id is the lesson's name and the cell's number."""
    document = {
        "cells": [_notebook_cell(f"{name}-{i}", cell) for i, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _notebook_cell(identity: str, cell: Cell) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
    return {
        "cell_type": cell.kind,
        "id": identity,
        "metadata": {},
        "source": cell.text.splitlines(keepends=True),
        **code,
    }


def script(cells: Sequence[Cell]) -> str:
    """Return the script's file; editors that know `# %%` show its cells."""
    return "\n\n".join(_script_cell(cell) for cell in cells) + "\n"


def _script_cell(cell: Cell) -> str:
    if cell.kind == "code":
        return f"# %%\n{cell.text}"
    text = "\n".join(f"# {line}".rstrip() for line in cell.text.splitlines())
    return f"# %% [markdown]\n{text}"
