"""How the loss fell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.plots.canvas import INK, canvas, hide_frame, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES_ON_LOG_SCALE = 2
"""Losses that span this many powers of ten are drawn on a logarithmic scale."""


def loss_curves(history: Any, ax: Axes | None = None) -> Axes | Figure:
    """Draw the loss of each epoch on the training data and, where it was measured, on the validation data.

    The epoch with the lowest loss on the validation data (else on the training data) is marked.

    Parameters
    ----------
    history : History, mapping or estimator
        A `History` (or another mapping with "loss" and perhaps "val_loss"), or a fitted estimator with `loss_curve_`.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    TypeError
        For another `history`.
    ValueError
        When there is no epoch.
    ImportError
        Without Matplotlib.
    """
    curves = {name: np.asarray(values, float) for name, values in _curves(history).items() if len(values)}
    if not curves:
        raise ValueError("loss_curves: history has no epoch to draw; train first")
    result, ax = canvas(ax, 6.4, 4)
    for i, (name, values) in enumerate(curves.items()):
        marker = "o" if len(values) == 1 else None
        ax.plot(np.arange(1, len(values) + 1), values, color=f"C{i}", linewidth=1.8, marker=marker, label=name)
    values = list(curves.values())[-1]
    if np.isfinite(values).any():
        best = int(np.nanargmin(np.where(np.isfinite(values), values, np.nan)))
        label = f"lowest: {values[best]:.4g} in epoch {best + 1}"
        ax.plot([best + 1], [values[best]], "o", color=f"C{len(curves) - 1}", markeredgecolor=INK, label=label)
    everything = np.concatenate(list(curves.values()))
    everything = everything[np.isfinite(everything)]
    if len(everything) and everything.min() > 0 and everything.max() >= 10**DECADES_ON_LOG_SCALE * everything.min():
        ax.set_yscale("log")
    ax.set(title="Loss during training", xlabel="epoch", ylabel="loss (mean over the rows)")
    ax.xaxis.set_major_locator(need("matplotlib.ticker").MaxNLocator(integer=True))
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    hide_frame(ax, "top", "right")
    return result


def _curves(history: Any) -> dict[str, Any]:
    if hasattr(history, "loss_curve_"):
        return {"training": history.loss_curve_, "validation": history.validation_curve_}
    if isinstance(history, Mapping):
        return {"training": history.get("loss", ()), "validation": history.get("val_loss", ())}
    raise TypeError(f"loss_curves: history must be a History or a fitted estimator, but is a {type(history).__name__}")
