"""Estimators as ONNX files, with what encodes their columns."""

import json

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from tests.export.examples import numbers, people

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra onnx has it")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx has it")


def session_of(model, path, **options):
    model.export(path, **options)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    return runtime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def run(session, X):
    inputs = X if isinstance(X, dict) else {session.get_inputs()[0].name: X}
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))


def as_inputs(frame, session):
    """The columns of a data frame as ONNX takes them."""
    inputs = {}
    for one in session.get_inputs():
        column = frame[one.name]
        if one.type == "tensor(string)":
            texts = [str(cell) if isinstance(cell, str) else "" for cell in column]
            inputs[one.name] = np.array(texts, dtype=object)[:, None]
        else:
            inputs[one.name] = column.to_numpy(np.float64, na_value=np.nan)[:, None]
    return inputs


def agrees(found, model, X):
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-5, atol=1e-7)
    assert (found["label"] == model.predict(X)).all()


def test_an_array_with_missing_numbers_and_unusual_rows(tmp_path):
    X, y = numbers()
    model = ps.Classifier(epochs=3, random_state=0).fit(X, y)
    session = session_of(model, tmp_path / "model.onnx")
    strange = np.array([[1e300, -1e300, 5.0, np.nan, 0.0], [np.nan] * 5, [0.0] * 5])
    agrees(run(session, X), model, X)
    agrees(run(session, strange), model, strange)
    assert run(session, X[:0])["probabilities"].shape == (0, 3)


def test_a_data_frame_with_categories_and_missing_cells(tmp_path):
    frame, y = people()
    model = ps.Classifier(epochs=3, random_state=0).fit(frame, y)
    session = session_of(model, tmp_path / "model.onnx")
    assert [(one.name, one.type) for one in session.get_inputs()] == [
        ("age", "tensor(double)"),
        ("income", "tensor(double)"),
        ("town", "tensor(string)"),
        ("street", "tensor(string)"),
        ("member", "tensor(double)"),
        ("grade", "tensor(string)"),
    ]
    agrees(run(session, as_inputs(frame, session)), model, frame)
    unseen = frame.head(3).assign(town=["Paris", None, "Rome"], street="new", income=np.nan)
    agrees(run(session, as_inputs(unseen, session)), model, unseen)


def test_a_column_with_very_many_categories(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"shop": [f"shop {i}" for i in rng.integers(0, 700, 3000)], "x": rng.normal(size=3000)})
    y = frame.x + np.char.count(frame.shop.to_numpy().astype(str), "7")
    with pytest.warns(ps.PysmorchWarning, match="643 values"):
        model = ps.Regressor(epochs=2, random_state=0).fit(frame, y)
    session = session_of(model, tmp_path / "model.onnx")
    some = pd.concat([frame.head(50), pd.DataFrame({"shop": ["unknown", None], "x": [0.1, np.nan]})])
    found = run(session, as_inputs(some, session))["prediction"]
    np.testing.assert_allclose(found, model.predict(some), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("network", ["mlp", "lenet"])
def test_images_in_the_layout_that_is_asked_for(tmp_path, layout, network):
    rng = np.random.default_rng(3)
    images, y = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), rng.integers(0, 4, 40)
    chosen = {"network": ps.models.lenet} if network == "lenet" else {"hidden": (8,)}
    model = ps.Classifier(epochs=1, random_state=0, **chosen).fit(images, y)
    session = session_of(model, tmp_path / "model.onnx", layout=layout)
    given = images.transpose(0, 3, 1, 2) if layout == "nchw" else images
    assert session.get_inputs()[0].shape == ["N", *given.shape[1:]]
    agrees(run(session, given.astype(np.float32)), model, images)


@pytest.mark.parametrize(
    "classes", [[0, 5], ["a", "b"], [True, False], [0.0, 2.0]], ids=["integers", "texts", "booleans", "numbers"]
)
@pytest.mark.parametrize("threshold", [None, 0.3, 5.0], ids=["likeliest", "threshold", "costs"])
def test_classes_of_every_kind_and_rules(tmp_path, classes, threshold):
    X, codes = numbers()
    y = np.array(classes)[np.minimum(codes, 1)]
    rule = {(classes[1], classes[0]): threshold, (classes[0], classes[1]): 1.0} if threshold == 5.0 else threshold
    model = ps.Classifier(epochs=2, random_state=0, threshold=rule).fit(X, y)
    agrees(run(session_of(model, tmp_path / "model.onnx"), X), model, X)


def test_several_labels(tmp_path):
    X, codes = numbers()
    model = ps.Classifier(epochs=2, random_state=0).fit(X, np.stack([codes > 0, codes > 1], axis=1).astype(int))
    agrees(run(session_of(model, tmp_path / "model.onnx"), X), model, X)


@pytest.mark.parametrize(
    "options",
    [{}, {"loss": "poisson"}, {"loss": "quantile", "quantile": [0.9, 0.1, 0.5]}, {"loss": "gamma"}, {"members": 3}],
    ids=["numbers", "counts", "quantiles", "amounts", "ensemble"],
)
def test_regressors(tmp_path, options):
    X, codes = numbers()
    model = ps.Regressor(epochs=2, random_state=0, **options).fit(X, 10.0 * codes + 1)
    found = run(session_of(model, tmp_path / "model.onnx"), X)["prediction"]
    assert found.shape == model.predict(X).shape
    expected = model.predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_several_targets(tmp_path):
    X, codes = numbers()
    model = ps.Regressor(epochs=2, random_state=0).fit(X, np.stack([codes, -3.0 * codes], axis=1))
    found = run(session_of(model, tmp_path / "model.onnx"), X)["prediction"]
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-5, atol=1e-6)


def test_a_calibrated_ensemble(tmp_path):
    X, y = numbers()
    model = ps.Classifier(preset="best", members=3, epochs=3, random_state=0).fit(X, y)
    agrees(run(session_of(model, tmp_path / "model.onnx"), X), model, X)


def test_the_file_says_which_model_it_is(tmp_path):
    frame, y = people()
    ps.Classifier(epochs=1, random_state=0).fit(frame, y).export(tmp_path / "model.onnx")
    said = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert said == {
        "pysmorch.model": "Classifier",
        "pysmorch.columns": list(frame.columns),
        "pysmorch.classes": ["no", "yes"],
    }


def test_what_has_no_form_is_named_and_nothing_is_written(tmp_path):
    rng = np.random.default_rng(4)
    words = np.array(["red", "green", "blue", "tall", "small", "old", "new", "fast"])
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=200, freq="36h"),
            "said": [" ".join(rng.choice(words, 6)) for _ in range(200)],
            "x": rng.normal(size=200),
        }
    )
    model = ps.Classifier(epochs=1, random_state=0).fit(frame, frame.x > 0)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ValueError, match=r"column 'when' \(a time, .*column 'said' \(a text"):
        model.export(path)
    assert path.read_bytes() == b"older"
    with pytest.raises(ValueError, match='layout must be "nhwc" or "nchw", but is \'chw\''):
        model.export(path, layout="chw")


def test_a_model_that_was_not_fitted_and_a_folder_that_is_not_there(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        ps.Classifier().export(tmp_path / "model.onnx")
    X, y = numbers()
    model = ps.Classifier(epochs=1, random_state=0).fit(X, y)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        model.export(tmp_path / "nowhere" / "model.onnx")
