"""Charts as SVG: lines, points, bars, histograms and tables of colours.

Colours are those of the page's style, so that charts follow its light or dark ground; text stays text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from pysmorch.diagram.svg import Svg, document, element, escape, text
from pysmorch.entries import escaped
from pysmorch.layers.base import Array
from pysmorch.reporting.axes import Axis, clip, thinned

WIDTH, HEIGHT = 340, 236
RIGHT, TOP, BOTTOM = 12, 12, 42
CHARACTER, WIDE = 6.3, 7.0
"""Width of a character of the charts' text, of digits and of names, about."""

NAME = 21
"""Characters of a bar's or a class's name."""

POINTS = 400
"""A line has at most so many points, and of these at most `MARKED` say their values."""

MARKED = 60
STYLES = 6
"""Lines differ in colour and in their dashes."""

FULL, FAINTEST = 0.55, 0.14
"""Opacity of the strongest cell of a table of colours, on which the text is still legible, and of the weakest one."""


@dataclass(frozen=True)
class Line:
    """Points that are joined.

    Attributes
    ----------
    name : str
        What it is, for the legend.
    x, y : ndarray of float
        The points; those that are not finite are left out.
    sizes : ndarray of float, default=None
        How much each point counts, from 0 to 1: so large are their dots. None for a line without dots.
    """

    name: str
    x: Array
    y: Array
    sizes: Array | None = None


class _Frame:
    """Where values are in a chart with two axes."""

    def __init__(self, across: Axis, up: Axis) -> None:
        self.across, self.up = across, up
        self.left = round(28 + CHARACTER * max((len(words) for words in up.words()), default=1))

    def x(self, value: float) -> float:
        return round(self.left + (WIDTH - self.left - RIGHT) * self.across.fraction(value), 2)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self.up.fraction(value), 2)

    def draw(self, reference: tuple[float, float, float, float] | None = None) -> list[str]:
        """Return grid, ticks and titles, and a line with which others are compared."""
        content = _ticks_across(self.across, self.x, TOP, HEIGHT - BOTTOM)
        for tick, words in zip(self.up.ticks, self.up.words(), strict=True):
            y = self.y(tick)
            content.append(element("path", d=f"M{self.left} {y:g}H{WIDTH - RIGHT}", class_="grid"))
            content.append(text(self.left - 6, y + 4, words, text_anchor="end"))
        content.append(_turned(11, (TOP + HEIGHT - BOTTOM) / 2, self.up.title))
        content.append(element("path", d=f"M{self.left} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}", class_="axis"))
        if reference is not None:
            x1, y1, x2, y2 = reference
            ends = {"x1": self.x(x1), "y1": self.y(y1), "x2": self.x(x2), "y2": self.y(y2)}
            content.append(element("line", class_="reference", **ends))
        return content


def lines(
    across: Axis,
    up: Axis,
    drawn: Sequence[Line],
    label: str,
    marks: Sequence[tuple[float, float, str]] = (),
    reference: tuple[float, float, float, float] | None = None,
) -> Svg:
    """Return lines in a frame.

    Parameters
    ----------
    across, up : Axis
        The axes.
    drawn : sequence of Line
        The lines.
    label : str
        The chart in a sentence, for those who do not see it.
    marks : sequence of (float, float, str), default=()
        Points that stand out, with what they are.
    reference : (float, float, float, float), default=None
        A line from (x, y) to (x, y) with which the others are compared.

    Returns
    -------
    Svg
        The chart.
    """
    frame = _Frame(across, up)
    content = frame.draw(reference)
    for number, line in enumerate(drawn):
        content += _line(frame, line, f"s{number % STYLES}")
    for x, y, words in marks:
        said = element("title", escape(escaped(words)))
        size = 5 if len(marks) == 1 else 3
        content.append(element("circle", said, cx=frame.x(x), cy=frame.y(y), r=size, class_="mark tip"))
    return document(WIDTH, HEIGHT, escaped(label), *content)


def _line(frame: _Frame, line: Line, style: str) -> list[str]:
    fits = np.isfinite(line.x) & np.isfinite(line.y)
    x, y = line.x[fits], line.y[fits]
    some = thinned(len(x), POINTS)
    joined = [(frame.x(float(x[i])), frame.y(float(y[i]))) for i in some]
    path = "".join(f"{'L' if i else 'M'}{px:g} {py:g}" for i, (px, py) in enumerate(joined))
    drawing = [element("path", d=path, class_=f"line {style}")] if len(joined) > 1 else []
    seen = line.sizes is not None or len(x) == 1
    sizes = np.full(len(x), 0.15) if line.sizes is None else line.sizes[fits]
    for i in thinned(len(x), MARKED):
        words = f"{line.name}: {frame.across.title} {x[i]:.4g}, {frame.up.title} {y[i]:.4g}"
        at = {
            "cx": frame.x(float(x[i])),
            "cy": frame.y(float(y[i])),
            "r": round(2 + 6 * float(sizes[i]) ** 0.5, 2) if seen else 6,
        }
        said = element("title", escape(escaped(words)))
        drawing.append(element("circle", said, class_=f"{'dot' if seen else 'unseen'} {style} tip", **at))
    return drawing


def points(
    across: Axis,
    up: Axis,
    x: Array,
    y: Array,
    label: str,
    reference: tuple[float, float, float, float] | None = None,
    words: Sequence[str] = (),
) -> Svg:
    """Return points in a frame.

    Parameters
    ----------
    across, up : Axis
        The axes.
    x, y : ndarray of float, shape (N,)
        The points; a few hundred are enough.
    label : str
        The chart in a sentence.
    reference : (float, float, float, float), default=None
        A line with which they are compared.
    words : sequence of str, default=()
        What is said of each point.

    Returns
    -------
    Svg
        The chart.
    """
    frame = _Frame(across, up)
    content = frame.draw(reference)
    for i, (px, py) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if isfinite(px) and isfinite(py):
            said = [element("title", escape(escaped(words[i])))] if words else []
            content.append(
                element("circle", *said, cx=frame.x(px), cy=frame.y(py), r=2.6, class_="point s0" + " tip" * bool(said))
            )
    return document(WIDTH, HEIGHT, escaped(label), *content)


def histogram(across: Axis, up: Axis, edges: Array, counts: Sequence[Array], names: Sequence[str], label: str) -> Svg:
    """Return how many values are in each interval.

    Parameters
    ----------
    across, up : Axis
        The axes.
    edges : ndarray of float, shape (B + 1,)
        Of the intervals.
    counts : sequence of ndarray, shape (B,)
        Of one or two groups, whose bars stand beside each other.
    names : sequence of str
        Of the groups.
    label : str
        The chart in a sentence.

    Returns
    -------
    Svg
        The chart.
    """
    frame = _Frame(across, up)
    content = frame.draw()
    for group, (of_group, name) in enumerate(zip(counts, names, strict=True)):
        for i, count in enumerate(of_group.tolist()):
            left, right = frame.x(float(edges[i])), frame.x(float(edges[i + 1]))
            width = (right - left) / len(counts)
            top = frame.y(count)
            words = f"{name}: {count:g} from {edges[i]:.4g} to {edges[i + 1]:.4g}"
            content.append(
                element(
                    "rect",
                    element("title", escape(escaped(words))),
                    x=round(left + group * width + 0.5, 2),
                    y=top,
                    width=round(max(width - 1, 0.6), 2),
                    height=round(HEIGHT - BOTTOM - top, 2),
                    class_=f"bar s{group} tip",
                )
            )
    return document(WIDTH, HEIGHT, escaped(label), *content)


def bars(
    names: Sequence[str],
    values: Sequence[float],
    across: Axis,
    label: str,
    intervals: Sequence[tuple[float, float]] | None = None,
) -> Svg:
    """Return a bar for each of several names, one below the other.

    Parameters
    ----------
    names : sequence of str
        At most some 20.
    values : sequence of float
        How long the bars are.
    across : Axis
        Of the values.
    label : str
        The chart in a sentence.
    intervals : sequence of (float, float), default=None
        How far each value reaches by chance.

    Returns
    -------
    Svg
        The chart, as high as it has to be.
    """
    row, left = 22, max(28.0, 12 + WIDE * min(NAME, max(map(len, names), default=1)))
    bottom = TOP + row * len(names)

    def at(value: float) -> float:
        return round(left + (WIDTH - RIGHT - left) * across.fraction(value), 2)

    content = _ticks_across(across, at, TOP, bottom)
    zero = at(min(max(0.0, across.low), across.high))
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        middle = TOP + row * i + row / 2
        shown = escaped(name)
        content.append(text(left - 6, middle + 4, clip(shown, NAME), text_anchor="end", class_="name"))
        if isfinite(value):
            end = at(value)
            said = element("title", escape(f"{shown}: {value:.4g}"))
            size = {"x": min(zero, end), "width": round(max(abs(end - zero), 1.0), 2)}
            content.append(element("rect", said, y=middle - 7, height=14, class_="bar s0 tip", **size))
        if intervals is not None and all(map(isfinite, intervals[i])):
            low, high = (at(bound) for bound in intervals[i])
            path = f"M{low:g} {middle - 4:g}v8m0 -4H{high:g}m0 -4v8"
            content.append(element("path", d=path, class_="interval"))
    content.append(element("path", d=f"M{zero:g} {TOP}V{bottom}", class_="axis"))
    return document(WIDTH, bottom + BOTTOM - 2, escaped(label), *content)


def cells(counts: Array, names: Sequence[str], label: str, percentages: bool) -> Svg:
    """Return a table of colours: which class was taken for which.

    Parameters
    ----------
    counts : ndarray of int, shape (K, K)
        Right classes in rows, predicted ones in columns.
    names : sequence of str
        Of the classes.
    label : str
        The chart in a sentence.
    percentages : bool
        Whether there is space for them below the counts.

    Returns
    -------
    Svg
        The chart: right ones in one colour, mistakes in another, the stronger the larger their part of the row.
    """
    shown = [clip(escaped(name), 10) for name in names]
    widest = WIDE * max(map(len, shown))
    margin = 26 + widest
    side = min((WIDTH - margin - 4) / len(names), 58)
    fractions = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    turned = widest > side
    top = 26 + (widest if turned else 12)
    content = [
        text(margin + side * len(names) / 2, 14, "predicted", text_anchor="middle", class_="title"),
        _turned(12, top + side * len(names) / 2, "right class"),
    ]
    for i, name in enumerate(shown):
        middle = side * (i + 0.5)
        content.append(text(margin - 6, top + middle + 4, name, text_anchor="end", class_="name"))
        column: dict[str, Any] = {"class_": "name", "text_anchor": "start" if turned else "middle"}
        x, y = margin + middle + (4 if turned else 0), top - 6
        if turned:
            column["transform"] = f"rotate(-90 {x:g} {y:g})"
        content.append(text(x, y, name, **column))
    for (i, j), count in np.ndenumerate(counts):
        content.append(
            _cell(
                margin + side * j,
                top + side * i,
                side,
                int(count),
                float(fractions[i, j]),
                i == j,
                f"{escaped(names[i])} taken for {escaped(names[j])}",
                percentages,
            )
        )
    return document(WIDTH, round(top + side * len(names) + 6), escaped(label), *content)


def _cell(x: float, y: float, side: float, count: int, fraction: float, right: bool, words: str, more: bool) -> str:
    said = element("title", escape(f"{words}: {count:,} ({fraction:.1%} of the row)"))
    ground = element(
        "rect",
        said,
        x=round(x + 0.5, 2),
        y=round(y + 0.5, 2),
        width=round(side - 1, 2),
        height=round(side - 1, 2),
        rx=2,
        fill_opacity=round(FAINTEST + (FULL - FAINTEST) * fraction, 3) if count else 0,
        class_=f"cell {'right' if right else 'wrong'} tip",
    )
    if not count or side < 4 + CHARACTER * len(f"{count}"):
        return ground
    middle = x + side / 2
    size = 11 if side >= 20 else 9
    if not more or side < 36:
        return ground + text(
            round(middle, 2),
            round(y + side / 2 + 4, 2),
            f"{count}",
            text_anchor="middle",
            class_="count",
            font_size=size,
        )
    return (
        ground
        + text(
            round(middle, 2),
            round(y + side / 2 - 1, 2),
            f"{count}",
            text_anchor="middle",
            class_="count",
            font_size=size,
        )
        + text(
            round(middle, 2),
            round(y + side / 2 + 12, 2),
            f"{fraction:.0%}",
            text_anchor="middle",
            class_="count",
            font_size=9.5,
        )
    )


def _ticks_across(across: Axis, at: Any, top: float, bottom: float) -> list[str]:
    content = []
    for tick, words in zip(across.ticks, across.words(), strict=True):
        x = at(tick)
        content.append(element("path", d=f"M{x:g} {top:g}V{bottom:g}", class_="grid"))
        beyond = x + CHARACTER * len(words) / 2 > WIDTH
        content.append(text(WIDTH if beyond else x, bottom + 16, words, text_anchor="end" if beyond else "middle"))
    middle = (at(across.low) + at(across.high)) / 2
    content.append(text(middle, bottom + 34, clip(escaped(across.title), 46), text_anchor="middle", class_="title"))
    return content


def _turned(x: float, y: float, words: str) -> str:
    return text(
        x, y, clip(escaped(words), 34), text_anchor="middle", transform=f"rotate(-90 {x:g} {y:g})", class_="title"
    )
