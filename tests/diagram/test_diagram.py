"""Diagrams are well-formed, complete and harmless, and nothing in them overlaps."""

import base64
import re
import sys
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import plots
from pysmorch.diagram import diagram
from pysmorch.diagram.layout import lay_out
from pysmorch.diagram.svg import escape
from pysmorch.layers.base import format_dims
from pysmorch.layers.graph import graph

SVG = "{http://www.w3.org/2000/svg}"


class OwnWalk:
    """A layer with a forward and a backward of its own."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.in_array = self.in_layer.forward()
        return 3.0 * self.in_array

    def backward(self, dwnstrm):
        self.pass_back = 3.0 * dwnstrm
        self.in_layer.backward(self.pass_back)


def start(size=6):
    return ps.Data(np.random.default_rng(0).standard_normal((5, size)))


def end(layer):
    return ps.SquareLoss(layer, np.zeros((5, *layer.out_dims[1:])))


def mlp():
    return ps.CrossEntropy(ps.mlp(start(), [8, 4], 3, seed=0), [0, 1, 2, 0, 1])


def deep_mlp():
    return ps.CrossEntropy(ps.mlp(start(), [8] * 20, 3, seed=0), [0, 1, 2, 0, 1])


def residual():
    x = ps.dense(start(), 8)
    for _ in range(2):
        x = ps.Relu(ps.Add(x, ps.batch_norm(ps.dense(ps.dense(x, 8), 8, activation=None))))
    return end(ps.Linear(x, 1))


def two_branches():
    x = ps.dense(start(), 8)
    return end(ps.Concat(ps.dense(ps.dense(x, 4), 4), ps.dense(x, 2)))


def two_inputs():
    return end(ps.Add(ps.dense(ps.dense(start(), 8), 4), ps.dense(start(3), 4)))


def u_shape():
    first = ps.dense(start(), 8)
    second = ps.dense(first, 4)
    middle = ps.dense(ps.dense(second, 2), 4)
    return end(ps.dense(ps.Concat(ps.dense(ps.Concat(middle, second), 8), first), 2))


def one_feeds_three():
    x = ps.dense(start(), 8)
    return end(ps.Multiply(ps.dense(x, 4), ps.dense(ps.dense(x, 6), 4), ps.dense(x, 4)))


def own_walk():
    return end(ps.Linear(OwnWalk(ps.Linear(start(), 4)), 2))


def the_same_twice():
    x = ps.dense(start(), 8)
    return end(ps.Add(x, x))


NETWORKS = [mlp, deep_mlp, residual, two_branches, two_inputs, u_shape, one_feeds_three, own_walk, the_same_twice]
every_network = pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)


def rectangles(root):
    """Left, top, right and bottom of every box."""
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "box"]
    corners = [[float(r.get(name)) for name in ("x", "y", "width", "height")] for r in boxes]
    return [(x, y, x + width, y + height) for x, y, width, height in corners]


def points_of_lines(root):
    """Many points on each line; the only commands are M, L and C with absolute coordinates."""
    for path in root.iter(f"{SVG}path"):
        if path.get("class") != "line":
            continue
        here, points = None, []
        for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path.get("d")):
            ends = np.array(numbers.split(), float).reshape(-1, 2)
            t = np.linspace(0, 1, 41)[:, None]
            if command == "M":
                points.append(ends)
            elif command == "L":
                points.append((1 - t) * here + t * ends)
            else:
                assert command == "C"
                a, b, c = ends
                points.append((1 - t) ** 3 * here + 3 * t * (1 - t) ** 2 * a + 3 * t**2 * (1 - t) * b + t**3 * c)
            here = ends[-1]
        yield np.concatenate(points)


@every_network
def test_every_layer_is_there_with_name_shape_and_parameters(make):
    loss = make()
    network = ps.Network(loss)
    root = ElementTree.fromstring(diagram(network))
    shown = " ".join(root.itertext())
    assert root.tag == f"{SVG}svg"
    for name, layer in zip(network.names, network.layers, strict=True):
        assert re.search(rf"{name} \(", shown), f"{name} has no tooltip"
        assert name in root.get("aria-label")
        assert format_dims((None, *layer.out_dims[1:])) in shown
        assert re.search(rf"\b{name}\b", "\n".join(node.text for node in root.iter(f"{SVG}text")))
    assert type(loss).__name__ in shown
    assert f"{sum(W.size for W in network.parameters.values()):,} parameters" in shown


@every_network
def test_boxes_do_not_overlap_and_lie_in_the_picture(make):
    root = ElementTree.fromstring(diagram(make()))
    boxes = rectangles(root)
    assert len(boxes) > 1
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], f"{a} and {b} overlap"
    for left, top, right, bottom in boxes:
        assert min(left, top) >= 0
        assert right <= float(root.get("width"))
        assert bottom <= float(root.get("height"))


@every_network
def test_lines_go_from_box_to_box_and_cross_none(make):
    root = ElementTree.fromstring(diagram(make()))
    boxes, lines = rectangles(root), list(points_of_lines(root))
    assert len(lines) >= len(boxes) - 1
    for points in lines:
        (x, y), (to_x, to_y) = points[0], points[-1]
        assert any(left <= x <= right and y == bottom for left, top, right, bottom in boxes)
        assert any(left <= to_x <= right and to_y == top for left, top, right, bottom in boxes)
        assert (np.diff(points[:, 1]) > -1e-9).all(), "a line goes up"
        assert (points >= 0).all()
        assert (points <= [float(root.get("width")), float(root.get("height"))]).all()
        for left, top, right, bottom in boxes:
            inside = (points > [left, top]).all(1) & (points < [right, bottom]).all(1)
            assert not inside.any(), f"a line crosses the box at {left}, {top}"


@pytest.mark.parametrize(
    ("make", "num_lines"), [(mlp, 4), (two_branches, 7), (u_shape, 11), (one_feeds_three, 9), (the_same_twice, 4)]
)
def test_there_is_a_line_for_every_use_of_a_box(make, num_lines):
    assert len(list(points_of_lines(ElementTree.fromstring(diagram(make()))))) == num_lines


@st.composite
def graphs(draw):
    num_boxes = draw(st.integers(1, 12))
    edges = [
        (u, v)
        for v in range(1, num_boxes)
        for u in draw(st.lists(st.integers(0, v - 1), min_size=v == num_boxes - 1, max_size=3))
    ]
    return draw(st.lists(st.sampled_from([28, 44, 60]), min_size=num_boxes, max_size=num_boxes)), edges


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_no_graph_has_boxes_that_overlap_or_lines_through_boxes(graph):
    heights, edges = graph
    layout = lay_out(100, heights, edges)
    places = [(x, y, x + 100, y + height) for (x, y), height in zip(layout.boxes, heights, strict=True)]
    for a, b in combinations(places, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    assert all(
        x >= 0 and y >= 0 and right <= layout.width and bottom <= layout.height for x, y, right, bottom in places
    )
    for (u, v), points in zip(edges, layout.lines, strict=True):
        assert places[u][0] < points[0][0] < places[u][2]
        assert points[0][1] == places[u][3]
        assert places[v][0] < points[-1][0] < places[v][2]
        assert points[-1][1] == places[v][1]
        for i, ((x, y), (to_x, to_y)) in enumerate(pairwise(points)):
            assert y <= to_y
            for left, top, right, bottom in places:
                beside = max(x, to_x) <= left or right <= min(x, to_x)
                apart = to_y <= top or bottom <= y
                assert apart or (beside and i % 2 == 0), f"the line from {u} to {v} crosses a box"
            assert i % 2 == 1 or x == to_x
        assert all(0 <= x <= layout.width for x, _ in points)


def test_a_chain_stands_in_one_straight_column():
    layout = lay_out(100, [28] * 4, [(0, 1), (1, 2), (2, 3)])
    assert {x for x, _ in layout.boxes} == {0}
    assert {x for line in layout.lines for x, _ in line} == {50}


def test_branches_stand_side_by_side_below_the_middle_of_what_feeds_them():
    layout = lay_out(100, [28] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    (x0, _), (x1, y1), (x2, y2), (x3, _) = layout.boxes
    assert y1 == y2
    assert x0 == x3 == (x1 + x2) / 2


def test_a_second_input_stands_directly_above_the_layer_that_it_feeds():
    layout = lay_out(100, [28] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)])
    assert layout.boxes[3][1] == layout.boxes[2][1]


def test_layers_up_to_the_next_matrix_share_a_box():
    root = ElementTree.fromstring(diagram(ps.Dropout(ps.dense(ps.Linear(start(), 4), 4))))
    assert len(rectangles(root)) == 3
    boxes = rectangles(ElementTree.fromstring(diagram(mlp())))
    assert [round(bottom - top) for _, top, _, bottom in boxes] == [28, 60, 60, 44, 28]


def test_a_deep_network_is_drawn_with_several_layers_on_a_line():
    root = ElementTree.fromstring(diagram(deep_mlp()))
    assert "Linear3 · Bias3 · Relu3" in [node.text for node in root.iter(f"{SVG}text")]
    assert float(root.get("height")) < 1200


def test_sizes_are_those_of_the_last_pass():
    data = ps.Data([[3.0, 4.0]])
    linear = ps.Linear(data, 1)
    linear.W = [[100.0], [0.0]]
    loss = ps.SquareLoss(linear, [[200.0]])
    assert "last pass" not in diagram(loss)
    loss.forward()
    assert "output: root mean square, last pass" in diagram(loss)
    loss.backward()
    shown = [node.text for node in ElementTree.fromstring(diagram(loss)).iter(f"{SVG}text")]
    assert shown[shown.index("Data1") :] == [
        *("Data1", "(N, 2)", "3.5", "7.1e3"),  # sqrt((9 + 16) / 2), and (100 * 100, 0)
        *("Linear1", "(N, 1)", "2", "3e2", "1e2"),
        *("SquareLoss", "scalar", "5e3"),
    ]


def test_the_gradient_of_an_output_with_several_uses_is_the_sum():
    x = ps.Data([[1.0, 1.0]])
    loss = ps.SquareLoss(ps.Add(x, x), [[0.0, 0.0]])
    loss.forward()
    loss.backward()
    data = ElementTree.fromstring(diagram(loss)).find(f".//{SVG}title").text
    assert data.endswith("gradient of the loss for the output: root mean square 4")


def test_a_class_with_its_own_walk_has_sizes_too():
    loss = own_walk()
    loss.forward()
    loss.backward()
    titles = [title.text for title in ElementTree.fromstring(diagram(loss)).iter(f"{SVG}title")]
    (own,) = [title for title in titles if title.startswith("OwnWalk1")]
    assert "A layer with a forward and a backward of its own." in own
    linear = graph(loss)[-2]
    output, gradient = (f"{np.sqrt(np.mean(a**2)):.4g}" for a in (linear.in_array, linear.pass_back))
    assert f"output: root mean square {output}" in own
    assert f"for the output: root mean square {gradient}" in own


def test_a_loss_with_its_own_walk_ends_the_picture():
    class OwnLoss:
        def __init__(self, in_layer):
            self.in_layer = in_layer

        def forward(self):
            return np.mean(self.in_layer.forward())

        def backward(self):
            self.in_layer.backward(np.ones(self.in_layer.out_dims) / np.prod(self.in_layer.out_dims))

    loss = OwnLoss(OwnWalk(ps.Linear(start(), 4)))
    loss.forward()
    loss.backward()
    shown = [node.text for node in ElementTree.fromstring(diagram(loss)).iter(f"{SVG}text")]
    assert shown[-2:] == ["OwnLoss", "scalar"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_stand_out(bad):
    loss = ps.SquareLoss(ps.Linear(ps.Data([[bad, 1.0]]), 1), [[0.0]])
    with np.errstate(all="ignore"):
        loss.forward()
        loss.backward()
    texts = ElementTree.fromstring(diagram(loss)).iter(f"{SVG}text")
    assert {node.get("fill") for node in texts if node.text == str(bad)} == {"#b3001b"}


def test_a_batch_of_zeros_and_one_of_whole_numbers_are_drawn():
    for array in (np.zeros((4, 2)), np.full((4, 2), 255, np.uint8)):
        layer = ps.Relu(ps.Data(array))
        layer.forward()
        assert f">{array[0, 0]:.2g}".replace("e+02", "e2") in diagram(layer)


@pytest.mark.parametrize("name", ["A<b>&\"'", "]]>", "<script>alert(1)</script>", "\x01", "層" * 50, "x" * 500])
def test_names_and_docstrings_of_own_layers_stand_for_themselves(name):
    own = type(name, (ps.Relu,), {"__doc__": f"Does {name}."})
    picture = diagram(own(start()))
    shown = "".join(ElementTree.fromstring(picture).itertext())
    assert name.replace("\x01", "\ufffd") + "1" in shown
    assert "<script" not in picture


def test_what_xml_cannot_hold_is_replaced():
    assert escape("a\x00\ud800\n\U0001f9ea") == "a\ufffd\ufffd\n\U0001f9ea"


def test_long_names_do_not_make_boxes_wide():
    own = type("x" * 500, (ps.Relu,), {})
    assert float(ElementTree.fromstring(diagram(own(start()))).get("width")) < 600


def test_wide_characters_have_room():
    own = type("層" * 20, (ps.Relu,), {})
    root = ElementTree.fromstring(diagram(own(start())))
    assert float(root.get("width")) > 40 * 7


def test_the_same_network_is_the_same_picture_and_nothing_comes_from_elsewhere():
    with ps.weights_from(1):
        picture = diagram(residual())
    with ps.weights_from(1):
        assert picture == diagram(residual())
    assert picture.count("http") == 1, "only the name of the SVG format"
    assert not re.search(r"<(image|script|style|foreignObject|a|use)\b|\bon\w+=|href|url\(|\bid=", picture)


def test_it_says_what_it_is_to_those_who_do_not_see_it():
    root = ElementTree.fromstring(diagram(mlp()))
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith("10 layers, 107 parameters: Data1, Linear1")


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_can_be_told_from_what_is_behind_them():
    from pysmorch.diagram.drawing import ALARM, FAINT, FILL, INK, WIRE

    for ground in FILL.values():
        assert contrast(INK, ground) > 7
        assert contrast(ALARM, ground) > 4.5
    assert contrast(FAINT, "#ffffff") > 4.5
    assert min(contrast(WIRE, page) for page in ("#ffffff", "#111111")) > 3


def test_a_network_shows_itself_in_a_notebook():
    network = ps.Network(mlp())
    encoded = base64.b64encode(str(diagram(network)).encode()).decode()
    assert f'<img src="data:image/svg+xml;base64,{encoded}" alt="' in network._repr_html_()
    assert repr(diagram(network)).startswith("<SVG picture")
    assert diagram(network)._repr_svg_() == str(diagram(network))


def test_names_of_classes_that_control_the_direction_of_text_are_not_drawn():
    own = type("Own\x1b\u202e<script>]]>", (ps.Layer,), {"compute": lambda self, x: x, "__doc__": "It\u2066\x9b."})
    picture = str(diagram(ps.Linear(own(ps.Data(shape=(None, 2))), 1)))
    ElementTree.fromstring(picture)
    assert not set("\x1b\u202e\u2066\x9b") & set(picture)
    assert "Own\ufffd\ufffd&lt;script&gt;" in picture


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match="diagram: target must be a layer or a network, but is a list"):
        diagram([1, 2])


def test_plots_say_what_to_install_where_matplotlib_is_missing(monkeypatch):
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.ticker"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=r"^plots need Matplotlib: install it with  pip install \"pysmorch\[plots\]\"$"
    ):
        plots.loss_curves({"loss": [1.0]})
    assert plots.diagram(mlp())
