"""What held-out rows are used for: intervals, sets of classes, a temperature, a decision threshold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor
from pysmorch.estimators.calibration import temperature
from pysmorch.estimators.thresholds import best_threshold
from pysmorch.prediction.conformal import ConformalScores
from pysmorch.prediction.thresholds import decide, rule_of

QUICK = {"hidden": (), "epochs": 6, "random_state": 0}
ALL_EPOCHS = {**QUICK, "early_stopping": False}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 3))
Y = X @ [1.0, 2.0, 0.0] + RNG.standard_normal(300)
C = (Y + RNG.standard_normal(300) > 0.5).astype(int)


def scores(values, weights=None):
    values = np.array(values, float)[:, None]
    return ConformalScores(values, np.ones(len(values)) if weights is None else np.array(weights), True)


@pytest.mark.parametrize(("coverage", "expected"), [(0.9, 9.0), (0.5, 5.0), (0.51, 6.0), (0.01, 1.0)])
def test_the_radius_is_the_score_of_rank_n_plus_one_times_coverage(coverage, expected):
    assert scores([3, 1, 9, 7, 5, 2, 8, 6, 4]).radius(coverage).tolist() == [expected]


def test_a_row_of_a_larger_weight_counts_for_more():
    weighted = scores([1, 2, 3], [2.0, 0.5, 0.5])
    assert weighted.radius(0.5).tolist() == [1.0]  # 2 of 3 + 1
    assert weighted.radius(0.6).tolist() == [2.0]
    assert weighted.radius(0.75).tolist() == [3.0]


def test_a_coverage_that_few_rows_cannot_reach_is_said_with_the_rows_that_it_needs():
    with pytest.raises(
        ValueError, match=r"coverage=0.91 needs 11 held-out rows, but the model has 9, enough for at most 0.9;"
    ):
        scores(range(9)).radius(0.91)
    assert scores(range(11)).radius(0.91).tolist() == [10.0]


def mean_coverage(make, draw, covers):
    """The mean over 60 splits of how often new rows are covered: with 90 scores each it scatters by 0.004."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = draw(rng, 300)
        model = make(seed).fit(x, y)
        found.append(covers(model, *draw(rng, 1000)))
    return np.mean(found)


def numbers(rng, count):
    x = rng.standard_normal((count, 3))
    return x, x @ [1.0, 2.0, 0.0] + rng.standard_normal(count)


def classes(rng, count):
    x = rng.standard_normal((count, 3))
    return x, np.array(["a", "b", "c"])[(x + 1.5 * rng.standard_normal((count, 3))).argmax(1)]


def inside(model, x, y):
    lower, upper = model.predict_interval(x, coverage=0.9).T
    return np.mean((lower <= y) & (y <= upper))


@pytest.mark.parametrize(
    "options",
    [
        {"conformal_fraction": 0.3, "early_stopping": False},
        {"conformal_fraction": 0.3, "early_stopping": False, "loss": "quantile", "quantile": (0.1, 0.5, 0.9)},
        {"early_stopping": True, "validation_fraction": 0.3},
    ],
    ids=["set aside", "quantiles", "validation"],
)
def test_intervals_cover_as_often_as_they_say(options):
    model = mean_coverage(lambda seed: Regressor((), epochs=5, random_state=seed, **options), numbers, inside)
    assert 0.88 < model < 0.92


def test_sets_cover_as_often_as_they_say():
    found = mean_coverage(
        lambda seed: Classifier((), epochs=5, random_state=seed, conformal_fraction=0.3, early_stopping=False),
        classes,
        lambda model, x, y: model.predict_set(x, 0.9)[np.arange(len(y)), model.encode_labels(y)].mean(),
    )
    assert 0.88 < found < 0.92


def test_rows_that_are_set_aside_change_nothing_but_the_scores():
    options = {**ALL_EPOCHS, "conformal_fraction": 0.2}
    model = Regressor(**options).fit(X, Y)
    assert model.conformal_scores_.set_aside
    assert model.conformal_scores_.values.shape == (60, 1)
    # The rows of the largest scores are found by the scores, spoilt, and fitted again.
    off = np.abs(model.predict(X) - Y)
    aside = [int(np.abs(off - score).argmin()) for score in model.conformal_scores_.values[:, 0]]
    spoilt_x, spoilt_y = X.copy(), Y.copy()
    spoilt_x[aside] *= 3
    spoilt_y[aside] += 100
    again = Regressor(**options).fit(spoilt_x, spoilt_y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.conformal_scores_.values.min() > 50


def test_without_rows_set_aside_the_model_is_what_it_is_without_intervals():
    model = Regressor(**ALL_EPOCHS).fit(X, Y)
    assert model.conformal_scores_ is None
    with pytest.raises(ValueError, match=r"no scores of held-out rows.*; fit it with conformal_fraction=0.2"):
        model.predict_interval(X)


@pytest.mark.parametrize("model", [Regressor(**QUICK), Classifier(**QUICK)])
def test_cross_validation_leaves_scores_of_all_rows(model):
    model.fit(X, C)
    assert model.conformal_scores_.values.shape == (300, 1)
    assert not model.conformal_scores_.set_aside


def test_each_of_several_targets_has_its_interval():
    targets = np.stack([Y, 10 * X[:, 0] + 5 * RNG.standard_normal(300)], axis=1)
    intervals = Regressor(**ALL_EPOCHS, conformal_fraction=0.3).fit(X, targets).predict_interval(X)
    assert intervals.shape == (300, 2, 2)
    covered = (intervals[..., 0] <= targets) & (targets <= intervals[..., 1])
    assert (covered.mean(0) > 0.8).all()
    assert np.ptp(intervals[0, 1]) > 2 * np.ptp(intervals[0, 0])


def test_intervals_of_counts_begin_at_zero_and_those_of_quantiles_follow_the_row():
    counts = Regressor(**ALL_EPOCHS, conformal_fraction=0.3, loss="poisson").fit(X, np.abs(np.round(Y)))
    assert counts.predict_interval(X)[:, 0].min() == 0.0
    spread = Y * np.exp(X[:, 2])
    model = Regressor(**ALL_EPOCHS, conformal_fraction=0.3, loss="quantile", quantile=(0.05, 0.95)).fit(X, spread)
    lower, upper = model.predict_interval(X).T
    assert (lower <= upper).all()
    assert np.ptp(upper - lower) > 0.1


def test_frames_with_missing_values_and_weights():
    frame = pd.DataFrame({"a": np.where(X[:, 0] > 1, np.nan, X[:, 0]), "b": np.where(X[:, 1] > 0, "yes", None)})
    weights = np.where(np.arange(300) % 3, 1.0, 0.0)
    model = Regressor(**ALL_EPOCHS, conformal_fraction=0.2).fit(frame, Y, sample_weight=weights)
    assert len(model.conformal_scores_.values) == 40  # of the 200 rows that count
    assert np.isfinite(model.predict_interval(frame)).all()


def test_weights_of_classes_do_not_count_in_the_scores():
    weights = np.where(np.arange(300) % 2, 2.0, 1.0)
    model = Classifier(**ALL_EPOCHS, conformal_fraction=0.2, class_weight={0: 100.0, 1: 1.0})
    found = model.fit(X, C, sample_weight=weights).conformal_scores_.weights
    assert sorted(set(np.round(found / found.min(), 6))) == [1.0, 2.0]
    assert found.mean() == pytest.approx(1.0)


def test_a_class_of_which_all_rows_are_set_aside_is_a_class():
    labels = np.array(["a", "b"])[C].astype("<U9")
    labels[7] = "rare"
    for seed in range(12):
        model = Classifier((), epochs=1, random_state=seed, early_stopping=False, conformal_fraction=0.5)
        with pytest.warns(PysmorchWarning, match="few rows"):
            model.fit(X, labels)
        assert model.classes_.tolist() == ["a", "b", "rare"]


def test_the_temperature_makes_the_confidence_the_accuracy():
    logits = np.array([[2.0, 0.0]] * 3 + [[2.0, 0.0]])
    found = temperature(logits, np.array([0, 0, 0, 1]), None)
    assert found.trust == pytest.approx(np.log(3) / 2, rel=1e-4)  # the probability is then 3/4
    weighted = temperature(logits[2:], np.array([0, 1]), np.array([9.0, 1.0]))
    assert weighted.trust == pytest.approx(np.log(9) / 2, rel=1e-4)


def test_held_out_rows_calibrate_probabilities_and_leave_the_ranking():
    options = {"hidden": (64,), "epochs": 40, "random_state": 0, "dropout": 0.0}
    noisy = np.where(np.random.default_rng(0).random(300) < 0.3, 1 - C, C)
    models = [
        Classifier(**options, early_stopping=False, calibrate=calibrate, validation_fraction=0.3).fit(X, noisy)
        for calibrate in (False, True)
    ]
    assert models[0].validation_curve_ == []
    assert models[1].n_iter_ == 40  # the held-out rows do not end the training
    new = np.random.default_rng(1).standard_normal((500, 3))
    before, after = (np.abs(model.decision_function(new)).mean() for model in models)
    assert after < before


def test_a_network_that_cannot_be_calibrated_is_said_before_the_training():
    ends = {"network": lambda features, count: ps.dense(features, count, activation=ps.Relu)}
    with pytest.raises(ValueError, match=r"calibrate=True needs a network that ends with .*, but it ends with Relu"):
        Classifier(**QUICK, **ends, calibrate=True).fit(X, C)


def test_the_threshold_is_the_best_of_those_between_probabilities():
    p, positive = np.array([0.3, 0.9, 0.8, 0.7, 0.6]), np.array([False, True, False, True, False])
    assert best_threshold(p, positive, None, "f1") == pytest.approx(0.65)  # 4/5; 2/3 at 0.85
    assert best_threshold(p, positive, None, "balanced_accuracy") == pytest.approx(0.65)  # 5/6
    assert best_threshold(p, positive, None, "accuracy") == pytest.approx(0.65)  # 4/5, as at 0.85
    heavy = np.array([1.0, 1.0, 10.0, 1.0, 1.0])
    assert best_threshold(p, positive, heavy, "f1") == pytest.approx(0.85)
    assert best_threshold(np.full(3, 0.4), np.array([True, False, True]), None, "f1") == 0.2


def test_costs_choose_the_class_of_the_smallest_expected_cost():
    known = np.array(["ill", "well"])
    costs = rule_of({("ill", "well"): 5}, known)
    assert costs.tolist() == [[0.0, 5.0], [1.0, 0.0]]
    p = np.array([[0.2, 0.8], [0.1, 0.9]])  # well costs 1.0 and 0.5, ill 0.8 and 0.9
    assert decide(p, costs).tolist() == [0, 1]
    assert decide(p, rule_of(0.85, known)).tolist() == [0, 1]
    assert decide(p, rule_of(None, known)).tolist() == [1, 1]


@pytest.mark.parametrize("early_stopping", ["auto", True, False])
def test_the_threshold_for_f1_is_used_by_predict_alone(early_stopping):
    rare = (Y > 2.5).astype(int)
    options = {**QUICK, "early_stopping": early_stopping}
    model = Classifier(**options, threshold="f1").fit(X, rare)
    assert 0 < model.threshold_ < 1
    p = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X), p >= model.threshold_)
    if early_stopping != False:  # noqa: E712 - "auto" is no truth value
        np.testing.assert_array_equal(p, Classifier(**options).fit(X, rare).predict_proba(X)[:, 1])


def test_a_threshold_that_rows_cannot_tell_is_a_half_with_a_warning():
    with pytest.warns(PysmorchWarning, match='threshold="f1": there are no held-out rows, so the threshold is 0.5'):
        assert Classifier(**QUICK, threshold="f1").fit(X[:8], [0, 1] * 4).threshold_ == 0.5
    with pytest.warns(PysmorchWarning, match="the held-out rows are of one class only"):
        Classifier(**QUICK, threshold="f1").fit(X, C, eval_set=(X[:5], np.zeros(5, int)))


WRONG = {
    "threshold must be one of f1, .* but is 'f2'": {"threshold": "f2"},
    "threshold must be one of .* but is 1.5": {"threshold": 1.5},
    "a matrix of costs needs 2 rows": {"threshold": [[0, 1, 2]]},
    r"\('no', 1\) is no such pair; the classes are 0, 1": {"threshold": {("no", 1): 3}},
    r"the cost of \(0, 1\) must be a finite number": {"threshold": {(0, 1): "x"}},
    'calibrate must be True, False or "auto", but is 3': {"calibrate": 3},
    "conformal_fraction must be from 0 to below 1, but is 1": {"conformal_fraction": 1},
    "conformal_fraction=0.999 sets 300 of 300 rows aside": {"conformal_fraction": 0.999},
}


@pytest.mark.parametrize("message", WRONG)
def test_parameters_that_cannot_be_used_are_said(message):
    with pytest.raises(ValueError, match=message):
        Classifier(**QUICK, **WRONG[message]).fit(X, C)


def test_a_threshold_is_for_two_classes():
    with pytest.raises(ValueError, match="threshold='f1' is for two classes, but y has 3; say what mistakes cost"):
        Classifier(**QUICK, threshold="f1").fit(X, np.arange(300) % 3)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, "0.9", None, float("nan")])
def test_a_coverage_is_between_0_and_1(coverage):
    model = Regressor(**QUICK).fit(X, Y)
    with pytest.raises(ValueError, match=r"coverage must be a number between 0 and 1, such as 0.9, but is"):
        model.predict_interval(X, coverage)


TRUSTED = {
    "intervals": Regressor(**QUICK, conformal_fraction=0.2),
    "intervals of cross-validation": Regressor(**QUICK),
    "calibrated, with a threshold": Classifier(
        **ALL_EPOCHS, conformal_fraction=0.2, calibrate=True, threshold="f1", validation_fraction=0.2
    ),
    "costs": Classifier(**QUICK, threshold={(1, 0): 4.0}),
    "a matrix of costs": Classifier(**QUICK, threshold=np.array([[0, 1], [3, 0]])),
}


def answers(model):
    uncertain = model.predict_interval(X) if isinstance(model, Regressor) else model.predict_set(X)
    return model.predict(X), uncertain


@pytest.mark.parametrize("name", TRUSTED)
def test_files_hold_what_held_out_rows_have_taught(tmp_path, name):
    model = TRUSTED[name].fit(X, C)
    model.save(tmp_path / "m.safetensors")
    loaded = ps.load(tmp_path / "m.safetensors")
    for ours, theirs in zip(answers(model), answers(loaded), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


@pytest.mark.parametrize("name", TRUSTED)
def test_the_bits_are_the_same_for_any_number_of_threads(name):
    found = []
    for threads in (1, 2):
        model = TRUSTED[name].set_params(threads=threads).fit(X, C)
        found.append([*answers(model), model.conformal_scores_.values, getattr(model, "threshold_", None)])
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("early_stopping", ["auto", False])
def test_a_run_that_goes_on_ends_with_the_same_scores_and_threshold(tmp_path, early_stopping):
    def stop(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    options = {**QUICK, "early_stopping": early_stopping, "random_state": None, "threshold": "f1"}
    model = Classifier(**options, conformal_fraction=0.2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, C, callbacks=[stop], checkpoint=tmp_path / "run", every="1 epochs")
    ended = [Classifier(**options, conformal_fraction=0.2).fit(X, C, resume=tmp_path / "run") for _ in range(2)]
    assert ended[0].threshold_ == ended[1].threshold_
    np.testing.assert_array_equal(*(each.conformal_scores_.values for each in ended))


def test_scores_of_a_network_that_has_changed_are_gone():
    model = Regressor(**QUICK).fit(X, Y)
    assert model.quantize(X).conformal_scores_ is None
    assert model.conformal_scores_ is not None
    assert model.partial_fit(X, Y).conformal_scores_ is None


OLDER = Path(__file__).parents[1] / "files" / "models"


def test_older_files_say_that_they_have_no_scores():
    older = next(path for path in sorted(OLDER.glob("*.safetensors")) if isinstance(ps.load(path), Regressor))
    with pytest.raises(ValueError, match="or is from an older file; fit it with conformal_fraction"):
        ps.load(older).predict_interval(X)
