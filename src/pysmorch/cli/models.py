"""What `pysmorch show` does, and reading the model of a command."""

from __future__ import annotations

from typing import Any

from pysmorch.cli.output import print_escaped
from pysmorch.files import ModelFileError
from pysmorch.loading import load
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.parameters import check_precision


def load_estimator(path: str, precision: str | None = None) -> Any:
    """Return the estimator of a model file, which predicts in another precision if one is given; a network alone is an error."""
    chosen = None if precision is None else check_precision("--precision", precision)
    model: Any = load(path)
    if not isinstance(model, NetworkModel):
        raise ModelFileError(f"{path} holds a bare network, which does not know its columns; use it from Python")
    if chosen is not None:
        model.predict_precision = chosen
    return model


def show(model_name: str) -> None:
    """Print what is in a model file."""
    model = load(model_name)
    if not isinstance(model, NetworkModel):
        print_escaped(f"{model_name}: a network\n{model.summary()}")
        return
    loss = f", last loss {model.loss_curve_[-1]:.4g}" if model.loss_curve_ else ""
    print_escaped(
        f"{model_name}: a {'Classifier' if isinstance(model, ClassifierModel) else 'Regressor'}, {model.n_iter_} epochs{loss}"
    )
    for name, value in model.notes_.items():
        if name != "test":
            print_escaped(f"  {name}: {value}")
    for name, value in model.notes_.get("test", {}).items():
        print_escaped(f"  test {name}: {value:.4g}")
    if isinstance(model, ClassifierModel):
        print_escaped(f"  classes: {', '.join(map(str, model.classes_.tolist()[:30]))}")
    for line in model.encoder_.describe():
        print_escaped(f"  {line}")
    print_escaped(str(model.network_.summary()))
