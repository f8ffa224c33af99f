"""The native program against the reference program, which is the specification."""

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine import num_threads
from pysmorch.engine.extension import extension
from pysmorch.engine.extension import instructions as best_instructions
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES
from pysmorch.layers.randomness import permutation

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")

OPTIMIZERS = {
    "SGD": lambda: ps.SGD(0.05),
    "SGD with decay": lambda: ps.SGD(0.05, weight_decay=0.1),
    "momentum": lambda: ps.SGD(0.05, momentum=0.9),
    "Nesterov": lambda: ps.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "clipped": lambda: ps.SGD(0.05, momentum=0.9, clip_norm=0.1),
    "Adam": lambda: ps.Adam(0.01, weight_decay=0.1),
    "AdamW": lambda: ps.AdamW(0.01, weight_decay=0.1, clip_norm=1.0),
    "RMSprop": lambda: ps.RMSprop(0.01, momentum=0.5),
    "scheduled": lambda: ps.AdamW(ps.CosineCycles(0.01), beta2=0.95, weight_decay=ps.FlatCosine(0.5), clip_norm=1.0),
    "scheduled decay": lambda: ps.SGD(0.05, momentum=0.9, weight_decay=ps.Cosine(0.5)),
}


NATIVE_CASES = [name for name, make in LAYER_CASES.items() if make().native]


def state_of(network):
    arrays = [W.ravel() for W in network.parameters.values()]
    arrays += [a.ravel() for layer in network.layers for a in layer.state.values()]
    return np.concatenate(arrays).astype(np.float64) if arrays else np.zeros(0)


def train(make, X, y, engine, **options):
    network = make()
    optimizer = options.pop("optimizer", OPTIMIZERS["momentum"])()
    options = {"epochs": 2, "batch_size": 16, "seed": 3} | options
    history = network.fit(X, y, optimizer=optimizer, engine=engine, **options)
    return network, history


def assert_same(make, X, y, rtol=1e-11, **options):
    reference, history = train(make, X, y, "reference", **options)
    program, native_history = train(make, X, y, "native", **options)
    expected = state_of(reference)
    np.testing.assert_allclose(
        state_of(program), expected, rtol=rtol, atol=rtol * max(np.abs(expected).max(initial=0), 1)
    )
    for name in ("loss", reference.loss.metric):
        np.testing.assert_allclose(native_history[name], history[name], rtol=rtol, atol=rtol)


def closed(layer, seed=0):
    """A network with something to train before and behind a layer, and random labels."""
    with ps.weights_from(seed):
        out = ps.Flatten(layer) if len(layer.out_dims) > 2 else layer
        return Network(ps.SquareLoss(ps.dense(out, 2, activation=None)))


def with_trainable_inputs(case):
    """The layer of a case, fed by Linear layers, so that what it passes back reaches parameters."""

    def make():
        with ps.weights_from(1):
            layer = LAYER_CASES[case]()
            layer.training = True
            if isinstance(layer, ps.Embedding):
                return closed(layer)
            feeding = []
            for data in layer.in_layers:
                shape = data.out_dims[1:]
                linear = ps.Linear(ps.Flatten(data) if len(shape) > 1 else data, int(np.prod(shape)))
                feeding.append(ps.Reshape(linear, shape) if len(shape) > 1 else linear)
            layer.in_layers = tuple(feeding)
            return closed(layer)

    return make


@pytest.mark.parametrize("case", [name for name in NATIVE_CASES if "prediction" not in name])
def test_every_layer_trains_as_on_the_reference_path(case):
    data = [feeder.data for feeder in LAYER_CASES[case]().in_layers]
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 7, 40)
    X = tuple(
        array[rows] + (0 if array.dtype.kind == "i" else 0.1 * rng.standard_normal(array[rows].shape)) for array in data
    )
    y = rng.standard_normal((40, 2))
    assert_same(with_trainable_inputs(case), X if len(X) > 1 else X[0], y, dtype="float64")
    assert_same(with_trainable_inputs(case), X if len(X) > 1 else X[0], y, dtype="float32", rtol=2e-4, epochs=1)


@pytest.mark.parametrize("case", [name for name, make in LOSS_CASES.items() if make().native])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_loss_trains_as_on_the_reference_path(case, weighted):
    loss = LOSS_CASES[case]()
    outputs = loss.in_layer.out_dims[1]
    labels = np.asarray(loss.labels)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 7, 40)
    X = rng.standard_normal((40, 3))

    def make():
        with ps.weights_from(0):
            return Network(type(loss)(ps.dense(Data(shape=(None, 3)), outputs, ps.Tanh), **loss.config))

    weights = rng.uniform(0, 2, 40) if weighted else None
    assert_same(make, X, labels[rows], sample_weight=weights, dtype="float64")
    assert_same(make, X, labels[rows], sample_weight=weights, dtype="float32", rtol=2e-4, epochs=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_steps_as_on_the_reference_path(optimizer):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 6)), rng.integers(0, 3, 50)

    def make():
        return Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, 6)), [9, 5], 3, ps.Gelu, seed=0)))

    assert_same(make, X, y, optimizer=OPTIMIZERS[optimizer], dtype="float64", epochs=4)
    assert_same(make, X, y, optimizer=OPTIMIZERS[optimizer], dtype="float32", rtol=1e-3, epochs=1)


@given(
    rows=st.integers(1, 65),
    widths=st.lists(st.integers(1, 65), min_size=2, max_size=4),
    batch=st.integers(1, 65),
    activation=st.sampled_from(
        [ps.Relu, ps.LeakyRelu, ps.Sigmoid, ps.Tanh, ps.Gelu, ps.Silu, ps.Mish, ps.Selu, ps.Cos, ps.SmoothClip]
    ),
    dropout=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_dense_networks_of_any_shape_train_as_on_the_reference_path(rows, widths, batch, activation, dropout, seed):
    rng = np.random.default_rng(seed)
    rows = min(rows, 2 * batch)  # two steps: with more, small differences grow
    X, y = rng.standard_normal((rows, widths[0])), rng.integers(0, widths[-1], rows)

    def make():
        data = Data(shape=(None, widths[0]))
        return Network(ps.CrossEntropy(ps.mlp(data, widths[1:-1], widths[-1], activation, dropout, seed=seed)))

    assert_same(make, X, y, batch_size=batch, dtype="float64", epochs=1, rtol=1e-12)
    assert_same(make, X, y, batch_size=batch, dtype="float32", epochs=1, rtol=1e-3)


@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**40),
    count=st.integers(0, 50) | st.sampled_from([63, 64, 65, 2047, 2048, 2049, 70000]),
)
@settings(deadline=None)
def test_rows_come_in_the_order_of_the_reference_path(seed, epoch, count):
    order = np.empty(count, np.int64)
    extension().permutation(seed, epoch, order)
    np.testing.assert_array_equal(order, permutation(seed, epoch, count))


@pytest.mark.parametrize("order", [np.empty(3), np.empty((3, 2), np.int64), np.empty(6, np.int64)[::2], None])
def test_an_order_of_another_kind_is_refused_by_the_extension(order):
    with pytest.raises(TypeError):
        extension().permutation(0, 0, order)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 70])
def test_wide_layers_train_as_on_the_reference_path(batch, dtype, rtol):
    """Sums and rows of weights that are cut in several parts, and weights whose rows are a power of two apart."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((batch, 40)), rng.standard_normal((batch, 5))

    def make():
        return Network(ps.SquareLoss(ps.mlp(Data(shape=(None, 40)), [2100, 1024], 5, ps.Tanh, seed=0)))

    assert_same(make, X, y, batch_size=batch, dtype=dtype, epochs=1, rtol=rtol)


def branching():
    with ps.weights_from(0):
        x = Data(shape=(None, 5))
        trunk = ps.dense(x, 7)
        left = ps.Tanh(ps.batch_norm(ps.Linear(trunk, 7)))
        right = ps.layer_norm(ps.Scale(ps.Bias(trunk)))
        joined = ps.Concat(ps.Add(left, right, trunk), ps.Multiply(left, right), x)
        return Network(ps.CrossEntropy(ps.Linear(ps.Dropout(joined, 0.2), 3)))


def of_columns():
    with ps.weights_from(0):
        hidden = ps.dense(Data(shape=(None, 5)), 7)
        parts = [
            ps.Columns(hidden, 1, 5),
            ps.Columns(hidden, 3, 7),
            ps.Columns(ps.Reshape(ps.dense(hidden, 6), (3, 2)), 1, 2),
        ]
        return Network(ps.CrossEntropy(ps.Linear(ps.Concat(*parts[:2], ps.Flatten(parts[2])), 3)))


def test_columns_that_overlap_train_as_on_the_reference_path():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 5)), rng.integers(0, 3, 300)
    assert_same(of_columns, X, y, batch_size=150, dtype="float64", epochs=3)


def test_graphs_with_branches_train_as_on_the_reference_path():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 5)), rng.integers(0, 3, 300)
    assert_same(branching, X, y, batch_size=150, dtype="float64", epochs=3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int32, np.int16, ">f8", bool])
def test_data_of_any_dtype_and_layout_train_as_on_the_reference_path(dtype):
    X = (np.random.default_rng(0).integers(0, 2, (80, 6))).astype(dtype)

    def make():
        return Network(ps.SquareLoss(ps.mlp(Data(shape=(None, 6)), [4], 1, seed=0)))

    y = np.arange(80.0)[::-1] / 80
    assert_same(make, np.asfortranarray(X), y, dtype="float64")
    assert_same(make, np.repeat(X, 2, axis=0)[::2], y, dtype="float64")


def test_frozen_layers_and_spared_biases_keep_their_factors():
    def make():
        network = branching()
        network.layers[1].lr_factor = 0.0
        network.layers[2].lr_factor = 3.0
        return network

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    assert_same(make, X, y, dtype="float64", optimizer=lambda: ps.AdamW(0.01, weight_decay=0.3))


def test_the_layers_stay_live_and_G_is_that_of_the_last_step():
    network = branching()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    before = network.layers[1].W.copy()
    network.fit(X, y, epochs=1, batch_size=40, optimizer=ps.SGD(0.5), seed=0, dtype="float64", engine="native")
    np.testing.assert_allclose(network.layers[1].W, before - 0.5 * network.layers[1].G, rtol=1e-12)


def test_the_number_of_threads_does_not_change_a_bit(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1000, 5)), rng.integers(0, 3, 1000)

    def wide():
        with ps.weights_from(0):
            return Network(
                ps.CrossEntropy(
                    ps.Linear(ps.Dropout(ps.batch_norm(ps.mlp(Data(shape=(None, 5)), [128, 200], 64)), 0.2), 3)
                )
            )

    found = []
    for threads in ("1", "2", "4", "2"):
        monkeypatch.setenv("PYSMORCH_NUM_THREADS", threads)
        network, _ = train(wide, X, y, "native", batch_size=300, optimizer=OPTIMIZERS["clipped"])
        found.append(state_of(network).tobytes())
    assert len(set(found)) == 1


def test_a_fork_trains_to_the_same_bits():
    code = (
        "import numpy as np, pysmorch as ps, os, sys\n"
        "X = np.random.default_rng(0).standard_normal((600, 50)); y = (X[:, 0] > 0).astype(int)\n"
        "def run():\n"
        "    n = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 50)), [200], 2, seed=0)))\n"
        "    n.fit(X, y, epochs=2, seed=0, batch_size=256, engine='native')\n"
        "    return hash(b''.join(W.tobytes() for W in n.parameters.values()))\n"
        "first = run()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if run() == first else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, timeout=60).returncode == 0


INSTRUCTIONS = ["base", "avx2", "avx512", "avx512_bf16"]


def skip_without(instructions):
    """Skip the rest of a test where the processor does not have these instructions."""
    if INSTRUCTIONS.index(instructions) > INSTRUCTIONS.index(best_instructions()):
        pytest.skip(f"this processor has no {instructions}")


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_every_set_of_instructions_that_this_processor_has_is_right(instructions, monkeypatch):
    skip_without(instructions)
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", instructions)
    assert best_instructions() == instructions
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((90, 5)), rng.integers(0, 3, 90)
    assert_same(branching, X, y, dtype="float64")
    assert_same(branching, X, y, dtype="float32", rtol=1e-3, epochs=1)


def test_a_loss_that_is_not_finite_stops_with_its_place_and_keeps_the_last_good_weights():
    network = branching()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 5)), rng.integers(0, 3, 200)
    with pytest.raises(ps.NonFiniteError) as info:
        network.fit(X * 1e30, y, epochs=2, batch_size=20, optimizer=ps.SGD(1e30), seed=0, engine="native")
    assert info.value.epoch == 1
    assert info.value.layer in [*network.names, "CrossEntropy1"]
    np.testing.assert_array_equal(state_of(network), state_of(branching()).astype(np.float32))


def test_what_has_no_native_operation_runs_on_the_reference_path_and_says_so_once(caplog):
    class Doubled(ps.Scale):
        def compute(self, x):
            return 2 * super().compute(x)

        def pull_back(self, dwnstrm):
            return 2 * super().pull_back(dwnstrm)

    def make():
        return Network(ps.SquareLoss(ps.Linear(Doubled(ps.Linear(Data(shape=(None, 3)), 3)), 1)))

    X, y = np.ones((10, 3)), np.ones(10)
    for _ in range(2):
        make().fit(X, y, epochs=1, seed=0)
    assert [r.message for r in caplog.records] == [
        "training on the reference path, which is slower: Doubled has no native operation"
    ]
    with pytest.raises(ValueError, match='engine="native" is not possible: Doubled has no native operation'):
        make().fit(X, y, epochs=1, engine="native")
    with pytest.raises(ValueError, match="engine must be"):
        make().fit(X, y, epochs=1, engine="fast")


def test_a_layer_whose_operation_the_extension_lacks_trains_and_predicts_on_the_reference_path():
    class Later(ps.Relu):
        native = "of another version"

    network = Network(ps.SquareLoss(ps.Linear(Later(ps.Linear(Data(shape=(None, 3)), 3)), 1)))
    X, y = np.ones((10, 3)), np.ones(10)
    with pytest.raises(ValueError, match='engine="native" is not possible: Later has no native operation'):
        network.fit(X, y, epochs=1, engine="native")
    network.fit(X, y, epochs=1, seed=0)
    network.predict(X)
    assert not network.predictor.is_native


PARAMETERS = np.zeros(8, np.float32)


def value(cols, needs_grad=True):
    return {"shape": [cols], "needs_grad": needs_grad, "is_index": False}


def misaligned(array):
    """The same numbers, one byte behind where they should lie."""
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = array.view(np.uint8).ravel()
    return room[1:].view(array.dtype).reshape(array.shape)


def face(**changes):
    """The extension's own class, with a small network, so that wrong arguments can be handed to it."""
    arguments = {
        "values": [
            {"shape": [3], "needs_grad": False, "is_index": False},
            {"shape": [2], "needs_grad": True, "is_index": False},
        ],
        "operations": [operation()],
        "inputs": [0],
        "loss": LOSS,
        "optimizer": DESCENT,
        "parameters": PARAMETERS,
        "gradients": np.zeros(8, np.float32),
        "states": [],
        "rate_factors": 1.0,
        "decay_factors": 1.0,
        "seed": 0,
        "bf16": False,
    } | changes
    program = extension().Program32(*(arguments.pop(name) for name in ("values", "operations", "inputs", "loss")))
    program.train_with(**arguments)
    return program


def operation(**changes):
    parameters = {"weights": PARAMETERS[:6].reshape(3, 2), "bias": PARAMETERS[6:]}
    parameters |= {name: changes.pop(name) for name in ("weights", "bias") if name in changes}
    plain = {
        "kind": "linear",
        "inputs": [0],
        "output": 1,
        "parameters": {name: array for name, array in parameters.items() if array is not None},
        "activation": "none",
        "channels": 2,
        "numbers": {},
        "states": [],
        "stream": 1,
    }
    return plain | changes


BATCH = {
    "data": [np.zeros((5, 3), np.float32)],
    "labels": np.zeros((5, 2), np.float32),
    "weights": None,
    "order": np.arange(5),
    "batch_size": 3,
    "rates": [0.1, 0.1],
    "decays": [0.0, 0.0],
    "dropout_rates": [],
    "step": 0,
    "optimizer_steps": 0,
    "threads": 1,
}
LOSS = {"kind": "square_loss", "value": 1, "attributes": {}}
DESCENT = {
    "kind": "sgd",
    "attributes": {"momentum": 0.0, "nesterov": 0.0},
    "clip_norm": 0.0,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"gradients": np.zeros(7, np.float32)},
        {"operations": [operation(weights=np.zeros((3, 2), np.float32))]},
        {"operations": [operation(weights=PARAMETERS[:6].reshape(2, 3))]},
        {"operations": [operation(weights=PARAMETERS[:6])]},
        {"operations": [operation(weights=PARAMETERS[:6].reshape(2, 3).T)]},
        {"operations": [operation(weights=np.zeros((3, 2)))]},
        {"operations": [operation(weights=None)]},
        {"operations": [operation(bias=PARAMETERS[5:])]},
        {"operations": [operation(inputs=[5])]},
        {"operations": [operation(inputs=[-1])]},
        {"operations": [operation(inputs=[1])]},
        {"operations": [operation(inputs=[])]},
        {"operations": [operation(output=0)]},
        {"operations": [operation(output=2**40)]},
        {"operations": [operation(channels=0)]},
        {"operations": [operation(kind="no such thing")]},
        {"operations": [operation(kind="normalize")]},
        {
            "operations": [
                operation(kind="normalize", numbers={"epsilon": 1.0, "momentum": 0.1}, states=[np.zeros(3)] * 2)
            ]
        },
        {"operations": [operation(kind="concat")]},
        {"operations": [operation(kind="embedding")]},
        {"operations": [operation(kind="scale")]},
        {"values": [value(3), value(2, needs_grad=False)]},
        {"values": [value(0), value(2)], "operations": [operation(weights=PARAMETERS[:0].reshape(0, 2))]},
        {"values": [value(3), value(0)], "operations": [operation(weights=PARAMETERS[:0].reshape(3, 0), bias=None)]},
        {"operations": [operation(bias=PARAMETERS[4:6])]},
        {"operations": [operation(weights=misaligned(PARAMETERS)[:6].reshape(3, 2))]},
        {"values": [value(2), value(2)], "operations": [operation(kind="relu", inputs=[0, 0])]},
        {"operations": [operation(activation="gelu")]},
        {"operations": [operation(activation="no such thing")]},
        {"operations": [{"kind": "linear"}]},
        {"operations": []},
        {"inputs": [7]},
        {"inputs": [0, 0]},
        {"states": [np.zeros(8, np.float32)]},
        {"rate_factors": np.zeros(3, np.float32)},
        {"rate_factors": np.zeros(8)},
        {"decay_factors": np.zeros(16, np.float32)[::2]},
        {"gradients": misaligned(PARAMETERS)},
        {"loss": LOSS | {"kind": "huber_loss", "attributes": {"delta": -1.0}}},
        {"loss": LOSS | {"kind": "huber_loss", "attributes": {"delta": np.nan}}},
        {"loss": LOSS | {"kind": "huber_loss", "attributes": {"delta": "1"}}},
        {"loss": LOSS | {"kind": "huber_loss"}},
        {"loss": LOSS | {"kind": "huber_loss", "attributes": {"width": 1.0}}},
        {"loss": LOSS | {"value": 9}},
        {"loss": LOSS | {"kind": "quantile_loss", "attributes": {"quantiles": []}}},
        {"loss": LOSS | {"kind": "quantile_loss", "attributes": {"quantiles": [0.5]}}},
        {"loss": LOSS | {"kind": "no such thing"}},
        {"loss": LOSS | {"kind": 0}},
        {"loss": LOSS | {"attributes": {"delta": 1.0}}},
        {"optimizer": DESCENT | {"kind": "no such thing"}},
        {"optimizer": DESCENT | {"kind": "adam"}},
        {"optimizer": DESCENT | {"attributes": {"momentum": 0.0}}},
        {"optimizer": DESCENT | {"attributes": {"momentum": 0.0, "nesterov": 0.0, "decay": 0.0}}},
        {"optimizer": DESCENT | {"attributes": {"momentum": 0.0, "nesterov": "no"}}},
        {"parameters": np.zeros(8, np.float64)},
        {"parameters": np.zeros(16, np.float32)[::2]},
        {"seed": -1},
    ],
)
def test_descriptions_that_do_not_fit_are_refused_by_the_extension(changes):
    with pytest.raises((ValueError, TypeError)):
        face(**changes).train(**BATCH)


@pytest.mark.parametrize(
    "changes",
    [
        {"data": []},
        {"data": [np.zeros((5, 2), np.float32)]},
        {"data": [np.zeros((4, 3), np.float32)]},
        {"data": [np.zeros((5, 3), np.float16)]},
        {"data": [np.zeros((5, 3), ">f4")]},
        {"data": [np.zeros((3, 5), np.float32).T]},
        {"labels": np.zeros((5, 3), np.float32)},
        {"labels": np.array(1.0, np.float32)},
        {"weights": np.ones(4)},
        {"weights": np.ones(5, np.float32)},
        {"weights": np.ones(10)[::2]},
        {"weights": [1.0] * 5},
        {"data": [misaligned(np.zeros((5, 3), np.float32))]},
        {"order": misaligned(np.arange(5))},
        {"step": -1},
        {"optimizer_steps": 2**63 - 1},
        {"order": np.array([0, 5])},
        {"order": np.array([-1, 0])},
        {"order": np.array([0.0, 1.0])},
        {"batch_size": 0},
        {"rates": [0.1]},
        {"decays": [0.1]},
        {"dropout_rates": [(1, [0.1])]},
        {"dropout_rates": [(1, [0.1, 1.0])]},
        {"threads": 0},
    ],
)
def test_batches_that_do_not_fit_are_refused_by_the_extension(changes):
    assert face().train(**BATCH)["rows"] == 5
    with pytest.raises((ValueError, TypeError)):
        face().train(**BATCH | changes)


def test_read_only_data_and_no_rows_are_fine():
    data = np.zeros((5, 3), np.float32)
    data.flags.writeable = False
    empty = {
        "order": np.zeros(0, np.int64),
        "batch_size": 3,
        "rates": [],
        "decays": [],
        "dropout_rates": [],
        "step": 0,
        "optimizer_steps": 0,
        "threads": 2,
    }
    assert face().train([data], np.zeros((5, 2), np.float32), None, **empty)["rows"] == 0


@pytest.mark.parametrize("kind", ["dropout", "random_flip"])
@pytest.mark.parametrize("rate", [-0.1, 1.1, np.nan, np.inf, 1e300])
def test_a_rate_that_is_no_part_of_all_is_refused(kind, rate):
    numbers = {"rate": rate, "channelwise": 0.0, "height": 1.0, "width": 1.0}
    wrong = operation(kind=kind, weights=None, bias=None, numbers=numbers)
    values = [value(2), value(2)]
    assert face(values=values, operations=[wrong | {"numbers": numbers | {"rate": 1.0}}]).train(
        **BATCH | {"data": [np.zeros((5, 2), np.float32)]}
    )
    with pytest.raises(ValueError, match="the rate is out of range"):
        face(values=values, operations=[wrong]).train(**BATCH | {"data": [np.zeros((5, 2), np.float32)]})


def test_channels_without_any_room_are_refused():
    """So many that their number times the rows of a panel is zero again."""
    many = operation(kind="dropout", weights=None, bias=None, channels=2**60, numbers={"rate": 0.5, "channelwise": 1.0})
    nothing = {"data": [np.zeros((5, 0), np.float32)], "labels": np.zeros((5, 0), np.float32)}
    with pytest.raises(ValueError, match="the channels do not fit"):
        face(values=[value(0), value(0)], operations=[many]).train(**BATCH | nothing)
    rows = {"label_smoothing": 0.0, "class_weights": []}
    loss = {"kind": "cross_entropy_of_rows", "value": 0, "attributes": rows}
    with pytest.raises(ValueError, match="the loss has no outputs"):
        face(values=[value(0)], operations=[], loss=loss).train(**BATCH | nothing)


def test_more_room_than_a_number_can_say_is_refused():
    """Each value is of a size that is possible; so many rows of all of them are not."""
    sizes = {"height": 1.0, "width": 1.0, "channels": 127.0, "out_height": 1.0, "out_channels": 127.0}
    numbers = sizes | {"out_width": 2.0**24 - 1, "pad_top": 0.0, "pad_left": 0.0}
    wide = operation(kind="pad2d", weights=None, bias=None, channels=127, numbers=numbers)
    values = [value(127)] + [value((2**24 - 1) * 127)] * 8
    operations = [wide | {"output": i} for i in range(1, 9)]
    program = extension().Program32(values, operations, [0], LOSS | {"value": 8})
    with pytest.raises(MemoryError):
        program.memory(2**31 - 1, 1)


def test_two_operations_with_the_same_weights_are_refused():
    parameters = np.zeros(9, np.float32)
    tied = {"weights": parameters.reshape(3, 3), "bias": None, "channels": 3}
    operations = [operation(**tied), operation(inputs=[1], output=2, **tied)]
    arguments = {"values": [value(3)] * 3, "operations": operations, "loss": LOSS | {"value": 2}}
    with pytest.raises(ValueError, match="two operations have the same weights"):
        face(parameters=parameters, gradients=parameters.copy(), **arguments).train(
            **BATCH | {"labels": np.zeros((5, 3), np.float32)}
        )


def predicting(operations=None):
    operations = [operation()] if operations is None else operations
    return extension().Program32([value(3), value(2)], operations, [0], LOSS)


def test_the_arrays_of_a_program_stay_when_its_descriptions_go():
    described = operation(weights=np.ones((3, 2), np.float32), bias=np.ones(2, np.float32))
    operations, arrays = [described], [weakref.ref(array) for array in described["parameters"].values()]
    program = predicting(operations)
    out = np.zeros((1, 2), np.float32)
    program.memory(1, 1)
    described.clear()
    operations.clear()
    gc.collect()
    assert all(array() is not None for array in arrays)
    assert program.predict([np.ones((1, 3), np.float32)], out, 1)
    assert out.tolist() == [[4.0, 4.0]]


def test_arguments_of_training_that_are_refused_change_nothing():
    parameters = np.ones(8, np.float32)
    described = operation(weights=parameters[:6].reshape(3, 2), bias=parameters[6:])
    program = face(parameters=parameters, operations=[described])
    clipped = DESCENT | {"clip_norm": 1e-9}
    with pytest.raises(ValueError, match="one factor for each parameter"):
        program.train_with(clipped, parameters, parameters.copy(), [], 1.0, np.ones(7, np.float32), 0, False)
    program.train(**BATCH)
    assert (parameters[6:] < 0.9).all()


@pytest.mark.parametrize(
    "shapes", [[(4,), (2,)], [(3,), (1,)], [(3,), (2, 2**62, 4)], [(3,), (-1, -2)], [(3,)], [(3,), (2,), (2,)]]
)
def test_shapes_that_are_not_the_programs_are_refused(shapes):
    with pytest.raises(ValueError, match="the shapes"):
        predicting().watch([], shapes, np.empty, np.dtype(np.float32))


def test_shapes_of_one_input_are_not_for_two():
    both = operation(kind="add", inputs=[0, 1], output=2, weights=None, bias=None, channels=3)
    program = extension().Program32([value(3)] * 3, [both], [0, 1], LOSS | {"value": 2})
    with pytest.raises(ValueError, match="the shapes"):
        program.watch([], [(3,), (3,)], np.empty, np.dtype(np.float32))


def test_what_is_watched_is_a_list_of_the_programs_own():
    program, watched = predicting(), []
    program.watch(watched, [(3,), (2,)], np.empty, np.dtype(np.float32))
    watched.append("nothing to watch")
    assert program.unchanged()
    assert program.quick(np.zeros((1, 3), np.float32)).shape == (1, 2)


@pytest.mark.parametrize("result", [np.zeros(1, np.float32), np.zeros((1, 2)), None, "text"])
def test_outputs_have_to_fit_what_is_there_for_them(result):
    program = predicting()
    program.watch([], [(3,), (2,)], lambda shape, dtype: result, np.dtype(np.float32))
    assert program.quick(np.zeros((1, 3), np.float32)) is None


def test_an_interrupt_answers_within_a_second_and_leaves_usable_weights():
    code = (
        "import numpy as np, pysmorch as ps, signal, time\n"
        "X = np.random.default_rng(0).standard_normal((200000, 64)).astype(np.float32); y = (X[:, 0] > 0).astype(int)\n"
        "n = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 64)), [256, 256], 2, seed=0)))\n"
        "signal.setitimer(signal.ITIMER_REAL, 1.0); signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "start = time.perf_counter()\n"
        "try: n.fit(X, y, epochs=1000, seed=0, engine='native')\n"
        "except KeyboardInterrupt: print(time.perf_counter() - start, np.isfinite(n.predict(X[:9])).all())\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    assert float(out[0]) < 30
    assert out[1] == "True"


def test_threads_follow_the_environment(monkeypatch):
    monkeypatch.setenv("PYSMORCH_NUM_THREADS", "3")
    assert num_threads() == 3
    monkeypatch.setenv("PYSMORCH_NUM_THREADS", "many")
    assert 1 <= num_threads() <= (os.cpu_count() or 1)


@pytest.mark.skipif(extension() is None, reason="for the native extension")
@pytest.mark.parametrize(("dtype", "start"), [(np.float32, 1e-36), (np.float64, 1e-306)])
def test_numbers_that_fade_away_become_zero_in_training_and_stay_subnormal_elsewhere(dtype, start):
    x = ps.Data(shape=(None, 3))
    linear = ps.Linear(x, 2)
    network = ps.Network(ps.SquareLoss(linear))
    linear.W = np.full_like(linear.W, start)
    # Without a gradient, each step takes nine tenths of the weights away, which are normal as long as the weights are. After five steps
    # 1e-5 of them are left, which is no normal number, but not 0.
    network.fit(
        np.zeros((4, 3)),
        np.zeros((4, 2)),
        optimizer=ps.SGD(0.1, weight_decay=9.0),
        epochs=5,
        batch_size=4,
        dtype=np.dtype(dtype).name,
    )
    assert np.all(linear.W == 0)
    tiny = np.array([np.finfo(dtype).tiny], dtype)
    assert np.all(tiny / 2 > 0)


def test_a_large_batch_of_indices_has_the_same_gradients_for_any_number_of_threads():
    """Of more than 2**24 numbers the gradient is summed in the backward pass: in pieces, by features, of which 20 fill no vector."""

    def make():
        with ps.weights_from(0):
            return ps.Network(ps.SquareLoss(ps.Linear(ps.Flatten(ps.Embedding(ps.Data(shape=(None, 15)), 70, 20)), 1)))

    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 70, (60_000, 15)), rng.standard_normal(60_000)
    options = {"epochs": 1, "batch_size": 59_999, "optimizer": OPTIMIZERS["Adam"]}
    one, _ = train(make, X, y, "native", threads=1, **options)
    two, _ = train(make, X, y, "native", threads=2, **options)
    assert np.array_equal(state_of(one), state_of(two))
    reference, _ = train(make, X, y, "reference", **options)
    np.testing.assert_allclose(state_of(one), state_of(reference), rtol=1e-3, atol=1e-4)
