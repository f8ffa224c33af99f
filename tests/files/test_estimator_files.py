import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.files import ModelFileError
from tests.helpers import rewritten

X = np.random.default_rng(0).standard_normal((40, 3))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"])[np.arange(40) % 2],
        np.arange(40) % 3,
        (np.arange(40) % 2).astype(bool),
        np.arange(40) % 2 + 0.5,
        np.array(["a", "b"], dtype=object)[np.arange(40) % 2],
    ],
    ids=["text", "integers", "booleans", "floats", "objects"],
)
def test_classes_come_back_in_their_own_kind(labels, tmp_path):
    if labels.dtype == np.float64:
        labels = np.floor(labels)
    model = Classifier(hidden=(4,), epochs=2, random_state=0).fit(X, labels)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.loss_curve_ == model.loss_curve_
    again.partial_fit(X, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["labels"].update(classes=[0]), "one class only|do not fit"),
        (lambda m: m["labels"].update(classes=[0, 1, 2, 3]), "do not fit its network"),
        (lambda m: m["labels"].update(dtype="V8"), "its classes are wrong"),
        (lambda m: m["labels"].update(classes=[0, 1, 2**63]), "the labels are not of dtype int64"),
        (lambda m: m["parameters"].update(hidden=[0]), "its parameters are wrong"),
        (lambda m: m["parameters"].update(danger=1), "has no parameter danger"),
        (lambda m: m.update(num_features=4), "not as many as its features"),
        (lambda m: m.update(notes=3), "should be dict"),
        (lambda m: m["columns"].update(columns=[]), "not those of 0 columns"),
    ],
)
def test_an_altered_estimator_is_refused(change, message, tmp_path):
    path = tmp_path / "m.safetensors"
    Classifier(hidden=(4,), epochs=1).fit(X, np.arange(40) % 3).save(path)
    rewritten(path, lambda header: change(header["model"]))
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)


def test_an_unfitted_estimator_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted yet"):
        Regressor().save(tmp_path / "m.safetensors")
