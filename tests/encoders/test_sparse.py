"""Sparse matrices as X: the same bits as the array of the same values, and never all rows as an array at once."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.encoders import blocks
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.numbers import Numbers
from pysmorch.encoders.sparse import SparseRows

RNG = np.random.default_rng(0)
N = 240
FORMATS = [getattr(sparse, f"{name}_{kind}") for name in ("csr", "csc", "coo") for kind in ("matrix", "array")]
QUICK = {"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"}


def values(num_columns, gaps=False):
    X = np.where(RNG.random((N, num_columns)) < 0.15, RNG.normal(size=(N, num_columns)) ** 3, 0.0)
    if gaps:
        X[[3, 50], [1, num_columns - 1]] = np.nan
    return X


NARROW, WIDE, GAPS = values(6), values(70), values(70, gaps=True)
Y = np.nan_to_num(NARROW[:, 0] + NARROW[:, 1]) > 0


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("X", [NARROW, WIDE, GAPS], ids=["with intervals", "wide", "with NaN"])
def test_a_sparse_matrix_gives_the_bits_of_the_array(X, form):
    expected = Classifier(**QUICK).fit(X, Y)
    model = Classifier(**QUICK).fit(form(X), Y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(form(X)), expected.predict_proba(X))
    assert model.score(form(X), Y) == expected.score(X, Y)
    np.testing.assert_array_equal(model.predict_proba(form(X[:1])), expected.predict_proba(X[:1]))


def test_weights_and_validation_data_come_with_sparse_rows():
    weights = np.arange(N) % 3
    y = NARROW.sum(1)
    models = [
        Regressor(**QUICK).fit(rows(WIDE), y, weights, eval_set=(rows(GAPS), y))
        for rows in (np.asarray, sparse.coo_matrix)
    ]
    np.testing.assert_array_equal(models[0].predict(WIDE), models[1].predict(WIDE))
    assert models[0].history_["val_loss"] == models[1].history_["val_loss"]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_entries_of_other_dtypes_are_the_same_numbers(dtype):
    X = (np.abs(WIDE) * 5).astype(dtype)
    np.testing.assert_array_equal(
        Classifier(**QUICK).fit(sparse.csr_array(X), Y).predict_proba(X), Classifier(**QUICK).fit(X, Y).predict_proba(X)
    )


def test_an_entry_that_is_stored_several_times_is_the_sum():
    twice = sparse.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    rows = SparseRows(twice)
    np.testing.assert_array_equal(rows.toarray(), [[0, 3], [5, 0]])
    assert twice.nnz == 3  # that of the user is as it was
    np.testing.assert_array_equal(rows[:, 1], [3, 0])
    np.testing.assert_array_equal(rows[-1], [5, 0])
    np.testing.assert_array_equal(rows[np.array([1, 0])].toarray(), [[5, 0], [0, 3]])
    np.testing.assert_array_equal(rows.of_columns(np.array([1])).toarray(), [[3], [0]])
    assert (rows.shape, len(rows)) == ((2, 2), 2)


def test_blocks_of_rows_are_learned_from_and_encoded_as_those_of_the_array(monkeypatch):
    monkeypatch.setattr("pysmorch.encoders.numbers.ENTRIES_AT_A_TIME", 700)
    monkeypatch.setattr("pysmorch.encoders.numbers.ONE_SUM_UP_TO", 700)
    for user in ("estimators", "prediction"):
        name = f"pysmorch.{user}.base.encode_rows"
        monkeypatch.setattr(name, lambda e, rows, at=0: blocks.encode_rows(e, rows, 0))
    monkeypatch.setattr("pysmorch.engine.rows.BYTES_AT_A_TIME", 3000)
    expected = Classifier(**QUICK).fit(GAPS, Y).predict_proba(GAPS)
    monkeypatch.setattr(SparseRows, "toarray", lambda self: pytest.fail("the rows became an array"))
    model = Classifier(**QUICK).fit(sparse.csr_matrix(GAPS), Y)
    np.testing.assert_array_equal(model.predict_proba(sparse.csr_matrix(GAPS)), expected)


@pytest.mark.parametrize("X", [NARROW, GAPS], ids=["with intervals", "wide"])
def test_columns_that_carry_nothing_are_left_out(X):
    X = np.column_stack([np.zeros(N), X, np.arange(N), np.full(N, np.nan), np.full(N, 7.0)])
    encoders = [ArrayEncoder(), ArrayEncoder()]
    for encoder, rows in zip(encoders, (X, SparseRows(sparse.csr_array(X))), strict=True):
        with pytest.warns(ps.PysmorchWarning) as warned:
            encoder.learn(rows, None, Y.astype(np.int64))
        count = X.shape[1]
        assert [str(warning.message) for warning in warned] == [
            f"column '{count - 3}' is left out: a running number, which only counts the rows; choose number to keep it",
            f"column '{count - 2}' is left out: no values",
        ]
    of_array, of_sparse = encoders
    np.testing.assert_array_equal(of_sparse.included, np.arange(1, X.shape[1] - 3))
    np.testing.assert_array_equal(of_sparse.missing, of_array.missing)
    np.testing.assert_array_equal(of_sparse.encode(SparseRows(sparse.csr_array(X))), of_array.encode(X))
    np.testing.assert_array_equal(of_sparse.bounds, of_array.bounds)


def test_numbers_whose_squares_are_too_large_are_scaled_as_in_the_array():
    X = WIDE * np.where(np.arange(70) % 2, 1e200, 1e-200)
    learned = [Numbers.learn(rows, None) for rows in (X, SparseRows(sparse.csr_array(X)))]
    for name in ("mean", "scale", "logarithm"):
        np.testing.assert_array_equal(getattr(learned[1], name), getattr(learned[0], name))


def test_training_goes_on_with_sparse_rows():
    models = [Classifier(hidden=(8,), random_state=0) for _ in range(2)]
    for rows in (slice(0, 100), slice(100, N)):
        for model, form in zip(models, (np.asarray, sparse.csc_array), strict=True):
            model.partial_fit(form(WIDE[rows]), Y[rows], classes=[False, True])
    np.testing.assert_array_equal(models[1].predict_proba(WIDE), models[0].predict_proba(WIDE))


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.coo_array])
def test_what_cannot_be_used_is_refused_as_in_arrays(form):
    X = WIDE.copy()
    X[7, 3] = -np.inf
    with pytest.raises(ValueError, match="X has -infinity in row 7, column 3; replace or remove such values first"):
        Classifier(**QUICK).fit(form(X), Y)
    with pytest.raises(ValueError, match="X has NaN in row 3, column 1"):
        Classifier(**QUICK, pixels=True).fit(form(GAPS), Y)
    model = Classifier(**QUICK).fit(form(WIDE), Y)
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        model.predict(form(WIDE[:0]))
    with pytest.raises(ValueError, match="X has 69 features, but Classifier is expecting 70"):
        model.predict(form(WIDE[:, :69]))


def test_pixels_can_be_sparse():
    X = (RNG.random((N, 64)) < 0.2).astype(np.uint8) * 200
    expected = Classifier(**QUICK, pixels=True).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(
        Classifier(**QUICK, pixels=True).fit(sparse.csr_array(X), Y).predict_proba(X), expected
    )


def test_a_stored_zero_and_a_clipped_number_are_as_in_the_array():
    X = WIDE.copy()
    encoder = ArrayEncoder()
    encoder.learn(X, None, np.arange(N) % 2)
    X[0, :3] = [1e6, -1e6, 0.0]
    stored = sparse.csr_array(X[:1])
    stored = sparse.csr_array(
        (np.append(stored.data, -0.0), np.append(stored.indices, 2), [0, stored.nnz + 1]), stored.shape
    )
    np.testing.assert_array_equal(encoder.encode(SparseRows(stored)), encoder.encode(X[:1]))


def test_counted_words_are_classified_in_a_pipeline():
    texts = [f"{['bad', 'good', 'poor', 'great'][i % 4]} film {i} about {i % 7}" for i in range(N)]
    labels = np.arange(N) % 2
    model = make_pipeline(TfidfVectorizer(), Classifier(hidden=(8,), epochs=20, random_state=0)).fit(texts, labels)
    assert model.predict(["a good one", "a bad one"]).tolist() == [1, 0]
    assert ps.Classifier().__sklearn_tags__().input_tags.sparse
