"""What scikit-learn's callbacks are told of a fit."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

import pysmorch as ps

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from its version 1.9 on")

from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV

X, Y = load_iris(return_X_y=True)
QUICK = {"preset": "fast", "epochs": 3, "early_stopping": False, "random_state": 0}


class Told:
    """Keeps what it is told, as (hook, names and numbers of the tasks), and may raise or stop at one of them."""

    def __init__(self, at=None, error=None):
        self.at, self.error, self.heard, self.given = at, error, [], []

    def _tell(self, hook, context):
        path = []
        while context is not None:
            path.insert(0, f"{context.task_name} {context.task_id}")
            context = context.parent
        self.heard.append((hook, *path))
        if (hook, *path) == self.at:
            if self.error is not None:
                raise self.error
            return True
        return None

    def setup(self, estimator, context):
        self._tell("setup", context)

    def teardown(self, estimator, context):
        self._tell("teardown", context)

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self._tell("begin", context)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.given.append((X, y, metadata, fitted_estimator))
        return self._tell("end", context)


def test_epochs_are_tasks_of_the_network_and_it_one_of_the_fit():
    told = Told()
    ps.Classifier(**(QUICK | {"epochs": 2})).set_callbacks(told).fit(X, Y)
    first, second = [("fit 0", "network 0", f"epoch {i}") for i in range(2)]
    assert told.heard == [
        ("setup", "fit 0"),
        ("begin", "fit 0"),
        ("begin", "fit 0", "network 0"),
        ("begin", *first),
        ("end", *first),
        ("begin", *second),
        ("end", *second),
        ("end", "fit 0", "network 0"),
        ("end", "fit 0"),
        ("teardown", "fit 0"),
    ]


@pytest.mark.parametrize("threshold", [None, "f1"])
def test_callbacks_get_the_data_and_an_estimator_as_it_is_then(threshold):
    told, weights = Told(), np.ones(100)
    model = ps.Classifier(**QUICK, threshold=threshold).set_callbacks(told).fit(X[50:], Y[50:], weights)
    after = [one.predict_proba(X) for _, _, _, one in told.given]
    assert not (after[0] == after[1]).all()
    assert (after[2] == after[-1]).all()
    assert (after[-1] == model.predict_proba(X)).all()
    assert [one.n_iter_ for _, _, _, one in told.given] == [1, 2, 3, 3, 3]
    for rows, labels, metadata, one in told.given:
        assert len(rows) == len(labels) == 100
        assert metadata == {"sample_weight": weights}
        assert one.predict(X).shape == (150,)


def test_networks_of_an_ensemble_are_tasks_with_estimators_of_their_own():
    told = Told()
    model = ps.Classifier(members=3, epochs=2, early_stopping=False, random_state=0).set_callbacks(told).fit(X, Y)
    ends = [path for hook, *path in told.heard if hook == "end"]
    assert sorted(ends) == sorted(
        [["fit 0"]]
        + [["fit 0", f"network {i}"] for i in range(3)]
        + [["fit 0", f"network {i}", f"epoch {j}"] for i in range(3) for j in range(2)]
    )
    of_networks = [one.predict_proba(X) for path, (*_, one) in zip(ends, told.given, strict=True) if len(path) == 2]
    np.testing.assert_allclose(np.mean(of_networks, axis=0), model.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_a_callback_changes_nothing_and_is_kept_by_clones():
    monitor = ScoringMonitor(scoring="accuracy")
    model = ps.Classifier(**QUICK).set_callbacks(monitor)
    plain, watched = ps.Classifier(**QUICK).fit(X, Y), clone(model).fit(X, Y)
    assert (plain.predict_proba(X) == watched.predict_proba(X)).all()
    assert set(vars(watched)) - set(vars(plain)) == {"_skl_callbacks"}
    logged = [entry["accuracy"] for entry in monitor.get_logs().data]
    assert len(logged) == 5
    assert plain.score(X, Y) in logged


def test_a_callback_stops_the_training():
    told = Told(at=("end", "fit 0", "network 0", "epoch 1"))
    model = ps.Regressor(**(QUICK | {"epochs": 50})).set_callbacks(told).fit(X, Y)
    assert model.n_iter_ == 2
    assert "a callback of scikit-learn" in model.history_.stopped_by
    assert told.heard[-3:] == [("end", "fit 0", "network 0"), ("end", "fit 0"), ("teardown", "fit 0")]


@pytest.mark.parametrize(
    "at",
    [
        ("setup", "fit 0"),
        ("begin", "fit 0"),
        ("begin", "fit 0", "network 0"),
        ("end", "fit 0", "network 0", "epoch 1"),
        ("end", "fit 0", "network 0"),
        ("end", "fit 0"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [{}, {"members": 2, "preset": "balanced"}], ids=["one network", "two"])
def test_what_a_callback_raises_ends_the_fit_and_the_estimator_is_as_before(at, options):
    told = Told(at, ArithmeticError("enough"))
    model = ps.Classifier(**(QUICK | options)).set_callbacks(told)
    before = dict(vars(model))
    with pytest.raises(ArithmeticError, match="enough"):
        model.fit(X, Y)
    assert vars(model) == before
    assert told.heard.count(at) == 1
    assert told.heard[-1] == ("teardown", "fit 0")


def test_an_interruption_ends_every_task_that_has_begun():
    def interrupt(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    told = Told()
    with pytest.raises(KeyboardInterrupt):
        ps.Classifier(**QUICK).set_callbacks(told).fit(X, Y, callbacks=[interrupt])
    begun = [path for hook, *path in told.heard if hook == "begin" and len(path) > 1]
    assert sorted(begun) == sorted(path for hook, *path in told.heard if hook == "end")
    assert told.heard[-1] == ("teardown", "fit 0")


def test_data_that_cannot_be_used_are_refused_before_a_callback_is_told():
    told = Told()
    with pytest.raises(ValueError, match="rows"):
        ps.Classifier(**QUICK).set_callbacks(told).fit(X, Y[:3])
    assert told.heard == []


def test_a_search_propagates_callbacks_that_ask_for_it():
    told = Told()
    told.max_propagation_depth = None
    search = GridSearchCV(ps.Classifier(**QUICK), {"hidden": [(4,), (8,)]}, cv=2).set_callbacks(told)
    search.fit(X, Y)
    assert sum(path[-1].startswith("epoch") for hook, *path in told.heard if hook == "end") == 5 * 3
    assert told.heard.count(("setup", "fit 0")) == 1
