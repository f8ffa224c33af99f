"""What `pysmorch show` does, and reading the model of a command."""

from __future__ import annotations

from typing import Any

from pysmorch.cli.groups import says_of_groups, show_groups
from pysmorch.cli.output import print_escaped
from pysmorch.files import ModelFileError
from pysmorch.loading import load
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.parameters import check_precision


def load_estimator(path: str, precision: str | None = None) -> Any:
    """Return the estimator of a model file, which predicts in another precision if one is given; anything else is an error."""
    model = load_model(path, precision)
    if says_of_groups(model):
        raise ModelFileError(
            f"{path} holds a model for each of {len(model)} groups, of which this command takes one; "
            f"write that from Python, as in load({path!r}).models[{model.groups[0]!r}].save(...)"
        )
    return model


def load_model(path: str, precision: str | None = None) -> Any:
    """Return the estimator of a model file, or its models of many groups; a network alone is an error."""
    chosen = None if precision is None else check_precision("--precision", precision)
    model: Any = load(path)
    if says_of_groups(model):
        if chosen is not None:
            raise ValueError("--precision is for a single model, but the file holds one for each group; leave it out")
        return model
    if not isinstance(model, NetworkModel):
        raise ModelFileError(f"{path} holds a bare network, which does not know its columns; use it from Python")
    if chosen is not None:
        model.predict_precision = chosen
    return model


def show(model_name: str) -> None:
    """Print what is in a model file."""
    model: Any = load(model_name)
    if says_of_groups(model):
        show_groups(model_name, model)
    elif isinstance(model, NetworkModel):
        _show_estimator(model_name, model)
    else:
        print_escaped(f"{model_name}: a network\n{model.summary()}")


def _show_estimator(model_name: str, model: Any) -> None:
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
