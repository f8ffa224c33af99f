"""A network as a picture: boxes with its layers from top to bottom, and lines for what feeds what."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite, log10
from typing import Any

from pysmorch.diagram.layout import lay_out
from pysmorch.diagram.nodes import LayerFacts, read_layers
from pysmorch.diagram.svg import Svg, document, element, escape, text

LAYERS_IN_FULL = 40
"""A network of more layers has several of them on one line."""
LONGEST_NAME = 32
LONGEST_LINE = 36

FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
CHARACTER = 7.3
"""Width of a character of these fonts at 12 pixels; none is wider."""
LINE, PADDING, MARGIN = 16, 6, 8
BAR = 30
NUMBER = 6.5 * CHARACTER
ARROW = 7

# Boxes bring their own light ground, so that text is legible on any page; lines are seen on white and on black.
INK, FAINT, WIRE, ALARM = "#1c2733", "#5b6877", "#7f8b99", "#b3001b"
FILL = {"data": "#e6f4ea", "weights": "#eaf1fb", "merge": "#fdf3df", "loss": "#fbe9ed", "other": "#f1f3f5"}
BORDER = {"data": "#4c9f6b", "weights": "#5484c4", "merge": "#c9962f", "loss": "#c65b74", "other": "#8c98a6"}
BARS = {"output": "#9fc8f5", "gradient": "#f6bf7c"}


def diagram(target: Any) -> Svg:
    """Draw a network, or a layer with all that feeds it; a notebook displays the diagram.

    A box is one step: a layer with a matrix of weights (or several inputs) and the layers after it, up to the next
    such layer or branch. Every layer has its name, the shape of its output and the number of its parameters. After a
    forward and a backward pass there are also the root mean squares of its output and of the loss's gradient with
    respect to that output, so that what vanishes or explodes stands out; tooltips say more. In a network of more than 40
    layers those of a box share a line, with the values of the last one.

    Parameters
    ----------
    target : Layer, Loss or Network
        What is drawn.

    Returns
    -------
    Svg
        A str with the picture as SVG.

    Raises
    ------
    TypeError
        For what is neither a layer nor a network.

    Examples
    --------
    >>> from pysmorch import CrossEntropy, Data, Network, mlp
    >>> picture = diagram(Network(CrossEntropy(mlp(Data(shape=(None, 4)), [8], 3))))
    >>> "Linear2" in picture and "(N, 3)" in picture
    True
    """
    last = getattr(target, "loss", target)
    if not hasattr(last, "forward"):
        raise TypeError(f"diagram: target must be a layer or a network, but is a {type(target).__name__}")
    layers = read_layers(last)
    boxes, edges = _group(layers)
    title = f"{len(layers)} layers, {sum(layer.num_parameters for layer in layers):,} parameters"
    columns = _Columns([line for box in boxes for line in box], title)
    layout = lay_out(columns.width, [_height(box) for box in boxes], edges)

    corners = [(x + MARGIN, y + MARGIN + columns.head_height + PADDING) for x, y in layout.boxes]
    drawing = _draw_head(title, columns, corners[0][0], MARGIN)
    for points in layout.lines:
        drawing += _draw_connection([(x + MARGIN, y + MARGIN + columns.head_height + PADDING) for x, y in points])
    for box, (x, y) in zip(boxes, corners, strict=True):
        drawing += _draw_box(box, columns, x, y)
    height = layout.height + columns.head_height + PADDING + 2 * MARGIN
    label = f"{title}: {', '.join(layer.name for layer in layers)}"
    content = element("g", *drawing, font_family=FONT, font_size=12, fill=INK)
    return document(layout.width + 2 * MARGIN, height, label, content)


@dataclass
class _Line:
    """One or several layers on a line of a box; `shows_shape` is False where the shape is that of the line above."""

    layers: list[LayerFacts]
    shows_shape: bool = True

    @property
    def words(self) -> str:
        return " · ".join(_clip(layer.name) for layer in self.layers)

    @property
    def last(self) -> LayerFacts:
        return self.layers[-1]

    @property
    def parameters(self) -> str:
        total = sum(layer.num_parameters for layer in self.layers)
        return f"{total:,}" if total else ""


_Box = list[_Line]


def _group(layers: Sequence[LayerFacts]) -> tuple[list[_Box], list[tuple[int, int]]]:
    """Return the boxes, and which box feeds which."""
    grouped: list[list[LayerFacts]] = []
    box_of: list[int] = []
    edges = []
    for layer in layers:
        before = layers[layer.fed_by[0]] if layer.fed_by else layer
        if layer.kind == "other" and before.feeds == 1 and before.kind != "data":
            box_of.append(box_of[layer.fed_by[0]])
            grouped[box_of[-1]].append(layer)
        else:
            box_of.append(len(grouped))
            grouped.append([layer])
            edges += [(box_of[i], box_of[-1]) for i in layer.fed_by]
    in_full = len(layers) <= LAYERS_IN_FULL
    boxes = [[_Line([layer]) for layer in box] if in_full else _wrap(box) for box in grouped]
    for box in boxes:
        for above, line in pairwise(box):
            line.shows_shape = line.last.shape != above.last.shape
    return boxes, edges


def _wrap(layers: Iterable[LayerFacts]) -> _Box:
    """Put layers on one line as long as their names fit."""
    box: _Box = []
    for layer in layers:
        longer = _Line([*box[-1].layers, layer]) if box else _Line([layer])
        if box and _pixels(longer.words) <= LONGEST_LINE * CHARACTER:
            box[-1] = longer
        else:
            box.append(_Line([layer]))
    return box


class _Columns:
    """Where names begin, shapes and parameters end, and bars begin, from the left of every box."""

    def __init__(self, lines: Sequence[_Line], title: str) -> None:
        gap = 2 * CHARACTER
        self.name = 2 * PADDING
        self.shape = self.name + _widest("layer", *(line.words for line in lines)) + gap
        self.shape += _widest("shape", *(line.last.shape for line in lines))
        self.parameters = self.shape + gap + _widest("parameters", *(line.parameters for line in lines))
        self.bars: dict[str, float] = {}
        self.scales: dict[str, _Scale] = {}
        right = self.parameters
        for measure in BARS:
            values = [value for line in lines if (value := getattr(line.last, measure)) is not None]
            if values:
                self.bars[measure], self.scales[measure] = right + gap, _Scale(values)
                right += gap + BAR + NUMBER
        self.width = 2 * ceil((max(right, self.name + _widest(title)) + 2 * PADDING) / 2)
        self.head_height = (3 if self.bars else 2) * LINE + 2 * PADDING


class _Scale:
    """A logarithmic scale on which the largest value fills the bar, and the smallest one, or a tenth, a little of it."""

    def __init__(self, values: Iterable[float]) -> None:
        powers = [log10(value) for value in values if value > 0 and isfinite(value)]
        self.highest = max(powers, default=0.0)
        self.lowest = min(min(powers, default=0.0), self.highest - 1)

    def fraction(self, value: float) -> float:
        """How much of a bar is filled."""
        if value > 0 and isfinite(value):
            return 0.1 + 0.9 * (log10(value) - self.lowest) / (self.highest - self.lowest)
        return 0.0


def _draw_head(title: str, columns: _Columns, x: float, y: float) -> list[str]:
    """The head of the table, above the first box."""
    drawing = [_frame(x, y, columns.width, columns.head_height, "#ffffff", "#c5ccd4")]
    drawing.append(text(x + columns.name, y + LINE + 2, title, font_weight="bold"))
    if columns.bars:
        explained = f"{' and '.join(columns.bars)}: root mean square, last pass"
        drawing.append(text(x + columns.name, y + 2 * LINE + 2, explained, fill=FAINT))
    baseline = y + columns.head_height - PADDING - 4
    drawing.append(text(x + columns.name, baseline, "layer", fill=FAINT))
    drawing.append(text(x + columns.shape, baseline, "shape", fill=FAINT, text_anchor="end"))
    drawing.append(text(x + columns.parameters, baseline, "parameters", fill=FAINT, text_anchor="end"))
    for measure, left in columns.bars.items():
        drawing.append(text(x + left + BAR + NUMBER, baseline, measure, fill=FAINT, text_anchor="end"))
    return drawing


def _draw_box(box: _Box, columns: _Columns, x: float, y: float) -> list[str]:
    kind = box[0].layers[0].kind
    drawing = [_frame(x, y, columns.width, _height(box), FILL[kind], BORDER[kind], class_="box")]
    drawing += [_draw_line(line, columns, x, y + PADDING + i * LINE) for i, line in enumerate(box)]
    return drawing


def _draw_line(line: _Line, columns: _Columns, x: float, y: float) -> str:
    baseline = y + LINE - 4
    drawing = [element("title", escape("\n".join(_describe(layer) for layer in line.layers)))]
    drawing.append(text(x + columns.name, baseline, line.words, font_weight="bold"))
    if line.shows_shape:
        drawing.append(text(x + columns.shape, baseline, line.last.shape, text_anchor="end"))
    if line.parameters:
        drawing.append(text(x + columns.parameters, baseline, line.parameters, text_anchor="end"))
    for measure, left in columns.bars.items():
        value = getattr(line.last, measure)
        if value is not None:
            length = round(BAR * columns.scales[measure].fraction(value), 1)
            colour = INK if isfinite(value) else ALARM
            drawing.append(
                element("rect", x=x + left, y=y + 2, width=length, height=LINE - 4, rx=2, fill=BARS[measure])
            )
            drawing.append(text(x + left + BAR + NUMBER, baseline, _short(value), fill=colour, text_anchor="end"))
    return element("g", *drawing, data_layers=" ".join(layer.name for layer in line.layers))


def _draw_connection(points: Sequence[tuple[float, float]]) -> list[str]:
    """A line that runs straight and bends in turn, with an arrow head at its end."""
    (x, y), *others = points
    path = f"M{x:g} {y:g}"
    for to_x, to_y in others:
        if x != to_x:
            middle = (y + to_y - ARROW) / 2
            path += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y - ARROW:g}"
        if y != to_y:
            path += f"L{to_x:g} {to_y:g}"
        x, y = to_x, to_y
    head = f"M{x:g} {y:g}l-4 -{ARROW}h8z"
    return [
        element("path", d=path, fill="none", stroke=WIRE, stroke_width=1.6, class_="line"),
        element("path", d=head, fill=WIRE),
    ]


def _frame(x: float, y: float, width: float, height: float, fill: str, stroke: str, **attributes: str) -> str:
    return element("rect", x=x, y=y, width=width, height=height, rx=6, fill=fill, stroke=stroke, **attributes)


def _height(box: _Box) -> int:
    return len(box) * LINE + 2 * PADDING


def _describe(layer: LayerFacts) -> str:
    """The tooltip of a layer."""
    sizes = {
        "output": layer.output,
        "gradient of the loss for the output": layer.gradient,
        "W": layer.W,
        "gradient of the loss for W": layer.G,
    }
    words = f"{layer.name} {layer.shape}"
    words += f", {layer.num_parameters:,} parameters" if layer.num_parameters else ""
    words += f"\n{layer.what}" if layer.what else ""
    return words + "".join(f"\n{name}: root mean square {v:.4g}" for name, v in sizes.items() if v is not None)


def _short(value: float) -> str:
    """Two digits in at most six characters: 0.84, 12, 1.2e-5."""
    written = f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"
    return written.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _clip(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _widest(*words: str) -> float:
    return max(map(_pixels, words))


def _pixels(words: str) -> float:
    """The width of a text; East Asian characters are twice as wide."""
    return CHARACTER * sum(2 if unicodedata.east_asian_width(c) in "FW" else 1 for c in words)
