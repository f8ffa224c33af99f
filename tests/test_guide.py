"""The programs in the guide run, those of a page one after the other; its pages are all on the site, and have what is public."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_iris

import pysmorch
from pysmorch.engine.extension import instructions

DOCS = Path(__file__).parents[1] / "docs"
SHORTER = {"trials=50": "trials=2", "time_limit=60": "time_limit=2", "epochs=100": "epochs=2"}
NEEDS = {
    "model.compare_export": "onnxruntime",
    "shap.": "shap",
    "Tuner(": "optuna",
    "plots.": "matplotlib",
    ".report(": "jinja2",
    'engine="jax"': "jax",
}
"""What is called in programs, and the library that it needs, which may be missing."""

NOT_PROGRAMS = {"cluster", "course", "format", "grading", "outgrowing", "serving"}
"""Pages that show parts of files, or have tests of their own."""


def programs(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.stem not in NOT_PROGRAMS and programs(page)]


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the programs of a page may take as given: a table, a model, a network, files."""
    monkeypatch.chdir(tmp_path)
    X, y = load_iris(return_X_y=True)
    columns = {f"c{i}": X[:, i] for i in range(4)} | {"label": np.array(["a", "b", "c"])[y]}
    for file in ("big.parquet", "others.parquet"):
        pq.write_table(pa.table(columns), file)
    quick = {"epochs": 2, "preset": "fast", "random_state": 0}
    model = pysmorch.Classifier(**quick).fit(X, y)
    network = pysmorch.Network(pysmorch.CrossEntropy(pysmorch.mlp(pysmorch.Data(shape=(None, 4)), [8], 3, seed=0)))
    network.fit(X, y, epochs=1)
    network.export("network.onnx")
    given = {
        "X": X,
        "y": y,
        "X_train": X,
        "y_train": y,
        "X_test": X,
        "y_test": y,
        "X_new": X[:5],
        "X_val": X,
        "y_val": y,
        "model": model,
        "network": network,
    }
    stores = np.repeat(["Oslo", "Rome"], 60)
    sales = pd.DataFrame({"store": stores, "day": np.tile(np.arange(60.0), 2), "amount": np.arange(120.0)})
    given |= {"sales": sales, "test": sales, "tomorrow": sales.drop(columns="amount")}
    given |= {"estimator": pysmorch.for_small_groups(pysmorch.Regressor)}
    return (
        given
        | {name: getattr(pysmorch, name) for name in pysmorch.__all__}
        | {"pysmorch": pysmorch, "np": np, "__name__": "guide"}
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::pysmorch.PysmorchWarning")
def test_the_programs_of_a_page_run(page, names):
    for program in programs(page):
        missing = [name for call, name in NEEDS.items() if call in program and importlib.util.find_spec(name) is None]
        if missing or ("bf16" in program and instructions() != "avx512_bf16"):
            continue
        for long, short in SHORTER.items():
            program = program.replace(long, short)
        exec(compile(program, page.name, "exec"), names)


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"^(\w[\w/]*)$", (DOCS / "index.md").read_text(), flags=re.MULTILINE))
    kept = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert kept <= listed


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("sphinx", "sphinx_gallery", "matplotlib")),
    reason="needs pysmorch[docs]",
)
def test_the_reference_has_every_public_name(monkeypatch):
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    on_pages = {name for names in conf.reference().values() for name in names}
    modules = {name for name in pysmorch.__all__ if name in sys.modules or f"pysmorch.{name}" in sys.modules}
    assert set(pysmorch.__all__) - modules <= on_pages
