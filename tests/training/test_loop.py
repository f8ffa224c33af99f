import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

import pysmorch as ps
from pysmorch.engine.extension import extension
from pysmorch.layers.randomness import permutation
from tests.training.example import X, Y, classifier, weights_of


def test_training_learns_and_the_history_tells():
    network = classifier()
    history = network.fit(X, Y, epochs=40, batch_size=20, optimizer=ps.Adam(0.01), seed=1, validation_data=(X, Y))
    assert history["accuracy"][-1] > 0.95
    assert history.num_epochs == 40
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert history["val_loss"][-1] == pytest.approx(network.evaluate(X, Y)["loss"])
    assert all(seconds > 0 for seconds in history["seconds"])
    assert history.to_dict()["loss"] == history["loss"]


def test_a_name_that_was_not_measured_is_answered_with_those_that_were():
    history = classifier().fit(X, Y, epochs=1, seed=0)
    with pytest.raises(KeyError, match="there are loss, accuracy, learning_rate, seconds"):
        history["val_loss"]


def test_the_same_seed_gives_the_same_bits():
    runs = []
    for _ in range(2):
        network = classifier(dropout=0.3)
        network.fit(X, Y, epochs=3, batch_size=32, seed=5)
        runs.append(weights_of(network).tobytes())
    assert runs[0] == runs[1]


def test_another_seed_gives_another_order():
    runs = []
    for seed in (1, 2):
        network = classifier()
        network.fit(X, Y, epochs=1, batch_size=32, seed=seed)
        runs.append(weights_of(network))
    assert not np.array_equal(*runs)


def test_a_seed_leaves_numpys_global_state_alone():
    np.random.seed(3)
    expected = np.random.standard_normal(3)
    np.random.seed(3)
    classifier(dropout=0.1).fit(X, Y, epochs=1, seed=1)
    np.testing.assert_array_equal(np.random.standard_normal(3), expected)


def test_without_a_seed_the_order_comes_from_numpys_global_state():
    runs = []
    for _ in range(2):
        np.random.seed(11)
        network = classifier()
        network.fit(X, Y, epochs=1)
        runs.append(weights_of(network).tobytes())
    assert runs[0] == runs[1]


@given(count=st.integers(1, 300), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**40))
@settings(max_examples=50, deadline=None)
def test_the_order_of_an_epoch_has_every_row_once(count, seed, epoch):
    assert sorted(permutation(seed, epoch, count)) == list(range(count))


def test_orders_are_uniform():
    counts = np.zeros((4, 4))
    for step in range(4000):
        counts[np.arange(4), permutation(7, step, 4)] += 1
    np.testing.assert_allclose(counts, 1000, atol=150)


def test_a_full_batch_of_plain_descent_is_the_gradient_by_hand():
    network = classifier()
    network.inputs[0].set_data(X)
    network.loss.set_labels(Y)
    network.loss.forward()
    network.loss.backward()
    expected = {
        name: layer.W - 0.1 * layer.G
        for name, layer in zip(network.names, network.layers, strict=True)
        if layer.has_parameters
    }
    network.fit(X, Y, epochs=1, batch_size=200, optimizer=ps.SGD(0.1), shuffle=False, dtype="float64", seed=0)
    for name, W in network.parameters.items():
        np.testing.assert_allclose(W, expected[name], rtol=1e-12)


def test_weighted_rows_train_like_repeated_rows_in_a_full_batch():
    weights = np.arange(200) % 3
    runs = []
    for data in ((X, Y, weights), (np.repeat(X, weights, axis=0), np.repeat(Y, weights), None)):
        network = classifier()
        network.fit(*data[:2], sample_weight=data[2], epochs=20, batch_size=1000, dtype="float64", seed=0)
        runs.append(weights_of(network))
    np.testing.assert_allclose(*runs, rtol=1e-9)


def test_only_the_ratios_of_sample_weights_count():
    runs = []
    for factor in (1, 1000):
        network = classifier()
        network.fit(X, Y, sample_weight=factor * np.linspace(1, 2, 200), epochs=2, seed=0)
        runs.append(weights_of(network))
    np.testing.assert_allclose(*runs, rtol=1e-5)


def test_training_on_the_same_optimizer_goes_on_where_it_was():
    def run(*epochs):
        network, optimizer = classifier(), ps.Adam(0.01)
        for count in epochs:
            network.fit(X, Y, epochs=count, batch_size=200, shuffle=False, optimizer=optimizer, seed=0)
        return weights_of(network)

    np.testing.assert_array_equal(run(3, 4), run(7))
    assert not np.array_equal(run(7), run(6))


def test_the_schedule_sets_the_rate_of_every_step():
    network = classifier()
    history = network.fit(X, Y, epochs=4, batch_size=100, optimizer=ps.SGD(ps.Cosine(0.1)), seed=0)
    expected = [ps.Cosine(0.1).rate(epoch + 0.5, 4) for epoch in range(4)]
    np.testing.assert_allclose(history["learning_rate"], expected)


def test_a_layer_with_rate_factor_zero_is_frozen():
    network = classifier()
    frozen = network.layers[1]
    frozen.lr_factor = 0.0
    before = frozen.W.copy()
    network.fit(X, Y, epochs=2, seed=0, dtype="float64", optimizer=ps.AdamW(0.01))
    np.testing.assert_array_equal(frozen.W, before)


def test_biases_of_mlp_are_spared_by_weight_decay():
    network = classifier()
    network.layers[2].W[:] = 1.0
    network.layers[2].lr_factor = 1.0
    network.fit(X * 0, Y, sample_weight=np.ones(200), epochs=1, optimizer=ps.SGD(1e-12, weight_decay=1e9), seed=0)
    np.testing.assert_allclose(network.layers[2].W, 1.0, atol=1e-6)
    assert abs(network.layers[1].W).max() < abs(classifier().layers[1].W).max()


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_only_the_reference_path_takes_threads_from_numpy(engine):
    if engine == "native" and not extension():
        pytest.skip("the native extension is not built")
    counts = []

    def look(_):
        counts.append([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])

    with threadpool_limits(2, user_api="blas"):
        classifier().fit(X, Y, epochs=1, batch_size=20, seed=0, engine=engine, callbacks=[look])
        look(None)
    during, after = counts
    assert set(during) == (set(after) if engine == "native" else {1})


def test_layers_are_live_after_training():
    network = classifier()
    network.fit(X, Y, epochs=1, seed=0)
    network.layers[-2].W[:] = 0
    network.layers[-1].W = np.zeros((1, 3))
    np.testing.assert_array_equal(network.predict(X), 0)


def test_two_networks_that_share_layers_can_be_trained_in_turn():
    data = ps.Data(shape=(None, 5))
    trunk = ps.dense(data, 8)
    first = ps.Network(ps.CrossEntropy(ps.dense(trunk, 3, activation=None)))
    second = ps.Network(ps.SquareLoss(ps.dense(trunk, 1, activation=None)))
    first.fit(X, Y, epochs=1, seed=0)
    second.fit(X, X[:, 0], epochs=1, seed=0)
    before = first.predict(X)
    history = first.fit(X, Y, epochs=20, seed=0)
    assert history["loss"][-1] < history["loss"][0]
    assert not np.array_equal(first.predict(X), before)


class SeedStyleSquare:
    """A layer as a student writes it, with its own walk."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.ones((1, in_layer.out_dims[1]))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.W * self.in_array**2

    def backward(self, dwnstrm):
        self.G = (dwnstrm * self.in_array**2).sum(0, keepdims=True)
        self.in_layer.backward(2 * self.W * self.in_array * dwnstrm)


def test_a_layer_in_the_seeds_style_trains_among_ours():
    x = ps.Data(shape=(None, 5))
    square = SeedStyleSquare(ps.Linear(x, 4))
    network = ps.Network(ps.SquareLoss(ps.Linear(square, 1)))
    history = network.fit(X, X[:, 0] ** 2, epochs=60, batch_size=50, optimizer=ps.Adam(0.02), seed=0)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert not np.array_equal(square.W, np.ones((1, 4)))


def test_every_epoch_has_its_own_dropout_mask_and_steps_are_numbered():
    network = classifier(dropout=0.5)
    masks = []
    dropout = next(layer for layer in network.layers if isinstance(layer, ps.Dropout))
    keep_mask = lambda training: masks.append(dropout.mask.copy())  # noqa: E731
    network.fit(X, Y, epochs=3, batch_size=200, seed=4, callbacks=[keep_mask], engine="reference")
    assert not np.array_equal(masks[0], masks[1])
    assert dropout.seed == 4
    assert dropout.step == 3


def test_a_loss_that_is_not_finite_stops_with_its_place_and_keeps_the_last_good_weights():
    network = classifier()
    network.fit(X, Y, epochs=1, seed=0)
    before = weights_of(network)
    with pytest.raises(ps.NonFiniteError) as info:
        network.fit(X * 1e20, Y, epochs=5, optimizer=ps.SGD(1e30), seed=0)
    assert info.value.epoch == 1
    assert info.value.batch >= 1
    assert info.value.layer in network.names
    assert f"epoch 1, batch {info.value.batch}" in str(info.value)
    assert info.value.layer in str(info.value)
    np.testing.assert_array_equal(weights_of(network), before)


def test_a_later_epoch_that_diverges_keeps_the_weights_of_the_epoch_before():
    network = classifier()
    kept = []

    class Jump:
        def rate(self, epoch, num_epochs):
            return 1e-3 if epoch < 2 else 1e38

    with pytest.raises(ps.NonFiniteError, match="epoch 3, batch"):
        network.fit(
            X,
            Y,
            epochs=9,
            batch_size=20,
            optimizer=ps.SGD(Jump()),
            seed=0,
            callbacks=[lambda training: kept.append(weights_of(training.network))],
        )
    np.testing.assert_array_equal(weights_of(network), kept[-1])
    assert len(kept) == 2


def test_integers_and_other_layouts_train_like_floats():
    numbers = np.round(X * 10).astype(np.int16)
    runs = []
    for data in (numbers, numbers.astype(np.float64), np.asfortranarray(numbers), np.repeat(numbers, 2, axis=0)[::2]):
        network = classifier()
        network.fit(data, Y, epochs=2, seed=0)
        runs.append(weights_of(network))
    for other in runs[1:]:
        np.testing.assert_array_equal(runs[0], other)


def test_one_row_and_one_feature_train():
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 1)), 1)))
    history = network.fit([[2.0]], [3.0], epochs=200, optimizer=ps.SGD(0.1), seed=0)
    assert history["loss"][-1] < 1e-6


def test_losses_with_one_output_take_labels_of_one_axis():
    network = ps.Network(ps.PoissonLoss(ps.dense(ps.Data(shape=(None, 5)), 1, activation=None)))
    counts = np.random.default_rng(1).poisson(np.exp(X[:, 0] / 2))
    history = network.fit(X, counts, epochs=60, optimizer=ps.Adam(0.05), seed=0)
    assert history["loss"][-1] < history["loss"][0]
    assert (network.loss.predictions(network.predict(X)) > 0).all()


def test_a_history_is_whole_where_a_signal_interrupted_its_newest_record():
    """A signal may come after any statement; here after the first of two columns has its value."""

    class Interrupted(list):
        def append(self, value):
            super().append(value)
            raise KeyboardInterrupt

    history = ps.History()
    history.append({"loss": 4.0, "accuracy": 0.25})
    history._columns["loss"] = Interrupted([4.0])
    with pytest.raises(KeyboardInterrupt):
        history.append({"loss": 3.0, "accuracy": 0.5})
    assert history.num_epochs == 2
    assert history.to_dict() == {"loss": [4.0, 3.0], "accuracy": [0.25, 0.5]}


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_networks_that_were_trained_are_forgotten(engine):
    """Neither a program nor a table of objects keeps layers."""
    network = classifier()
    network.fit(X, Y, epochs=1, seed=0, engine=engine)
    network.predict(X)
    layers = [weakref.ref(layer) for layer in network.layers]
    del network
    gc.collect()
    assert [layer() for layer in layers] == [None] * len(layers)


def test_a_name_that_comes_late_in_a_history_has_one_value_for_each_record():
    history = ps.History()
    history.append({"loss": 4.0})
    history.append({"loss": 3.0, "accuracy": 0.5})
    assert [history["accuracy"] for _ in range(3)] == [[0.5]] * 3
    assert history.num_epochs == 2


def test_what_a_callback_adds_to_an_epoch_is_no_further_epoch():
    history = ps.History()
    history.append({"loss": 4.0})
    history.append({"val_f1": 0.5})
    assert history.num_epochs == 1
    assert history.to_dict() == {"loss": [4.0], "val_f1": [0.5]}
