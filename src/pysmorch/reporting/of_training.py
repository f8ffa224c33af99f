"""How a model was trained: the loss of each epoch and the epoch that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.reporting.axes import axis, thinned
from pysmorch.reporting.charts import Line, lines
from pysmorch.reporting.content import Figure, Table, Words, number

POINTS_IN_TABLE = 25


def curves(model: Any, seconds: float | None) -> list[Any]:
    """Return the curves of a training.

    Parameters
    ----------
    model : NetworkModel
        Fitted.
    seconds : float or None
        How long the training took.

    Returns
    -------
    list of blocks
        For a section.
    """
    loss = np.asarray(model.loss_curve_, np.float64)
    if not len(loss):
        return [Words("Curves are left out: the model says nothing about its epochs.")]
    validation = np.asarray(model.validation_curve_, np.float64)
    epochs = np.arange(1.0, len(loss) + 1)
    drawn = [Line("training", epochs, loss)]
    if len(validation):
        drawn.append(Line("validation", epochs[-len(validation) :], validation))
    blocks: list[Any] = [Words(_how(model, len(validation) > 0, seconds))]
    marks, said = [], ""
    if not len(validation):
        said = f"The model has the weights after the last epoch, whose training loss was {number(float(loss[-1]))}."
    elif np.isfinite(validation).any():
        best = int(np.nanargmin(np.where(np.isfinite(validation), validation, np.inf)))
        epoch = len(loss) - len(validation) + best + 1
        said = f"The validation loss is lowest in epoch {epoch}: {number(float(validation[best]))}."
        marks = [
            (float(epoch), float(validation[best]), f"lowest validation loss: {validation[best]:.4g} in epoch {epoch}")
        ]
    everything = np.concatenate([line.y for line in drawn])
    across, up = axis("epoch", (), (1.0, float(len(loss))), whole=True), axis("loss", everything, log=True)
    label = f"Loss of {len(loss)} epochs. {said}"
    picture = lines(across, up, drawn, label, marks)
    blocks.append(Figure("Loss in each epoch", picture, said, _table(loss, validation), [line.name for line in drawn]))
    return [*blocks, *_others(model)]


def _table(loss: Array, validation: Array) -> Table:
    before = len(loss) - len(validation)
    rows = [
        [
            str(i + 1),
            number(float(loss[i])),
            *([number(float(validation[i - before]) if i >= before else None)] if len(validation) else []),
        ]
        for i in thinned(len(loss), POINTS_IN_TABLE)
    ]
    head = ["epoch", "training loss", *(["validation loss"] if len(validation) else [])]
    return Table("Loss of some epochs", head, rows, frozenset())


def _how(model: Any, validated: bool, seconds: float | None) -> str:
    """Return how many networks were trained, for how long, and what ended it."""
    members, epochs = getattr(model, "_members", 1), len(model.loss_curve_)
    said = (
        f"{members} networks were trained, whose mean is the model; the curves are their means."
        if members > 1
        else "One network was trained."
    )
    said += f" The training took {epochs:,} epoch{'s' * (epochs != 1)}" + (
        f" and {seconds:.1f} seconds." if seconds is not None else "."
    )
    history = getattr(model, "history_", None)
    if history is not None and history.stopped_by and members == 1:
        said += f" It ended since {history.stopped_by}."
    if validated:
        said += " The epoch with the lowest validation loss is the one whose weights the model has" + (
            ", for each network its own." if members > 1 else "."
        )
    return said


def _others(model: Any) -> list[Any]:
    """Return the curves of the metrics that were measured on validation rows, where the training was in this process."""
    history: Mapping[str, list[float]] = getattr(model, "history_", {})
    names = [name for name in history if name.startswith("val_") and name != "val_loss" and not name[4:5].isdigit()]
    blocks = []
    for name in names[:2]:
        values = np.asarray(history[name], np.float64)
        epochs = np.arange(1.0, len(values) + 1)
        title = name.removeprefix("val_").replace("_", " ")
        drawn = [Line("validation", epochs, values)]
        own = name.removeprefix("val_")
        if own in history and len(history[own]) == len(values):
            drawn.insert(0, Line("training", epochs, np.asarray(history[own], np.float64)))
        up = axis(title, np.concatenate([line.y for line in drawn]))
        rows = [
            [str(i + 1), *(number(float(line.y[i])) for line in drawn)] for i in thinned(len(values), POINTS_IN_TABLE)
        ]
        table = Table(f"{title} of some epochs", ["epoch", *(line.name for line in drawn)], rows, frozenset())
        picture = lines(
            axis("epoch", (), (1.0, float(len(values))), whole=True), up, drawn, f"{title} of {len(values)} epochs"
        )
        words = f"In the last epoch {number(float(values[-1]))} on the validation rows."
        blocks.append(
            Figure(f"{title[0].upper()}{title[1:]} in each epoch", picture, words, table, [line.name for line in drawn])
        )
    return blocks
