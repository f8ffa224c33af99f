"""The recipes of CONTRIBUTING.md, carried out on a copy of the package, with the files counted that each of them touches."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pysmorch
from tests import recipes
from tests.encoders.test_kinds import Letters

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
pytestmark = pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="nothing here is compiled for a sanitizer")


class Copy:
    """A copy of the package with its tests and documents, in which a recipe writes, and the files that it touched."""

    def __init__(self, folder):
        self.folder, self.touched = folder, set()
        # What is compiled already still holds for files that no recipe changes: copies are as old as what they are made of.
        shutil.copytree(Path(pysmorch.__file__).parent, folder / "src/pysmorch")
        without = shutil.ignore_patterns("__pycache__", "models", "benchmarks")
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=without)
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        # An editable installation finds its own files before those of PYTHONPATH.
        (folder / "src/sitecustomize.py").write_text(
            "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != '_pysmorch_editable']\n"
        )

    def write(self, path, text):
        self.touched.add(path)
        assert not (self.folder / path).exists()
        (self.folder / path).write_text(text)

    def append(self, path, text):
        self.insert_after(path, (self.folder / path).read_text(), text)

    def insert_after(self, path, line, text):
        self.replace(path, line, line + text)

    def replace(self, path, old, new):
        self.touched.add(path)
        before = (self.folder / path).read_text()
        assert before.count(old) == 1, f"{path} has {before.count(old)} of {old!r}"
        (self.folder / path).write_text(before.replace(old, new))

    def add_to_all(self, path, name):
        self.insert_after(path, "\n__all__ = [", f'"{name}", ')

    def python(self, *arguments):
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src"), "PYTHONWARNINGS": ""}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shows(self, code):
        here = f"import pysmorch; assert pysmorch.__file__.startswith({str(self.folder)!r})\n"
        return self.python("-c", here + inspect.cleandoc(code))

    def passes(self, *arguments):
        out = self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
        assert int(re.search(r"(\d+) passed", out)[1])


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "copy")


def assert_counted(copy, kind, most, like=None):
    """Compare the files touched with the limit and with what CONTRIBUTING.md says, with those in native/ that name one `like` it."""
    native = [path for path in (ROOT / "native").rglob("*.*") if like and re.search(rf"\b{like}\b", path.read_text())]
    total = len(copy.touched) + len(native)
    assert total <= most, f"{kind}: {sorted(copy.touched)} and {[path.name for path in native]}"
    row = re.search(rf"^\| {kind} \| (\d+) \| (\d+|-) \|", CONTRIBUTING, re.M)
    assert row, f"CONTRIBUTING.md does not say how many files {kind} touches"
    assert (int(row[1]), row[2]) == (len(copy.touched), str(len(native)) if like else "-")


def test_an_activation(copy):
    file = "src/pysmorch/layers/activations.py"
    example = re.search(r"^ *```python\n(.*?)^ *```", CONTRIBUTING, re.M | re.S)[1]
    copy.replace(file, "\n\ndef sigmoid(", f"\n\n{textwrap.dedent(example)}\n\n\ndef sigmoid(")
    copy.add_to_all(file, "Softplus")
    copy.insert_after(file, "ActivationName = Literal[", '"softplus", ')
    oracle = '    "Softplus": each(lambda v: math.log1p(math.exp(v))),\n'
    copy.insert_after("tests/layers/test_contract.py", "ORACLES = {\n", oracle)
    copy.append("CHANGELOG.md", "- `Softplus`.\n")
    copy.passes("tests/layers/test_contract.py", "-k", "Softplus or every_layer")
    copy.passes("tests/layers/test_native_forms.py", "tests/typing", "-k", "not mypy")
    copy.shows("""
        import numpy as np
        X = np.random.default_rng(0).standard_normal((60, 3))
        model = pysmorch.Classifier(activation="softplus", epochs=2, random_state=0).fit(X, X[:, 0] > 0)
        assert any(type(layer) is pysmorch.Softplus for layer in model.network_.layers)
        model.save("model.safetensors")
        np.testing.assert_array_equal(pysmorch.load("model.safetensors").predict_proba(X), model.predict_proba(X))
    """)
    assert "softplus" in copy.python("-m", "pysmorch", "train", "--help")
    assert "Softplus" in copy.python("-m", "pysmorch", "check")
    assert_counted(copy, "an activation", 6, like="mish")


def test_a_layer(copy):
    file = "src/pysmorch/layers/shape.py"
    copy.replace(file, "\n\nclass Upsample2d(", f"{recipes.LAYER}\n\nclass Upsample2d(")
    copy.add_to_all(file, "Reverse")
    copy.insert_after(
        "src/pysmorch/gradcheck/cases.py",
        '    "Flatten": lambda: layers.Flatten(maps()),\n',
        '    "Reverse": lambda: layers.Reverse(maps()),\n',
    )
    oracle = '    "Reverse": lambda layer, x: np.flip(x, -1),\n'
    copy.insert_after("tests/layers/test_contract.py", "ORACLES = {\n", oracle)
    copy.append("CHANGELOG.md", "- `Reverse`.\n")
    copy.passes("tests/layers/test_contract.py", "tests/files", "-k", "Reverse or every_layer_and")
    copy.passes("tests/layers/test_native_forms.py")
    copy.shows("""
        import numpy as np
        X = np.random.default_rng(0).standard_normal((60, 3))
        outputs = pysmorch.mlp(pysmorch.Reverse(pysmorch.Data(shape=(None, 3))), [4], 1, seed=0)
        history = pysmorch.Network(pysmorch.SquareLoss(outputs)).fit(X, X[:, 0], epochs=20, seed=0)
        assert history["loss"][-1] < history["loss"][0]
    """)
    assert_counted(copy, "a layer", 6, like="rescale")


def test_a_loss(copy):
    file = "src/pysmorch/losses/regression.py"
    copy.append(file, recipes.LOSS)
    copy.add_to_all(file, "LogCoshLoss")
    copy.insert_after(
        "src/pysmorch/gradcheck/cases.py",
        "LOSS_CASES: dict[str, Callable[[], Loss]] = {\n",
        '    "LogCoshLoss": lambda: losses.LogCoshLoss(rows(), _numbers()),\n',
    )
    oracle = '    "LogCoshLoss": (lambda: value(ps.LogCoshLoss(Data(X)), Y), np.log(np.cosh(X - Y)).sum(1).mean()),\n'
    copy.insert_after("tests/losses/test_losses.py", "ORACLES = {\n", oracle)
    copy.append("CHANGELOG.md", "- `LogCoshLoss`.\n")
    copy.passes("tests/layers/test_contract.py", "tests/losses", "tests/files", "-k", "LogCosh or every_layer_and")
    copy.passes("tests/engine/test_forms.py", "tests/test_metrics.py", "tests/test_docstrings.py")
    copy.shows("""
        import numpy as np
        X = np.random.default_rng(0).standard_normal((60, 3))
        outputs = pysmorch.mlp(pysmorch.Data(shape=(None, 3)), [4], 1, seed=0)
        history = pysmorch.Network(pysmorch.LogCoshLoss(outputs)).fit(X, X[:, 0], epochs=20, seed=0)
        assert history["loss"][-1] < history["loss"][0]
    """)
    assert_counted(copy, "a loss", 6, like="huber_loss")


def test_an_optimizer(copy):
    file = "src/pysmorch/optimizers/adaptive.py"
    copy.append(file, recipes.OPTIMIZER)
    copy.add_to_all(file, "Adagrad")
    copy.insert_after(file, "AdaptiveName = Literal[", '"adagrad", ')
    public = "src/pysmorch/__init__.py"
    copy.replace(public, "import SGD, Adam, AdamW, RMSprop\n", "import SGD, Adagrad, Adam, AdamW, RMSprop\n")
    copy.insert_after(public, "_LAZY = {\n", '    "Adagrad": "optimizers",\n')
    copy.insert_after(public, '    "SGD",\n', '    "Adagrad",\n')
    tests = "tests/optimizers/test_optimizers.py"
    copy.replace(tests, "CASES = {\n", recipes.OPTIMIZER_ORACLE)
    copy.replace(tests, "import SGD, Adam,", "import SGD, Adagrad, Adam,")
    copy.append("CHANGELOG.md", "- `Adagrad`.\n")
    copy.passes(tests, "tests/engine/test_forms.py", "tests/test_docstrings.py", "tests/typing", "-k", "not mypy")
    copy.shows("""
        import numpy as np
        X = np.random.default_rng(0).standard_normal((60, 3))
        outputs = pysmorch.mlp(pysmorch.Data(shape=(None, 3)), [4], 1, seed=0)
        network = pysmorch.Network(pysmorch.SquareLoss(outputs))
        history = network.fit(X, X[:, 0], optimizer=pysmorch.Adagrad(0.1), epochs=20, seed=0)
        assert history["loss"][-1] < history["loss"][0]
        model = pysmorch.Classifier(optimizer="adagrad", epochs=1, random_state=0).fit(X, X[:, 0] > 0)
        assert type(model.optimizer_) is pysmorch.Adagrad
    """)
    assert_counted(copy, "an optimizer", 5, like="rmsprop")


def test_a_metric(copy):
    copy.insert_after(
        "src/pysmorch/metrics.py",
        '        _plain("r2", "r2_score", True, "values"),\n',
        '        _plain("d2_absolute", "d2_absolute_error_score", True, "values"),\n',
    )
    copy.insert_after(
        "tests/test_metrics.py",
        '        ("r2", theirs.r2_score),\n',
        '        ("d2_absolute", theirs.d2_absolute_error_score),\n',
    )
    copy.append("CHANGELOG.md", '- The metric "d2_absolute".\n')
    copy.passes("tests/test_metrics.py")
    copy.shows("""
        import numpy as np
        X = np.random.default_rng(0).standard_normal((60, 3))
        network = pysmorch.Network(pysmorch.SquareLoss(pysmorch.mlp(pysmorch.Data(shape=(None, 3)), [4], 1, seed=0)))
        history = network.fit(X, X[:, :1], epochs=3, seed=0, validation_data=(X, X[:, :1]), metrics=["d2_absolute"])
        assert len(history["val_d2_absolute"]) == 3
        assert "d2_absolute" in network.evaluate(X, X[:, :1], metrics=["d2_absolute"])
    """)
    assert_counted(copy, "a metric", 3)


def test_a_kind_of_input(copy):
    imports = (
        "import numpy as np\n\nfrom pysmorch import layers as ps\nfrom pysmorch.encoders.base import Encoder\n\n\n"
    )
    copy.write("src/pysmorch/encoders/letters.py", f'"""Words."""\n\n{imports}{inspect.getsource(Letters)}')
    kinds = "src/pysmorch/encoders/__init__.py"
    copy.replace(
        kinds, "(TableEncoder, ImageEncoder, ArrayEncoder)", "(Letters, TableEncoder, ImageEncoder, ArrayEncoder)"
    )
    copy.insert_after(
        kinds,
        "from pysmorch.encoders.image import ImageEncoder\n",
        "from pysmorch.encoders.letters import Letters\n",
    )
    copy.write("tests/encoders/test_letters.py", recipes.LETTERS_TESTS)
    copy.append("CHANGELOG.md", "- Words are a kind of input.\n")
    copy.passes("tests/encoders/test_kinds.py", "tests/encoders/test_letters.py", "-k", "not a_new_kind")
    copy.passes("tests/test_architecture.py")
    copy.shows("""
        words = ["abc", "bcd", "xyz", "yzx"] * 10
        model = pysmorch.Classifier(epochs=30, random_state=0).fit(words, [0, 0, 1, 1] * 10)
        assert type(model.encoder_).__name__ == "Letters" and model.score(words, [0, 0, 1, 1] * 10) == 1
        model.save("model.safetensors")
        assert (pysmorch.load("model.safetensors").predict_proba(words) == model.predict_proba(words)).all()
    """)
    assert_counted(copy, "a kind of input", 4)


def test_a_lesson(copy):
    copy.write("src/pysmorch/teach/course/lessons/17_tanh.py", recipes.LESSON)
    copy.replace("tests/teach/test_course.py", "MISTAKES = [\n", recipes.MISTAKES)
    copy.replace("README.md", "In sixteen lessons", "In seventeen lessons")
    copy.append("CHANGELOG.md", "- A lesson about tanh.\n")
    copy.passes("tests/teach/test_course.py", "-k", "Tanh or 17_tanh or two_mistakes or solved_lessons")
    copy.python("-m", "pysmorch", "course", "start", "lessons")
    assert "Lesson 17: tanh" in copy.python("-m", "pysmorch", "course", "status", "lessons")
    assert_counted(copy, "a lesson", 4)
