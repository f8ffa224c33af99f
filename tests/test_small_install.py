"""With NumPy and threadpoolctl alone: layers, networks, training, files and predictions."""

import subprocess
import sys
from pathlib import Path

import pytest

from pysmorch.missing import LIBRARIES

MODELS = Path(__file__).parent / "files" / "models"
WITHOUT_LIBRARIES = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(set(LIBRARIES) - {"threadpoolctl"})}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import numpy as np
import pysmorch
"""


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES + program, *arguments], capture_output=True, text=True, timeout=120
    )


def test_a_network_is_made_trained_checked_saved_and_loaded(tmp_path):
    program = """
from pysmorch import Adam, CrossEntropy, Data, EarlyStopping, Network, check, load, mlp
X = np.random.default_rng(0).standard_normal((200, 5))
y = (X[:, 0] > 0).astype(int)
network = Network(CrossEntropy(mlp(Data(shape=(None, 5)), [16], 2, seed=0)))
assert "Linear" in network.summary()
path = sys.argv[1]
fit = {"optimizer": Adam(0.01), "epochs": 20, "seed": 0, "metrics": ["top_5", "ece"]}
network.fit(X, y, **fit, validation_data=(X, y), callbacks=[EarlyStopping("val_loss")], checkpoint=path + "/run")
assert network.evaluate(X, y)["accuracy"] > 0.8
assert check(network)
network.save(path + "/network.safetensors")
assert (load(path + "/network.safetensors").predict(X) == network.predict(X)).all()
network.export(path + "/network.onnx")
"""
    done = run(program, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_models_are_loaded_and_predict_arrays():
    program = """
folder = sys.argv[1] + "/"
with np.load(folder + "inputs.npz") as arrays, np.load(folder + "predictions.npz") as expected:
    for name in arrays:
        model = pysmorch.load(f"{folder}{name}.safetensors")
        predict = model.predict_proba if name.startswith("classifier") else model.predict
        predicted = predict(arrays[name])
        assert np.allclose(predicted, expected[name], rtol=1e-3, atol=1e-5), name
    print(len(arrays))
"""
    done = run(program, str(MODELS))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


@pytest.mark.parametrize(
    ("program", "library"),
    [
        (
            "pysmorch.Classifier",
            "pysmorch.Classifier needs scikit-learn, which is not installed: pip install scikit-learn",
        ),
        (
            "from pysmorch.metrics import METRICS; METRICS['auc'].measure([0, 1], np.eye(2))",
            "the metric roc_auc_score needs scikit-learn, which is not installed: pip install scikit-learn",
        ),
    ],
    ids=["estimator", "metric"],
)
def test_what_needs_a_library_names_it(program, library):
    done = run(program)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {library}"


def test_the_command_line_says_in_one_line_what_it_needs():
    done = run("from pysmorch.__main__ import main\nmain()", "train", "digits")
    assert done.returncode == 2
    needs = "the command line needs typer, which is not installed: pip install typer"
    assert done.stderr.splitlines() == [f"{needs}, or all that is missing: pip install pysmorch"]
