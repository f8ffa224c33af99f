"""Charts as SVG: where things are, and that names do no harm."""

from xml.etree import ElementTree

import numpy as np

from pysmorch.reporting.axes import axis
from pysmorch.reporting.charts import (
    BOTTOM,
    FAINTEST,
    FULL,
    HEIGHT,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    bars,
    cells,
    histogram,
    lines,
    points,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>alert("&")</script>\u202e'


def parsed(picture):
    return ElementTree.fromstring(picture)


def titles(picture):
    return [one.text for one in parsed(picture).iter(f"{SVG}title")]


def test_a_line_runs_from_end_to_end():
    across, up = axis("x", (), (0.0, 1.0)), axis("y", (), (0.0, 1.0))
    picture = parsed(lines(across, up, [Line("a", np.array([0.0, 1.0]), np.array([0.0, 1.0]))], "a line"))
    path = next(one.get("d") for one in picture.iter(f"{SVG}path") if one.get("class") == "line s0")
    start, end = ([float(value) for value in point.split()] for point in path.removeprefix("M").split("L"))
    assert (start[1], end) == (HEIGHT - BOTTOM, [WIDTH - RIGHT, TOP])
    assert picture.get("aria-label") == "a line"


def test_points_that_are_not_finite_are_left_out():
    across, up = axis("x", (), (0.0, 1.0)), axis("y", (), (0.0, 1.0))
    values = np.array([0.0, np.nan, 1.0])
    assert titles(lines(across, up, [Line("a", values, values)], "")) == ["a: x 0, y 0", "a: x 1, y 1"]
    found = parsed(points(across, up, values, values, "", words=["p", "q", "r"]))
    assert len(list(found.iter(f"{SVG}circle"))) == 2


def test_bars_are_as_long_as_their_values():
    picture = parsed(bars(["a", "b"], [1.0, 2.0], axis("x", (), (0.0, 2.0)), "bars"))
    widths = [float(one.get("width")) for one in picture.iter(f"{SVG}rect")]
    assert widths[1] == 2 * widths[0]


def test_negative_bars_end_at_zero():
    picture = parsed(bars(["a", "b"], [-1.0, 1.0], axis("x", (), (-1.0, 1.0)), "bars", [(-1.0, 0.0), (np.nan, np.nan)]))
    (left, width), (right, other) = (
        (float(one.get("x")), float(one.get("width"))) for one in picture.iter(f"{SVG}rect")
    )
    assert left + width == right
    assert width == other


def test_a_histogram_says_what_is_in_each_interval():
    edges = np.array([0.0, 1.0, 2.0])
    picture = histogram(axis("x", (), (0.0, 2.0)), axis("rows", [0, 4]), edges, [np.array([4, 1])], ["rows"], "h")
    assert titles(picture) == ["rows: 4 from 0 to 1", "rows: 1 from 1 to 2"]


def test_cells_are_the_stronger_the_larger_their_part_of_the_row():
    picture = cells(np.array([[3, 1], [0, 2]]), ["a", "b"], "table", True)
    found = [(one.get("class"), float(one.get("fill-opacity"))) for one in parsed(picture).iter(f"{SVG}rect")]
    between = FULL - FAINTEST
    assert found == [
        ("cell right tip", round(FAINTEST + 0.75 * between, 3)),
        ("cell wrong tip", round(FAINTEST + 0.25 * between, 3)),
        ("cell wrong tip", 0.0),
        ("cell right tip", FULL),
    ]
    assert titles(picture)[1] == "a taken for b: 1 (25.0% of the row)"


def test_names_are_escaped_in_every_chart():
    one, x = np.ones(2), np.array([0.0, 1.0])
    across = axis(HOSTILE, x)
    for picture in (
        lines(across, across, [Line(HOSTILE, x, x)], HOSTILE, [(0.0, 0.0, HOSTILE)]),
        points(across, across, x, x, HOSTILE, words=[HOSTILE, HOSTILE]),
        bars([HOSTILE], [1.0], across, HOSTILE),
        histogram(across, across, np.array([0.0, 0.5, 1.0]), [one], [HOSTILE], HOSTILE),
        cells(np.eye(2, dtype=int), [HOSTILE, "b"], HOSTILE, False),
    ):
        assert "<script" not in picture
        assert "\u202e" not in picture
        parsed(picture)
