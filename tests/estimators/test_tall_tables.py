"""Tables whose encoded rows are too many to be held at once: the same bits, in little memory."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier, Regressor, encoders
from pysmorch.engine import rows as engine_rows
from pysmorch.engine.rows import LazyRows
from pysmorch.estimators import base
from pysmorch.prediction import base as prediction

RNG = np.random.default_rng(0)
X = RNG.standard_normal((700, 4))
X[:, 3] = np.where(X[:, 3] > 1.5, np.nan, X[:, 3])
Y = X[:, 0] * X[:, 1] > 0
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(town=RNG.choice(["Ulm", "Bonn", "Kiel", None], 700))


@pytest.fixture
def in_blocks(monkeypatch):
    """Make every table so large that its rows are encoded a few at a time."""

    def begin():
        made = encoders.encode_rows

        def lazily(encoder, rows, at_once=0):
            encoded = made(encoder, rows, 0)
            assert isinstance(encoded, LazyRows)
            return encoded

        monkeypatch.setattr(base, "encode_rows", lazily)
        monkeypatch.setattr(prediction, "encode_rows", lazily)
        monkeypatch.setattr(engine_rows, "BYTES_AT_A_TIME", 20_000)
        monkeypatch.setattr(prediction, "ROWS_OF_A_BLOCK", 64)

    return begin


def fitted(estimator, rows, labels, **options):
    model = estimator(hidden=(8,), epochs=3, random_state=0, **options)
    weights = np.random.default_rng(1).random(len(labels))
    return model.fit(rows, labels, sample_weight=weights, metrics=["auc"] if estimator is Classifier else ["r2"])


@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "data frame"])
@pytest.mark.parametrize(("estimator", "labels"), [(Classifier, Y), (Regressor, np.nan_to_num(X).sum(1))])
def test_training_and_prediction_in_blocks_give_the_same_bits(rows, estimator, labels, in_blocks):
    whole = fitted(estimator, rows, labels, early_stopping=True)
    expected = whole.predict(rows)
    in_blocks()
    model = fitted(estimator, rows, labels, early_stopping=True)
    np.testing.assert_array_equal(model.predict(rows), expected)
    for name in whole.history_:
        if name != "seconds":
            np.testing.assert_allclose(model.history_[name], whole.history_[name], rtol=1e-12, err_msg=name)


def test_a_network_without_native_form_trains_in_blocks_too(in_blocks):
    import pysmorch as ps

    class Twice(ps.layers.activations.Activation):
        def compute(self, x):
            return 2 * x

        def pull_back(self, dwnstrm):
            return 2 * dwnstrm

    options = {"network": lambda x, num_outputs: ps.dense(Twice(ps.dense(x, 8)), num_outputs, activation=None)}
    whole = fitted(Classifier, X, Y, **options, early_stopping=True)
    in_blocks()
    model = fitted(Classifier, X, Y, **options, early_stopping=True)
    np.testing.assert_allclose(model.predict_proba(X), whole.predict_proba(X), rtol=1e-4)


@pytest.mark.parametrize("labels", [Y, np.digitize(X[:, 0], [-1, 0])], ids=["two classes", "three classes"])
def test_the_decision_function_goes_through_blocks_of_rows(labels, in_blocks):
    model = fitted(Classifier, X, labels, early_stopping=True)
    whole = model.decision_function(X)
    in_blocks()
    sizes = []
    made = model.encoder_.encode
    model.encoder_.encode = lambda rows: sizes.append(len(rows)) or made(rows)
    np.testing.assert_array_equal(model.decision_function(X), whole)
    assert sizes == [64] * 10 + [60]
    del model.encoder_.encode
    assert model.decision_function(X[:1]).shape == whole[:1].shape


def test_rows_are_predicted_alike_alone_and_in_blocks_of_any_size(monkeypatch):
    model = fitted(Classifier, X, Y, early_stopping=True)
    whole = model.predict_proba(X)
    for size in (1, 3, 256):
        monkeypatch.setattr(prediction, "ROWS_OF_A_BLOCK", size)
        np.testing.assert_array_equal(model.predict_proba(X), whole)


MEASURE = """
import json, resource, sys
import numpy as np
from pysmorch import Classifier
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
X = np.random.default_rng(0).standard_normal((300_000, 20))
y = X[:, 0] > 0
small = Classifier(epochs=1, random_state=0).fit(X[:2000], y[:2000])
before = peak()
small.predict(X)
predicted = peak()
Classifier(epochs=1, hidden=(4,), random_state=0).fit(X, y)
print(json.dumps({"data": X.nbytes / 2**20, "predict": predicted - before, "fit": peak() - before}))
"""


def test_a_tall_table_takes_little_memory_beside_itself():
    """Encoded whole, these 46 MiB would be 755 MiB."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    mebibytes = json.loads(done.stdout)
    assert mebibytes["predict"] < 120, mebibytes
    assert mebibytes["fit"] < 200, mebibytes


def test_rows_of_a_later_partial_fit_may_lie_beyond_the_first_ones():
    model = Regressor(hidden=(4,), random_state=0).partial_fit(X[:, :1], X[:, 0])
    model.partial_fit(1000 * X[:, :1], X[:, 0])
    assert model.encoder_.encode(np.array([[1e4]]))[0, 0] > 1000
