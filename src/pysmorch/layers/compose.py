"""Short ways to write common groups of layers. Each returns the last layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from pysmorch.layers.activations import Relu
from pysmorch.layers.arguments import Pair
from pysmorch.layers.base import Layer
from pysmorch.layers.convolution import Conv2d
from pysmorch.layers.dense import Bias, Linear, Scale
from pysmorch.layers.dropout import Dropout
from pysmorch.layers.normalization import LayerNormalize, Normalize
from pysmorch.layers.randomness import weights_from


def dense(in_layer: Any, num_out_features: int, activation: Callable[[Any], Layer] | None = Relu) -> Layer:
    """Return `activation(Bias(Linear(in_layer, num_out_features)))`, started in a way that suits training.

    The bias starts at 0 and is spared by weight decay. The weights are normal with variance 2 / D for ReLU and its
    kin (He et al., "Delving deep into rectifiers", 2015) and 1 / D for all others.

    >>> from pysmorch import Data
    >>> dense(Data(shape=(None, 784)), 128).out_dims
    (None, 128)
    """
    linear = _initialised_for(activation, Linear(in_layer, num_out_features))
    return _activated(_bias_from_zero(linear), activation)


def conv(
    in_layer: Any,
    num_filters: int,
    kernel_size: int | Pair = 3,
    activation: Callable[[Any], Layer] | None = Relu,
    **geometry: Any,
) -> Layer:
    """Return `activation(Bias(Conv2d(in_layer, num_filters, kernel_size, **geometry)))`, started like `dense`.

    >>> from pysmorch import Data
    >>> conv(Data(shape=(None, 28, 28, 1)), 32, stride=2).out_dims
    (None, 14, 14, 32)
    """
    convolution = _initialised_for(activation, Conv2d(in_layer, num_filters, kernel_size, **geometry))
    return _activated(_bias_from_zero(convolution), activation)


def conv_norm(
    in_layer: Any,
    num_filters: int,
    kernel_size: int = 3,
    stride: int = 1,
    activation: Callable[[Any], Layer] | None = Relu,
    groups: int = 1,
) -> Layer:
    """Return `activation(batch_norm(Conv2d(...)))` with half a kernel of zeros on both sides.

    Raises ValueError when kernel_size is not an odd number, as then the zeros could not be the same on both sides.

    >>> from pysmorch import Data
    >>> conv_norm(Data(shape=(None, 32, 32, 16)), 32, stride=2).out_dims
    (None, 16, 16, 32)
    """
    if not isinstance(kernel_size, int) or kernel_size % 2 == 0:
        raise ValueError(f"conv_norm: kernel_size must be an odd number, but is {kernel_size!r}; use Conv2d for others")
    convolution = Conv2d(in_layer, num_filters, kernel_size, stride, padding=kernel_size // 2, groups=groups)
    return _activated(batch_norm(_initialised_for(activation, convolution)), activation)


def batch_norm(in_layer: Any, momentum: float = 0.1, epsilon: float = 1e-5) -> Layer:
    """Return `Bias(Scale(Normalize(in_layer)))`, the plain normalisation at first; spared by weight decay."""
    return _scale_and_shift(Normalize(in_layer, momentum, epsilon))


def layer_norm(in_layer: Any, epsilon: float = 1e-5) -> Layer:
    """Return `Bias(Scale(LayerNormalize(in_layer)))`, the plain normalisation at first; spared by weight decay."""
    return _scale_and_shift(LayerNormalize(in_layer, epsilon))


def mlp(
    in_layer: Any,
    hidden: Sequence[int],
    num_outputs: int,
    activation: Callable[[Any], Layer] = Relu,
    dropout: float = 0.0,
    seed: int | None = None,
) -> Layer:
    """Return a multi-layer perceptron: a `dense` block for every entry of `hidden`, then a linear layer with bias.

    Args:
        hidden: widths of the hidden blocks; may be empty.
        num_outputs: width of the output, which has no activation.
        activation: layer class between the blocks.
        dropout: rate of a Dropout after each hidden block; 0 for none.
        seed: makes the initial weights the same every time; None draws from NumPy's global state.

    >>> from pysmorch import Data
    >>> mlp(Data(shape=(None, 784)), [256, 128], 10, seed=0).out_dims
    (None, 10)
    """
    with weights_from(seed) if seed is not None else nullcontext():
        layer = in_layer
        for width in hidden:
            layer = dense(layer, width, activation)
            if dropout:
                layer = Dropout(layer, dropout)
        return dense(layer, num_outputs, activation=None)


def _initialised_for(activation: Callable[[Any], Layer] | None, layer: Layer) -> Layer:
    gain = getattr(activation, "initial_gain", 1.0)
    if gain != 1:
        layer.W *= gain
    return layer


def _activated(layer: Layer, activation: Callable[[Any], Layer] | None) -> Layer:
    return layer if activation is None else activation(layer)


def _bias_from_zero(layer: Layer) -> Layer:
    bias = Bias(layer)
    bias.W[:] = 0
    bias.decay_factor = 0.0
    return bias


def _scale_and_shift(layer: Layer) -> Layer:
    scale = Scale(layer)
    scale.decay_factor = 0.0
    return _bias_from_zero(scale)
