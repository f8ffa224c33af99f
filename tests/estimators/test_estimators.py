import copy
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import pysmorch as ps
from pysmorch import Classifier, Regressor

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
FRAME = pd.DataFrame(X, columns=list("abcd"))


def quick(**options):
    return Classifier(
        **{"hidden": (16,), "epochs": 30, "learning_rate": 0.03, "random_state": 0, "preset": "fast"} | options
    )


def not_in_mini_batches(estimator):
    """Rows in mini-batches are not the same steps as repeated rows; one full batch is tested below."""
    return dict.fromkeys(
        [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
        "rows are shuffled into mini-batches",
    )


def preset_of_few_epochs(make, preset):
    return make(preset=preset, hidden=(32,), epochs=15, learning_rate=0.03)


ESTIMATORS = [Classifier(preset="fast"), Regressor(preset="fast")]
ESTIMATORS += [
    preset_of_few_epochs(make, preset) for make in (Classifier, Regressor) for preset in ("balanced", "best")
]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=not_in_mini_batches)
@pytest.mark.filterwarnings("ignore")
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_weighted_rows_are_repeated_rows_in_one_full_batch(make):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), rng.integers(0, 3, 30)
    weights = rng.integers(0, 4, 30)
    options = {
        "hidden": (8,),
        "epochs": 20,
        "batch_size": 1000,
        "dropout": 0.0,
        "random_state": 1,
        "early_stopping": False,
    }
    weighted = make(**options).fit(X, y, sample_weight=weights)
    repeated = make(**options).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    method = "predict_proba" if make is Classifier else "predict"
    np.testing.assert_allclose(getattr(weighted, method)(X), getattr(repeated, method)(X), rtol=1e-4, atol=1e-5)


def test_labels_may_be_text_and_predictions_are_of_the_same_kind():
    model = quick().fit(X, NAMES)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.predict(X[:3]).dtype == NAMES.dtype
    assert model.score(X, NAMES) > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


@pytest.mark.parametrize("labels", [Y == 1, Y.astype(float), (Y * 10).astype(np.uint8), NAMES.astype(object)])
def test_labels_may_be_of_any_kind(labels):
    model = quick().fit(X, labels)
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels) > 0.85


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (Y.astype(object), "int64"),
        (NAMES.astype(np.dtypes.StringDType()), "<U10"),
        (Y.astype("datetime64[D]"), "<M8[D]"),
        (Y.astype("timedelta64[h]"), "<m8[h]"),
        ((Y + 2**62).tolist(), "int64"),
    ],
)
def test_labels_of_rare_kinds_are_kept_also_in_a_file(labels, dtype, tmp_path):
    model = quick(epochs=2).fit(X, labels)
    assert model.classes_.dtype == np.dtype(dtype)
    assert model.classes_.tolist() == np.unique(np.asarray(labels)).tolist()
    assert 0 <= model.score(X, labels) <= 1
    model.save(tmp_path / "model.safetensors")
    loaded = ps.load(tmp_path / "model.safetensors")
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_factors_of_classes_that_are_texts_of_digits():
    labels, numbers = np.where(Y == 0, "007", "7"), np.where(Y == 0, 7, 8)
    model = quick(class_weight={"007": 3.0}).fit(X, labels)
    other = quick(class_weight={7: 3.0}).fit(X, numbers)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_the_same_random_state_gives_the_same_bits_and_leaves_the_global_state_alone():
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    a, b = (quick(random_state=3).fit(X, Y).predict_proba(X) for _ in range(2))
    assert np.random.rand() == expected
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, quick(random_state=4).fit(X, Y).predict_proba(X))


def test_a_pipeline_a_grid_search_with_two_workers_and_cross_validation_work():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick(epochs=5)), {"classifier__hidden": [(4,), (8,)]}, cv=2, n_jobs=2
    )
    search.fit(X, NAMES)
    assert search.best_estimator_["classifier"].hidden in ((4,), (8,))
    assert len(cross_val_score(quick(epochs=5), X, Y, cv=3)) == 3


def test_set_output_of_a_pipeline_hands_frames_to_the_classifier():
    pipeline = make_pipeline(StandardScaler(), quick(epochs=5)).set_output(transform="pandas")
    pipeline.fit(X, Y)
    assert pipeline[-1].feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]


def test_copies_of_all_kinds_predict_the_same_and_a_clone_is_not_fitted():
    model = quick(optimizer=ps.SGD(0.05, momentum=0.9)).fit(X, Y)
    expected = model.predict_proba(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
        other.partial_fit(X, Y)
    assert not hasattr(clone(model), "network_")


def test_an_optimizer_object_is_not_touched_by_fits():
    optimizer = ps.Adam(0.01)
    a = quick(optimizer=optimizer).fit(X, Y).predict_proba(X)
    b = quick(optimizer=optimizer).fit(X, Y).predict_proba(X)
    assert optimizer.num_steps == 0
    np.testing.assert_array_equal(a, b)


def test_rows_and_classes_weighted_an_eval_set_early_stopping_and_then_partial_fit_in_one_estimator():
    model = quick(class_weight="balanced", early_stopping=True, patience=2, epochs=200, learning_rate=0.05)
    model.fit(X[::2], NAMES[::2], sample_weight=np.linspace(1, 2, 75), eval_set=(X[1::2], NAMES[1::2]))
    assert model.n_iter_ < 200
    assert model.history_.stopped_by is not None
    assert len(model.validation_curve_) == model.n_iter_ == len(model.loss_curve_)
    stopped_at, before = model.n_iter_, model.predict_proba(X)
    model.partial_fit(X, NAMES).partial_fit(X, NAMES, sample_weight=np.ones(150))
    assert model.n_iter_ == stopped_at + 2
    assert not np.array_equal(model.predict_proba(X), before)
    assert model.score(X, NAMES) > 0.9


def test_rare_classes_count_more_when_classes_are_balanced():
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.08).astype(int)
    x = rng.standard_normal((600, 2)) + y[:, None]
    plain, balanced = (quick(class_weight=w).fit(x, y).predict(x).mean() for w in (None, "balanced"))
    assert balanced > 2 * plain
    by_hand = quick(class_weight={0: 1.0, 1: 20.0}).fit(x, y).predict(x).mean()
    assert by_hand > 2 * plain


def test_partial_fit_learns_batch_by_batch_with_the_classes_named_first():
    model = quick(learning_rate=0.05)
    for _ in range(40):
        model.partial_fit(X[:50], NAMES[:50], classes=np.unique(NAMES))
        model.partial_fit(X[50:], NAMES[50:])
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.n_iter_ == 80
    assert model.score(X, NAMES) > 0.8


def test_held_out_rows_are_used_from_five_thousand_rows_on():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 3))
    assert quick(epochs=2).fit(x, x[:, 0] > 0).validation_curve_
    assert not quick(epochs=2).fit(x[:4999], x[:4999, 0] > 0).validation_curve_
    assert not quick(epochs=2, early_stopping=False).fit(x, x[:, 0] > 0).validation_curve_


def test_a_network_of_ones_own_is_trained():
    def residual(x, num_outputs):
        h = ps.dense(x, 8)
        return ps.dense(ps.Add(h, ps.dense(h, 8)), num_outputs, activation=None)

    model = quick(network=residual, learning_rate=0.02).fit(X, NAMES)
    assert any(isinstance(layer, ps.Add) for layer in model.network_.layers)
    assert model.score(X, NAMES) > 0.9


def test_regression_predicts_in_the_units_of_the_target():
    X, y = load_diabetes(return_X_y=True)
    model = Regressor(random_state=0).fit(X, 1e6 * y + 1e9)
    assert model.score(X, 1e6 * y + 1e9) > 0.4
    assert model.predict(X).shape == (442,)


def test_several_targets_are_predicted_at_once():
    X, y = make_regression(200, 4, n_targets=3, random_state=0)
    model = Regressor(hidden=(32,), random_state=0).fit(X, y)
    assert model.predict(X).shape == (200, 3)
    assert model.n_outputs_ == 3
    assert model.score(X, y) > 0.9
    assert Regressor(hidden=(4,), epochs=1).fit(X, y[:, :1]).predict(X).shape == (200, 1)


@pytest.mark.parametrize("loss", ["square", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie"])
def test_every_loss_of_the_regressor_trains_and_is_saved(loss, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 2, (300, 1))
    y = rng.poisson(np.exp(x[:, 0])) + (loss == "gamma")
    model = Regressor(hidden=(16,), loss=loss, quantile=0.9, random_state=0).fit(x, y)
    if loss == "quantile":
        assert 0.8 < (y <= model.predict(x)).mean() < 0.97
    else:
        assert abs(np.median(y - model.predict(x))) < 1
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(ps.load(tmp_path / "m.safetensors").predict(x), model.predict(x))


def test_a_second_fit_begins_anew():
    model = Regressor(hidden=(4,), epochs=2, random_state=0).fit(X, Y)
    model.fit(X[:, :2], np.stack([Y, Y], axis=1))
    assert model.n_features_in_ == 2
    assert model.predict(X[:, :2]).shape == (150, 2)
    assert model.n_iter_ == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quick().fit(X, np.zeros(150)), "one class only"),
        (lambda: quick().fit(X[:0], Y[:0]), "0 sample"),
        (lambda: quick().fit(X, Y[1:]), "y must have one label for each of the 150 rows of X, but has 149"),
        (lambda: quick().fit(np.where(X > 5, np.inf, X), Y), r"X has infinity in row \d+, column 0"),
        (lambda: quick().fit(X, np.where(Y == 1, None, NAMES)), "missing labels"),
        (lambda: quick().fit(X, Y).predict(X[:, :3]), "X has 3 features, but Classifier is expecting 4"),
        (lambda: quick().fit(X, Y, eval_set=X), "eval_set must be"),
        (
            lambda: quick().fit(X, NAMES, eval_set=(X, np.repeat("oak", 150))),
            "unknown labels 'oak'; the classes of this",
        ),
        (lambda: quick().fit(X, Y).partial_fit(X, Y + 1), "unknown labels 3"),
        (lambda: quick().partial_fit(X, Y).partial_fit(X, Y, classes=[0, 1]), "are not those of the call before"),
        (lambda: quick().fit(X, Y, sample_weight=np.zeros(150)), "sample_weight must not be zero for all rows"),
        (
            lambda: quick().fit(X, Y, sample_weight=np.ones(9)),
            r"one weight for each of the 150 rows of X, but has the.*\(9,\)",
        ),
        (
            lambda: quick().fit(X, Y, sample_weight=np.where(Y == 0, -2.0, 1)),
            "sample_weight .* but row 0 has -2; a weight",
        ),
        (lambda: quick().fit(X, Y, sample_weight=np.where(Y == 1, np.nan, 1)), "sample_weight .* but row 50 has nan"),
        (lambda: quick().fit(X, Y, sample_weight=[None] + [1] * 149), "sample_weight .* but row 0 has nan"),
        (lambda: quick().fit(X, Y, sample_weight=["a"] * 150), "sample_weight must have a number for each row, but"),
        (lambda: quick().fit(FRAME, Y, eval_set=(FRAME[:0], Y[:0])), "eval_set: X has no rows; pass one"),
        (lambda: Regressor().fit(X, Y + 1j), "y holds complex numbers; make two targets"),
        (lambda: Regressor().fit(FRAME + 1j, Y), "column 'a' holds complex numbers; make two"),
        (lambda: quick(hidden=(0,)).fit(X, Y), "hidden must be a tuple of positive widths"),
        (lambda: quick(hidden=64).fit(X, Y), "hidden must be a tuple of positive widths"),
        (lambda: quick(activation="step").fit(X, Y), "activation must be one of relu"),
        (lambda: quick(optimizer="lion").fit(X, Y), "optimizer must be one of"),
        (lambda: quick(batch_size=0).fit(X, Y), "batch_size must be"),
        (lambda: quick(early_stopping="no").fit(X, Y), "early_stopping must be"),
        (lambda: quick(validation_fraction=1.0).fit(X, Y), "validation_fraction must be"),
        (lambda: quick(network="mlp").fit(X, Y), "network must be a function"),
        (lambda: quick(dropout=1.0).fit(X, Y), "dropout must be a number from 0 to below 1"),
        (lambda: quick(epochs=0).fit(X, Y), "epochs must be a positive integer"),
        (lambda: quick(class_weight={9: 1.0}).fit(X, Y), "factor for 9, which is no class; the classes are 0, 1, 2"),
        (lambda: quick().fit(X, [1, "1", "b"] * 50), "y has texts and other labels, such as '1' and 1"),
        (lambda: quick().fit(X, ["a", float("nan"), "b"] * 50), "missing labels, the first in row 1"),
        (lambda: quick().fit(X, np.ma.masked_array(Y, np.arange(150) == 7)), "missing labels, the first in row 7"),
        (lambda: Regressor().fit(X, np.ma.masked_array(Y, np.arange(150) == 7)), "missing labels, the first in row 7"),
        (lambda: quick().fit(X, np.array(["NaT", "2024", "2025"] * 50, "M8[D]")), "missing labels, the first in row 0"),
        (lambda: Regressor().fit(X, Y.astype("M8[ns]")), "y holds times; make numbers of them"),
        (lambda: Regressor().fit(X, Y.astype("m8[h]")), "y holds durations; make numbers of them"),
        (lambda: quick().fit(X, [10**30, 10**31, 5] * 50), "labels of type int, such as 10000.*make them texts"),
        (lambda: quick().fit(X, [Decimal(1), Decimal(2)] * 75), r"labels of type Decimal, such as Decimal\('1'\)"),
        (lambda: quick(class_weight="fair").fit(X, Y), 'class_weight must be "balanced"'),
        (lambda: Regressor(loss="cubic").fit(X, Y), "loss must be one of square"),
        (lambda: Regressor(loss="poisson").fit(X, -Y), "must not be negative"),
        (lambda: Regressor(epochs=1).fit(X, Y).partial_fit(X, np.stack([Y, Y], 1)), "the model predicts 1 numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()
