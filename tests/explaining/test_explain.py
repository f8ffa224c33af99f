"""Contributions of columns: what is known by hand, their sum, their order, and what is refused."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest

import pysmorch as ps
from pysmorch import Classifier, Regressor
from tests.explaining.examples import CLASSES, NUMBERS, SMALL, TABLE, N
from tests.helpers import rewritten

RNG = np.random.default_rng(0)


def linear(features, num_outputs):
    return ps.Bias(ps.Linear(features, num_outputs))


def off(found):
    """How far the contributions are from the difference of the outputs, as a fraction of it."""
    difference = found.predictions - found.baseline
    total = found.contributions.reshape(len(found), -1).sum(1)
    return np.abs(total - difference) / np.abs(difference)


def test_a_linear_model_gives_weight_times_distance_from_the_mean():
    X = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]] * 5)
    y = np.arange(20.0) % 7
    model = Regressor(network=linear, epochs=1, random_state=0).fit(X, y)
    layer = model.network_.layers[1]
    layer.W = np.zeros(layer.W.shape)
    layer.W[:2, 0] = [1.0, -0.5]  # of the scaled columns, which are -1 or 1
    found = model.explain(X[:4])
    unit = y.std()
    np.testing.assert_allclose(
        found.contributions, unit * np.array([[-1, 0.5], [1, 0.5], [-1, -0.5], [1, -0.5]]), rtol=1e-6
    )
    np.testing.assert_allclose(found.predictions, model.predict(X[:4]), rtol=1e-5)
    np.testing.assert_allclose(found.baseline, model.predict(X).mean(), rtol=1e-5)
    assert found.error.max() < 1e-6


def test_contributions_sum_to_the_difference_of_the_outputs(classifier, regressor):
    for found in (classifier.explain(TABLE), regressor.explain(TABLE)):
        np.testing.assert_allclose(found.error, off(found), atol=1e-9)
        assert found.error.max() < 0.01


def test_what_is_explained_is_the_log_odds_of_the_predicted_class(classifier):
    found = classifier.explain(TABLE[:50])
    p = classifier.predict_proba(TABLE[:50]).max(axis=1)
    np.testing.assert_allclose(found.predictions, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)
    assert found.outputs == classifier.predict(TABLE[:50]).tolist()
    assert found.unit == "log-odds of the class"


def test_of_two_classes_one_is_explained_by_the_opposite_of_the_other(classifier):
    dear, cheap = (classifier.explain(TABLE[:20], of=name) for name in ("dear", "cheap"))
    np.testing.assert_allclose(dear.predictions, classifier.decision_function(TABLE[:20]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dear.contributions, -cheap.contributions, rtol=1e-9, atol=1e-12)


def test_of_several_classes_the_odds_are_those_against_all_others():
    y = np.digitize(NUMBERS, [-1, 1, 3])
    model = Classifier(**SMALL).fit(TABLE, y)
    found = model.explain(TABLE[:40], of=2)
    p = model.predict_proba(TABLE[:40])[:, 2]
    np.testing.assert_allclose(found.predictions, np.log(p / (1 - p)), rtol=1e-3, atol=1e-3)
    assert found.error.max() < 0.01


@pytest.mark.parametrize("activation", ["gelu", "tanh", "silu"])
def test_the_sum_is_right_for_other_activations(activation):
    found = Regressor(activation=activation, **SMALL).fit(TABLE, NUMBERS).explain(TABLE[:50])
    assert off(found).max() < 0.01


def test_known_effects_come_in_their_order(classifier, regressor):
    for model in (classifier, regressor):
        assert list(model.explain(TABLE).sizes())[:2] == ["size", "town"]


def test_a_missing_cell_and_a_category_contribute_as_they_should(regressor):
    found = regressor.explain(TABLE)
    at = {name: i for i, name in enumerate(found.names)}
    missing = TABLE["size"].isna().to_numpy()
    assert (
        found.contributions[missing, at["size"]] > 2
    ).all()  # a missing one counts like 2 * 3, the mean like about 1
    ulm = (TABLE["town"] == "Ulm").to_numpy()
    assert found.contributions[ulm, at["town"]].min() > 0 > found.contributions[~ulm, at["town"]].max()


def test_the_same_seed_gives_the_same_bits(classifier):
    again = Classifier(**SMALL).fit(TABLE, CLASSES)
    for one, other in zip(
        vars(classifier.explain(TABLE[:30])).values(), vars(again.explain(TABLE[:30])).values(), strict=True
    ):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)


def test_a_file_holds_the_baseline(classifier):
    file = io.BytesIO()
    classifier.save(file)
    loaded = ps.load(file.getvalue())
    np.testing.assert_array_equal(loaded.baseline_, classifier.baseline_)
    np.testing.assert_array_equal(loaded.explain(TABLE[:3]).contributions, classifier.explain(TABLE[:3]).contributions)


def test_rows_may_be_the_baseline(regressor):
    found = regressor.explain(TABLE[:5], baseline=TABLE[1:2])
    np.testing.assert_allclose(found.baseline, np.repeat(regressor.predict(TABLE[1:2]), 5), rtol=1e-5)
    np.testing.assert_array_equal(found.contributions[1], np.zeros(5))
    assert found.error[1] == 0


def test_a_model_without_a_baseline_has_the_mean_numbers(regressor):
    file = io.BytesIO()
    regressor.save(file)
    older = ps.load(file.getvalue())
    del older.baseline_
    found = older.explain(TABLE[:5])
    expected = regressor.network_.predict(np.zeros((1, *regressor.encoder_.shape)))[0, 0]
    np.testing.assert_allclose(
        found.baseline, np.repeat(expected * regressor._target_scale + regressor._target_mean, 5), rtol=1e-5
    )


def test_a_weight_counts_as_so_many_rows():
    X = np.arange(20.0).reshape(10, 2)
    weights = np.array([3, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    weighted = Regressor(**SMALL).fit(X, X[:, 0], weights)
    repeated = Regressor(**SMALL).fit(np.repeat(X, weights, axis=0), np.repeat(X[:, 0], weights))
    np.testing.assert_allclose(weighted.baseline_, repeated.baseline_, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "rows_of", [pd.DataFrame, pl.from_pandas, lambda rows: rows.to_dict("records")], ids=["pandas", "polars", "dicts"]
)
def test_frames_of_all_libraries_have_the_same_contributions(regressor, rows_of):
    found = regressor.explain(rows_of(TABLE[:20]))
    np.testing.assert_array_equal(found.contributions, regressor.explain(TABLE[:20]).contributions)
    assert found.cells[1][:3] == TABLE["town"][:3].tolist()


def test_columns_of_arrays_have_their_indices_as_names():
    X = RNG.normal(size=(200, 4))
    X[::7, 1] = np.nan
    X[:, 3] = 5.0
    model = Regressor(**SMALL).fit(X, X[:, 2] + RNG.normal(size=200))
    found = model.explain(X[:20])
    assert found.names == ["0", "1", "2", "3"]
    assert next(iter(found.sizes())) == "2"
    np.testing.assert_array_equal(found.contributions[:, 3], np.zeros(20))  # a constant column is left out


def test_sparse_rows_are_explained_as_arrays():
    from scipy import sparse

    X = RNG.normal(size=(200, 3)) * (RNG.random((200, 3)) < 0.5)
    model = Regressor(**SMALL).fit(X, X[:, 2] + RNG.normal(size=200))
    np.testing.assert_array_equal(
        model.explain(sparse.csr_array(X[:9])).contributions, model.explain(X[:9]).contributions
    )


def test_images_have_contributions_for_each_pixel():
    images = RNG.integers(0, 256, (120, 5, 6, 3)).astype(np.uint8)
    y = images[:, 2, 3].mean(axis=1).astype(float)
    model = Regressor(hidden=(16,), epochs=60, random_state=0).fit(images, y)
    found = model.explain(images[:10])
    assert found.contributions.shape == (10, 5, 6)
    assert off(found).max() < 0.01
    sizes = np.abs(found.contributions).mean(axis=0)
    assert np.unravel_index(sizes.argmax(), sizes.shape) == (2, 3)
    assert repr(found).startswith("<Explanation: 10 rows, images, prediction, error at most 0")


def test_convolutions_with_normalisation_are_explained():
    def network(layer, num_outputs):
        return ps.mlp(ps.Flatten(ps.conv_norm(layer, 4, 3)), [8], num_outputs, dropout=0.5)

    images = RNG.normal(size=(60, 6, 6))
    model = Classifier(network=network, epochs=2, random_state=0).fit(images, np.arange(60) % 2)
    found = model.explain(images[:5])
    assert off(found).max() < 0.01


def test_quantiles_and_targets_are_chosen():
    X = RNG.normal(size=(100, 2))
    y = X + RNG.normal(size=X.shape)
    several = Regressor(**SMALL).fit(X, y)
    found = several.explain(X[:5], of=1)
    np.testing.assert_allclose(found.predictions, several.predict(X[:5])[:, 1], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="of must say which of 0, 1 is explained, but is None"):
        several.explain(X[:5])
    quantiles = Regressor(loss="quantile", quantile=[0.1, 0.9], **SMALL).fit(X, y[:, 0])
    assert quantiles.explain(X[:5], of=0.9).outputs == [0.9] * 5
    rates = Regressor(loss="poisson", **SMALL).fit(X, np.floor(np.exp(y[:, 0])))
    found = rates.explain(X[:5])
    assert found.unit == "logarithm of the prediction"
    np.testing.assert_allclose(np.exp(found.predictions), rates.predict(X[:5]), rtol=1e-4)


def test_explaining_leaves_the_gradients_of_the_layers_alone(classifier):
    layer = classifier.network_.layers[1]
    before = layer.G.copy()
    classifier.explain(TABLE[:3])
    np.testing.assert_array_equal(layer.G, before)


def test_a_row_is_shown_with_its_cells(classifier):
    found = classifier.explain(TABLE[:2], of="dear")
    rows = found.row(0)
    assert {name for name, _, _ in rows} == set(TABLE.columns)
    sizes = [abs(value) for _, _, value in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert dict((name, cell) for name, cell, _ in rows)["town"] == TABLE["town"][0]
    assert repr(found).startswith("<Explanation: 2 rows, 5 columns, log-odds of the class, error at most 0.")
    assert "mean size" in found._repr_html_()
    one = classifier.explain(TABLE[:1])
    assert "<td>missing</td>" in one._repr_html_()  # the first size
    np.testing.assert_array_equal(pd.DataFrame(found.to_dict()).to_numpy(), found.contributions)
    with pytest.raises(ValueError, match="index must be below 2, the number of rows that were explained, but is 2"):
        found.row(2)


def test_wrong_input_is_refused_in_words(classifier):
    with pytest.raises(ValueError, match="of must be one of cheap, dear, but is 'expensive'"):
        classifier.explain(TABLE[:3], of="expensive")
    with pytest.raises(ValueError, match="X has no rows"):
        classifier.explain(TABLE[:0])
    with pytest.raises(ValueError, match="baseline has no rows"):
        classifier.explain(TABLE[:1], baseline=TABLE[:0])
    with pytest.raises(ValueError, match="town"):
        classifier.explain(TABLE.drop(columns="town"))
    with pytest.raises(
        ValueError, match="explain needs gradients, which QuantizedLinear1 of a quantized network has not"
    ):
        classifier.quantize(TABLE).explain(TABLE[:3])


def test_a_damaged_baseline_is_refused(classifier, tmp_path):
    damaged = tmp_path / "m.safetensors"
    classifier.save(damaged)
    rewritten(damaged, lambda header: None, {"baseline": np.zeros(3, np.float32)})
    with pytest.raises(ps.ModelFileError, match="the baseline of its explanations does not fit its network"):
        ps.load(damaged)


def test_a_path_is_read(classifier, tmp_path):
    TABLE.to_csv(tmp_path / "rows.csv", index=False)
    model = Classifier(**SMALL).fit(pd.read_csv(tmp_path / "rows.csv"), CLASSES)
    assert len(model.explain(tmp_path / "rows.csv")) == N


def test_where_a_threshold_decides_the_class_that_it_decides_for_is_explained():
    model = Classifier(hidden=(4,), epochs=3, random_state=0, threshold=0.999).fit(
        np.arange(40.0)[:, None], np.arange(40) % 2
    )
    found = model.explain([[3.0], [30.0]])
    assert list(found.outputs) == list(model.predict([[3.0], [30.0]]))
