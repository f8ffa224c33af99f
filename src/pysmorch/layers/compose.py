"""Common groups of layers as functions. Each returns the last layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from pysmorch.layers.activations import Relu
from pysmorch.layers.arguments import Padding, Pair
from pysmorch.layers.base import Layer
from pysmorch.layers.convolution import Conv2d
from pysmorch.layers.dense import Bias, Linear, Scale
from pysmorch.layers.dropout import Dropout
from pysmorch.layers.normalization import LayerNormalize, Normalize
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import weights_from

__all__ = ["batch_norm", "conv", "conv_norm", "dense", "layer_norm", "mlp"]


def dense(in_layer: LayerLike, num_out_features: int, activation: Callable[[LayerLike], Layer] | None = Relu) -> Layer:
    """Return `activation(Bias(Linear(in_layer, num_out_features)))`, initialised in a way that suits training.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D).
    num_out_features : int
        The number of outputs.
    activation : callable or None, default=Relu
        A class of activations, or a function from a layer to a layer; None for none.

    Returns
    -------
    Layer
        The last layer.

    Notes
    -----
    The bias is initialised as 0 and excluded from weight decay. The weights are normal with variance 2 / D for ReLU and activations
    like it (He et al., "Delving deep into rectifiers", 2015) and 1 / D for all others (`initial_gain` of the activation).

    Examples
    --------
    >>> from pysmorch import Data
    >>> dense(Data(shape=(None, 784)), 128).out_dims
    (None, 128)
    """
    linear = _initialised_for(activation, Linear(in_layer, num_out_features))
    return _activated(_bias_from_zero(linear), activation)


def conv(
    in_layer: LayerLike,
    num_filters: int,
    kernel_size: int | Pair = 3,
    activation: Callable[[LayerLike], Layer] | None = Relu,
    *,
    stride: int | Pair = 1,
    padding: Padding = "same",
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Layer:
    """Return `activation(Bias(Conv2d(in_layer, num_filters, kernel_size, ...)))`, initialised like `dense`.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels of the output.
    kernel_size : int or (int, int), default=3
        Rows and columns of the kernel.
    activation : callable or None, default=Relu
        A class of activations, or a function from a layer to a layer; None for none.
    stride : int or (int, int), default=1
        Steps from one window to the next.
    padding : "same", "valid", int or (int, int), default="same"
        Cells of zeros around the image, as for `Conv2d`.
    dilation : int or (int, int), default=1
        Distance of the cells of the kernel.
    groups : int, default=1
        Groups of channels, as for `Conv2d`.

    Returns
    -------
    Layer
        The last layer.

    Examples
    --------
    >>> from pysmorch import Data
    >>> conv(Data(shape=(None, 28, 28, 1)), 32, stride=2).out_dims
    (None, 14, 14, 32)
    """
    convolution = _initialised_for(
        activation, Conv2d(in_layer, num_filters, kernel_size, stride, padding, dilation, groups)
    )
    return _activated(_bias_from_zero(convolution), activation)


def conv_norm(
    in_layer: LayerLike,
    num_filters: int,
    kernel_size: int = 3,
    stride: int = 1,
    activation: Callable[[LayerLike], Layer] | None = Relu,
    groups: int = 1,
) -> Layer:
    """Return `activation(batch_norm(Conv2d(...)))` with half a kernel of zeros on both sides.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels of the output.
    kernel_size : int, default=3
        Rows and columns of the kernel, an odd number.
    stride : int, default=1
        Steps from one window to the next.
    activation : callable or None, default=Relu
        A class of activations, or a function from a layer to a layer; None for none.
    groups : int, default=1
        As for `Conv2d`.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ValueError
        When kernel_size is not an odd number, as then the zeros could not be the same on both sides.

    Examples
    --------
    >>> from pysmorch import Data
    >>> conv_norm(Data(shape=(None, 32, 32, 16)), 32, stride=2).out_dims
    (None, 16, 16, 32)
    """
    if not isinstance(kernel_size, int) or kernel_size % 2 == 0:
        raise ValueError(f"conv_norm: kernel_size must be an odd number, but is {kernel_size!r}; use Conv2d for others")
    convolution = Conv2d(in_layer, num_filters, kernel_size, stride, padding=kernel_size // 2, groups=groups)
    return _activated(batch_norm(_initialised_for(activation, convolution)), activation)


def batch_norm(in_layer: LayerLike, momentum: float = 0.1, epsilon: float = 1e-5) -> Layer:
    """Return `Bias(Scale(Normalize(in_layer)))`, the plain normalisation at first; excluded from weight decay.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    momentum : float, default=0.1
        As for `Normalize`.
    epsilon : float, default=1e-5
        As for `Normalize`.

    Returns
    -------
    Layer
        The last layer.
    """
    return _scale_and_shift(Normalize(in_layer, momentum, epsilon))


def layer_norm(in_layer: LayerLike, epsilon: float = 1e-5) -> Layer:
    """Return `Bias(Scale(LayerNormalize(in_layer)))`, the plain normalisation at first; excluded from weight decay.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    epsilon : float, default=1e-5
        As for `LayerNormalize`.

    Returns
    -------
    Layer
        The last layer.
    """
    return _scale_and_shift(LayerNormalize(in_layer, epsilon))


def mlp(
    in_layer: LayerLike,
    hidden: Sequence[int],
    num_outputs: int,
    activation: Callable[[LayerLike], Layer] = Relu,
    dropout: float = 0.0,
    seed: int | None = None,
) -> Layer:
    """Return a multi-layer perceptron: a `dense` block for every entry of `hidden`, then a linear layer with bias.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D).
    hidden : sequence of int
        Widths of the hidden blocks; may be empty.
    num_outputs : int
        Width of the output, which has no activation.
    activation : callable, default=Relu
        A class of activations, or a function from a layer to a layer.
    dropout : float, default=0.0
        Rate of a Dropout after each hidden block; 0 for none.
    seed : int or None, default=None
        Makes the initial weights the same every time; None draws from NumPy's global state.

    Returns
    -------
    Layer
        The last layer.

    Examples
    --------
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


def _initialised_for(activation: Callable[[LayerLike], Layer] | None, layer: Layer) -> Layer:
    gain = getattr(activation, "initial_gain", 1.0)
    if gain != 1:
        layer.W *= gain
    return layer


def _activated(layer: Layer, activation: Callable[[LayerLike], Layer] | None) -> Layer:
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
