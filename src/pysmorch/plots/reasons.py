"""What `explain`, `importance` and `partial_dependence` of the estimators found."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.explaining import Explanation, Importance, PartialDependence
from pysmorch.explaining.explanation import SHOWN, cell_text
from pysmorch.layers.base import Array
from pysmorch.plots.canvas import INK, canvas, hide_frame, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MORE, LESS = "#c0392b", "#2c6fbb"
"""Colours of contributions above and below 0."""

LONGEST = 24
"""Letters of a cell that are shown."""


def explanation(found: Explanation, row: int | None = 0, ax: Axes | None = None) -> Axes | Figure:
    """Draw what each column of a row contributes to its prediction, or each pixel of an image.

    Parameters
    ----------
    found : Explanation
        From `explain` of an estimator.
    row : int or None, default=0
        Which of its rows; None for the mean sizes of the contributions to all rows.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ValueError
        There is no such row.
    ImportError
        Without Matplotlib.
    """
    if row is not None and not 0 <= row < len(found):
        raise ValueError(f"row must be below {len(found)}, the number of rows that were explained, but is {row}")
    if not found.names:
        return _pixels(found, row, ax)
    if row is None:
        lines = list(found.sizes().items())[:SHOWN]
        title = f"Mean size of the contributions to the {found.unit}"
    else:
        lines = [(f"{name} = {cell_text(cell)[:LONGEST]}", value) for name, cell, value in found.row(row)[:SHOWN]]
        name = found.unit if found.unit == found.outputs[row] else f"{found.unit} {found.outputs[row]}"
        title = f"{name}: {found.predictions[row]:.3g}, baseline {found.baseline[row]:.3g}"
    return _bars([name for name, _ in lines], np.array([value for _, value in lines]), None, plain(title), ax)


def importance(found: Importance, ax: Axes | None = None) -> Axes | Figure:
    """Draw by how much the score falls when each column is shuffled, with the intervals.

    Parameters
    ----------
    found : Importance
        From `importance` of an estimator.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ImportError
        Without Matplotlib.
    """
    order = np.argsort(-found.mean, kind="stable")[:SHOWN]
    widths = (found.interval[order, 1] - found.interval[order, 0]) / 2
    names = [found.names[i] for i in order.tolist()]
    return _bars(names, found.mean[order], widths, f"Fall of the score {found.score:.3g}, column shuffled", ax)


def partial_dependence(found: PartialDependence, ax: Axes | None = None) -> Axes | Figure:
    """Draw the mean prediction for each value of a column; numbers with the spread over the rows.

    Parameters
    ----------
    found : PartialDependence
        From `partial_dependence` of an estimator. Of two classes the probability of the second one is drawn.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ImportError
        Without Matplotlib.
    """
    result, ax = canvas(ax, 6.4, 4)
    known = np.array([cell_text(value) != "missing" for value in found.values])
    on_a_scale = found.numbers is not None and all(isinstance(found.values[i], Real) for i in np.flatnonzero(known))
    across = found.numbers if on_a_scale and found.numbers is not None else np.arange(len(found.values), dtype=float)
    for k in range(len(found.outputs))[1 if len(found.outputs) == 2 else 0 :]:
        means, spread = found.predictions[:, k], found.spread[:, k]
        name = plain(found.outputs[k])
        if found.numbers is None:
            ax.errorbar(across, means, spread, fmt="o", capsize=3, color=f"C{k}", label=name)
            continue
        ax.plot(across[known], means[known], color=f"C{k}", marker=".", label=name)
        ax.fill_between(
            across[known], (means - spread)[known], (means + spread)[known], color=f"C{k}", alpha=0.15, linewidth=0
        )
        if not known.all():
            ax.axhline(means[~known][0], color=f"C{k}", linestyle=":", label=f"{name}, missing")
    if not on_a_scale:
        ax.set_xticks(across, [plain(cell_text(value)[:LONGEST]) for value in found.values], rotation=90)
    ax.set(title=f"Mean prediction by {plain(found.column)}", xlabel=plain(found.column), ylabel="mean prediction")
    ax.legend(frameon=False)
    hide_frame(ax, "right", "top")
    return result


def _bars(names: list[str], values: Array, widths: Array | None, title: str, ax: Axes | None) -> Any:
    result, axes = canvas(ax, 6.4, 1.2 + 0.28 * len(names))
    at = np.arange(len(names))
    axes.barh(at, values, xerr=widths, color=[MORE if value > 0 else LESS for value in values.tolist()], ecolor=INK)
    axes.set_yticks(at, [plain(name) for name in names])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_title(title)
    hide_frame(axes, "right", "top", "left")
    return result


def _pixels(found: Explanation, row: int | None, ax: Axes | None) -> Any:
    image = np.abs(found.contributions).mean(axis=0) if row is None else found.contributions[row]
    result, axes = canvas(ax, 4.6, 4)
    largest = np.abs(image).max() or 1.0
    drawn = axes.imshow(image, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    axes.figure.colorbar(drawn, ax=axes, label=f"contribution to the {found.unit}")
    axes.set_title("all images" if row is None else plain(f"{found.outputs[row]}: {found.predictions[row]:.3g}"))
    axes.set_axis_off()
    return result
