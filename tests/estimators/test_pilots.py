"""Pilots choose the weight decay of a table's networks, and with it how many epochs these have."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import AdamW, Classifier, PysmorchWarning, Regressor, dense
from pysmorch.estimators import budget, pilots
from pysmorch.estimators.base import NetworkEstimator
from pysmorch.estimators.pilots import pilots_of
from pysmorch.files import ModelFileError
from pysmorch.prediction.storing import take_training

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3000, 12))
CLEAR = np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2]
NOISE = 0.3 * X[:, 0] + RNG.standard_normal(3000) > 0
QUICK = {"hidden": (128,), "epochs": 12, "members": 4, "learning_rate": 0.05, "random_state": 2, "threads": 1}
STRONG = 10_000 / 3000
TRIED = [(0.1, 6), (STRONG, 3)]
"""Weight decays and epochs of the pilots."""


def trained(model, rows=X, labels=NOISE, **options):
    """Fit a model; return the weight decay and the epochs of each training in it, in their order."""
    seen, train = [], NetworkEstimator._train

    def noted(self, *arguments, **given):
        seen.append((self.optimizer_.weight_decay, given["epochs"]))
        return train(self, *arguments, **given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(NetworkEstimator, "_train", noted)
        model.fit(rows, labels, **options)
    return seen


def test_columns_that_say_little_have_a_strong_decay_and_half_the_epochs():
    model = Classifier(**QUICK)
    assert trained(model) == [*TRIED, *[(STRONG, 6)] * 4]
    assert model.optimizer_.weight_decay == STRONG
    assert model.n_iter_ == 6


def test_columns_that_say_all_have_a_weak_decay_and_all_epochs():
    assert trained(Regressor(**QUICK), labels=CLEAR) == [*TRIED, *[(0.1, 12)] * 4]


@pytest.mark.parametrize(
    ("options", "num_rows", "decays"),
    [
        ({"weight_decay": 0.3}, 3000, [0.3] * 4),
        ({"preset": "fast", "members": 2, "early_stopping": False}, 3000, [0.1] * 2),
        ({"early_stopping": False}, 3000, [0.1] * 4),
        ({"early_stopping": True}, 3000, [0.1] * 4),
        ({"optimizer": "adam"}, 3000, [0.1] * 4),
        ({"optimizer": AdamW(0.01, weight_decay=0.2)}, 3000, [0.2] * 4),
        ({}, 2999, [0.1] * 4),
    ],
)
def test_there_are_none_where_something_else_says_the_decay(options, num_rows, decays):
    seen = trained(Classifier(**QUICK | {"epochs": 1} | options), X[:num_rows], NOISE[:num_rows])
    assert [decay for decay, _ in seen] == decays


def test_there_are_none_of_images_and_of_networks_of_the_users():
    images = RNG.integers(0, 255, (3000, 3, 3), dtype=np.uint8)
    assert [decay for decay, _ in trained(Classifier(**QUICK | {"epochs": 1, "members": 2}), images)] == [0.1] * 2
    own = Classifier(network=lambda layer, outputs: dense(layer, outputs, None), **QUICK | {"epochs": 1, "members": 2})
    assert [decay for decay, _ in trained(own)] == [0.1] * 2


def test_an_eval_set_leaves_nothing_to_pilots():
    seen = trained(Classifier(**QUICK | {"epochs": 1}), eval_set=[(X[:50], NOISE[:50])])
    assert [decay for decay, _ in seen] == [0.1] * 4


def test_the_bits_do_not_depend_on_the_threads():
    models = [Classifier(**QUICK | {"threads": threads}).fit(X, NOISE) for threads in (1, 3)]
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))


def test_the_first_weights_are_those_without_pilots():
    chosen = Classifier(**QUICK).fit(X, NOISE)
    given = Classifier(**QUICK | {"epochs": 6, "weight_decay": STRONG}).fit(X, NOISE)
    np.testing.assert_array_equal(chosen.predict_proba(X), given.predict_proba(X))


def test_one_epoch_is_one_of_pilots_and_networks():
    seen = trained(Classifier(**QUICK | {"epochs": 1}))
    assert seen[:2] == [(0.1, 1), (STRONG, 1)]
    assert [epochs for _, epochs in seen[2:]] == [1] * 4


def test_a_run_goes_on_to_the_same_bits(tmp_path):
    whole, options = Classifier(**QUICK).fit(X, NOISE), QUICK

    def broken(training):
        if training.epoch == 3:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        Classifier(**options).fit(X, NOISE, checkpoint=tmp_path / "run", callbacks=[broken])
    again = Classifier(**options).fit(X, NOISE, resume=tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(X), whole.predict_proba(X))


def test_a_model_file_has_what_they_chose(tmp_path):
    model = Classifier(**QUICK).fit(X, NOISE)
    model.save(tmp_path / "model.safetensors")
    loaded = ps.load(tmp_path / "model.safetensors")
    assert loaded.optimizer_.weight_decay == STRONG
    for one in (model, loaded):
        one.partial_fit(X, NOISE)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "0.1"])
def test_a_file_with_a_decay_that_is_none_is_refused(wrong):
    model = Classifier(**QUICK | {"epochs": 1}).fit(X, NOISE)
    with pytest.raises(ModelFileError, match=r"weight.decay"):
        take_training(model, {"training": {"steps": 0, "weight_decay": wrong}}, {})


def test_a_limit_of_time_leaves_them_out_before_anything_else(monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_epoch", lambda *of: 1.0)
    monkeypatch.setattr(budget, "clock", lambda: 0.0)
    model = Classifier(time_limit=66, **QUICK)  # 48 epochs of four networks fit into four fifths, but not 9 more
    with pytest.warns(PysmorchWarning, match="no pilots fit into 66 s"):
        assert trained(model) == [(0.1, 12)] * 4
    assert len(trained(Classifier(time_limit=72, **QUICK))) == 6


@pytest.mark.parametrize("by", ["groups", "time"])
def test_groups_and_times_are_held_out_together(by):
    assert len(trained(Classifier(**QUICK | {"epochs": 1}), **{by: np.arange(3000) // 3})) == 6


def test_pilots_have_half_of_the_epochs_of_their_networks():
    model = Classifier(**QUICK).fit(X[:100], NOISE[:100])
    assert pilots_of(model, 10_000, 50) == ((0.1, 1.0), (25, 12))
    assert pilots_of(model, 20_000, 50) == ((0.1, 0.5), (25, 12))
    assert pilots_of(model, 20_001, 50) is None


@pytest.mark.parametrize(("noise", "epochs"), [(1.0001, 44), (1e6, 22)])
def test_larger_tables_with_little_noise_have_more_epochs(noise, epochs, monkeypatch):
    monkeypatch.setattr(pilots, "MANY_EPOCHS_FROM", 3000)
    monkeypatch.setattr(pilots, "LITTLE_NOISE", noise)
    quick = QUICK | {"epochs": None, "hidden": (8,), "members": 2}
    assert trained(Regressor(**quick), labels=CLEAR) == [(0.1, 11), (STRONG, 5), *[(0.1, epochs)] * 2]
    assert trained(Regressor(**quick), X[:2999], CLEAR[:2999])[-1] == (0.1, 22)
    assert trained(Regressor(preset="best", **quick), labels=CLEAR)[-1] == (0.1, 50)


def test_more_epochs_are_given_up_where_time_is_short(monkeypatch):
    monkeypatch.setattr(pilots, "MANY_EPOCHS_FROM", 3000)
    monkeypatch.setattr(pilots, "LITTLE_NOISE", 1.0001)
    monkeypatch.setattr(budget, "seconds_of_epoch", lambda *of: 1.0)
    monkeypatch.setattr(budget, "clock", lambda: 0.0)
    quick = QUICK | {"epochs": None, "hidden": (8,), "members": 2}
    with pytest.warns(PysmorchWarning, match="22 of 44 epochs fit into 100 s"):
        assert trained(Regressor(time_limit=100, **quick), labels=CLEAR)[-1] == (0.1, 22)
    assert trained(Regressor(time_limit=140, **quick), labels=CLEAR)[-1] == (0.1, 44)
