"""Figures and axes without pyplot, so that nothing is shared with the user's own plots."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from pysmorch.missing import module_of_extra

INK = "#1c2733"
DPI = 100


def need(module: str) -> Any:
    """Return Matplotlib or a module of it.

    Raises ImportError that says what to install.
    """
    return module_of_extra(module, "plots need Matplotlib", "plots")


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, size in inches, that shows itself in a notebook."""
    figure: Any = need("matplotlib.figure").Figure((width, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    figure._repr_png_ = partial(_as_png, figure)
    return figure


def canvas(ax: Any, width: float, height: float) -> tuple[Any, Any]:
    """Return what a function returns and the axes that it draws into: those given, or those of a figure of its own."""
    if ax is not None:
        return ax, ax
    figure = new_figure(width, height)
    return figure, figure.subplots()


def canvases(ax: Any, names: Sequence[str], what: str, width: float, height: float) -> tuple[Any, list[Any]]:
    """The same for several axes, one for each name and of this size; only one fits into given axes.

    Raises ValueError where several would have to be drawn into `ax`.
    """
    if ax is not None and len(names) > 1:
        raise ValueError(f"{what} would draw {', '.join(names)}; leave out ax, or pass one of them")
    if ax is not None:
        return ax, [ax]
    num_columns = min(len(names), 3)
    num_rows = math.ceil(len(names) / num_columns)
    figure = new_figure(width * num_columns, height * num_rows)
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for spare in axes[len(names) :]:
        spare.set_axis_off()
    return figure, list(axes[: len(names)])


def plain(name: object) -> str:
    """Return a name as text that Matplotlib does not take for a formula."""
    return str(name).replace("$", r"\$")


def hide_frame(ax: Any, *sides: str) -> None:
    """Leave out sides of the frame around the axes; all of them when none is named."""
    for side in sides or ("left", "right", "top", "bottom"):
        ax.spines[side].set_visible(False)


def _as_png(figure: Any) -> tuple[bytes, dict[str, int]]:
    """Return the picture at twice its resolution, and the size at which it is shown."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=2 * figure.dpi)
    width, height = figure.get_size_inches() * figure.dpi
    return buffer.getvalue(), {"width": round(width), "height": round(height)}
