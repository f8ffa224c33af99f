import copy
import pickle

import numpy as np
import pytest

import pysmorch as ps

X = np.random.default_rng(0).standard_normal((60, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def small_network(seed=0, **options):
    return ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 4)), [8], 3, seed=seed, **options)))


def test_layers_come_in_order_with_names_numbered_by_class():
    data = ps.Data(shape=(None, 4))
    left, right = ps.Linear(data, 2), ps.Linear(data, 2)
    network = ps.Network(ps.SquareLoss(ps.Add(left, right)))
    assert network.names == ["Data1", "Linear1", "Linear2", "Add1"]
    assert network.inputs == [data]
    assert list(network.parameters) == ["Linear1", "Linear2"]
    assert network.parameters["Linear2"] is right.W


def test_the_summary_has_shapes_parameters_branches_and_the_objective():
    data = ps.Data(shape=(None, 4))
    text = str(ps.Network(ps.SquareLoss(ps.Add(ps.Linear(data, 2), ps.Linear(data, 2)))).summary())
    lines = [line.split() for line in text.splitlines()]
    assert ["Linear1", "(N,", "2)", "8"] in lines
    assert ["Add1", "(N,", "2)", "Linear1,", "Linear2"] in lines
    assert "16 parameters" in text
    assert "SquareLoss: 1/(2M) sum_i w_i ||x_i - y_i||^2" in text


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_predict_gives_the_outputs_of_the_last_layer(engine):
    network = small_network()
    network.inputs[0].set_data(X)
    expected = network.output.forward()
    assert network.predict(X, engine=engine).shape == (60, 3)
    np.testing.assert_allclose(network.predict(X, engine=engine), expected, rtol=1e-12)


def test_predict_of_no_rows_has_no_rows():
    assert small_network().predict(np.empty((0, 4))).shape == (0, 3)


def test_predict_does_not_drop_out_and_leaves_the_layers_in_training_mode():
    network = small_network(dropout=0.5)
    np.testing.assert_array_equal(network.predict(X), network.predict(X))
    assert all(layer.training for layer in network.layers)


def test_predict_leaves_the_data_that_a_layer_held():
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(X), 1)))
    network.predict(X[:5])
    assert network.inputs[0].data is X


def test_evaluate_gives_loss_metric_and_own_metrics_over_all_rows():
    network = small_network()
    measures = network.evaluate(X, Y, metrics={"mistakes": lambda y, p: np.sum(y != p.argmax(1))})
    p = network.loss.predictions(network.predict(X))
    assert measures["loss"] == pytest.approx(-np.log(p[np.arange(60), Y]).mean())
    assert measures["accuracy"] == pytest.approx((p.argmax(1) == Y).mean())
    assert measures["mistakes"] == (p.argmax(1) != Y).sum()


def test_weights_of_rows_count_like_repeated_rows_in_evaluate():
    network = small_network()
    weights = np.arange(60) % 3
    repeated = network.evaluate(np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    assert network.evaluate(X, Y, sample_weight=weights) == pytest.approx(repeated)


def test_a_copy_and_a_pickle_are_networks_of_their_own():
    network = small_network()
    network.fit(X, Y, epochs=1, seed=0)
    expected = network.predict(X)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(other.predict(X), expected)
        other.fit(X, Y, epochs=1, seed=0)
        np.testing.assert_array_equal(network.predict(X), expected)


def test_a_pickle_holds_no_batch():
    network = small_network()
    network.fit(np.repeat(X, 100, axis=0), np.repeat(Y, 100), epochs=1, seed=0)
    assert len(pickle.dumps(network)) < 10_000


def test_a_deep_network_can_be_copied_and_pickled():
    layer = ps.Data(shape=(None, 2))
    for _ in range(2000):
        layer = ps.Tanh(layer)
    network = ps.Network(ps.SquareLoss(layer))
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert len(other.layers) == 2001


def test_restore_takes_back_parameters_and_running_statistics():
    network = ps.Network(ps.SquareLoss(ps.batch_norm(ps.Linear(ps.Data(shape=(None, 4)), 1))))
    before, outputs = network.snapshot(), network.predict(X)
    network.fit(X, X[:, 0], epochs=1, seed=0, dtype="float64")
    assert not np.allclose(network.predict(X), outputs)
    network.restore(before)
    np.testing.assert_array_equal(network.predict(X), outputs)


def test_several_inputs_are_handed_over_as_a_tuple():
    a, b = ps.Data(shape=(None, 3)), ps.Data(shape=(None,))
    joined = ps.Concat(a, ps.Embedding(b, 5, 2))
    network = ps.Network(ps.SquareLoss(ps.Linear(joined, 1)))
    numbers, codes = X[:, :3], np.arange(60) % 5
    history = network.fit((numbers, codes), codes.astype(float), epochs=30, optimizer=ps.Adam(0.05), seed=0)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert network.predict((numbers, codes)).shape == (60, 1)
    with pytest.raises(ps.ShapeError, match="must be a tuple of 2 arrays"):
        network.predict(numbers)
    with pytest.raises(ps.ShapeError, match=r"different numbers of rows: \[60, 59\]"):
        network.predict((numbers, codes[1:]))


def difference(names=(None, None)):
    """Return a network of left - right whose graph begins with the right one."""
    left, right = (ps.Data(shape=(None, 1), name=name) for name in names)
    return ps.Network(ps.SquareLoss(ps.Add(ps.Rescale(right, -1.0), left)))


ONES, TWOS = np.ones((2, 1)), np.full((2, 1), 2.0)


def test_arrays_go_to_the_data_layers_in_the_order_in_which_these_were_made(tmp_path):
    network = difference()
    assert network.inputs[0].number < network.inputs[1].number
    network.save(tmp_path / "m")
    for one in (network, copy.deepcopy(network), ps.load(tmp_path / "m")):
        np.testing.assert_array_equal(one.predict((ONES, TWOS)), -ONES)
        np.testing.assert_array_equal(one.predict((ONES, TWOS), engine="reference"), -ONES)
    assert network.evaluate((ONES, TWOS), -ONES)["loss"] == 0


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_arrays_are_given_by_the_names_of_the_data_layers(tmp_path, engine):
    network = difference(("left", "right"))
    network.save(tmp_path / "m")
    for one in (network, ps.load(tmp_path / "m")):
        np.testing.assert_array_equal(one.predict({"right": TWOS, "left": ONES}, engine=engine), -ONES)
    with pytest.raises(
        ps.ShapeError, match=r"X must be a dictionary with the keys \['left', 'right'\], but has \['left', 'r'\]"
    ):
        network.predict({"left": ONES, "r": TWOS})


def test_the_first_dictionary_names_data_layers_without_names():
    network = difference()
    np.testing.assert_array_equal(network.predict({"left": ONES, "right": TWOS}), -ONES)
    np.testing.assert_array_equal(network.predict({"right": TWOS, "left": ONES}), -ONES)
    assert [layer.name for layer in network.inputs] == ["left", "right"]
    assert repr(network.inputs[0]) == "Data(shape=(N, 1), name='left')"


def test_a_dictionary_needs_a_name_for_each_data_layer():
    for names in (("left", None), ("same", "same")):
        with pytest.raises(ps.ShapeError, match="each Data layer needs a name of its own"):
            difference(names).predict({"left": ONES, "right": TWOS})
    with pytest.raises(TypeError, match="Data: name must be a str, but is 3"):
        ps.Data(shape=(None, 1), name=3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n: n.predict(X[:, :3]), ps.ShapeError, r"X has shape \(60, 3\), but the network expects \(N, 4\)"),
        (lambda n: n.predict(X[0]), ps.ShapeError, r"X has shape \(4,\)"),
        (lambda n: n.predict(X.astype(str)), TypeError, "X must hold numbers"),
        (lambda n: n.predict(np.where(X > 2, np.nan, X)), ValueError, r"X has NaN in row \d+, column \d"),
        (lambda n: n.fit(X, Y[1:]), ps.ShapeError, "X has 60 rows, but its labels y have 59 rows"),
        (lambda n: n.fit(X, Y + 1), ValueError, r"labels must be class indices from 0 to 2, but row \d+ has 3"),
        (lambda n: n.fit(X, Y.astype(float)), TypeError, "labels must be integers, the class indices"),
        (lambda n: n.fit(X[:0], Y[:0]), ValueError, "X has no rows"),
        (lambda n: n.fit(X, Y, sample_weight=Y[1:]), ps.ShapeError, "sample_weight has shape"),
        (lambda n: n.fit(X, Y, sample_weight=-np.ones(60)), ValueError, "sample_weight must not be negative"),
        (lambda n: n.fit(X, Y, sample_weight=np.zeros(60)), ValueError, "not all weights may be 0"),
        (lambda n: n.fit(X, Y, epochs=0), ValueError, "epochs must be a positive integer"),
        (lambda n: n.fit(X, Y, batch_size=2.5), ValueError, "batch_size must be a positive integer"),
        (lambda n: n.fit(X, Y, seed=-1), ValueError, "seed must be an integer"),
        (lambda n: n.fit(X, Y, dtype="float16"), ValueError, 'dtype must be "float32" or "float64"'),
        (lambda n: n.fit(X, Y, validation_data=X), ValueError, "validation_data must be"),
        (lambda n: n.fit(X, Y, validation_data=(X, Y[1:])), ps.ShapeError, "validation_data's X has 60 rows"),
        (lambda n: n.fit(X, Y, metrics={"m": max}), ValueError, "pass validation_data"),
        (lambda n: ps.Network(n.output), TypeError, "Network: loss must be a loss, .*but is a"),
    ],
)
def test_wrong_arguments_are_refused_with_their_name(call, error, message):
    with pytest.raises(error, match=message):
        call(small_network())
