"""What a model file stores of an estimator's parameters and of its training, as plain data and arrays."""

from __future__ import annotations

from math import inf
from typing import Any

from pysmorch.files.header import ModelFileError, entry
from pysmorch.files.plain import NotStorable, take_optimizer, to_plain
from pysmorch.layers.base import Array
from pysmorch.optimizers import OPTIMIZERS, Optimizer
from pysmorch.prediction.presets import WEIGHT_DECAY


def parameters_to_plain(model: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters that a file can hold, and what is said of those that it cannot.

    Parameters
    ----------
    model : NetworkEstimator
        With any parameters.

    Returns
    -------
    stored : dict
        Plain data by the names of the parameters.
    lost : list of str
        The other parameters, each with its type.
    """
    stored, lost = {}, []
    for name, value in model.get_params(deep=False).items():
        try:
            stored[name] = to_plain(value)
        except NotStorable:
            lost.append(f"{name} (a {type(value).__name__})")
    return stored, lost


def training_to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return where the training of an estimator is: the steps and the state of its optimizer, and the weight decay that pilots chose.

    Parameters
    ----------
    model : NetworkEstimator
        Fitted.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        The state arrays; none where the optimizer itself is not stored.
    """
    optimizer = model.optimizer_
    if type(optimizer) not in OPTIMIZERS.values() or not optimizer.num_steps:
        return {"steps": 0}, {}
    is_open = model.weight_decay is None and not isinstance(model.optimizer, Optimizer)
    is_chosen = is_open and optimizer.weight_decay != WEIGHT_DECAY
    chosen = {"weight_decay": optimizer.weight_decay} if is_chosen else {}
    state = {f"optimizer.{name}": array for name, array in optimizer.state.items()}
    return {"steps": optimizer.num_steps} | chosen, state


def take_training(model: Any, header: dict[str, Any], tensors: dict[str, Array]) -> None:
    """Continue with the optimizer of `training_to_parts`; files of before begin with a new one.

    Parameters
    ----------
    model : NetworkEstimator
        With its parameters and a new optimizer.
    header : dict
        The header of the estimator, not checked yet.
    tensors : dict of str to ndarray
        All arrays of the file.

    Raises
    ------
    ModelFileError
        The state is not that of the optimizer.
    """
    training = entry(header, "training", dict) if "training" in header else {"steps": 0}
    steps = entry(training, "steps", int)
    if "weight_decay" in training:
        decay = float(entry(training, "weight_decay", float, int))
        if not 0 <= decay < inf:
            raise ModelFileError(f"the weight decay of its training is {decay}")
        model.optimizer_.weight_decay = decay
    size = sum(W.size for W in model.network_.parameters.values())
    take_optimizer(model.optimizer_, steps, tensors, size)
