"""Well-known networks for images: functions that put layers together and return the last one.

Each takes a layer with images (N, H, W, C) of any size from 4 x 4, and how many outputs there are; the outputs have no
activation. With a loss it is a network: `Network(CrossEntropy(resnet20(Data(shape=(None, 32, 32, 3)), 10)))`.
`weights_from(seed)` around it makes the initial weights the same every time.
"""

from __future__ import annotations

from typing import Any

from pysmorch.layers.activations import Relu
from pysmorch.layers.base import Layer, ShapeError, format_dims
from pysmorch.layers.compose import conv, conv_norm, dense
from pysmorch.layers.merge import Add
from pysmorch.layers.pooling import GlobalAvgPool2d, MaxPool2d
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.shape import Flatten

SMALLEST = 4
"""Rows and columns that an image must have: every model here halves it twice."""


def lenet(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return two blocks of convolution and pooling, and a hidden layer of 128: a good start for small grey images.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    After LeCun et al., "Gradient-based learning applied to document recognition", 1998, with 3 x 3 kernels, ReLU and max pooling.

    Examples
    --------
    >>> from pysmorch import Data
    >>> lenet(Data(shape=(None, 28, 28, 1)), 10).out_dims
    (None, 10)
    """
    _check_images("lenet", in_layer)
    layer = MaxPool2d(conv(in_layer, 32))
    layer = MaxPool2d(conv(layer, 64))
    return dense(dense(Flatten(layer), 128), num_outputs, activation=None)


def resnet20(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return the residual network of 20 layers with parameters for images of about 32 x 32 pixels.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    Source: He et al., "Deep residual learning for image recognition", 2015, section 4.2; where the shape changes, the shortcut is a
    convolution of 1 x 1 (option B).
    """
    return _resnet("resnet20", in_layer, num_outputs, blocks_per_stage=3)


def resnet32(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return the residual network of 32 layers with parameters for images of about 32 x 32 pixels.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    Source: He et al., "Deep residual learning for image recognition", 2015, section 4.2; where the shape changes, the shortcut is a
    convolution of 1 x 1 (option B).
    """
    return _resnet("resnet32", in_layer, num_outputs, blocks_per_stage=5)


def resnet44(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return the residual network of 44 layers with parameters for images of about 32 x 32 pixels.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    Source: He et al., "Deep residual learning for image recognition", 2015, section 4.2; where the shape changes, the shortcut is a
    convolution of 1 x 1 (option B).
    """
    return _resnet("resnet44", in_layer, num_outputs, blocks_per_stage=7)


def resnet56(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return the residual network of 56 layers with parameters for images of about 32 x 32 pixels.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    Source: He et al., "Deep residual learning for image recognition", 2015, section 4.2; where the shape changes, the shortcut is a
    convolution of 1 x 1 (option B).
    """
    return _resnet("resnet56", in_layer, num_outputs, blocks_per_stage=9)


def mobilenet_small(in_layer: LayerLike, num_outputs: int) -> Layer:
    """Return a network of depthwise-separable convolutions: few parameters and few products, for small images.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C) of at least 4 x 4 pixels.
    num_outputs : int
        Width of the output, which has no activation.

    Returns
    -------
    Layer
        The last layer.

    Raises
    ------
    ShapeError
        When the input is not such images.

    Notes
    -----
    After Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018, with fewer and narrower blocks, and with ReLU.
    """
    _check_images("mobilenet_small", in_layer)
    layer = conv_norm(in_layer, 16)
    for num_filters, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 1), (64, 1)):
        layer = inverted_residual(layer, num_filters, stride)
    layer = conv_norm(layer, 256, kernel_size=1)
    return dense(GlobalAvgPool2d(layer), num_outputs, activation=None)


def residual(in_layer: LayerLike, num_filters: int, stride: int = 1) -> Layer:
    """Return a residual block: two convolutions of 3 x 3, added to the input.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels of the output.
    stride : int, default=1
        Steps of the first convolution.

    Returns
    -------
    Layer
        The last layer.

    Notes
    -----
    Where the shape changes, the input goes through a convolution of 1 x 1 first.
    """
    block = conv_norm(in_layer, num_filters, stride=stride)
    block = conv_norm(block, num_filters, activation=None)
    shortcut = in_layer
    if block.out_dims != in_layer.out_dims:
        shortcut = conv_norm(in_layer, num_filters, kernel_size=1, stride=stride, activation=None)
    return Relu(Add(block, shortcut))


def inverted_residual(in_layer: LayerLike, num_filters: int, stride: int = 1, expansion: int = 4) -> Layer:
    """Return an inverted residual block: to `expansion` times the channels, each filtered alone by 3 x 3, and back.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels of the output.
    stride : int, default=1
        Steps of the depthwise convolution.
    expansion : int, default=4
        Channels in the middle, in multiples of those of the input.

    Returns
    -------
    Layer
        The last layer.

    Notes
    -----
    The input is added where the shape stays.
    """
    num_channels: Any = in_layer.out_dims[-1]
    wide = expansion * num_channels
    block = conv_norm(in_layer, wide, kernel_size=1)
    block = conv_norm(block, wide, stride=stride, groups=wide)
    block = conv_norm(block, num_filters, kernel_size=1, activation=None)
    return Add(block, in_layer) if block.out_dims == in_layer.out_dims else block


def _resnet(name: str, in_layer: LayerLike, num_outputs: int, blocks_per_stage: int) -> Layer:
    _check_images(name, in_layer)
    layer = conv_norm(in_layer, 16)
    for num_filters in (16, 32, 64):
        for i in range(blocks_per_stage):
            layer = residual(layer, num_filters, stride=2 if i == 0 and num_filters > 16 else 1)
    return dense(GlobalAvgPool2d(layer), num_outputs, activation=None)


def _check_images(name: str, in_layer: Any) -> None:
    dims = tuple(in_layer.out_dims)
    if len(dims) != 4 or min(dims[1:3]) < SMALLEST or dims[3] < 1:
        raise ShapeError(
            f"{name} needs images of at least {SMALLEST} x {SMALLEST} pixels, shape (N, H, W, C), but in_layer {in_layer!r} returns "
            f"shape {format_dims(dims)}; Reshape(layer, (H, W, C)) makes images of rows, Pad2d makes images larger"
        )
