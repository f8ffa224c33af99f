"""The dense networks of the presets: hidden layers, activations and embeddings of numbers."""

import numpy as np
import pytest

from pysmorch import (
    Bias,
    Blend,
    Classifier,
    Conv1d,
    Cos,
    Linear,
    Mish,
    Network,
    Regressor,
    Relu,
    Scale,
    SquareLoss,
    load,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3000, 3))
Y = np.sin(4 * X[:, 0]) + X[:, 1]
ONE = {"epochs": 1, "random_state": 0, "members": 1}


def shape_of(model):
    """Widths of the layers, the class of the activation, and of how many numbers there are cosines."""
    layers = model.network_.layers
    cosines = [layer.out_dims[-1] // 16 for layer in layers if type(layer) is Cos]
    activation = next(type(layer) for layer in layers if type(layer) in (Relu, Mish))
    return [layer.W.shape[1] for layer in layers if type(layer) is Linear], activation, sum(cosines)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [("fast", ([256, 128, 1], Relu, 3)), ("balanced", ([256, 256, 256, 1], Mish, 3))],
)
def test_tables_from_three_thousand_rows_on_have_the_network_of_the_preset(preset, expected):
    assert shape_of(Regressor(preset=preset, **ONE).fit(X, Y)) == expected


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_small_tables_and_pixels_have_the_plain_network(preset):
    plain = ([256, 128, 1], Relu, 0)
    assert shape_of(Regressor(preset=preset, **ONE).fit(X[:2999], Y[:2999])) == plain
    assert shape_of(Regressor(preset=preset, pixels=True, **ONE).fit(X, Y)) == plain
    assert shape_of(Regressor(preset=preset, **ONE).partial_fit(X, Y)) == plain


def test_a_network_of_a_table_begins_with_outputs_of_deviation_one_and_has_rates_of_its_own():
    model = Regressor(preset="balanced", learning_rate=0.0, dropout=0.0, **ONE).fit(X, Y)
    rows = model.encoder_.encode(model._checked(X))
    layers = model.network_.layers
    for linear in [layer for layer in layers if type(layer) is Linear][:-1]:  # the last one is calibrated
        np.testing.assert_allclose(
            Network(SquareLoss(linear)).predict(rows).std(axis=0), 1, rtol=0.1
        )  # of some of the rows
    factors = {Scale: (6.0, 0.0), Blend: (0.1, 0.0), Bias: (0.1, 0.0), Conv1d: (0.1, 1.0), Linear: (1.0, 1.0)}
    for kind, expected in factors.items():
        assert {(layer.lr_factor, layer.decay_factor) for layer in layers if type(layer) is kind} == {expected}


def test_what_is_given_wins_over_the_network_of_the_preset():
    model = Regressor(preset="balanced", hidden=(8,), activation="relu", embedding=False, **ONE).fit(X, Y)
    assert shape_of(model) == ([8, 1], Relu, 0)
    assert shape_of(Regressor(preset="fast", hidden=(8,), embedding=True, **ONE).fit(X[:100], Y[:100]))[2] == 3


def test_linear_models_and_tables_of_many_numbers_have_no_embedding():
    linear = Regressor(hidden=(), **ONE).fit(X, Y)
    assert not any(type(layer) is Cos for layer in linear.network_.layers)
    wide = RNG.standard_normal((3000, 129))
    assert shape_of(Regressor(preset="fast", hidden=(4,), **ONE).fit(wide, Y))[2] == 0
    assert shape_of(Regressor(preset="fast", hidden=(4,), **ONE).fit(wide[:, 1:], Y))[2] == 128


def test_embedded_networks_are_the_same_with_any_number_of_threads_and_in_their_file(tmp_path):
    models = [
        Classifier(preset="balanced", hidden=(16,), epochs=2, members=2, random_state=0, threads=threads).fit(X, Y > 0)
        for threads in (1, 2)
    ]
    expected = models[0].predict_proba(X)
    np.testing.assert_array_equal(models[1].predict_proba(X), expected)
    models[0].save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").predict_proba(X), expected)


def test_an_embedding_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(
        ValueError, match="embedding must be True, False, or None for that of the preset, but is 'periodic'"
    ):
        Regressor(embedding="periodic").fit(X, Y)
