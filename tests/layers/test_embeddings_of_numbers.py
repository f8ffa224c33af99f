"""What tables need of layers: smooth clipping, parametric activations, and periodic embeddings of numbers."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine.extension import extension
from pysmorch.layers.graph import graph


def test_smooth_clipping_is_the_published_formula():
    x = np.array([[0.0, 3.0, -3.0, 0.5, 1e300]])
    np.testing.assert_allclose(
        ps.SmoothClip(Data(x)).forward(), [[0, 3 / 2**0.5, -3 / 2**0.5, 0.5 / (1 + 1 / 36) ** 0.5, 3]], rtol=1e-14
    )
    np.testing.assert_allclose(ps.SmoothClip(Data(x), limit=1).forward()[0, 1], 3 / 10**0.5, rtol=1e-14)


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, "3"])
def test_a_limit_that_is_not_positive_is_refused(limit):
    with pytest.raises(ValueError, match="SmoothClip: limit must be a"):
        ps.SmoothClip(Data([[1.0]]), limit)


def test_a_blend_has_two_inputs():
    x = Data([[1.0]])
    with pytest.raises(TypeError, match="Blend needs two in_layers, but got 3"):
        ps.Blend(x, x, x)


def test_a_parametric_activation_starts_as_the_activation_and_can_fade_out():
    x = Data([[-2.0, -1.0, 3.0]])
    layer = ps.parametric(x, ps.Relu)
    np.testing.assert_array_equal(layer.forward(), [[0, 0, 3]])
    layer.W = [[0.0, 0.5, 0.5]]
    np.testing.assert_array_equal(layer.forward(), [[-2, -0.5, 3]])


def test_a_periodic_embedding_is_its_formula():
    x = np.random.default_rng(0).standard_normal((5, 2))
    with ps.weights_from(0):
        out = ps.periodic(Data(x), num_frequencies=3, num_outputs=3)
    w, b, V, c = (layer.W.ravel() for layer in graph(out) if layer.has_parameters)
    expected = np.zeros((5, 6))
    expected[:, :2] = x
    for j in range(2):
        cosines = np.cos(2 * np.pi * x[:, j, None] * w[3 * j : 3 * j + 3] + b[3 * j : 3 * j + 3])
        for k in range(2):
            expected[:, 2 + 2 * j + k] = cosines @ V.reshape(3, 4)[:, 2 * j + k] + c[2 * j + k]
    np.testing.assert_allclose(out.forward(), expected, rtol=1e-12)


def test_the_weights_of_a_periodic_embedding_start_as_published():
    with ps.weights_from(0):
        out = ps.periodic(Data(shape=(None, 500)))
    w, b, V, c = (layer.W for layer in graph(out) if layer.has_parameters)
    assert abs(w.std() - 0.1) < 0.005
    assert abs(w.mean()) < 0.005
    assert abs(b.std() - np.pi / 3**0.5) < 0.05
    assert np.abs(b).max() <= np.pi
    assert 0.24 < max(np.abs(V).max(), np.abs(c).max()) <= 0.25
    assert [layer.decay_factor for layer in graph(out) if layer.has_parameters] == [1, 0, 1, 0]


def test_without_its_linear_part_a_network_still_sees_the_feature():
    x = np.random.default_rng(0).standard_normal((5, 3))
    out = ps.periodic(Data(x))
    mixed, shifted = (
        layer for layer in graph(out) if isinstance(layer, (ps.Conv1d, ps.Bias)) and layer.W.shape[-1] == 9
    )
    mixed.W[:], shifted.W[:] = 0, 0
    np.testing.assert_array_equal(out.forward(), np.hstack([x, np.zeros((5, 9))]))


@pytest.mark.parametrize(
    ("changes", "found"), [({"num_frequencies": 0}, "num_frequencies"), ({"num_outputs": 1}, "num_outputs")]
)
def test_a_periodic_embedding_refuses_sizes_out_of_range(changes, found):
    with pytest.raises(ValueError, match=f"periodic: {found} must be an integer of at least"):
        ps.periodic(Data(shape=(None, 2)), **changes)
    with pytest.raises(ps.ShapeError, match="one row of features per example"):
        ps.periodic(Data(shape=(None, 2, 3)))


def for_tables():
    with ps.weights_from(0):
        x = ps.periodic(ps.SmoothClip(Data(shape=(None, 7))), 5, 3)
        x = ps.mlp(ps.Scale(x), [11, 6], 3, activation=lambda layer: ps.parametric(layer, ps.Mish))
        return Network(ps.CrossEntropy(x))


@pytest.mark.skipif(extension() is None, reason="the native extension is not built")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-3)])
def test_a_network_for_tables_trains_natively_as_on_the_reference_path_on_any_number_of_threads(
    dtype, tolerance, tmp_path
):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((150, 7)), rng.integers(0, 3, 150)
    trained = []
    for engine, threads in (("reference", 1), ("native", 1), ("native", 3)):
        network = for_tables()
        network.fit(
            X, y, epochs=2, batch_size=70, optimizer="adamw", seed=1, engine=engine, threads=threads, dtype=dtype
        )
        trained.append(network)
    reference, one, three = (np.concatenate([W.ravel() for W in n.parameters.values()]) for n in trained)
    np.testing.assert_allclose(one, reference, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(one, three)
    trained[1].save(tmp_path / "model.psm")
    again = ps.load(tmp_path / "model.psm")
    np.testing.assert_array_equal(again.predict(X), trained[1].predict(X))
    np.testing.assert_allclose(trained[1].predict(X), trained[0].predict(X), rtol=10 * tolerance, atol=10 * tolerance)


def test_embedded_rows_have_all_features_and_then_the_waves_of_the_clipped_first_ones():
    x = np.random.default_rng(0).standard_normal((7, 4)) * 5
    with ps.weights_from(0):
        out = ps.embedded(Data(x), num_numbers=2, spread=0.5)
    with ps.weights_from(0):
        waves = ps.periodic(ps.SmoothClip(Data(x[:, :2])), spread=0.5).forward()[:, 2:]
    np.testing.assert_allclose(out.forward(), np.hstack([x, waves]), rtol=1e-12)
    assert waves.shape == (7, 6)
    assert ps.check(ps.Network(ps.SquareLoss(ps.Linear(out, 1))).output).passed


@pytest.mark.parametrize(
    ("ends", "error", "found"),
    [
        ((2, 5), ps.ShapeError, "Columns: stop is 5, but .* has 4 features"),
        ((2, 2), ValueError, "0 <= start < stop, but are 2 and 2"),
        ((-1, 2), ValueError, "0 <= start < stop, but are -1 and 2"),
        ((0, 2.0), ValueError, "integers .* but are 0 and 2.0"),
        ((True, 2), ValueError, "integers .* but are True and 2"),
    ],
)
def test_columns_that_are_not_there_are_refused(ends, error, found):
    with pytest.raises(error, match=found):
        ps.Columns(Data(shape=(None, 4)), *ends)
