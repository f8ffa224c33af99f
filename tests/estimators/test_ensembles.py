"""Ensembles: several networks that are trained each by itself and predict as one."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.estimators.bagging import BestCalibrated, outputs_out_of_fold
from pysmorch.estimators.ensemble import mean_history
from pysmorch.estimators.members import Member, outputs_of, seeds_of
from pysmorch.files import ModelFileError
from pysmorch.losses import CrossEntropy, SquareLoss
from pysmorch.network import Network
from pysmorch.training import Callback, EarlyStopping, History
from tests.helpers import rewritten

X, Y = load_iris(return_X_y=True)
QUICK = {"hidden": (8,), "epochs": 4, "random_state": 0, "members": 3}


def classifier(**options):
    return Classifier(**QUICK | options)


def regressor(**options):
    return Regressor(**QUICK | options)


def outputs_of_members(model, rows):
    encoded = model.encoder_.encode(model._checked(rows))
    loss = CrossEntropy if isinstance(model, Classifier) else SquareLoss
    outputs = outputs_of(model.network_, model._members)
    return [Network(loss(output)).predict(encoded).astype(np.float64) for output in outputs]


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_probabilities_are_the_means_of_those_of_the_networks():
    model = classifier(early_stopping=False, calibrate=False).fit(X, Y)
    expected = np.mean([softmax(outputs) for outputs in outputs_of_members(model, X)], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_predictions_are_the_means_of_those_of_the_networks():
    rows, targets = load_diabetes(return_X_y=True)
    model = regressor(early_stopping=False).fit(rows, targets)
    outputs = np.mean(outputs_of_members(model, rows), axis=0)[:, 0]
    np.testing.assert_allclose(model.predict(rows), targets.mean() + targets.std() * outputs, rtol=1e-5)


def test_networks_have_initial_values_and_orders_of_their_own():
    first, second, third = outputs_of_members(classifier(early_stopping=False).fit(X, Y), X)
    assert not np.allclose(first, second)
    assert not np.allclose(second, third)


def test_the_first_networks_of_more_are_those_of_fewer():
    assert seeds_of(7, 5)[:3] == seeds_of(7, 3)
    assert seeds_of(7, 1) == [7]
    two, three = (classifier(early_stopping=False, members=members).fit(X, Y) for members in (2, 3))
    for a, b in zip(outputs_of_members(two, X), outputs_of_members(three, X), strict=False):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("early_stopping", ["auto", True, False])
def test_the_bits_do_not_depend_on_the_threads(early_stopping):
    models = [classifier(early_stopping=early_stopping, threads=threads).fit(X, Y) for threads in (1, 2, 3)]
    for model in models[1:]:
        np.testing.assert_array_equal(model.predict_proba(X), models[0].predict_proba(X))
        assert model.loss_curve_ == models[0].loss_curve_


def test_a_model_file_holds_an_ensemble_that_trains_on_to_the_same_bits(tmp_path):
    model = classifier().fit(X, Y)
    model.save(tmp_path / "model.safetensors")
    loaded = ps.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    model.partial_fit(X, Y)
    loaded.partial_fit(X, Y)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert len(outputs_of(loaded.network_, loaded._members)) == 3


@pytest.mark.parametrize("members", [0, -1, 2, 4])
def test_a_file_whose_number_of_networks_does_not_fit_is_refused(tmp_path, members):
    path = tmp_path / "model.safetensors"
    classifier().fit(X, Y).save(path)

    def change(header):
        header["model"]["members"] = members

    rewritten(path, change)
    with pytest.raises(ModelFileError, match=f"not the mean of {members} networks"):
        ps.load(path)


def test_partial_fit_trains_each_network_once_over_the_rows():
    model = classifier().partial_fit(X, Y)
    before = outputs_of_members(model, X)
    model.partial_fit(X, Y)
    assert model.n_iter_ == 2
    assert all(not np.allclose(a, b) for a, b in zip(before, outputs_of_members(model, X), strict=True))
    steps = 2 * -(-len(X) // 32)
    assert model.optimizer_.num_steps == steps


def test_a_warm_start_trains_the_networks_on():
    model = classifier(warm_start=True).fit(X, Y)
    model.fit(X, Y)
    assert model.n_iter_ == 8
    assert len(model.loss_curve_) == 8


def test_each_row_is_held_out_by_one_network_and_calibrates_the_ensemble():
    model = classifier().fit(X, Y)
    assert len(model.conformal_scores_.values) == len(X)
    assert not model.conformal_scores_.set_aside


def test_outputs_out_of_fold_are_means_over_the_networks_that_held_a_row_out():
    model = regressor().fit(X, Y)
    parts = [(np.array([4, 2]), np.array([[1.0], [3.0]])), (np.array([2, 7]), np.array([[5.0], [9.0]]))]
    outputs, rows = outputs_out_of_fold(parts, model)
    assert rows.tolist() == [2, 4, 7]
    assert outputs[:, 0].tolist() == [4.0, 1.0, 9.0]


def test_the_history_is_the_mean_over_the_networks_that_were_trained_so_long():
    short, long = History(), History()
    short.append({"loss": 1.0, "seconds": 6.0})
    long.append({"loss": 3.0, "seconds": 2.0})
    long.append({"loss": 2.0, "seconds": 2.0})
    assert mean_history([short, long], 1)["loss"] == [2.0, 2.0]


def test_the_seconds_of_the_history_are_those_of_all_networks():
    short, long = History(), History()
    short.append({"loss": 1.0, "seconds": 6.0})
    long.append({"loss": 3.0, "seconds": 2.0})
    long.append({"loss": 2.0, "seconds": 2.0})
    assert mean_history([short, long], 1)["seconds"] == [8.0, 2.0]
    assert mean_history([short, long], 2)["seconds"] == [4.0, 1.0]


def test_a_network_that_is_trained_holds_no_program_and_no_rows_while_others_train(monkeypatch):
    programs, rows, rest, end = [], [], Member.rest, BestCalibrated.on_fit_end

    def rested(member):
        programs.append(member.model.network_.predictor._compiled is not None)
        rest(member)
        programs.append(member.model.network_.predictor._compiled is not None)

    def ended(best, training):
        rows.append(len(best.data.rows))
        end(best, training)
        rows.append(len(best.data.rows))

    monkeypatch.setattr(Member, "rest", rested)
    monkeypatch.setattr(BestCalibrated, "on_fit_end", ended)
    Classifier(members=3, epochs=2, hidden=(4,), threads=1, random_state=0).fit(*load_iris(return_X_y=True))
    assert programs == [True, False] * 3
    assert rows == [50, 0] * 3


def test_callbacks_are_told_of_each_network():
    epochs = []
    classifier().fit(X, Y, callbacks=[lambda training: epochs.append(training.epoch)])
    assert sorted(epochs) == sorted([1, 2, 3, 4] * 3)


class Counts(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, training):
        self.epochs += 1


def test_a_callback_is_told_of_the_first_network_and_a_copy_of_it_of_each_other_one():
    stopping, counts = EarlyStopping("val_accuracy", patience=1), Counts()
    model = classifier(epochs=20).fit(X, Y, eval_set=(X, Y), callbacks=[stopping, counts])
    assert stopping.best_epoch == counts.epochs - 1
    assert "val_accuracy" in model.history_.stopped_by


class Fails(Callback):
    def on_epoch_end(self, training):
        raise ArithmeticError("as it happens")


def test_what_one_network_raises_ends_the_fit_and_leaves_the_estimator_as_it_was():
    model = classifier()
    with pytest.raises(ArithmeticError, match="as it happens"):
        model.fit(X, Y, callbacks=[Fails()])
    assert not hasattr(model, "network_")


class Interrupts(Callback):
    def on_epoch_end(self, training):
        if training.epoch == 2:
            raise KeyboardInterrupt


def test_an_interruption_keeps_what_was_learned_until_then():
    model = classifier()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, callbacks=[Interrupts()])
    assert model.n_iter_ == 2
    assert model.predict_proba(X).shape == (150, 3)


def test_an_ensemble_is_quantized_explained_and_makes_sets():
    model = classifier(epochs=30, learning_rate=0.03).fit(X, Y)
    assert (model.quantize(X).predict(X) == model.predict(X)).mean() > 0.95
    assert model.explain(X[:5]).error.max() < 0.01
    assert model.predict_set(X).any(axis=1).all()


def test_constant_targets_are_predicted_as_they_are():
    assert set(regressor().fit(X, np.full(150, 3.5)).predict(X)) == {3.5}


def test_a_threshold_is_chosen_by_the_held_out_rows():
    model = classifier(threshold="f1", epochs=10).fit(X, Y == 1)
    assert 0 < model.threshold_ < 1
