"""What JAX can train and predict with, and JAX itself: nothing of it is imported before it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pysmorch import layers as layer_module
from pysmorch import losses as loss_module
from pysmorch import optimizers as optimizer_module
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import name_layers
from pysmorch.layers.quantized import is_quantized
from pysmorch.losses import Loss
from pysmorch.missing import module_of_extra
from pysmorch.optimizers import Optimizer


def jax_module() -> Any:
    """Return JAX.

    Raises
    ------
    ImportError
        It is not installed; the message says how to install it.
    """
    return module_of_extra("jax", 'engine="jax" needs JAX', "jax")


def devices() -> str:
    """Return the devices that JAX finds, as text, or what it says where it finds none."""
    jax = jax_module()
    try:
        found = jax.devices()
    except RuntimeError as error:  # a driver that does not fit, say
        return f"no device: {str(error).splitlines()[0]}"
    names = [f"{device.device_kind} ({device.platform})" for device in found]
    return ", ".join(dict.fromkeys(names)) + (f", {len(names)} of them" if len(names) > 1 else "")


def refuse_untraceable(layers: Sequence[Any], loss: Loss | None = None, optimizer: Optimizer | None = None) -> None:
    """Raise ValueError where a network cannot be traced; the message names the layer.

    Parameters
    ----------
    layers : sequence of Layer
        The network without its loss.
    loss, optimizer : Loss and Optimizer, default=None
        Those of a training.
    """
    reason = _unsupported_reason(layers, loss, optimizer)
    if reason is not None:
        raise ValueError(f'engine="jax" is not possible: {reason}')


def _unsupported_reason(layers: Sequence[Any], loss: Loss | None, optimizer: Optimizer | None) -> str | None:
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if is_quantized([layer]):
            return f"{name} has weights of 8 bits, which the native engine predicts with; take the network that was quantized"
        if not _is_of(layer, layer_module):
            return (
                f"{name} is a class of your own; what it computes besides functions of NumPy would stay as it was in the first step. "
                'Take engine="auto", or layers of pysmorch'
            )
        if getattr(layer, "reads_indices", False) and not isinstance(layer.in_layer, Data):
            return f"{name} reads from {layer.in_layer!r}; its indices must come from a Data layer, so that all are checked before"
    for one, module in ((loss, loss_module), (optimizer, optimizer_module)):
        if one is not None and not _is_of(one, module):
            return f'{type(one).__name__} is a class of your own; take engine="auto", or one of pysmorch'
    return None


def _is_of(one: Any, module: Any) -> bool:
    return vars(module).get(type(one).__name__) is type(one)


def is_index(data: Data, layers: Iterable[Any]) -> bool:
    """Whether a layer reads the data as indices.

    Parameters
    ----------
    data : Data
        A layer of the network.
    layers : iterable of Layer
        All layers of it.

    Returns
    -------
    bool
    """
    return any(getattr(layer, "reads_indices", False) and layer.in_layer is data for layer in layers)
