"""Small pictures for the lessons, as text in a terminal and as SVG in a notebook; they need no plotting library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.diagram.svg import as_image
from pysmorch.layers.base import Array

MARKS = "ox+*"
"""Marks of the lines in text."""
COLOURS = ("#2563a8", "#c2570c", "#3f7d3a", "#8a3f8f")
"""Colours of lines and classes in SVG; lines differ by their dashes too."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
PALE = ("#dbe7f5", "#f8e3d2", "#dcebda", "#eedfef")
GROUND = " .:'"
"""The ground of each class in text."""
SHADES = " .:-=+*#%@"
COLUMNS, ROWS = 64, 14
"""Size of a picture as text, in characters."""
WIDTH, HEIGHT, MARGIN = 480, 240, 40
"""Size of a picture as SVG, and the room for numbers at its edges, in pixels."""


class Picture:
    """A picture that is text when it is printed, and an image when a notebook shows it."""

    def __init__(self, text: str, svg: str) -> None:
        self.text = text
        self.svg = svg

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return as_image(self.svg)


def lines(x: ArrayLike, series: Mapping[str, ArrayLike]) -> Picture:
    """Draw one or several lines over x, by their names; a line has as many values as x. What is not finite is left out."""
    points = np.ravel(x).astype(float)
    values = {name: np.ravel(y).astype(float) for name, y in series.items()}
    together = np.concatenate(list(values.values()))
    frame = _Frame(points, together[np.isfinite(together)])
    text = _lines_text(frame, points, values)
    parts = []
    for i, (name, y) in enumerate(values.items()):
        known = [(a, b) for a, b in zip(points, y, strict=True) if np.isfinite(b)]
        path = " ".join(f"{frame.x_pixel(a):.1f},{frame.y_pixel(b):.1f}" for a, b in known)
        stroke = f"stroke='{COLOURS[i]}' stroke-width='2' stroke-dasharray='{DASHES[i]}' fill='none'"
        right, baseline = WIDTH - MARGIN, 14 + 16 * i
        parts.append(f"<polyline points='{path}' {stroke}/>")
        parts.append(f"<line x1='{right - 34}' x2='{right - 4}' y1='{baseline}' y2='{baseline}' {stroke}/>")
        parts.append(f"<text x='{right - 40}' y='{baseline + 4}' text-anchor='end'>{escape(name)}</text>")
    return Picture(text, _svg(WIDTH, HEIGHT, frame.svg() + "".join(parts), ", ".join(values)))


def regions(classify: Callable[[Array], ArrayLike], points: ArrayLike, classes: ArrayLike) -> Picture:
    """Draw points in the plane with their classes, on the ground of what `classify` says about every point."""
    rows, labels = np.asarray(points, dtype=float), np.asarray(classes)
    frame = _Frame(rows[:, 0], rows[:, 1])
    ground = np.asarray(classify(frame.grid())).reshape(ROWS, COLUMNS)
    canvas = np.array(list(GROUND))[ground]
    for (x, y), label in zip(rows, labels, strict=True):
        canvas[frame.row(y), frame.column(x)] = "ABCD"[label]
    known = range(int(ground.max(initial=labels.max())) + 1)
    note = "   ".join(f"{'ABCD'[k]} class {k}, decided for where it looks like {GROUND[k] * 3!r}" for k in known)
    text = "\n".join(["".join(line) for line in canvas] + [note])
    wide, high = (WIDTH - 2 * MARGIN) / COLUMNS, (HEIGHT - 2 * MARGIN) / ROWS
    tiles = [
        f"<rect x='{MARGIN + c * wide:.1f}' y='{MARGIN + r * high:.1f}' width='{wide + 0.5:.1f}' "
        f"height='{high + 0.5:.1f}' fill='{PALE[ground[r, c]]}'/>"
        for r in range(ROWS)
        for c in range(COLUMNS)
    ]
    dots = [
        f"<circle cx='{frame.x_pixel(x):.1f}' cy='{frame.y_pixel(y):.1f}' r='3' fill='{COLOURS[label]}'/>"
        for (x, y), label in zip(rows, labels, strict=True)
    ]
    return Picture(text, _svg(WIDTH, HEIGHT, "".join(tiles) + frame.svg() + "".join(dots), "classes in the plane"))


def images(pictures: Mapping[str, Any]) -> Picture:
    """Draw grey images (H, W) side by side, by their captions; the larger the number, the darker the pixel."""
    grey = {name: _to_shades(np.asarray(image, dtype=float)) for name, image in pictures.items()}
    widths = [max(2 * image.shape[1], len(name)) for name, image in grey.items()]
    blocks = [[name, *("".join(SHADES[v] * 2 for v in row) for row in image)] for name, image in grey.items()]
    height = max(map(len, blocks))
    text = "\n".join(
        "   ".join(
            (block[i] if i < len(block) else "").ljust(width) for block, width in zip(blocks, widths, strict=True)
        ).rstrip()
        for i in range(height)
    )
    parts, left, side = [], 0.0, 110
    for name, image in grey.items():
        pixel = side / max(image.shape)
        parts.append(f"<text x='{left}' y='14'>{escape(name)}</text>")
        for (row, column), shade in np.ndenumerate(image):
            level = 255 - 25 * int(shade)
            parts.append(
                f"<rect x='{left + column * pixel:.1f}' y='{20 + row * pixel:.1f}' width='{pixel + 0.3:.1f}' "
                f"height='{pixel + 0.3:.1f}' fill='rgb({level},{level},{level})'/>"
            )
        left += max(side, 7 * len(name)) + 14
    return Picture(text, _svg(left, side + 24, "".join(parts), ", ".join(grey)))


def _to_shades(image: Array) -> Array:
    largest = max(float(np.max(image)), 1e-12)
    return np.clip(image / largest * 9.99, 0, 9).astype(int)


class _Frame:
    """Where a point lies, in characters and in pixels."""

    def __init__(self, x: Array, y: Array) -> None:
        self.left, self.right = _limits(x)
        self.bottom, self.top = _limits(y)

    def column(self, x: float) -> int:
        return round((x - self.left) / (self.right - self.left) * (COLUMNS - 1))

    def row(self, y: float) -> int:
        return round((self.top - y) / (self.top - self.bottom) * (ROWS - 1))

    def x_pixel(self, x: float) -> float:
        return MARGIN + (x - self.left) / (self.right - self.left) * (WIDTH - 2 * MARGIN)

    def y_pixel(self, y: float) -> float:
        return MARGIN + (self.top - y) / (self.top - self.bottom) * (HEIGHT - 2 * MARGIN)

    def grid(self) -> Array:
        """The positions of all characters, as rows (x, y)."""
        x, y = np.meshgrid(np.linspace(self.left, self.right, COLUMNS), np.linspace(self.top, self.bottom, ROWS))
        return np.column_stack([x.ravel(), y.ravel()])

    def svg(self) -> str:
        right, low = WIDTH - MARGIN, HEIGHT - MARGIN
        return (
            f"<path d='M{MARGIN} {MARGIN}V{low}H{right}' stroke='#888' fill='none'/>"
            f"<text x='{MARGIN}' y='{low + 16}'>{self.left:.3g}</text>"
            f"<text x='{right}' y='{low + 16}' text-anchor='end'>{self.right:.3g}</text>"
            f"<text x='{MARGIN - 4}' y='{low}' text-anchor='end'>{self.bottom:.2g}</text>"
            f"<text x='{MARGIN - 4}' y='{MARGIN + 10}' text-anchor='end'>{self.top:.2g}</text>"
        )


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(np.min(values, initial=np.inf)), float(np.max(values, initial=-np.inf))
    if low > high:
        return -1, 1  # nothing is drawn
    low = 0.0 if abs(low) < 1e-9 * (high - low) else low  # what rounding has left of a 0
    return (low, high) if high > low else (low - 1, high + 1)


def _lines_text(frame: _Frame, x: Array, values: Mapping[str, Array]) -> str:
    canvas = np.full((ROWS, COLUMNS), " ")
    columns = np.arange(COLUMNS)
    positions = np.linspace(frame.left, frame.right, COLUMNS)
    for mark, y in zip(MARKS, values.values(), strict=False):
        order = np.argsort(x)
        for column, height in zip(columns, np.interp(positions, x[order], y[order]), strict=True):
            if np.isfinite(height):
                canvas[frame.row(float(height)), column] = mark
    edge = [f"{frame.top:>8.3g} |", *(["         |"] * (ROWS - 2)), f"{frame.bottom:>8.3g} |"]
    body = [f"{left}{''.join(line)}".rstrip() for left, line in zip(edge, canvas, strict=True)]
    ends = f"{frame.left:<.3g}"
    below = f"          {ends}{f'{frame.right:.3g}':>{COLUMNS - len(ends)}}"
    legend = "   ".join(f"{mark} {name}" for mark, name in zip(MARKS, values, strict=False))
    return "\n".join([*body, below, f"          {legend}"])


def _svg(width: float, height: float, content: str, label: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
        f"viewBox='0 0 {width:g} {height:g}' role='img' aria-label='{escape(label)}' font-family='sans-serif' font-size='11'>"
        f"<rect width='100%' height='100%' fill='white'/>{content}</svg>"
    )
