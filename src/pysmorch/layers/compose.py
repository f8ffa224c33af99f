"""Common groups of layers as functions. Each returns the last layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import pi, sqrt
from typing import TYPE_CHECKING

from pysmorch.layers.activations import Cos, Relu, SmoothClip
from pysmorch.layers.arguments import Padding, Pair, rows_of_features
from pysmorch.layers.base import Layer
from pysmorch.layers.convolution import Conv1d, Conv2d
from pysmorch.layers.dense import Bias, Linear, Rescale, Scale
from pysmorch.layers.dropout import Dropout
from pysmorch.layers.merge import Blend, Columns, Concat
from pysmorch.layers.normalization import LayerNormalize, Normalize
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import uniform, weights_from
from pysmorch.layers.shape import Flatten, Reshape

if TYPE_CHECKING:
    from pysmorch.schedules import Schedule

__all__ = ["batch_norm", "conv", "conv_norm", "dense", "embedded", "layer_norm", "mlp", "parametric", "periodic"]


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
    dropout: float | Schedule = 0.0,
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
    dropout : float or Schedule, default=0.0
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


def parametric(in_layer: LayerLike, activation: Callable[[LayerLike], Layer]) -> Layer:
    """Return `Blend(in_layer, activation(in_layer))`: x + W (activation(x) - x), the plain activation at first.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    activation : callable
        A class of activations, or a function from a layer to a layer.

    Returns
    -------
    Layer
        The last layer, with a trainable strength of the activation for each feature.

    Notes
    -----
    Source: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data", 2024,
    who train it with a tenth of the learning rate (`lr_factor`).

    Examples
    --------
    >>> from pysmorch import Data, Selu
    >>> mlp(Data(shape=(None, 20)), [256], 3, activation=lambda layer: parametric(layer, Selu)).out_dims
    (None, 3)
    """
    return Blend(in_layer, activation(in_layer))


def periodic(in_layer: LayerLike, num_frequencies: int = 16, num_outputs: int = 4, spread: float = 0.1) -> Layer:
    """Return an embedding of each feature: the feature, and a linear map of cosines of it with trainable frequencies and phases.

    Of feature x_j these are x_j and the `num_outputs` - 1 numbers V_j cos(2 pi w_j x_j + b_j) + c_j.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D), with features of about variance 1.
    num_frequencies : int, default=16
        How many cosines each feature has.
    num_outputs : int, default=4
        How many numbers each feature becomes, itself included; at least 2.
    spread : float, default=0.1
        The standard deviation of the initial frequencies w.

    Returns
    -------
    Layer
        The last layer, of shape (N, num_outputs * D): first all features, then for each feature its other numbers.

    Raises
    ------
    ShapeError
        When the input is not one row of features per example.
    ValueError
        When a number is out of range.

    Notes
    -----
    w is normal, b uniform from -pi to pi, V and c uniform within 1 / sqrt(num_frequencies). Source: Gorishniy, Rubachev and Babenko,
    "On embeddings for numerical features in tabular deep learning", 2022; with cosines, phases and the feature beside them: Holzmüller,
    Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data", 2024, who train it
    with a tenth of the learning rate (`lr_factor`).

    Examples
    --------
    >>> from pysmorch import Data
    >>> periodic(Data(shape=(None, 20))).out_dims
    (None, 80)
    """
    for argument, value, least in (("num_frequencies", num_frequencies, 1), ("num_outputs", num_outputs, 2)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"periodic: {argument} must be an integer of at least {least}, but is {value!r}")
    return Concat(in_layer, _waves(in_layer, num_frequencies, num_outputs - 1, spread))


def _waves(in_layer: LayerLike, num_frequencies: int, num_outputs: int, spread: float) -> Layer:
    """Return the numbers of `periodic` beside the features: `num_outputs` of each."""
    angles = Rescale(in_layer, 2 * pi)
    _, num_features = rows_of_features(angles, in_layer)
    # Each feature is a group of channels, of sequences of length one.
    waves = Conv1d(Reshape(angles, (1, num_features)), num_frequencies * num_features, 1, groups=num_features)
    waves.W *= spread
    phases = _bias_from_zero(waves)
    phases.W = uniform(pi, *phases.W.shape)
    mixed = Conv1d(Cos(phases), num_outputs * num_features, 1, groups=num_features)
    mixed.W = uniform(1 / sqrt(num_frequencies), *mixed.W.shape)
    shifted = _bias_from_zero(mixed)
    shifted.W = uniform(1 / sqrt(num_frequencies), *shifted.W.shape)
    return Flatten(shifted)


def embedded(in_layer: LayerLike, num_numbers: int, spread: float = 0.2) -> Layer:
    """Return rows with a periodic embedding of their first features beside all features, which stay as they are.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D).
    num_numbers : int
        How many of the first features are numbers of about variance 1; from 1 to D.
    spread : float, default=0.2
        The standard deviation of the initial frequencies.

    Returns
    -------
    Layer
        The last layer, of shape (N, D + 3 * num_numbers): first the input, then three numbers for each of these features.

    See Also
    --------
    periodic : The embedding.

    Notes
    -----
    The cosines are those of numbers that `SmoothClip` bounds, so that outliers do not turn them many times.

    Examples
    --------
    >>> from pysmorch import Data
    >>> embedded(Data(shape=(None, 20)), num_numbers=5).out_dims
    (None, 35)
    """
    numbers = SmoothClip(Columns(in_layer, 0, num_numbers))
    return Concat(in_layer, _waves(numbers, num_frequencies=16, num_outputs=3, spread=spread))


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
