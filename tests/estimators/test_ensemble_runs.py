"""Checkpoints of ensembles: each network has a run of its own, and all go on to the same bits."""

import os

import numpy as np
import pytest
from sklearn.datasets import load_iris

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.training import Callback, EarlyStopping

X, Y = load_iris(return_X_y=True)
QUICK = {"hidden": (8,), "epochs": 4, "random_state": 0, "members": 3, "dropout": 0.1, "threads": 1}


class Broken(Exception):
    pass


class BreakAt(Callback):
    """Raise in some epoch and batch, once, whichever network comes there first after some others have come to their end."""

    def __init__(self, epoch, batch, after=0):
        self.epoch, self.batch, self.ended = epoch, batch, []
        self.after = after

    def on_batch_end(self, training):
        if len(self.ended) >= self.after and (training.epoch, training.batch) == (self.epoch, self.batch):
            raise Broken

    def on_fit_end(self, training):
        self.ended.append(1)


def same(a, b):
    for name, W in a.network_.parameters.items():
        np.testing.assert_array_equal(b.network_.parameters[name], W)
    assert a.loss_curve_ == b.loss_curve_
    assert a.n_iter_ == b.n_iter_


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("early_stopping", ["auto", True, False])
@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_an_interrupted_ensemble_goes_on_to_the_same_bits(tmp_path, make, early_stopping, after):
    options = QUICK | {"early_stopping": early_stopping}
    whole = make(**options).fit(X, Y)
    with pytest.raises(Broken):
        make(**options).fit(X, Y, checkpoint=tmp_path / "run", callbacks=[BreakAt(2, 2, after)])
    assert {f"network-{number}" for number in range(1, after + 2)} <= set(os.listdir(tmp_path / "run"))
    again = make(**options).fit(X, Y, resume=tmp_path / "run")
    same(whole, again)
    for a, b in zip(whole.conformal_scores_ or (), again.conformal_scores_ or (), strict=True):
        np.testing.assert_array_equal(a, b)
    same(whole, make(**options).fit(X, Y, resume=tmp_path / "run"))  # it is at its end


def test_the_seed_of_a_run_is_in_it(tmp_path):
    options = QUICK | {"random_state": None}
    whole = Classifier(**options).fit(X, Y, checkpoint=tmp_path / "run")
    same(whole, Classifier(**options).fit(X, Y, resume=tmp_path / "run"))


def test_a_warm_start_of_an_ensemble_has_a_run(tmp_path):
    options = QUICK | {"warm_start": True, "early_stopping": True}
    whole = Classifier(**options).fit(X, Y).fit(X, Y)
    again = Classifier(**options).fit(X, Y).fit(X, Y, checkpoint=tmp_path / "run")
    same(whole, again)
    same(whole, Classifier(**options).fit(X, Y).fit(X, Y, resume=tmp_path / "run"))


def test_a_checkpoint_of_a_network_is_a_model_of_it(tmp_path):
    Classifier(**QUICK).fit(X, Y, checkpoint=tmp_path / "run")
    model = ps.load(tmp_path / "run" / "network-2" / "last.safetensors")
    assert model.predict_proba(X).shape == (150, 3)
    assert model._members == 1


def test_a_callback_of_the_user_goes_on_with_its_state(tmp_path):
    options = QUICK | {"early_stopping": True, "epochs": 12}
    given = {"callbacks": [EarlyStopping("val_accuracy", patience=2)]}
    whole = Classifier(**options).fit(X, Y, **given)
    callbacks = [*given["callbacks"], BreakAt(3, 1)]
    with pytest.raises(Broken):
        Classifier(**options).fit(X, Y, checkpoint=tmp_path / "run", callbacks=callbacks)
    same(whole, Classifier(**options).fit(X, Y, resume=tmp_path / "run", **given))


def test_a_run_of_other_data_is_refused(tmp_path):
    Classifier(**QUICK).fit(X, Y, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="the run had other data"):
        Classifier(**QUICK).fit(X[1:], Y[1:], resume=tmp_path / "run")
    with pytest.raises(ValueError, match=r"members is 2, but in the run in .* it was 3"):
        Classifier(**QUICK | {"members": 2}).fit(X, Y, resume=tmp_path / "run")
    with pytest.raises(FileExistsError, match="a run is there already"):
        Classifier(**QUICK).fit(X, Y, checkpoint=tmp_path / "run")


def test_the_run_of_one_network_is_not_that_of_several(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 5, 5), dtype=np.uint8)
    options = QUICK | {"members": None, "early_stopping": False}
    Classifier(**options).fit(images, np.arange(40) % 2, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="the run had other data, for which one network is trained"):
        Classifier(**options).fit(X, Y, resume=tmp_path / "run")
