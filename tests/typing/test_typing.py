"""Types that help: what is passed is checked by a type checker, and what comes back is not Any."""

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

import pysmorch
from pysmorch.engine.select import CHOICES, Dtype, Engine, Precision
from pysmorch.layers.activations import ACTIVATIONS, ActivationName
from pysmorch.optimizers import OPTIMIZERS, OptimizerName
from tests.test_docstrings import CALLABLES

ROOT = Path(__file__).parents[2]

ANYTHING = {
    "Reasons.explain.baseline": "rows like X",
    "X": "arrays, lists, data frames of any library, images, and tuples of arrays",
    "X_train": "as X",
    "X_test": "as X",
    "Callback.set_state.state": "what `get_state` of the same class returned",
    "decision_boundary.model": "a classifier of any library",
    "confusion.model": "a classifier of any library",
    "loss_curves.history": "a History, another mapping, or anything with loss_curve_",
    "diagram.target": "a layer or a loss of any class, or what has one as its `loss`",
    "check.target": "a layer or a loss of any class, or what has one as its `loss`",
    "grade.cls": "whatever a student has written; what is no class is refused in words",
    "as_schedule.learning_rate": "what it is, is checked here",
    "fit_on_cluster.y": "as in Network.fit",
    "fit_on_cluster.sample_weight": "as in Network.fit",
    "for_small_groups.parameters": "those of the estimator",
    "ManyModels.predict.by": "a column's name, several, or an array",
    "ManyModels.predict_proba.by": "as in predict",
    "ManyModels.score.by": "as in predict",
    "Layer.compute.inputs": "arrays; a concrete layer says of how many inputs",
    "Layer.compute.no_options": "none are passed",
}
"""The public parameters that may really be anything, and why."""


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed; pip install 'pysmorch[dev]'")
def test_a_program_that_uses_the_public_names_passes_mypy():
    sources = Path(pysmorch.__file__).parents[1]
    environment = os.environ | ({} if sources.name == "site-packages" else {"MYPYPATH": str(sources)})
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "tests/typing/program.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def names_of(alias):
    """Return the strings of a Literal, or of a union of several."""
    return [name for part in get_args(alias) for name in (get_args(part) or [part])]


@pytest.mark.parametrize(
    ("alias", "names"),
    [
        (ActivationName, list(ACTIVATIONS)),
        (OptimizerName, list(OPTIMIZERS)),
        (Engine, list(CHOICES["engine"])),
        (Dtype, list(CHOICES["dtype"])),
        (Precision, list(CHOICES["precision"])),
    ],
)
def test_the_choices_that_a_type_checker_knows_are_those_there_are(alias, names):
    assert sorted(names_of(alias)) == sorted(names)


@pytest.mark.parametrize("name", CALLABLES)
def test_no_public_parameter_is_any_without_a_reason(name):
    function = CALLABLES[name].__init__ if inspect.isclass(CALLABLES[name]) else CALLABLES[name]
    for parameter in inspect.signature(function).parameters.values():
        if str(parameter.annotation) == "Any" and parameter.name not in ANYTHING:
            assert f"{name}.{parameter.name}" in ANYTHING, f"{name}: {parameter.name} is Any"


def test_every_exception_is_needed():
    annotated = {
        f"{name}.{parameter.name}": str(parameter.annotation)
        for name, what in CALLABLES.items()
        for parameter in inspect.signature(what).parameters.values()
    }
    assert all(annotated[name] == "Any" for name in ANYTHING if "." in name)
