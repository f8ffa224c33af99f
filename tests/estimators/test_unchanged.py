"""A fit that raises leaves an estimator as it was before: fitted as it was, or not fitted."""

import copy
import io
import pickle
import sys
import threading

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from pysmorch import Classifier, NonFiniteError, Regressor
from pysmorch.prediction.predicted import predict_all

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
SMALL = {"hidden": (4,), "epochs": 2, "random_state": 0, "preset": "fast"}


def interrupt(training):
    raise KeyboardInterrupt


def bad_row():
    rows = X.copy()
    rows[7, 2] = np.inf
    return rows


FAILURES = {
    "infinite rows": ({}, lambda m: m.fit(bad_row(), Y), ValueError),
    "rows of another width, bad labels": ({}, lambda m: m.fit(X[:, :2], Y[:-1]), ValueError),
    "a loss that is not finite": ({"learning_rate": 1e30}, lambda m: m.fit(X[:, :3], Y), NonFiniteError),
    "an interruption": ({"hidden": (8,)}, lambda m: m.fit(X[:, :3], Y, callbacks=[interrupt]), KeyboardInterrupt),
    "an interruption of a warm start": (
        {"warm_start": True},
        lambda m: m.fit(X, Y, callbacks=[interrupt]),
        KeyboardInterrupt,
    ),
    "infinite rows of partial_fit": ({}, lambda m: m.partial_fit(bad_row(), Y), ValueError),
}


def state_of(model):
    return {k: pickle.dumps(v) for k, v in vars(model).items()}


@pytest.mark.parametrize("kind", [Classifier, Regressor])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_training_that_fails_leaves_a_fitted_estimator_as_it_was(kind, failure):
    options, train, error = FAILURES[failure]
    model = kind(**SMALL).fit(X, Y)
    model.set_params(**options)
    before, outputs = state_of(model), model.predict(X)
    with pytest.raises(error):
        train(model)
    np.testing.assert_array_equal(model.predict(X), outputs)
    assert state_of(model) == before
    assert model.n_features_in_ == 4


@pytest.mark.parametrize("failure", [name for name in FAILURES if "partial" not in name and "interruption" not in name])
def test_a_first_fit_that_fails_leaves_an_estimator_that_is_not_fitted(failure):
    options, train, error = FAILURES[failure]
    model = Classifier(
        **(SMALL | options),
    )
    before = dict(vars(model))
    with pytest.raises(error):
        train(model)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_an_interrupted_first_training_leaves_what_was_learned_with_its_history():
    def in_second_epoch(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    model = Classifier(**(SMALL | {"epochs": 5}))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, callbacks=[in_second_epoch])
    assert model.n_iter_ == len(model.loss_curve_) == 2 == len(model.history_["loss"])
    assert model.predict(X).shape == (60,)


def test_a_random_state_is_as_it_was():
    source = np.random.RandomState(3)
    model = Classifier(**(SMALL | {"random_state": source, "learning_rate": 1e30}))
    before = pickle.dumps(source.get_state())
    with pytest.raises(NonFiniteError):
        model.fit(X, Y)
    assert pickle.dumps(source.get_state()) == before


def test_an_estimator_is_trained_by_one_thread_at_a_time():
    model = Classifier(**SMALL)
    inside, done = threading.Event(), threading.Event()

    def wait(_):
        inside.set()
        done.wait(60)

    thread = threading.Thread(target=lambda: model.fit(X, Y, callbacks=[wait]))
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(RuntimeError, match="Classifier is being trained by another thread"):
            model.fit(X, Y)
    finally:
        done.set()
        thread.join()
    assert model.score(X, Y) > 0


def test_predictions_and_copies_while_another_thread_fits_are_those_of_the_old_model_or_the_new_one():
    rows, answers = (X, 3 * X + 1), (np.array(["a", "b"])[Y], np.array(["x", "y", "z"])[np.arange(60) % 3])
    model = Classifier(**SMALL)
    expected = [model.fit(x, y).predict_proba(X) for x, y in zip(rows, answers, strict=True)]
    seen, errors, done = [], [], threading.Event()

    def read():
        try:
            while not done.is_set():
                for one in (model, copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
                    seen.append(one.predict_proba(X))
                model.save(io.BytesIO())
                model.quantize(X)
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=read)
    thread.start()
    try:
        for i in range(6):
            model.fit(rows[i % 2], answers[i % 2])
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert not errors
    assert seen
    assert all(any(np.array_equal(outputs, one) for one in expected) for outputs in seen)


def test_a_callback_sees_the_model_that_is_trained_and_another_thread_the_one_before():
    model = Classifier(**SMALL).fit(X, Y)
    before, seen = model.predict_proba(X), []

    def look(training):
        seen.append(model.predict_proba(X))
        thread = threading.Thread(target=lambda: seen.append(model.predict_proba(X)))
        thread.start()
        thread.join()

    model.fit(X, 1 - Y, callbacks=[look])
    assert not np.array_equal(seen[0], before)
    np.testing.assert_array_equal(seen[1], before)
    assert not np.array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_all_that_is_predicted_at_once_is_of_the_model_before(kind):
    model = kind(conformal_fraction=0.2, **SMALL).fit(X, Y)
    before, seen = predict_all(model, X, 0.8).columns(), []

    def look(_):
        thread = threading.Thread(target=lambda: seen.append(predict_all(model, X, 0.8).columns()))
        thread.start()
        thread.join()

    model.fit(X, 1 - Y, callbacks=[look])
    assert len(seen) >= 1
    for columns in seen:
        assert {name: values.tolist() for name, values in columns.items()} == {
            name: values.tolist() for name, values in before.items()
        }


@pytest.mark.parametrize(
    "train", [lambda m: m.fit(X, None), lambda m: m.partial_fit(X, None), lambda m: m.score(X, None)]
)
def test_labels_that_are_missing_are_said_so(train):
    model = Classifier(**SMALL, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="the target y is None"):
        train(model)


def test_a_warm_start_checks_the_learning_rate():
    model = Classifier(**SMALL, warm_start=True).fit(X, Y).set_params(learning_rate=-1)
    with pytest.raises(ValueError, match="learning_rate must be a non-negative number"):
        model.fit(X, Y)
