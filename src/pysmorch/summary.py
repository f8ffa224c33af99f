"""The table of a network's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch.engine import step_memory
from pysmorch.layers.base import format_dims
from pysmorch.layers.graph import feeders, name_layers
from pysmorch.layers.quantized import is_quantized
from pysmorch.losses import Loss


class Summary(str):
    """Text that shows itself in full in a console and a notebook."""

    def __repr__(self) -> str:
        return str(self)


def summary_of(names: Sequence[str], layers: Sequence[Any], loss: Loss, batch_size: int) -> Summary:
    """Return the table of layers that `Network.summary` documents.

    Parameters
    ----------
    names : sequence of str
        Names of the layers.
    layers : sequence of Layer
        The layers in topological order.
    loss : Loss
        The loss after them.
    batch_size : int
        Samples of the step of which the memory is computed.

    Returns
    -------
    Summary
        The table, the number of parameters, the objective and the memory of a step.
    """
    rows = [("layer", "output", "parameters", "fed by"), *table_of(layers, names)]
    widths = [max(len(row[c]) for row in rows) for c in range(4)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows]
    total = sum(_num_parameters(layer) for layer in layers)
    lines += [f"{total} parameters", f"{type(loss).__name__}: {loss.objective}"]
    step = step_memory(layers, loss, batch_size)
    if step is not None:
        lines.append(f"a training step with {batch_size} rows takes {step / 2**20:.1f} MiB")
    return Summary("\n".join(lines))


def table_of(layers: Sequence[Any], names: Sequence[str] | None = None) -> list[tuple[str, str, str, str]]:
    """Return name, shape of the output, number of parameters and input layers of each layer, as texts.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order.
    names : sequence of str, default=None
        Names of the layers; None for those of `name_layers`.

    Returns
    -------
    list of (str, str, str, str)
        The input layers are empty where that is the layer above.
    """
    names = name_layers(layers) if names is None else names
    rows = []
    number = {id(layer): name for layer, name in zip(layers, names, strict=True)}
    for i, (layer, name) in enumerate(zip(layers, names, strict=True)):
        fed_by = [number[id(f)] for f in feeders(layer)]
        plain = i == 0 or fed_by == [names[i - 1]]
        size = str(_num_parameters(layer) or "")
        shape = format_dims((None, *tuple(layer.out_dims)[1:]))
        rows.append((name, shape, size, "" if plain else ", ".join(fed_by)))
    return rows


def _num_parameters(layer: Any) -> int:
    weights = layer.weights if is_quantized([layer]) else getattr(layer, "W", None)
    return 0 if weights is None else int(weights.size)
