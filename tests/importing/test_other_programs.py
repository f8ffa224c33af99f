"""Models that PyTorch, scikit-learn and Keras write: the same outputs, and further training."""

import io
import logging
import os
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

import pysmorch as ps

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)


def check(path, X, expected, **options):
    """Compare outputs, and train for three epochs, after which the outputs are others and the loss is smaller."""
    network = ps.from_onnx(path, **options)
    found = network.loss.predictions(network.predict(X))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
    y = np.arange(len(X)) % 2 if type(network.loss) is ps.CrossEntropy else 1 + network.predict(X)
    losses = network.fit(X, y, epochs=3, progress=False, seed=0)["loss"]
    assert losses[-1] < losses[0]
    return network


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


def written_by_torch(torch, module, X, path, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed, which torch.onnx needs")
        options = {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("rows")},)}
    else:
        options = {"dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}}
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            torch.onnx.export(module, (torch.from_numpy(X),), path, **options)
    finally:
        logging.disable(logging.NOTSET)
    with torch.no_grad():
        return module(torch.from_numpy(X)).numpy()


def rows_of(nn):
    return nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.LayerNorm(8), nn.Linear(8, 3)
    ), (4,)


def images_of(nn):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),
        nn.MaxPool2d(2),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 5),
    ), (3, 16, 16)


def larger_images_of(nn):
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.PReLU(4),
        nn.AvgPool2d(2, padding=1),
        nn.InstanceNorm2d(4, affine=True),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(4, 3, 4, 2, 1),
        nn.GroupNorm(3, 3),
        nn.Hardswish(),
        nn.ReflectionPad2d(1),
        nn.LeakyReLU(0.1),
    ), (2, 8, 8)


def sequences_of(nn):
    return nn.Sequential(
        nn.Conv1d(3, 6, 5, stride=2, padding=2),
        nn.BatchNorm1d(6),
        nn.ELU(),
        nn.MaxPool1d(2),
        nn.ConvTranspose1d(6, 4, 3, 2),
        nn.Flatten(),
        nn.Linear(36, 2),
        nn.Tanh(),
    ), (3, 17)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("make", [rows_of, images_of, larger_images_of, sequences_of])
def test_models_of_torch(torch, make, dynamo, tmp_path):
    torch.manual_seed(0)
    module, shape = make(torch.nn)
    for one in module.modules():
        if isinstance(one, torch.nn.modules.batchnorm._BatchNorm):
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
    X = RNG.standard_normal((6, *shape)).astype(np.float32)
    expected = written_by_torch(torch, module.eval(), X, tmp_path / "model.onnx", dynamo)
    check(tmp_path / "model.onnx", np.moveaxis(X, 1, -1) if len(shape) > 1 else X, expected)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_perceptrons_of_scikit_learn(activation, tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    X = RNG.standard_normal((90, 5)).astype(np.float32)
    options = {"hidden_layer_sizes": (8, 4), "activation": activation, "max_iter": 5, "random_state": 0}
    classifier = MLPClassifier(**options).fit(X, np.arange(90) % 3)
    written = skl2onnx.to_onnx(classifier, X[:1], options={"zipmap": False})
    (tmp_path / "classifier.onnx").write_bytes(written.SerializeToString())
    network = check(tmp_path / "classifier.onnx", X, classifier.predict_proba(X), output="probabilities")
    assert type(network.loss) is ps.CrossEntropy
    regressor = MLPRegressor(**options).fit(X, X.sum(axis=1))
    (tmp_path / "regressor.onnx").write_bytes(skl2onnx.to_onnx(regressor, X[:1]).SerializeToString())
    check(tmp_path / "regressor.onnx", X, regressor.predict(X))


def test_a_model_of_keras(torch, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed, with which keras writes ONNX files")
    if os.environ["KERAS_BACKEND"] != keras.backend.backend():
        pytest.skip("keras was loaded with another backend before")
    of = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            of.Conv2D(6, 3, strides=2, padding="same"),
            of.BatchNormalization(),
            of.ReLU(),
            of.MaxPooling2D(),
            of.Flatten(),
            of.Dropout(0.2),
            of.Dense(4, activation="softmax"),
        ]
    )
    X = RNG.random((6, 12, 12, 3)).astype(np.float32)
    expected = np.asarray(model.predict(X, verbose=0))
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    finally:
        logging.disable(logging.NOTSET)
    network = check(tmp_path / "model.onnx", X, expected)
    assert type(network.loss) is ps.CrossEntropy
