"""Importance of columns and partial dependence: known effects, all kinds of cells and libraries, and scikit-learn's own tools."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance

from pysmorch import Classifier, Regressor
from pysmorch.explaining.dependence import rows_of_values
from pysmorch.explaining.importance import Importance
from tests.explaining.examples import CLASSES, NUMBERS, SMALL, TABLE

RNG = np.random.default_rng(0)


class First:
    """A model that predicts its first column; its score is the share of rows that it predicts."""

    def score(self, X, y, weights=None):
        first = X.toarray()[:, 0] if sparse.issparse(X) else X["a"] if hasattr(X, "columns") else np.asarray(X)[:, 0]
        return float(np.mean(np.asarray(first) == y))


CELLS = np.arange(16.0).reshape(8, 2)
INPUTS = {
    "an array": np.asarray,
    "lists": np.ndarray.tolist,
    "pandas, with an index of its own": lambda X: pd.DataFrame(X, columns=["a", "b"], index=list("hgfedcba")),
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b"]),
    "sparse": sparse.csr_array,
}


@pytest.mark.parametrize("name", INPUTS)
def test_the_score_falls_by_the_share_of_cells_that_have_moved(name):
    from pysmorch.explaining.importance import column_importance

    y = CELLS[:, 0]
    found = column_importance(First(), INPUTS[name](CELLS), y, repeats=4, seed=3)
    moved = [np.mean(np.random.RandomState(3 + i).permutation(8) != np.arange(8)) for i in range(4)]
    np.testing.assert_array_equal(found.falls, [moved, [0.0] * 4])
    assert (found.score, next(iter(found.sorted()))) == (1.0, found.names[0])


def test_intervals_are_those_of_student():
    found = Importance(["a"], 0.9, np.array([[0.1, 0.2, 0.3]]))
    # Student's t of 2 degrees of freedom: 2.91999 for 90 %; the standard deviation of the mean is 0.1 / sqrt(3).
    np.testing.assert_allclose(found.interval, [[0.2 - 0.168585, 0.2 + 0.168585]], atol=1e-5)
    assert np.isnan(Importance(["a"], 0.9, np.array([[0.1]])).interval).all()
    assert list(pd.DataFrame(found.to_dict()).columns) == ["column", "mean", "std", "low", "high"]
    assert repr(found) == "<Importance: 1 columns, 3 repeats, score 0.9, first 'a'>"
    assert "0.0314 to 0.3686" in found._repr_html_()


def test_known_effects_come_in_their_order(classifier, regressor):
    for model, y in ((classifier, CLASSES), (regressor, NUMBERS)):
        found = model.importance(TABLE, y)
        assert list(found.sorted())[:2] == ["size", "town"]
        np.testing.assert_array_equal(found.falls, model.importance(TABLE, y).falls)


def test_importance_reads_a_path(classifier, tmp_path):
    path = tmp_path / "rows.csv"
    TABLE.assign(dear=CLASSES).to_csv(path, index=False)
    model = Classifier(**SMALL).fit(path, "dear")
    assert next(iter(model.importance(path, "dear").sorted())) == "size"


def test_wrong_input_for_importance_is_refused(classifier):
    with pytest.raises(ValueError, match="repeats must be a positive integer, but is 0"):
        classifier.importance(TABLE, CLASSES, repeats=0)
    with pytest.raises(
        ValueError, match=r"importance is about the columns of a table, but X has the shape \(3, 4, 4\)"
    ):
        classifier.importance(np.zeros((3, 4, 4)), CLASSES[:3])


def test_numbers_have_values_at_quantiles_in_order_and_a_missing_one(regressor):
    found = regressor.partial_dependence(TABLE, "size", points=7)
    assert len(found.values) == 8
    assert (np.diff(found.numbers[:7]) > 0).all()
    assert found.values[0] == TABLE["size"].min()
    assert found.values[6] == TABLE["size"].max()
    assert np.isnan(found.values[7])
    assert (np.diff(found.predictions[:7, 0]) > 0).all()
    changed = TABLE.assign(size=found.values[3])
    np.testing.assert_allclose(found.predictions[3, 0], regressor.predict(changed).mean(), rtol=1e-12)


def test_categories_have_their_values_by_frequency(classifier):
    found = classifier.partial_dependence(TABLE, "town")
    assert (
        found.values
        == TABLE["town"].value_counts(sort=False).sort_values(ascending=False, kind="stable").index.tolist()
    )
    assert found.outputs == ["cheap", "dear"]
    best = found.values[int(found.predictions[:, 1].argmax())]
    assert best == "Ulm"
    np.testing.assert_allclose(found.predictions.sum(axis=1), 1.0)
    assert list(found.to_dict()) == ["town", "mean of cheap", "mean of dear"]
    assert repr(found).startswith("<PartialDependence: 'town', 3 values, 'dear' from 0.")
    assert "<td>Ulm</td>" in found._repr_html_()


@pytest.mark.parametrize("column", ["day", "text", 0])
def test_every_kind_of_column_has_a_dependence(classifier, column):
    found = classifier.partial_dependence(pl.from_pandas(TABLE[:60]), column, points=5)
    assert found.predictions.shape == (len(found.values), 2)
    assert len(found.values) == {"day": 5, "text": 3, 0: 5}[column]


def test_arrays_have_a_dependence_by_index():
    X = RNG.normal(size=(100, 3))
    model = Regressor(**SMALL).fit(X, X[:, 1] + RNG.normal(size=100))
    by_array, by_sparse = (model.partial_dependence(rows, 1, points=3) for rows in (X, sparse.csr_array(X)))
    assert by_array.column == "1"
    assert by_array.values == [X[:, 1].min(), np.sort(X[:, 1])[50], X[:, 1].max()]
    np.testing.assert_array_equal(by_array.predictions, by_sparse.predictions)


def test_rows_of_values_are_the_first_with_each():
    assert rows_of_values(["b", "a", None, "a", "c"], None, 2).tolist() == [1, 0, 2]
    assert rows_of_values([], np.array([3.0, np.nan, 1.0, 3.0]), 5).tolist() == [2, 0, 1]
    assert rows_of_values([], np.array([5.0, 1.0, 2.0, 3.0, 4.0]), 3).tolist() == [1, 3, 0]


def test_wrong_input_for_a_dependence_is_refused(classifier):
    with pytest.raises(ValueError, match=r"column: X has no column 'towm'; did you mean 'town'\?"):
        classifier.partial_dependence(TABLE, "towm")
    with pytest.raises(ValueError, match="column must be below 5, the number of columns of X, but is 9"):
        classifier.partial_dependence(TABLE, 9)
    with pytest.raises(ValueError, match="points must be an integer from 2, but is 1"):
        classifier.partial_dependence(TABLE, "town", points=1)
    with pytest.raises(ValueError, match="X has no rows"):
        classifier.partial_dependence(TABLE[:0], "town")


def test_the_tools_of_scikit_learn_take_our_estimators(classifier, regressor):
    found = permutation_importance(classifier, TABLE, CLASSES, n_repeats=2, random_state=0)
    assert TABLE.columns[found.importances_mean.argmax()] == "size"
    theirs = partial_dependence(
        regressor, TABLE, ["town"], categorical_features=["town"], kind="average", method="brute"
    )
    ours = regressor.partial_dependence(TABLE, "town")
    by_town = dict(zip(theirs["grid_values"][0], theirs["average"][0], strict=True))
    for town, mean in zip(ours.values, ours.predictions[:, 0], strict=True):
        np.testing.assert_allclose(by_town[town], mean, rtol=1e-6)


def test_the_plot_of_scikit_learn_takes_our_estimators(regressor):
    figure = pytest.importorskip("matplotlib.figure", reason="plots need Matplotlib").Figure()
    drawn = PartialDependenceDisplay.from_estimator(
        regressor, TABLE[:50], ["noise", "town"], categorical_features=["town"], grid_resolution=5, ax=figure.subplots()
    )
    assert [len(result["average"][0]) for result in drawn.pd_results] == [5, 3]


def test_shap_takes_our_estimators_and_contributions(regressor):
    shap = pytest.importorskip("shap", reason="SHAP is not installed")
    found = regressor.explain(TABLE[:5])
    theirs = shap.Explanation(found.contributions, found.baseline, TABLE[:5].to_numpy(), feature_names=found.names)
    np.testing.assert_allclose(theirs.values.sum(axis=1) + theirs.base_values, found.predictions, rtol=0.02)
    X = RNG.normal(size=(60, 2))
    model = Regressor(**SMALL).fit(X, X[:, 0] + RNG.normal(size=60))
    values = shap.explainers.Permutation(model.predict, X)(X[:4]).values
    assert values.shape == (4, 2)
