"""Fits by JAX against the reference program, which is the specification."""

import signal
import threading

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine import NonFiniteError, Totals
from pysmorch.engine.rows import LazyRows
from pysmorch.gradcheck.cases import LOSS_CASES
from pysmorch.layers.normalization import Normalize
from tests.engine.test_native import OPTIMIZERS, state_of

jax = pytest.importorskip("jax", reason="JAX is not installed")

from pysmorch.engine.jax.program import JaxProgram  # noqa: E402

rng = np.random.default_rng(0)
X = rng.standard_normal((53, 6))
y = rng.integers(0, 3, 53)
IMAGES = rng.integers(0, 256, (21, 8, 8, 3)).astype(np.uint8)


def rows(*shape):
    return Data(shape=(None, *shape))


def mlp():
    return Network(ps.CrossEntropy(ps.mlp(rows(6), [8], 3, seed=0)))


def fitted(make, inputs, labels, engine, optimizer="momentum", **options):
    with ps.weights_from(1):
        network = make()
    options = {"epochs": 2, "batch_size": 16, "seed": 3, "dtype": "float64"} | options
    history = network.fit(inputs, labels, optimizer=OPTIMIZERS[optimizer](), engine=engine, **options)
    return network, history


def assert_same(make, inputs, labels, rtol=1e-10, **options):
    reference, history = fitted(make, inputs, labels, "reference", **options)
    network, found = fitted(make, inputs, labels, "jax", **options)
    expected = state_of(reference)
    np.testing.assert_allclose(state_of(network), expected, rtol=rtol, atol=rtol * max(np.abs(expected).max(), 1))
    for name in set(history) - {"seconds"}:
        np.testing.assert_allclose(found[name], history[name], rtol=rtol, atol=rtol, err_msg=name)
    return network, reference


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_takes_the_steps_of_the_reference_path(optimizer):
    assert_same(mlp, X, y, optimizer=optimizer)


@pytest.mark.parametrize("name", LOSS_CASES)
def test_every_loss_trains_as_on_the_reference_path(name):
    loss = LOSS_CASES[name]()
    width = loss.in_layer.out_dims[1]

    def make():
        again = LOSS_CASES[name]()
        again.in_layers = (ps.Linear(rows(4), width),)
        return Network(again)

    inputs = np.random.default_rng(2).standard_normal((len(loss.labels), 4))
    assert_same(make, inputs, loss.labels, sample_weight=loss.sample_weight, batch_size=4, epochs=1)


def lenet():
    return Network(ps.CrossEntropy(ps.models.lenet(rows(12, 12, 1), 3)))


def small_resnet():
    x = ps.RandomCrop(ps.Pad2d(ps.RandomFlip(ps.Rescale(rows(8, 8, 3), 1 / 255)), 1), (8, 8))
    x = ps.Relu(ps.Bias(ps.Scale(ps.Normalize(ps.Conv2d(x, 4, 3)))))
    block = ps.Bias(ps.Scale(ps.Normalize(ps.Conv2d(x, 4, 3))))
    x = ps.Cutout(ps.MaxPool2d(ps.Relu(ps.Add(x, block))), 1)
    return Network(ps.CrossEntropy(ps.Bias(ps.Linear(ps.GlobalAvgPool2d(ps.Dropout(x, 0.2)), 3))))


def test_lenet_trains_as_on_the_reference_path():
    assert_same(lenet, rng.standard_normal((20, 12, 12, 1)), y[:20], batch_size=8, optimizer="Adam")


def test_a_residual_network_has_the_same_masks_shifts_and_running_statistics():
    network, reference = assert_same(small_resnet, IMAGES, y[:21], batch_size=8, optimizer="AdamW")
    for found, expected in zip(network.layers, reference.layers, strict=True):
        if isinstance(found, Normalize):
            np.testing.assert_allclose(found.running_var, expected.running_var, rtol=1e-10)


def normalized():
    return Network(ps.CrossEntropy(ps.Linear(ps.Normalize(rows(6)), 3)))


def test_a_last_smaller_batch_needs_no_program_of_its_own_but_for_statistics_of_a_batch():
    def programs_of(make, inputs, labels):
        network = make()
        program = JaxProgram(network.loss, ps.SGD(0.01), "float32", 0)
        data = ps.engine.Dataset.checked(network.inputs, network.loss, inputs, labels, None, "X")
        for epoch in range(3):
            program.train(data, program.permutation(epoch, len(data)), 8, [ps.engine.StepRates(0.01)] * 3, 0)
        return len(program._compiled)

    assert programs_of(mlp, X[:21], y[:21]) == 1
    assert programs_of(normalized, X[:21], y[:21]) == 2


def test_two_inputs_indices_and_shared_weights_train_as_on_the_reference_path():
    def make():
        words, others = Data(shape=(None, 2)), rows(6)
        shared = ps.Linear(others, 6)
        again = ps.Linear(ps.Relu(shared), 6)
        again.replace_parameters(shared.W)
        x = ps.Concat(ps.Flatten(ps.Embedding(words, 5, 3)), again)
        return Network(ps.CrossEntropy(ps.Linear(x, 3)))

    assert_same(make, (rng.integers(0, 5, (53, 2)), X), y)


def test_a_dropout_with_a_schedule_frozen_layers_and_weights_train_as_on_the_reference_path():
    def make():
        x = ps.Dropout(ps.Relu(ps.Linear(rows(6), 8)), ps.Cosine(0.5))
        network = Network(ps.CrossEntropy(ps.Linear(x, 3)))
        network.layers[1].lr_factor = 0.0
        return network

    network, _ = assert_same(make, X, y, optimizer="AdamW", sample_weight=rng.uniform(0, 2, 53))
    np.testing.assert_array_equal(network.layers[1].W, fitted(make, X, y, "reference", epochs=1)[0].layers[1].W)


def test_batches_of_one_row_and_larger_than_the_data():
    assert_same(mlp, X[:5], y[:5], batch_size=1)
    assert_same(mlp, X[:5], y[:5], batch_size=1000)


def test_float32_stays_near_the_reference_path_and_bfloat16_learns():
    network, _ = assert_same(mlp, X, y, rtol=2e-6, dtype="float32")
    assert network.layers[1].W.dtype == np.float32
    rough, history = fitted(mlp, X, y, "jax", dtype="float32", precision="bf16")
    difference = np.abs(state_of(rough) - state_of(network)).max()
    assert 1e-6 < difference < 0.05
    assert history["loss"][1] < history["loss"][0]


def test_rows_that_are_made_when_they_are_read():
    lazy = LazyRows(lambda indices: X[indices], len(X), (6,), np.float64)
    lazily, _ = fitted(mlp, lazy, y, "jax")
    at_once, _ = fitted(mlp, X, y, "jax")
    np.testing.assert_array_equal(state_of(lazily), state_of(at_once))


def test_the_same_seed_gives_the_same_bits_in_pieces_of_an_epoch_too():
    whole, _ = fitted(mlp, X, y, "jax", batch_size=1)

    class AtBatches(ps.Callback):
        def on_batch_end(self, training):
            """Make the fit go in pieces."""

    in_pieces, _ = fitted(mlp, X, y, "jax", batch_size=1, callbacks=[AtBatches()])
    np.testing.assert_array_equal(state_of(whole), state_of(in_pieces))


def test_arrays_of_layers_are_live_between_calls():
    seen = []

    class Change(ps.Callback):
        def on_epoch_end(self, training):
            layer = training.network.layers[1]
            seen.append((layer.W.copy(), layer.G.copy()))
            layer.W = np.zeros(layer.W.shape)

    changed, _ = fitted(mlp, X, y, "jax", callbacks=[Change()])
    expected, _ = fitted(mlp, X, y, "reference", callbacks=[Change()])
    for found, wanted in zip(seen[:2], seen[2:], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(state_of(changed) == 0, state_of(expected) == 0)


def test_validation_early_stopping_and_metrics_are_as_on_the_reference_path():
    options = {"validation_data": (X[:20], y[:20]), "metrics": ["auc"], "epochs": 30, "optimizer": "Nesterov"}
    _, expected = fitted(mlp, X, y, "reference", callbacks=[ps.EarlyStopping(patience=1)], **options)
    _, found = fitted(mlp, X, y, "jax", callbacks=[ps.EarlyStopping(patience=1)], **options)
    assert found.num_epochs == expected.num_epochs
    np.testing.assert_allclose(found["val_loss"], expected["val_loss"], rtol=1e-9)


def test_a_run_that_was_interrupted_goes_on_to_the_same_bits(tmp_path):
    class Stop(ps.Callback):
        def on_batch_end(self, training):
            if training.epoch == 1 and training.batch == 2:
                raise KeyboardInterrupt

    whole, _ = fitted(mlp, X, y, "jax", optimizer="Adam")
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fitted(mlp, X, y, "jax", optimizer="Adam", checkpoint=run, callbacks=[Stop()])
    again, _ = fitted(mlp, X, y, "auto", optimizer="Adam", resume=run, callbacks=[ps.Callback()])
    np.testing.assert_array_equal(state_of(again), state_of(whole))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_ctrl_c_ends_a_fit_at_the_end_of_a_step(monkeypatch):
    network = mlp()
    program = JaxProgram(network.loss, ps.SGD(0.01), "float32", 0)
    data = ps.engine.Dataset.checked(network.inputs, network.loss, X, y, None, "X")
    calls = []
    monkeypatch.setattr(
        program, "_plan_calls", lambda seconds: (calls.append(seconds), signal.raise_signal(signal.SIGINT))
    )
    totals = Totals()
    with pytest.raises(KeyboardInterrupt):
        program.train(data, np.arange(53), 1, [ps.engine.StepRates(0.01)] * 53, 0, totals)
    assert program.num_steps == totals.rows == 8
    assert program.optimizer.num_steps == 8
    assert program.is_whole


def test_a_loss_that_is_not_finite_names_step_and_layer():
    found = []
    for engine in ("reference", "jax"):
        network = mlp()
        before = state_of(network)
        with pytest.raises(NonFiniteError, match="not finite in epoch 1, batch") as error:
            network.fit(X, y, engine=engine, optimizer=ps.SGD(1e10), batch_size=8, seed=0)
        found.append((error.value.epoch, error.value.batch, error.value.layer))
        np.testing.assert_allclose(state_of(network), before.astype(np.float32))
    assert found[0] == found[1]
    assert found[0][1] > 2, "the step that fails should be one within the program"


def test_an_index_out_of_range_is_named_before_the_training():
    network = Network(ps.CrossEntropy(ps.Linear(ps.Flatten(ps.Embedding(Data(shape=(None, 2)), 5, 3)), 3)))
    indices = np.zeros((53, 2), int)
    indices[40, 1] = 5
    with pytest.raises(ValueError, match=r"integers from 0 to 4, but entry \[40, 1\]"):
        network.fit(indices, y, engine="jax")


class Twice(ps.Layer):
    def compute(self, x):
        return 2 * x

    def pull_back(self, dwnstrm):
        return 2 * dwnstrm


class OwnLoss(ps.SquareLoss):
    pass


class OwnOptimizer(ps.SGD):
    pass


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: ps.CrossEntropy(ps.Linear(Twice(rows(6)), 3)), {}, "Twice1 is a class of your own"),
        (lambda: OwnLoss(ps.Linear(rows(6), 1)), {}, "OwnLoss is a class of your own"),
        (mlp, {"optimizer": OwnOptimizer()}, "OwnOptimizer is a class of your own"),
        (
            lambda: ps.CrossEntropy(ps.Linear(ps.Flatten(ps.Embedding(ps.Columns(rows(6), 0, 1), 5, 3)), 3)),
            {},
            "Embedding1 reads from Columns",
        ),
        (lambda: mlp().quantize(X), {}, "QuantizedLinear1 has weights of 8 bits"),
        (mlp, {"precision": "bf16", "dtype": "float64"}, "the weights must be float32"),
    ],
)
def test_what_cannot_be_traced_is_refused_by_name(make, options, message):
    made = make()
    network = made if isinstance(made, Network) else Network(made)
    with pytest.raises(ValueError, match=message):
        network.fit(X, y, engine="jax", **options)


def test_the_settings_of_jax_stay_as_they_are():
    fitted(mlp, X, y, "jax")
    assert not jax.config.jax_enable_x64
    assert jax.config.jax_default_matmul_precision is None
    assert jax.numpy.zeros(1).dtype == np.float32
