"""decision_function, warm_start, threads, several validation sets, quantiles, losses of one's own, and interruptions."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.engine import num_threads
from pysmorch.engine.threads import using_threads

X, Y = load_iris(return_X_y=True)
RNG = np.random.default_rng(0)


def classifier(**options):
    return Classifier(**{"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"} | options)


def regressor(**options):
    return Regressor(**{"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"} | options)


def test_the_decision_function_has_the_logits_of_several_classes():
    model = classifier().fit(X, Y)
    logits = model.decision_function(X)
    assert logits.shape == (150, 3)
    e = np.exp(logits)
    np.testing.assert_allclose(e / e.sum(1, keepdims=True), model.predict_proba(X), rtol=1e-12)


def test_the_decision_function_of_two_classes_is_positive_where_the_second_is_likelier():
    model = classifier().fit(X, Y == 1)
    decision = model.decision_function(X)
    assert decision.shape == (150,)
    np.testing.assert_array_equal(decision > 0, model.predict(X))
    np.testing.assert_allclose(1 / (1 + np.exp(-decision)), model.predict_proba(X)[:, 1], rtol=1e-12)


def test_a_warm_start_goes_on_from_the_weights_and_any_other_fit_begins_anew():
    model = classifier(warm_start=True, early_stopping=False).fit(X, Y)
    first = model.network_
    model.fit(X, Y)
    assert model.network_ is first
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.loss_curve_[3] < model.loss_curve_[0]
    model.set_params(warm_start=False).fit(X, Y)
    assert model.network_ is not first
    assert model.n_iter_ == 3


def test_a_warm_start_keeps_classes_and_columns():
    model = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="unknown labels 3"):
        model.fit(X, Y + 1)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.fit(X[:, :3], Y)


def test_threads_hold_in_training_and_prediction_and_change_no_bit(monkeypatch):
    one, two = (classifier(threads=count).fit(X, Y) for count in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    used = []
    monkeypatch.setattr(
        one.network_, "predict", lambda rows, precision: used.append(num_threads()) or np.zeros((150, 3), np.float32)
    )
    one.predict(X)
    one.decision_function(X)
    assert used == [1, 1]


def test_threads_of_a_context_end_with_it():
    outside = num_threads()
    with using_threads(3):
        assert num_threads() == 3
        with using_threads(None):
            assert num_threads() == 3
    assert num_threads() == outside


@pytest.mark.parametrize("threads", [0, 1025, True, "two"])
def test_threads_out_of_range_are_refused(threads):
    with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
        classifier(threads=threads).fit(X, Y)


def test_each_of_several_validation_sets_has_its_curves_and_the_first_one_ends_training():
    good, bad = (X[::2], Y[::2]), (X[1::2], (Y[1::2] + 1) % 3, np.ones(75))
    model = classifier(epochs=30, learning_rate=0.05, patience=3).fit(X, Y, eval_set=[good, bad], metrics=["auc"])
    history = model.history_
    alone = classifier(epochs=30, learning_rate=0.05, patience=3).fit(X, Y, eval_set=good, metrics=["auc"])
    assert history["val_loss"] == alone.history_["val_loss"] == model.validation_curve_
    assert {"val_auc", "val_2_loss", "val_2_accuracy", "val_2_auc"} <= set(history)
    assert len(history["val_2_loss"]) == model.n_iter_
    assert history["val_2_loss"][-1] > history["val_loss"][-1]


@pytest.mark.parametrize("given", [[(X, Y), (X,)], [(X, Y), (X, Y, None, None)]])
def test_each_validation_set_is_checked(given):
    with pytest.raises(ValueError, match="eval_set must be"):
        classifier().fit(X, Y, eval_set=given)


def test_several_quantiles_are_predicted_in_their_order_and_do_not_cross():
    x = RNG.uniform(0, 1, (600, 1))
    y = RNG.uniform(0, 1, 600) * 10
    model = Regressor((16,), loss="quantile", quantile=(0.9, 0.1, 0.5), epochs=30, random_state=0).fit(x, y)
    predicted = model.predict(x)
    assert predicted.shape == (600, 3)
    assert (predicted[:, 1] <= predicted[:, 2]).all()
    assert (predicted[:, 2] <= predicted[:, 0]).all()
    # The quantiles of a uniform distribution on 0..10.
    np.testing.assert_allclose(predicted.mean(0), [9, 1, 5], atol=1)
    assert np.isfinite(model.score(x, y))
    assert not get_tags(model).target_tags.multi_output


def test_several_quantiles_are_for_one_target():
    with pytest.raises(ValueError, match="several quantiles are for one target"):
        regressor(loss="quantile", quantile=(0.1, 0.9)).fit(X, np.stack([Y, Y], 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        regressor(loss="quantile", quantile=(0.1, 1.5)).fit(X, Y)


class Cubic(ps.losses.base.Loss):
    """|x - y|^3 / 3."""

    def sample_losses(self, x, y):
        return (np.abs(x - y) ** 3).sum(1) / 3

    def sample_gradients(self, x, y):
        return np.sign(x - y) * (x - y) ** 2


@pytest.mark.filterwarnings("ignore:a model file cannot hold")
@pytest.mark.parametrize("loss", [Cubic, lambda output: ps.HuberLoss(output, delta=0.5)], ids=["class", "function"])
def test_a_loss_of_ones_own_trains_and_is_saved(loss, tmp_path):
    y = X @ [1.0, 2.0, -1.0, 0.5]
    model = regressor(loss=loss, epochs=30, learning_rate=0.02).fit(X, y)
    assert model.score(X, y) > 0.8
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors", layers=[Cubic])
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_classifier_takes_a_loss_of_ones_own():
    weighted = classifier(loss=lambda output: ps.CrossEntropy(output, class_weights=(1, 1, 50)), epochs=10).fit(X, Y)
    plain = classifier(epochs=10, early_stopping=False).fit(X, Y)
    assert weighted.predict_proba(X)[:, 2].mean() > plain.predict_proba(X)[:, 2].mean()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: regressor(loss=lambda output: output).fit(X, Y), TypeError, "loss must make a pysmorch loss"),
        (lambda: classifier(loss="hinge").fit(X, Y), ValueError, 'loss must be "cross_entropy"'),
        (lambda: classifier().fit(X, [None, *Y[1:].tolist()]), ValueError, "missing labels, the first in row 0"),
    ],
)
def test_what_is_no_loss_or_no_label_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("row", [0, 7])
def test_missing_labels_of_pandas_are_named_in_a_sentence(make, row):
    import pandas as pd

    y = pd.Series(Y % 2, dtype="Int64")
    y[row] = pd.NA
    with pytest.raises(ValueError, match=f"^y has (missing labels, the first|NaN) in row {row};"):
        make().fit(X, y)


def test_nullable_labels_without_missing_ones_are_numbers():
    import pandas as pd

    assert classifier().fit(X, pd.Series(Y, dtype="Int64")).classes_.dtype.kind == "i"
    assert classifier().fit(X, pd.Series(Y == 1, dtype="boolean")).classes_.dtype == bool


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_losses_of_logarithms_say_that_they_need_positive_targets(loss):
    assert get_tags(Regressor(loss=loss)).target_tags.positive_only
    assert not get_tags(Regressor()).target_tags.positive_only


def test_object_arrays_of_numbers_come_through_pipelines_and_ensembles():
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd")).astype({"a": object})
    passing = ColumnTransformer([("a", "passthrough", ["a", "b"])])
    assert make_pipeline(passing, classifier()).fit(frame, Y).predict(frame).shape == (150,)
    bagged = BaggingClassifier(classifier(), n_estimators=2, random_state=0).fit(X.astype(object), Y)
    assert bagged.predict(X.astype(object)).shape == (150,)
