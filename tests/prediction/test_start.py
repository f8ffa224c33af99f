"""A process that loads a model and predicts imports none of the large libraries that the model does not need."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier, Regressor
from tests.helpers import without_thread_sanitizer

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abc"))
SMALL = {"hidden": (4,), "epochs": 1, "random_state": 0, "preset": "fast"}
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4)).astype(np.uint8)

PREDICTIONS = {
    "a classifier, from an array": (Classifier(**SMALL), X, "np.zeros((2, 3))"),
    "a classifier, from lists": (Classifier(**SMALL), X, "[[1, 2.5, float('nan')]]"),
    "a regressor, from an array": (Regressor(**SMALL), X, "np.zeros((2, 3), np.float32)"),
    "quantiles": (Regressor(loss="quantile", quantile=[0.1, 0.9], **SMALL), X, "np.zeros((2, 3), int)"),
    "images": (Classifier(**SMALL), IMAGES, "np.zeros((2, 4, 4), np.uint8)"),
    "pixels": (Classifier(pixels=True, **SMALL), X, "np.zeros((2, 3))"),
    "gelu": (Classifier(activation="gelu", **SMALL), X, "np.zeros((2, 3))"),
}
LARGE = ("sklearn", "scipy", "pandas", "pyarrow", "narwhals", "PIL", "joblib", "rich", "typer")


def run(code, *arguments):
    """Run a program in a process of its own, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize("name", PREDICTIONS)
def test_none_of_the_large_libraries_is_imported_for_arrays(tmp_path, name):
    model, rows, given = PREDICTIONS[name]
    model.fit(rows, Y).save(tmp_path / "m.safetensors")
    code = (
        "import sys, numpy as np; from pysmorch import load; m = load(sys.argv[1]);"
        f"print(m.predict({given}).tolist()); print([name for name in {LARGE} if name in sys.modules])"
    )
    predicted, loaded, _ = run(code, tmp_path / "m.safetensors")
    assert loaded == "[]"
    assert eval(predicted) == model.predict(eval(given, {"np": np})).tolist()


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (Regressor(conformal_fraction=0.5, **SMALL), "predict_interval"),
        (Classifier(conformal_fraction=0.5, threshold=0.3, **SMALL), "predict_set"),
        (Classifier(threshold={(1, 0): 2}, **SMALL), "predict"),
    ],
)
def test_intervals_sets_and_decisions_need_none_of_them_either(tmp_path, model, method):
    model.fit(X, Y).save(tmp_path / "m.safetensors")
    code = (
        "import sys, numpy as np; from pysmorch import load; m = load(sys.argv[1]);"
        f"print(m.{method}(np.zeros((2, 3))).tolist()); print([name for name in {LARGE} if name in sys.modules])"
    )
    predicted, loaded, _ = run(code, tmp_path / "m.safetensors")
    assert loaded == "[]"
    assert eval(predicted) == getattr(model, method)(np.zeros((2, 3))).tolist()


@pytest.mark.parametrize(
    ("library", "avoided"),
    [
        ("pandas", ("sklearn", "scipy")),
        pytest.param("polars", ("sklearn", "scipy", "pandas", "pyarrow"), marks=without_thread_sanitizer),
    ],
)
def test_a_frame_of_numbers_needs_only_its_own_library(tmp_path, library, avoided):
    model = Classifier(**SMALL).fit(FRAME, Y)
    model.save(tmp_path / "m.safetensors")
    code = (
        f"import sys, {library}; from pysmorch import load; m = load(sys.argv[1]);"
        f"print(m.predict_proba({library}.DataFrame(dict(a=[1.0], b=[2.0], c=[3.0]))).tolist());"
        f"print([name for name in {avoided} if name in sys.modules])"
    )
    predicted, loaded, _ = run(code, tmp_path / "m.safetensors")
    assert loaded == "[]"
    row = pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]})
    assert eval(predicted) == model.predict_proba(row).tolist()


def test_the_command_that_predicts_does_without_scikit_learn(tmp_path):
    Classifier(**SMALL).fit(FRAME, Y).save(tmp_path / "m.safetensors")
    FRAME.to_csv(tmp_path / "d.csv", index=False)
    code = (
        "import sys; from pysmorch.cli import main\n"
        "try: main()\n"
        "finally: print([name for name in ('sklearn', 'scipy') if name in sys.modules])"
    )
    *rows, loaded, _ = run(code, "predict", tmp_path / "m.safetensors", tmp_path / "d.csv")
    assert (len(rows), loaded) == (61, "[]")


MORE = {
    "an instance of scikit-learn's base class": "from sklearn.base import BaseEstimator; r = isinstance(m, BaseEstimator)",
    "an instance of its own class": "from pysmorch import Classifier; r = isinstance(m, Classifier)",
    "of its own class": "from pysmorch import Classifier; r = m.__class__ is Classifier",
    "a classifier for scikit-learn": "from sklearn.base import is_classifier; r = is_classifier(m)",
    "cloned": "from sklearn.base import clone; c = clone(m); r = type(c).__name__ == 'Classifier' and c.epochs == 1",
    "shown": "r = repr(m) == \"Classifier(epochs=1, hidden=(4,), preset='fast', random_state=0)\"",
    "pickled": "import pickle; r = type(pickle.loads(pickle.dumps(m))).__name__ == 'Classifier'",
    "copied": "import copy; r = type(copy.copy(m)).__name__ == type(copy.deepcopy(m)).__name__ == 'Classifier'",
    "listed": "r = {'fit', 'get_params', 'classes_'} <= set(dir(m))",
    "described by its parameters": "r = m.get_params()['hidden'] == (4,)",
    "told apart by what it was fitted to": "r = hasattr(m, 'classes_') and not hasattr(m, 'feature_names_in_')",
    "scored": "r = m.score([[9, 0, 0]], [1]) in (0, 1)",
    "trained again": "r = m.fit([[0, 1, 0], [1, 0, 1]] * 10, [0, 1] * 10).n_iter_ == 1 and type(m).__name__ == 'Classifier'",
    "trained on": "r = m.partial_fit([[0, 1, 0], [1, 0, 1]], [0, 1]).n_iter_ == 2",
    "saved": "m.save(sys.argv[1] + '2'); r = open(sys.argv[1], 'rb').read() == open(sys.argv[1] + '2', 'rb').read()",
    "in a pipeline": "from sklearn.pipeline import make_pipeline; r = make_pipeline(m).predict([[0, 1, 2]]).shape == (1,)",
}


@pytest.mark.parametrize("what", MORE)
def test_a_loaded_model_is_an_estimator_when_it_is(tmp_path, what):
    Classifier(**SMALL).fit(X, Y).save(tmp_path / "m.safetensors")
    code = f"import sys, warnings; from pysmorch import load; m = load(sys.argv[1])\n{MORE[what]}\nprint(r)"
    assert run(code, tmp_path / "m.safetensors")[0] == "True"


def test_what_scikit_learn_would_refuse_is_refused_with_its_words(tmp_path):
    Classifier(**SMALL).fit(X, Y).save(tmp_path / "m.safetensors")
    code = (
        "import sys; from pysmorch import load; m = load(sys.argv[1])\n"
        "for wrong in ([[1, 2]], [1, 2, 3], [['a', 'b', 'c']], [[1, 2], [3]], [[1j, 2, 3]], [[1, 2, float('inf')]]):\n"
        "    try: m.predict(wrong)\n"
        "    except ValueError as error: print(str(error).splitlines()[0])\n"
    )
    found = run(code, tmp_path / "m.safetensors")
    expected = []
    model = Classifier(**SMALL).fit(X, Y)
    for wrong in ([[1, 2]], [1, 2, 3], [["a", "b", "c"]], [[1, 2], [3]], [[1j, 2, 3]], [[1, 2, float("inf")]]):
        with pytest.raises(ValueError) as error:
            model.predict(wrong)
        expected.append(str(error.value).splitlines()[0])
    assert found == [*expected, ""]
    assert expected[0] == "X has 2 features, but Classifier is expecting 3 features as input."


MODELS = Path(__file__).parents[1] / "files" / "models"


def test_older_models_load_without_scikit_learn():
    paths = sorted(MODELS.glob("*.safetensors"))
    code = (
        "import sys; from pysmorch import load\n"
        "for path in sys.argv[1:]: load(path); print('needs' if 'sklearn' in sys.modules else 'needs no', path)"
    )
    assert len(paths) > 5
    assert run(code, *paths)[:-1] == [f"needs no {path}" for path in paths]
