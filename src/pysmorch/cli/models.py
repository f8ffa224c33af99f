"""What `pysmorch show` does, and reading the model of a command."""

from __future__ import annotations

from typing import Any

from pysmorch.cli.output import print_escaped
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.parameters import check_precision
from pysmorch.files import ModelFileError
from pysmorch.loading import load


def load_estimator(path: str, precision: str | None = None) -> Any:
    """Return the estimator of a model file, which predicts in another precision if one is given; a network alone is an error."""
    if precision is not None:
        check_precision("--precision", precision)
    model = load(path)
    if not isinstance(model, (Classifier, Regressor)):
        raise ModelFileError(f"{path} holds a bare network, which does not know its columns; use it from Python")
    return model if precision is None else model.set_params(predict_precision=precision)


def show(model_name: str) -> None:
    """Print what is in a model file."""
    model = load(model_name)
    if not isinstance(model, (Classifier, Regressor)):
        print_escaped(f"{model_name}: a network\n{model.summary()}")
        return
    loss = f", last loss {model.loss_curve_[-1]:.4g}" if model.loss_curve_ else ""
    print_escaped(f"{model_name}: a {type(model).__name__}, {model.n_iter_} epochs{loss}")
    for name, value in model.notes_.items():
        if name != "test":
            print_escaped(f"  {name}: {value}")
    for name, value in model.notes_.get("test", {}).items():
        print_escaped(f"  test {name}: {value:.4g}")
    if isinstance(model, Classifier):
        print_escaped(f"  classes: {', '.join(map(str, model.classes_.tolist()[:30]))}")
    for line in model.encoder_.describe():
        print_escaped(f"  {line}")
    print_escaped(str(model.network_.summary()))
