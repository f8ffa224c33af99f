"""Where a gradient is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysmorch.gradcheck import CheckReport, check
from pysmorch.layers.base import Array
from pysmorch.layers.protocol import LayerLike
from pysmorch.network import Network
from pysmorch.plots.canvas import INK, canvases, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALARM = "#b3001b"
SMALLEST_ERROR, LARGEST_ERROR = 1e-14, 1.0
"""The ends of the logarithmic scale; the tolerance of `check`, 1e-7, is its middle, where blue turns to red."""


def gradient_check(target: CheckReport | LayerLike | Network, ax: Axes | None = None) -> Axes | Figure:
    """Draw the relative error of every entry of a gradient: blue is right, red is wrong, grey was not compared.

    Parameters
    ----------
    target : CheckReport, Layer, Loss or Network
        What `pysmorch.check` returned, or what is checked first.
    ax : Axes or None, default=None
        Matplotlib axes to draw into, only where one array was compared; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ValueError
        When no entries could be compared, with what the check found; when several arrays would be drawn into `ax`.
    TypeError
        When target is nothing that can be checked.
    ImportError
        Without Matplotlib.

    See Also
    --------
    pysmorch.check : The check.
    """
    report = target if isinstance(target, CheckReport) else check(target)
    rows = [row for row in report if row.errors is not None]
    if not rows:
        raise ValueError(
            f"gradient_check: no entries of target were compared; the check found: {' '.join(report.messages)}"
        )
    result, axes = canvases(ax, [f"{row.layer} {row.what}" for row in rows], "gradient_check", 4.4, 3.6)
    for one, row in zip(axes, rows, strict=True):
        errors = _as_matrix(np.asarray(row.errors))
        scale = need("matplotlib.colors").LogNorm(SMALLEST_ERROR, LARGEST_ERROR)
        clipped = np.clip(errors, SMALLEST_ERROR, LARGEST_ERROR)
        image = one.imshow(clipped, cmap="RdYlBu_r", norm=scale, aspect="auto", interpolation="nearest")
        one.set_facecolor("0.8")  # seen where entries are NaN
        one.figure.colorbar(image, ax=one, label="relative error", ticks=[1e-14, 1e-7, 1])
        verdict = "right" if row.passed else "wrong"
        title = (
            f"{row.layer}, gradient for {row.what}: {verdict}\nlargest error {row.error:.1e} of {row.entries} entries"
        )
        one.set_title(title, color=INK if row.passed else ALARM)
        one.set(
            ylabel="row of W" if row.what == "W" else "example", xlabel="column of W" if row.what == "W" else "feature"
        )
        for axis in (one.xaxis, one.yaxis):
            axis.set_major_locator(need("matplotlib.ticker").MaxNLocator(integer=True))
    return result


def _as_matrix(errors: Array) -> Array:
    """Errors of W with all but the last axis in one, those of examples with the features of one in a row."""
    return errors.reshape(-1, errors.shape[-1]) if errors.ndim > 1 else errors.reshape(1, -1)
