"""Features that come in runs: `runs` of a `Linear` says which, and the native program multiplies them by sums of its weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import Lowering
from pysmorch.files import ModelFileError
from tests.helpers import rewritten

native_only = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


def encoded(draw, num_rows, num_numbers, runs, positions):
    """Numbers, then runs of 1 .. 1, p, 0 .. 0, or any numbers where they are no positions."""
    parts = [draw.standard_normal((num_rows, num_numbers))]
    for length, count in runs:
        for _ in range(count):
            ends = draw.uniform(-1, length + 1, (num_rows, 1))
            ends[::3] = np.floor(ends[::3])
            parts.append(np.clip(ends - np.arange(length), 0, 1))
    X = np.concatenate(parts, axis=1)
    return X if positions else X + draw.standard_normal(X.shape)


def made(num_numbers, runs, width, told=True, factors=False):
    """A network whose first product has runs, after one layer for the numbers and maybe factors of the others."""
    num_features = num_numbers + sum(length * count for length, count in runs)
    with ps.weights_from(5):
        x = Data(shape=(None, num_features))
        rows = ps.Columns(x, num_numbers, num_features)
        if factors:
            rows = ps.Scale(rows)
            rows.W = np.random.default_rng(1).uniform(-2, 2, rows.W.shape)
        if num_numbers:
            rows = ps.Concat(ps.dense(ps.Columns(x, 0, num_numbers), 3), rows)
        first = ps.Linear(rows, width)
        first.runs = runs if told else ()
        output = ps.dense(ps.Relu(ps.Bias(first)), 2, activation=None)
    return Network(ps.CrossEntropy(output)), first


def trained(X, y, told, optimizer=None, engine="native", epochs=2, threads=1, **network):
    made_here, _ = made(told=told, **network)
    options = {"batch_size": 29, "seed": 3, "threads": threads, "engine": engine, "epochs": epochs}
    history = made_here.fit(X, y, optimizer=optimizer or ps.SGD(0.05, momentum=0.9), **options)
    return np.concatenate([W.ravel() for W in made_here.parameters.values()]), history["loss"]


@native_only
@settings(max_examples=40, deadline=None)
@given(
    num_rows=st.integers(1, 90),
    num_numbers=st.integers(0, 9),
    runs=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=4),
    width=st.integers(1, 140),
    positions=st.booleans(),
    factors=st.booleans(),
    clip_norm=st.sampled_from([None, 0.1]),
    seed=st.integers(0, 2**31),
)
def test_the_products_are_those_of_the_reference(
    num_rows, num_numbers, runs, width, positions, factors, clip_norm, seed
):
    draw = np.random.default_rng(seed)
    X, y = encoded(draw, num_rows, num_numbers, runs, positions), draw.integers(0, 2, num_rows)
    network = {"num_numbers": num_numbers, "runs": runs, "width": width, "factors": factors, "epochs": 1}
    # Without momentum, and smooth: nothing makes more of a rounding than it is.
    optimizer = ps.SGD(0.01, clip_norm=clip_norm)
    parameters, loss = trained(X, y, True, optimizer, **network)
    expected, expected_loss = trained(X, y, True, ps.SGD(0.01, clip_norm=clip_norm), engine="reference", **network)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parameters, expected, rtol=1e-3, atol=2e-4)


@native_only
@pytest.mark.parametrize("num_rows", [1, 4, 5, 29, 33, 100])
@pytest.mark.parametrize("num_numbers", [0, 5])
@pytest.mark.parametrize("factors", [False, True])
def test_several_steps_are_those_of_the_reference(num_rows, num_numbers, factors):
    draw, runs = np.random.default_rng(num_rows), ((12, 3), (1, 9))
    X, y = encoded(draw, num_rows, num_numbers, runs, positions=True), draw.integers(0, 2, num_rows)
    network = {"num_numbers": num_numbers, "runs": runs, "width": 20, "factors": factors, "epochs": 3}
    before = np.concatenate([W.ravel() for W in made(num_numbers, runs, 20, factors=factors)[0].parameters.values()])
    parameters, loss = trained(X, y, True, ps.SGD(0.1), **network)
    expected, expected_loss = trained(X, y, True, ps.SGD(0.1), engine="reference", **network)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-4)
    np.testing.assert_allclose(parameters - before, expected - before, rtol=1e-3, atol=1e-5)


@native_only
@pytest.mark.parametrize("num_rows", [1, 3, 29, 64, 200, 1000])
@pytest.mark.parametrize("runs", [((32, 5), (1, 40)), ((300, 2), (7, 1)), ((1, 700),)])
@pytest.mark.parametrize("factors", [False, True])
def test_any_number_of_threads_gives_the_same_bits(num_rows, runs, factors):
    draw = np.random.default_rng(0)
    X, y = encoded(draw, num_rows, 6, runs, positions=True), draw.integers(0, 2, num_rows)
    network = {"num_numbers": 6, "runs": runs, "width": 300, "factors": factors}
    ends = [
        trained(X, y, True, ps.AdamW(0.01, weight_decay=0.1), threads=threads, **network)[0] for threads in (1, 2, 3)
    ]
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])


def runs_in(network, with_runs=True):
    lowered = Lowering(
        network.layers[:-1] if network.layers[-1] is network.loss else network.layers,
        network.output,
        with_runs=with_runs,
    )
    return [operation["runs"] for operation in lowered.operations if "runs" in operation]


def kinds_of(network):
    return [operation["kind"] for operation in Lowering(network.layers, network.output, with_runs=True).operations]


def test_factors_of_features_in_runs_are_a_part_of_the_product():
    x = Data(shape=(None, 7))
    scale = ps.Scale(ps.Columns(x, 2, 7))
    assert kinds_of(with_run(ps.Concat(ps.Columns(x, 0, 2), scale), 5)) == ["columns", "columns", "concat", "linear"]
    assert kinds_of(with_run(ps.Scale(x), 7)) == ["linear"]
    for rows in (
        ps.Concat(ps.Columns(x, 0, 2), ps.Scale(ps.Columns(x, 2, 7))),  # not all of its features are in the run
        ps.Concat(ps.Columns(x, 0, 2), ps.Scale(ps.Bias(ps.Columns(x, 2, 7)))),  # what is before it is trained
        ps.Concat(ps.Scale(ps.Columns(x, 0, 2)), ps.Columns(x, 2, 7)),
    ):
        length = 4 if isinstance(rows.in_layers[-1].in_layer, ps.Columns) else 5
        assert kinds_of(with_run(rows, length)).count("scale") == 1
    shared = ps.Concat(ps.Columns(x, 0, 2), scale)
    twice = ps.Add(with_run(shared, 5).output, ps.Linear(shared, 2))
    assert "scale" in kinds_of(Network(ps.SquareLoss(twice)))


def test_a_program_that_trains_is_told_where_they_begin_and_end():
    network, _ = made(4, ((5, 2), (1, 3)), 8)
    assert runs_in(network) == [[3, 8, 13, 14, 15, 16]]
    assert runs_in(network, with_runs=False) == []
    assert runs_in(made(4, ((5, 2), (1, 3)), 8, told=False)[0]) == []


def with_run(rows, length):
    layer = ps.Linear(rows, 2)
    layer.runs = ((length, 1),)
    return Network(ps.SquareLoss(layer))


def test_features_that_get_a_gradient_are_multiplied_as_others():
    x = Data(shape=(None, 7))
    for rows in (ps.Scale(x), ps.Concat(ps.Columns(x, 0, 2), ps.Bias(ps.Columns(x, 2, 7)))):
        assert runs_in(with_run(rows, 5)) == []
    beside = ps.Concat(ps.Scale(ps.Columns(x, 0, 2)), ps.Columns(x, 2, 7))
    assert runs_in(with_run(beside, 5)) == [[2, 7]]
    assert runs_in(with_run(beside, 6)) == []


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (3, "runs must be pairs"),
        ([(2,)], "runs must be pairs"),
        ([(2, 1.5)], "runs must be pairs"),
        ([(0, 1)], "runs must be pairs"),
        ([(2, -1)], "runs must be pairs"),
        ([(True, 1)], "runs must be pairs"),
        ([(1025, 1)], "lengths up to 1024"),
        ([(4, 2)], "runs have 8 features, but the input has 7"),
        ([(1024, 10**12)], "but the input has 7"),
    ],
)
def test_runs_that_do_not_fit_are_refused_in_words(runs, message):
    layer = ps.Linear(Data(shape=(None, 7)), 2)
    with pytest.raises(ValueError, match=message):
        layer.runs = runs
    assert layer.runs == ()


def test_a_file_has_them(tmp_path):
    draw = np.random.default_rng(0)
    runs = ((6, 3), (1, 4))
    X, y = encoded(draw, 60, 4, runs, positions=True), draw.integers(0, 2, 60)
    network, first = made(4, runs, 8)
    network.fit(X, y, epochs=1, seed=0)
    network.save(tmp_path / "model.safetensors")
    again = ps.load(tmp_path / "model.safetensors")
    layer = next(layer for layer in again.layers if isinstance(layer, ps.Linear) and layer.runs)
    assert layer.runs == first.runs == runs
    for one in (network, again):
        one.fit(X, y, epochs=2, seed=1)
    np.testing.assert_array_equal(layer.W, first.W)


@pytest.mark.parametrize(
    ("runs", "message"), [([[40, 1]], "runs have 40 features"), ([[0, 1]], "runs must be pairs"), ("all", "runs")]
)
def test_a_file_with_wrong_runs_is_refused(tmp_path, runs, message):
    path = tmp_path / "model.safetensors"
    made(4, ((6, 3),), 8)[0].save(path)

    def change(header):
        number = next(i for i, layer in enumerate(header["model"]["layers"]) if "runs" in layer)
        header["model"]["layers"][number]["runs"] = runs

    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)

    def move(header):
        header["model"]["layers"][0]["runs"] = [[1, 1]]

    rewritten(path, move)
    with pytest.raises(ModelFileError):
        ps.load(path)
