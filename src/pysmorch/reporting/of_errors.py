"""The rows that a model gets most wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.reporting.content import Gallery, Table, Words, are_numbers, cell, number, share
from pysmorch.reporting.images import brightest, gallery, images_in
from pysmorch.reporting.measured import Measured

MOST_ROWS = 12
MOST_COLUMNS = 12
"""Columns of the data that are shown beside a row."""


def worst(one: Measured, first_columns: list[str], most_images: int) -> list[Any]:
    """Return the rows with the largest losses, or a gallery of images.

    Parameters
    ----------
    one : Measured
        With labels.
    first_columns : list of str
        Columns that matter most, which are shown first.
    most_images : int
        How many images are shown at most.

    Returns
    -------
    list of blocks
        For a section.
    """
    losses = one.losses()
    order = np.argsort(-losses, kind="stable")
    if one.task != "numbers":
        wrong = (one.guessed != one.codes) if one.task == "classes" else (one.guessed != one.codes).any(axis=1)  # type: ignore[union-attr]
        order = order[np.asarray(wrong)[order]]
        if not len(order):
            return [Words(f"All {len(one.rows):,} rows are predicted right.")]
    said = "The most certain of the mistakes come first." if one.task != "numbers" else "The largest errors come first."
    counted = f"{len(order):,} of {len(one.rows):,} rows are wrong. " if one.task != "numbers" else ""
    images = images_in(one.model, one.rows.X)
    if images is not None:
        some = order[:most_images]
        shown = gallery(one, images, some, brightest(images))
        looks = (
            " The second picture shows where the network finds what it predicts."
            if any(image.beside for image in shown)
            else ""
        )
        return [Words(counted + said + looks), Gallery(shown)]
    return [Words(counted + said), _table(one, order[:MOST_ROWS], first_columns)]


def _table(one: Measured, some: Array, first_columns: list[str]) -> Table:
    encoder = one.model.encoder_
    names = list(dict.fromkeys([*first_columns, *encoder.names]))[:MOST_COLUMNS]
    picked = one.rows.take(some)
    checked = one.model._checked(picked.X)
    cells = [encoder.cells(checked, encoder.names.index(name)) for name in names]
    rows = []
    for i, row in enumerate(some.tolist()):
        rows.append(
            [
                one.rows.name_of(int(one.rows.indices[row])),
                *_predicted(one, row),
                *(cell(column[i]) for column in cells),
            ]
        )
    head = ["row", *_head(one), *names]
    more = f"; of {len(encoder.names):,} columns {len(names)} are shown" if len(encoder.names) > len(names) else ""
    texts = {0, 1, 2} if one.task != "numbers" else {0}
    texts |= {len(head) - len(names) + i for i, column in enumerate(cells) if not are_numbers(column)}
    return Table(f"Rows that are most wrong{more}", head, rows, frozenset(texts))


def _head(one: Measured) -> list[str]:
    if one.task == "classes":
        return ["right", "predicted", "probability", "of the right one"]
    if one.task == "labels":
        return ["right", "predicted"]
    return ["right", "predicted", "difference"]


def _predicted(one: Measured, row: int) -> list[str]:
    assert one.codes is not None
    if one.task == "numbers":
        k = int(np.abs(one.codes[row] - one.predicted[row]).argmax())
        right, value = float(one.codes[row, k]), float(one.predicted[row, k])
        return [number(right), number(value), number(right - value)]
    assert one.guessed is not None
    if one.task == "labels":
        return [one.names_in(marks, row) for marks in (one.codes, one.guessed)]
    right, guess = int(one.codes[row]), int(one.guessed[row])
    p = one.predicted[row]
    return [one.outputs[right], one.outputs[guess], share(float(p[guess])), share(float(p[right]))]
