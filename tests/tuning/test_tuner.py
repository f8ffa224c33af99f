"""The search for parameters: its trials, what is stored of them, and what comes out."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor, Tuner
from pysmorch.prediction.dense import dense_of
from pysmorch.prediction.presets import WEIGHT_DECAY
from pysmorch.tuning.space import SPACE, Range, searched_in
from pysmorch.tuning.trials import Pruning
from tests.cli.examples import write_csv
from tests.helpers import error_of

pytest.importorskip("optuna", reason="Optuna is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
MODEL = Classifier(epochs=2, hidden=(4,), random_state=0, preset="fast")
DEFAULTS = {"activation": "relu", "dropout": 0.2, "learning_rate": 5e-3, "weight_decay": 0.1, "batch_size": "auto"}


def losses(tuner):
    return [(trial["loss"], trial["parameters"]) for trial in tuner.trials_]


def test_the_best_parameters_are_those_of_an_ordinary_estimator_fitted_to_all_rows():
    tuner = Tuner(MODEL, trials=4).fit(X, Y)
    assert len(tuner.trials_) == 4
    assert tuner.best_loss_ == min(trial["loss"] for trial in tuner.trials_)
    assert type(tuner.best_estimator_) is Classifier
    again = clone(MODEL).set_params(**tuner.best_params_).fit(X, Y)
    np.testing.assert_array_equal(tuner.best_estimator_.predict_proba(X), again.predict_proba(X))
    assert not hasattr(MODEL, "network_")


def test_the_first_trial_has_the_defaults_and_all_lie_in_the_space():
    trials = Tuner(MODEL, trials=5).search(X, Y).trials_
    assert trials[0]["parameters"] == DEFAULTS
    for trial in trials:
        for name, value in trial["parameters"].items():
            values = SPACE[name]
            assert values.low <= value <= values.high if isinstance(values, Range) else value in values


@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_defaults_are_in_the_space(make):
    model = make()
    assert set(searched_in(model)) == set(SPACE)
    for name, values in SPACE.items():
        left = dense_of(model, 5000)._asdict() | {"weight_decay": WEIGHT_DECAY}
        default = left.get(name, getattr(model, name))
        assert values.low <= default <= values.high if isinstance(values, Range) else default in values


def test_trials_are_measured_by_the_loss_of_the_validation_rows():
    halves = X[:40], Y[:40]
    tuner = Tuner(MODEL, trials=1).search(*halves, eval_set=(X[40:], Y[40:]))
    model = clone(MODEL).fit(*halves, eval_set=(X[40:], Y[40:]))
    assert tuner.best_loss_ == min(model.validation_curve_)
    assert tuner.trials_[0]["epochs"] == 2


def test_a_search_goes_on_where_it_was_with_the_trials_it_would_have_had_anyway(tmp_path):
    straight = Tuner(MODEL, trials=5).search(X, Y)
    Tuner(MODEL, trials=2, storage=tmp_path / "t.db").search(X, Y)
    told = []
    gone_on = Tuner(MODEL, trials=5, storage=tmp_path / "t.db").search(X, Y, tell=told.append)
    assert losses(gone_on) == losses(straight)
    assert [trial["number"] for trial in told] == [2, 3, 4]
    assert losses(Tuner(MODEL, trials=5, storage=tmp_path / "t.db").search(X, Y)) == losses(straight)


def test_an_interrupted_trial_does_not_count(tmp_path, monkeypatch):
    fit = Classifier.fit
    monkeypatch.setattr(Classifier, "fit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Tuner(MODEL, trials=2, storage=tmp_path / "t.db").search(X, Y)
    monkeypatch.setattr(Classifier, "fit", fit)
    states = [trial["state"] for trial in Tuner(MODEL, trials=2, storage=tmp_path / "t.db").search(X, Y).trials_]
    assert states == ["fail", "complete", "complete"]


def test_two_processes_share_a_search(tmp_path):
    program = (
        "import numpy as np; from pysmorch import Tuner, Regressor\n"
        "X = np.random.default_rng(0).normal(size=(40, 2)); y = X[:, 0] * X[:, 1]\n"
        f"Tuner(Regressor(epochs=1, hidden=(2,), random_state=0), 6, {str(tmp_path / 't.db')!r}).fit(X, y)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    for worker in workers:
        _, error = worker.communicate(timeout=300)
        assert worker.returncode == 0, error.decode()
    rng = np.random.default_rng(0).normal(size=(40, 2))
    model = Regressor(epochs=1, hidden=(2,), random_state=0)
    trials = Tuner(model, 1, tmp_path / "t.db").search(rng, rng[:, 0] * rng[:, 1]).trials_
    finished = sum(trial["state"] in ("complete", "pruned") for trial in trials)
    assert 6 <= finished <= 7  # both may see at once that one is left


@pytest.mark.parametrize(
    ("model", "X", "y", "what"),
    [
        (Regressor(epochs=2, hidden=(4,), random_state=0), X, Y, "estimators"),
        (clone(MODEL).set_params(epochs=3), X, Y, "parameters"),
        (clone(MODEL).set_params(dropout=0.3), X, Y, "parameters"),
        (MODEL, X[1:], Y[1:], "rows"),
        (MODEL, X, 1 - Y, "labels"),
    ],
)
def test_a_study_of_another_search_is_refused(tmp_path, model, X, y, what):
    Tuner(MODEL, trials=1, storage=tmp_path / "t.db").search(*DATA)
    with pytest.raises(ValueError, match=f"the study 'pysmorch' in .*t.db searches for other {what}"):
        Tuner(model, trials=2, storage=tmp_path / "t.db").search(X, y)
    assert Tuner(model, trials=1, storage=tmp_path / "t.db", name="second").search(X, y).best_params_


DATA = (X, Y)


class Trial:
    """A trial that is worse than others after some epochs."""

    def __init__(self, epochs):
        self.epochs, self.reported = epochs, []

    def report(self, loss, epoch):
        self.reported.append((epoch, loss))

    def should_prune(self):
        return len(self.reported) >= self.epochs


def test_a_bad_trial_is_stopped_at_an_epoch():
    pruning = Pruning(Trial(3))
    model = clone(MODEL).set_params(epochs=10).fit(X, Y, eval_set=(X, Y), callbacks=[pruning])
    assert pruning.pruned
    assert model.n_iter_ == 3
    assert [epoch for epoch, _ in pruning.trial.reported] == [1, 2, 3]
    assert [loss for _, loss in pruning.trial.reported] == model.validation_curve_


def test_trials_that_are_stopped_have_no_loss(monkeypatch):
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number == 2)
    tuner = Tuner(clone(MODEL).set_params(epochs=4), trials=4).search(X, Y)
    assert [trial["state"] for trial in tuner.trials_] == ["complete", "complete", "pruned", "complete"]
    assert tuner.trials_[2]["loss"] is None
    assert tuner.trials_[2]["epochs"] == 1


def test_parameters_that_were_set_stay():
    model = Classifier(dropout=0.0, weight_decay=0.5, epochs=1, random_state=0)
    assert set(searched_in(model)) == {"hidden", "activation", "learning_rate", "batch_size"}
    tuner = Tuner(model, trials=2).fit(X, Y)
    assert (tuner.best_estimator_.dropout, tuner.best_estimator_.weight_decay) == (0.0, 0.5)
    assert set(searched_in(Classifier(network=ps.models.lenet))) == {"learning_rate", "weight_decay", "batch_size"}
    assert "learning_rate" not in searched_in(Classifier(optimizer=ps.SGD(0.1)))
    with pytest.raises(ValueError, match="nothing is left to search"):
        searched_in(Classifier(network=ps.models.lenet, optimizer=ps.SGD(0.1), batch_size=16))


def test_trials_are_measured_by_whole_groups(monkeypatch):
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "shop": np.arange(80) % 8})
    seen = []
    fit = Classifier.fit
    monkeypatch.setattr(Classifier, "fit", lambda model, *a, **k: seen.append(k) or fit(model, *a, **k))
    tuner = Tuner(MODEL, trials=1).fit(table, Y, groups="shop")
    trial = seen[0]
    assert set(trial["X"]["shop"]) & set(trial["eval_set"][0]["shop"]) == set()
    assert len(trial["eval_set"][1]) == 20  # two of eight groups
    assert [column.holds for column in tuner.best_estimator_.encoder_.columns] == ["number", "number", "id"]


def test_trials_are_single_networks_and_the_result_is_the_ensemble_of_the_preset():
    model = Regressor(preset="balanced", members=3, epochs=2, hidden=(4,), random_state=0)
    tuner = Tuner(model, trials=2).fit(X, X[:, 0] * X[:, 1])
    assert tuner.best_estimator_.members == 3
    assert tuner.best_estimator_._members == 3
    assert [trial["epochs"] for trial in tuner.trials_] == [2, 2]


def test_remarks_are_made_once():
    table = pd.DataFrame({"a": X[:, 0], "same": np.ones(80)})
    with pytest.warns(PysmorchWarning) as caught:
        Tuner(MODEL, trials=2).fit(table, Y)
    assert len([str(warning.message) for warning in caught if "same" in str(warning.message)]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials must be an integer of at least 1, but is 0"),
        ({"trials": 2.5}, "trials must be an integer"),
        ({"validation_fraction": 1.0}, "validation_fraction must be between 0 and 1"),
    ],
)
def test_parameters_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Tuner(MODEL, **options).search(X, Y)


def test_what_cannot_store_trials_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no database, but a text that is long enough to be one " * 20)
    with pytest.raises(ValueError, match="is no SQLite file that can be written"):
        Tuner(MODEL, storage=tmp_path / "notes.txt").search(X, Y)
    assert (tmp_path / "notes.txt").read_text().startswith("no database")
    with pytest.raises(FileNotFoundError, match="storage: there is no folder"):
        Tuner(MODEL, storage=tmp_path / "nowhere" / "t.db").search(X, Y)


def test_without_optuna_one_sentence_says_what_to_install(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'a search needs Optuna: install it with  pip install "pysmorch\[tune\]"'):
        Tuner(MODEL).search(X, Y)
    write_csv()
    assert 'pip install "pysmorch[tune]"' in error_of(run("tune", "houses.csv", "--target", "price"))


TUNE = ["tune", "houses.csv", "--target", "price", "--epochs", "2", "--hidden", "4", "--quiet"]


def test_the_command_writes_a_model_with_the_best_parameters(run):
    write_csv()
    code, out, err = run(*TUNE, "--trials", "3", "--storage", "t.db", "--dropout", "0.1")
    assert code == 0, err
    assert "held-out rows" in out
    model = ps.load("model.safetensors")
    assert (model.hidden, model.dropout, model.epochs) == ((4,), 0.1, 2)
    code, out, err = run(
        *[option for option in TUNE if option != "--quiet"], "--trials", "4", "--storage", "t.db", "--dropout", "0.1"
    )
    assert code == 0, err
    assert "trial 3: loss" in out
    assert "trial 2" not in out
    assert "best of 4 trials: loss" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", "0"], "--trials must be at least 1, but is 0"),
        (["--checkpoint", "run"], "--checkpoint is for train; leave it out"),
        (["--start-from", "model.safetensors"], "--start-from is for train; leave it out"),
        (["--storage", "houses.csv"], "houses.csv is no SQLite file"),
    ],
)
def test_options_that_are_not_those_of_a_search_are_refused(run, options, message):
    write_csv()
    assert message in error_of(run(*TUNE, *options))


def test_an_interrupted_command_says_how_it_goes_on(run, monkeypatch):
    write_csv()
    monkeypatch.setattr(Classifier, "fit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, err = run(*TUNE, "--storage", "t.db")
    assert code == 130
    assert "interrupted; the trials are in t.db, and the same command goes on" in err
