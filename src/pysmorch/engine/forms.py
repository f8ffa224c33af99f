"""Losses and optimizers as the extension takes them: by name, with the attributes that their classes declare."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.engine.extension import extension
from pysmorch.layers.base import Array
from pysmorch.layers.native_form import is_ours
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer


def unsupported_form(loss: Loss, optimizer: Optimizer | None = None) -> str | None:
    """Return why the extension has no form of a loss or an optimizer, or None if it has both.

    Raises RuntimeError where the extension declares another metric or other attributes than the Python class.
    """
    module = extension()
    if not is_ours(loss) or loss.native not in module.losses:
        return f"{type(loss).__name__} has no native operation"
    _agree(loss, module.losses[loss.native], (loss.metric, loss.native_attributes))
    if optimizer is None:
        return None
    if not is_ours(optimizer) or optimizer.native not in module.optimizers:
        return f"{type(optimizer).__name__} has no native form"
    _agree(optimizer, module.optimizers[optimizer.native], optimizer.native_attributes)
    return None


def describe_loss(loss: Loss, value: int, labels: Array) -> dict[str, Any]:
    """Return the loss of the value with this index, as the extension takes it."""
    return {"kind": loss.native_form(labels), "value": value, "attributes": _attributes(loss)}


def describe_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer as the extension takes it."""
    return {
        "kind": optimizer.native,
        "attributes": _attributes(optimizer),
        "clip_norm": optimizer.clip_norm or 0.0,
    }


def _attributes(declared: Loss | Optimizer) -> dict[str, Any]:
    return {name: _plain(getattr(declared, name)) for name in declared.native_attributes}


def _plain(value: Any) -> Any:
    if value is None:
        return []
    return [float(v) for v in value] if np.ndim(value) else float(value)


def _agree(declared: Loss | Optimizer, native: Any, python: Any) -> None:
    if native != python:
        raise RuntimeError(
            f"the compiled extension declares {native!r} for {type(declared).__name__}, and its class {python!r}: they "
            "are of different versions; install pysmorch again"
        )
