"""How much a model depends on each column, on the command line and with scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance

import pysmorch as ps
from pysmorch.cli.importance import importance_of
from pysmorch.explaining.importance import column_importance
from tests.cli.examples import QUICK

RNG = np.random.default_rng(0)
N = 120


class Sum:
    """A model that predicts the first column, and whose score is the share of rows that it predicts."""

    def score(self, X, y, weights=None):
        cells = X[:, 0] if isinstance(X, np.ndarray) else X.column("a").to_numpy()
        return float(np.mean(cells == y))


def test_the_score_falls_by_the_share_of_cells_that_have_moved():
    y = np.arange(8)
    X = np.stack([y, y], axis=1)
    moved = [np.mean(np.random.RandomState(seed).permutation(8) != y) for seed in range(5)]
    expected = {"0": (np.mean(moved), np.std(moved)), "1": (0.0, 0.0)}
    assert column_importance(Sum(), X, y).sorted() == expected
    np.testing.assert_array_equal(X[:, 0], y)


@pytest.fixture
def table():
    frame = pd.DataFrame(
        {"noise": RNG.normal(size=N), "town": RNG.choice(["Ulm", "Bonn"], N), "size": RNG.normal(size=N)}
    )
    frame["dear"] = np.where(frame["size"] + 0.5 * RNG.normal(size=N) > 0, "yes", "no")
    return frame


def test_evaluate_prints_a_line_for_each_column(run, table):
    table.to_csv("rows.csv", index=False)
    assert run("train", "rows.csv", "--target", "dear", *QUICK, "--quiet")[0] == 0
    code, out, err = run("evaluate", "model.safetensors", "rows.csv", "--importance")
    assert code == 0, err
    lines = out.split("when the cells of one column are shuffled:\n")[1].splitlines()
    assert lines[0].startswith("column size: accuracy falls by 0.")
    assert {line.split(":")[0] for line in lines} == {"column noise", "column town", "column size"}
    found = json.loads(run("evaluate", "model.safetensors", "rows.csv", "--importance", "--json")[1])["importance"]
    assert next(iter(found)) == "size"
    assert f"column size: accuracy falls by {found['size']:.4f} " in out


def test_of_a_regression_it_is_the_fall_of_r2(run):
    assert run("train", "diabetes", *QUICK, "--quiet")[0] == 0
    code, out, err = run("evaluate", "model.safetensors", "diabetes", "--importance")
    assert code == 0, err
    assert out.count("R² falls by") == 10


def test_images_have_no_columns():
    with pytest.raises(ValueError, match="--importance is about the columns of a table, but the source has images"):
        importance_of(Sum(), np.zeros((3, 4, 4, 1)), np.zeros(3), None)


def test_the_importance_of_scikit_learn_takes_our_estimators(table):
    y = table.pop("dear")
    model = ps.Classifier(hidden=(8,), epochs=10, random_state=0).fit(table, y)
    found = permutation_importance(model, table, y, random_state=0)
    assert found.importances_mean.argmax() == 2
