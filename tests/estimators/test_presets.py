"""Presets, numbers of networks, and limits of time."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from pysmorch import Classifier, Data, PysmorchWarning, Regressor, SquareLoss, dense
from pysmorch.estimators import budget, sampling
from pysmorch.estimators.bagging import BestCalibrated
from pysmorch.estimators.base import NetworkEstimator
from pysmorch.estimators.budget import Plan, plan
from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.rows import Labelled
from pysmorch.prediction.presets import PRESETS, members_of

X, Y = load_iris(return_X_y=True)
QUICK = {"hidden": (8,), "epochs": 3, "random_state": 0}
WANTED = Plan(members=4, epochs=50, rows=1000)


class Clock:
    """A clock that goes on by so many seconds whenever it is read."""

    def __init__(self, step):
        self.step, self.now = step, 0.0

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_a_preset_says_how_many_networks_are_averaged(make, preset):
    assert make(preset=preset, **QUICK).fit(X, Y)._members == PRESETS[preset].members_of_few


def test_larger_tables_have_fewer_networks():
    rows = np.random.default_rng(0).standard_normal((2000, 2))
    assert Regressor(preset="best", **QUICK | {"epochs": 1}).fit(rows, rows[:, 0] * rows[:, 1])._members == 8


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, 50),
        ({"batch_size": 7}, 22),
        ({"batch_size": 10}, 27),
        ({"preset": "best"}, 50),
        ({"preset": "fast", "members": 2}, 50),
        ({"members": 1}, 50),
        ({"network": lambda layer, outputs: dense(layer, outputs, None), "members": 2}, 50),
        ({"epochs": 7}, 7),
    ],
)
def test_several_networks_of_a_table_have_the_epochs_of_their_preset(options, epochs):
    seen, quick = [], {"hidden": (4,), "random_state": 0, "early_stopping": False, "threads": 1}
    Classifier(**quick | options).fit(X, Y, callbacks=[lambda training: seen.append(training.num_epochs)])
    assert set(seen) == {epochs}


def test_images_have_fifty_epochs():
    images, seen = np.random.default_rng(0).integers(0, 255, (20, 4, 4), dtype=np.uint8), []
    options = {"hidden": (4,), "members": 2, "early_stopping": False}
    Classifier(**options).fit(images, Y[40:60], callbacks=[lambda training: seen.append(training.num_epochs)])
    assert set(seen) == {50}


@pytest.mark.parametrize(("num_rows", "steps"), [(2999, 66), (3000, 24), (20_000, 79)])
def test_larger_tables_have_larger_batches(num_rows, steps):
    rows, seen = np.random.default_rng(0).standard_normal((num_rows, 2)), []
    options = {"preset": "fast", "hidden": (4,), "epochs": 1, "early_stopping": False}
    Regressor(**options).fit(
        rows, rows[:, 0] * rows[:, 1], callbacks=[lambda training: seen.append(training.num_batches)]
    )
    assert seen == [steps]


def test_what_is_given_wins_over_the_preset():
    assert Classifier(preset="best", members=2, **QUICK).fit(X, Y)._members == 2


def test_images_and_networks_of_ones_own_are_single_networks():
    images = np.random.default_rng(0).integers(0, 255, (20, 4, 4), dtype=np.uint8)
    assert Classifier(preset="best", **QUICK).fit(images, np.arange(20) % 2)._members == 1


def test_a_network_of_ones_own_is_a_single_one():
    made = Classifier(network=lambda layer, outputs: dense(layer, outputs, None), preset="best", **QUICK).fit(X, Y)
    assert made._members == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "quick"}, 'preset must be one of "fast", "balanced", "best", but is \'quick\''),
        ({"members": 0}, "members must be a positive integer, or None for that of the preset, but is 0"),
        ({"members": 2.5}, "members must be a positive integer"),
        ({"epochs": 0}, "epochs must be a positive integer, or None for that of the preset, but is 0"),
        ({"epochs": "ten"}, "epochs must be a positive integer, or None for that of the preset, but is 'ten'"),
        ({"members": 151}, "members=151 needs at least as many rows, but there are 150"),
        ({"time_limit": 0}, "time_limit must be a positive number of seconds, or None for no limit, but is 0"),
        ({"time_limit": -3.0}, "time_limit must be a positive number of seconds"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Classifier(**QUICK | options).fit(X, Y)


def test_few_rows_have_no_more_networks_of_a_preset_than_there_are_rows():
    assert Classifier(preset="best", **QUICK).fit(X[[0, 1, 149]], [0, 0, 1])._members == 3


def test_checkpoints_and_a_limit_of_time_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="time_limit depends on the clock"):
        Classifier(preset="fast", time_limit=5, **QUICK).fit(X, Y, checkpoint=tmp_path / "run")


def test_what_fits_is_left_as_it_is():
    assert plan(seconds=0.5, left=50.0, wanted=WANTED, at_a_time=2) == WANTED  # two rounds of 25 s


def test_networks_are_given_up_before_epochs_and_these_before_rows():
    # In 45 s there are nine rounds of ten epochs of half a second, with two networks each.
    assert plan(seconds=0.5, left=45.0, wanted=WANTED, at_a_time=2) == Plan(4, 45, 1000)
    # One round only: two networks, and all of the time for them.
    assert plan(seconds=0.5, left=9.0, wanted=WANTED, at_a_time=2) == Plan(2, 18, 1000)
    assert plan(seconds=0.5, left=2.0, wanted=WANTED, at_a_time=2) == Plan(1, 4, 1000)
    # One more epoch, of some of the rows, where much of the time would be left.
    assert plan(seconds=1.0, left=2.4, wanted=WANTED, at_a_time=2) == Plan(1, 2, 1000)
    assert plan(seconds=1.0, left=2.5, wanted=WANTED, at_a_time=2) == Plan(1, 3, 833)
    assert plan(seconds=1.0, left=1.9, wanted=WANTED._replace(epochs=1), at_a_time=1) == Plan(1, 1, 1000)
    assert plan(seconds=8.0, left=2.0, wanted=WANTED, at_a_time=2) == Plan(1, 1, 250)
    assert plan(seconds=8.0, left=0.0, wanted=WANTED, at_a_time=2) == Plan(1, 1, 1)


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_a_fit_with_enough_time_is_that_without_a_limit(preset):
    models = [Classifier(preset=preset, time_limit=limit, **QUICK).fit(X, Y) for limit in (None, 1e6)]
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_too_little_time_gives_a_model_and_says_what_was_done(make, preset, monkeypatch):
    monkeypatch.setattr(budget, "clock", Clock(10.0))
    with pytest.warns(PysmorchWarning, match="1 of 3 epochs, 32 of 150 rows fit into 5 s"):
        model = make(preset=preset, time_limit=5, **QUICK).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
    assert model._members == 1


def test_fewer_networks_and_epochs_are_said_and_the_schedule_is_compressed(monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_epoch", lambda *of: 1.0)
    monkeypatch.setattr(budget, "clock", Clock(0.0))
    options = QUICK | {"epochs": 50, "learning_rate": 0.03, "time_limit": 15, "threads": 1, "early_stopping": False}
    with pytest.warns(PysmorchWarning, match="1 of 4 networks, 12 of 50 epochs fit into 15 s; allow more time"):
        model = Classifier(preset="balanced", **options).fit(X, Y)  # four fifths of 15 s are planned
    assert model.n_iter_ == 12
    assert model.history_["learning_rate"][-1] < 1e-4  # as at the end of all 50


def test_at_the_limit_training_ends_within_an_epoch(monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_epoch", lambda *of: 1e-9)
    monkeypatch.setattr(budget, "clock", Clock(1.0))
    with pytest.warns(PysmorchWarning, match="training ended at the limit of 20 s, after"):
        model = Classifier(preset="balanced", time_limit=20, early_stopping=False, **QUICK | {"epochs": 30}).fit(X, Y)
    assert model.n_iter_ < 30
    assert model.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_probabilities_of_every_preset_are_those_of_the_classes(preset):
    model = Classifier(preset=preset, **QUICK | {"epochs": 30, "learning_rate": 0.03}).fit(X, Y)
    assert model.score(X, Y) > 0.9


@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_where_not_all_rows_can_be_encoded_in_time_some_are_drawn(make, monkeypatch):
    monkeypatch.setattr(sampling, "FEWEST", 100)
    monkeypatch.setattr(sampling, "TRIED", 10)
    monkeypatch.setattr(sampling, "_seconds", lambda estimator, X, number: 1.0 * number)
    monkeypatch.setattr(budget, "clock", Clock(0.0))
    seen = []
    with pytest.warns(PysmorchWarning, match="time_limit: encoding 30 of 150 rows"):  # 0.3 of 100 s, a second for each
        model = make(time_limit=100, early_stopping=False, **QUICK).fit(X, Y, callbacks=[seen.append])
    assert {training.num_batches for training in seen} == {1}
    assert np.isfinite(model.predict(X)).all()
    if make is Classifier:
        assert len(model.classes_) == 3


@pytest.mark.filterwarnings("ignore:y has classes with few rows")
def test_a_class_of_which_no_row_was_drawn_is_a_class(monkeypatch):
    monkeypatch.setattr(sampling, "FEWEST", 100)
    monkeypatch.setattr(sampling, "TRIED", 10)
    monkeypatch.setattr(sampling, "_seconds", lambda estimator, X, number: 1.0 * number)
    monkeypatch.setattr(budget, "clock", Clock(0.0))
    rare = np.where(np.arange(150) == 70, 2, Y > 0)
    with pytest.warns(PysmorchWarning, match="time_limit: encoding 30 of 150 rows"):
        model = Classifier(time_limit=100, class_weight="balanced", **QUICK).fit(X, rare)
    assert model.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(model.predict_proba(X)).all()


def test_many_rows_and_many_columns_are_learned_by_one_network_of_balanced():
    model = Classifier()
    assert [members_of(model, rows, 20, False) for rows in (1999, 2000, 199_999, 200_000)] == [4, 4, 4, 1]
    assert [members_of(model, 100, columns, False) for columns in (1999, 2000)] == [4, 1]


def test_partial_fit_begins_with_one_network():
    model = Classifier(random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    assert model._members == 1
    assert Classifier(random_state=0, members=2).partial_fit(X, Y, classes=[0, 1, 2])._members == 2


def test_each_network_of_balanced_holds_out_an_eighth_of_many_rows_and_measures_it():
    rows = np.random.default_rng(0).standard_normal((5000, 2))
    model = Classifier(threads=1, **QUICK | {"epochs": 2}).fit(rows, rows[:, 0] > rows[:, 1], metrics=["auc"])
    assert model._members == 4
    assert len(model.conformal_scores_.values) == 4 * 625
    assert len(model.validation_curve_) == len(model.history_["val_auc"]) == 2
    with pytest.raises(ValueError, match="metrics: auc can be measured on validation data only"):
        Classifier(**QUICK).fit(rows[:4999], rows[:4999, 0] > 0, metrics=["auc"])


def test_one_network_of_balanced_holds_out_a_tenth_of_many_rows():
    rows = np.random.default_rng(0).standard_normal((5000, 2))
    model = Classifier(members=1, **QUICK | {"epochs": 2}).fit(rows, rows[:, 0] > rows[:, 1])
    assert len(model.conformal_scores_.values) == 500


class OfEpochs:
    """A training that gives what a network gave after each epoch."""

    def __init__(self, predicted, measured=False):
        self.predicted, self.num_epochs, self.epoch, self.restored = predicted, len(predicted), 0, None
        self.measured, self.outputs, self.stopped = measured, None, False
        self.network = self
        self.loss = SquareLoss(Data(shape=(None, 1)))

    def through(self, best):
        """Go through the epochs until a callback stops."""
        while self.epoch < self.num_epochs and not self.stopped:
            self.epoch += 1
            self.outputs = self._predicted() if self.measured else None
            best.on_epoch_end(self)
        best.on_fit_end(self)

    def _predicted(self):
        return np.array(self.predicted[self.epoch - 1], float).reshape(-1, 1)

    def predictor(self, _):
        assert not self.measured
        return self._predicted()

    def snapshot(self):
        return self.epoch

    def restore(self, epoch):
        self.restored = epoch

    def stop(self, _):
        self.stopped = True


def best_of(as_good=0.02):
    data = Labelled(np.zeros((2, 1)), np.zeros(2), None, None)
    return BestCalibrated(data, [Calibration(1.0, np.zeros(1))], patience=20, as_good=as_good)


@pytest.mark.parametrize("measured", [False, True])
def test_the_last_epoch_that_is_nearly_the_best_is_kept(measured):
    # Half the sums of squares: 2.25, 1, 1.01 and 1.03 times as much as the smallest.
    training, best = OfEpochs([[1.5, 1.5], [1.0, 1.0], [1.01**0.5] * 2, [1.03**0.5] * 2], measured), best_of()
    training.through(best)
    assert training.restored == best.epoch == 3
    assert training.epoch == 4


@pytest.mark.parametrize(
    ("losses", "last"),
    [
        ([9, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1], 10),  # half of the epochs, then four that are worse by 1 of 9
        ([9, 4, 5, 5, 5, 5, 5, 5, 5, 4.1, 5, 5, 5], 13),  # one of them is worse by less than 2 % of 9
        ([9, 8, 8, 8, 8, 8, 7, 8, 8, 8, 8, 8, 8], 11),  # the best one is later than half
        ([9] + 11 * [5] + [4], 13),  # as good as the best one
        ([9, 4] + 58 * [5], 40),  # ten of sixty after half
    ],
)
def test_a_network_ends_when_its_held_out_rows_are_clearly_worse(losses, last):
    training = OfEpochs([[loss**0.5] * 2 for loss in losses])
    best = best_of(as_good=0.0)
    training.through(best)
    assert training.epoch == last
    assert training.restored == 1 + losses[:last].index(min(losses[:last]))


def test_a_network_that_goes_on_from_a_checkpoint_ends_as_it_would_have_ended():
    training = OfEpochs([[loss**0.5] * 2 for loss in [9, 4] + 11 * [5]])
    first, second = best_of(), best_of()
    for training.epoch in range(1, 9):
        first.on_epoch_end(training)
    second.set_state(first.get_state())
    training.through(second)
    assert training.epoch == 10
    assert training.restored == 2


def test_the_mean_of_several_networks_is_trusted_more_than_each_of_them():
    trusted = [Calibration(trust, np.zeros(2)).of_mean().trust for trust in (0.0, 0.49, 1.0, 1.6)]
    np.testing.assert_allclose(trusted, [0.0, 0.7, 1.0, 1.6])


def test_logits_of_an_ensemble_may_become_farther_from_zero():
    # Much weight decay makes the outputs of well separated classes too small.
    model = Classifier(members=4, weight_decay=30.0, threads=1, **QUICK | {"epochs": 10}).fit(X, Y)
    assert model.network_.output.in_layer.W.min() > 1


def decays_of(make=Classifier, rows=X, labels=Y, **options):
    """Return the weight decays of the networks in their order."""
    seen, train = [], NetworkEstimator._train

    def trained(self, *arguments, **given):
        seen.append(self.optimizer_.weight_decay)
        return train(self, *arguments, **given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(NetworkEstimator, "_train", trained)
        make(threads=1, **QUICK | {"epochs": 1} | options).fit(rows, labels)
    return seen


def test_the_weight_decays_of_small_tables_differ():
    assert decays_of() == [0.1, 0.6] * 2
    assert decays_of(preset="best") == [0.1, 0.6] * 8
    assert decays_of(preset="fast", early_stopping=False) == [0.1]
    assert decays_of(weight_decay=0.2) == [0.2] * 4
    many = np.random.default_rng(0).standard_normal((2000, 2))
    assert decays_of(Regressor, many, many[:, 0] * many[:, 1]) == [0.1] * 4
    images = np.random.default_rng(0).integers(0, 255, (20, 4, 4), dtype=np.uint8)
    assert decays_of(rows=images, labels=np.arange(20) % 2, members=2) == [0.1] * 2


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            lambda: Regressor().fit(X, np.array(["a", "b", "c"])[Y]),
            "y: could not convert .*; a Regressor predicts numbers",
        ),
        (
            lambda: Classifier().fit(X, Y, sample_weight=(Y == 1).astype(float)),
            r"y has one class only, \[1\]; a classifier needs at least two, in rows whose weight is not 0",
        ),
        (
            lambda: Classifier().fit(X, Y, eval_set=(X[:9], Y[:9], np.zeros(9))),
            "eval_set: sample_weight must not be zero for all rows",
        ),
        (lambda: Classifier().fit(X, Y, eval_set=(X[:2], [0, 3])), "eval_set: y has unknown labels 3; the classes"),
        (lambda: Classifier().fit(X, Y, groups=[1, 2]), "groups has 2 values, but X has 150 rows"),
    ],
)
def test_what_cannot_be_learned_names_the_argument(fit, message):
    with pytest.raises(ValueError, match=message):
        fit()


def test_a_class_that_only_the_latest_rows_have_is_said():
    late = np.where(np.arange(150) > 140, 2, np.arange(150) % 2)
    with pytest.warns(PysmorchWarning, match="all rows of the class 2 are held out, so that they cannot be learned"):
        Classifier(**QUICK).fit(X, late, time=np.arange(150))
