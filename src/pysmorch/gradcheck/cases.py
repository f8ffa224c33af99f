"""One small example of every layer and loss, for checks and tests.

A new layer gets its line here, an activation has one by itself; everything that is tested for all layers then holds for it too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pysmorch import layers, losses
from pysmorch.layers import Data, Layer
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.losses import Loss

NUM_DATA = 7
"""Rows of the examples: neither 1 nor 2, and not a size of any other axis, so that nothing fits by accident."""


def rows(num_features: int = 4, seed: int = 0) -> Data:
    """Return a Data layer with standard normal rows."""
    return Data(np.random.default_rng(seed).standard_normal((NUM_DATA, num_features)))


def maps(seed: int = 0) -> Data:
    """Return a Data layer with examples of more than one axis."""
    return Data(np.random.default_rng(seed).standard_normal((NUM_DATA, 3, 2, 4)))


def images(height: int = 3, width: int = 4, channels: int = 2) -> Data:
    """Return a Data layer with small images."""
    return Data(np.random.default_rng(0).standard_normal((NUM_DATA, height, width, channels)))


def sequences(length: int = 5, channels: int = 2) -> Data:
    """Return a Data layer with short sequences."""
    return Data(np.random.default_rng(0).standard_normal((NUM_DATA, length, channels)))


def indices() -> Data:
    """Return a Data layer with integers from 0 to 5."""
    return Data(np.random.default_rng(0).integers(0, 6, (NUM_DATA, 3)))


def _of_rows(cls: Callable[[Any], Layer]) -> Layer:
    return cls(rows())


def _of_runs(data: Data) -> Layer:
    layer = layers.Linear(data, 3)
    layer.runs = ((3, 2), (1, 1))
    return layer


def _in_prediction(layer: Layer) -> Layer:
    layer.training = False
    if isinstance(layer, layers.Normalize):
        layer.running_mean[:] = 0.3
        layer.running_var[:] = 1.7
    return layer


def _scaled(data: Data) -> Layer:
    scale = layers.Scale(data)
    scale.W = np.random.default_rng(3).standard_normal(scale.W.shape)
    return scale


def _blended(first: Data, second: Data) -> Layer:
    blend = layers.Blend(first, second)
    blend.W = np.random.default_rng(3).standard_normal(blend.W.shape)
    return blend


def _with_parameter(operation: str, data: Data, shape: tuple[int, ...]) -> Layer:
    layer = layers.CombineParameter(data, operation, shape)
    layer.W = np.random.default_rng(3).uniform(0.5, 2.0, shape)
    return layer


LAYER_CASES: dict[str, Callable[[], Any]] = {
    "Linear": lambda: layers.Linear(rows(), 3),
    "Linear of runs": lambda: _of_runs(rows(9)),
    "Bias": lambda: layers.Bias(rows()),
    "Bias of maps": lambda: layers.Bias(maps()),
    "Scale": lambda: _scaled(rows()),
    "Scale of maps": lambda: _scaled(maps()),
    "Rescale": lambda: layers.Rescale(rows(), 0.7, -0.2),
    **{cls.__name__: partial(_of_rows, cls) for cls in ACTIVATIONS.values()},
    "SmoothClip": lambda: layers.SmoothClip(rows(), 0.8),
    "LeakyRelu": lambda: layers.LeakyRelu(rows(), 0.2),
    "Dropout": lambda: layers.Dropout(rows(), 0.4),
    "Dropout of channels": lambda: layers.Dropout(images(1, 2, 3), 0.4, channelwise=True),
    "Dropout in prediction": lambda: _in_prediction(layers.Dropout(rows(), 0.4)),
    "Normalize": lambda: layers.Normalize(rows()),
    "Normalize of maps": lambda: layers.Normalize(maps()),
    "Normalize in prediction": lambda: _in_prediction(layers.Normalize(rows())),
    "LayerNormalize": lambda: layers.LayerNormalize(rows()),
    "LayerNormalize of maps": lambda: layers.LayerNormalize(maps()),
    "GroupNormalize": lambda: layers.GroupNormalize(images(2, 1, 6), 3),
    "GroupNormalize of rows": lambda: layers.GroupNormalize(rows(6), 2),
    "Add": lambda: layers.Add(rows(), rows(seed=1), rows(seed=2)),
    "Multiply": lambda: layers.Multiply(rows(), rows(seed=1), rows(seed=2)),
    "Blend": lambda: _blended(rows(), rows(seed=1)),
    "Blend of maps": lambda: _blended(maps(), maps(seed=1)),
    "LogMeanSoftmax": lambda: layers.LogMeanSoftmax(rows(), rows(seed=1), rows(seed=2)),
    "LogMeanSoftmax of maps": lambda: layers.LogMeanSoftmax(maps(), maps(seed=1)),
    "Concat": lambda: layers.Concat(rows(), rows(3, seed=1)),
    "Columns": lambda: layers.Columns(rows(), 1, 3),
    "Columns of maps": lambda: layers.Columns(maps(), 1, 2),
    "Function": lambda: layers.Function(rows(), "sin"),
    "Clip": lambda: layers.Clip(rows(), -0.5, 0.8),
    "Combine": lambda: layers.Combine(rows(), rows(1, seed=1), operation="subtract"),
    "CombineParameter": lambda: _with_parameter("divide", rows(), (4,)),
    "CombineParameter of maps": lambda: _with_parameter("multiply", maps(), (2, 1)),
    "MatrixProduct": lambda: layers.MatrixProduct(sequences(3), sequences(2, 4)),
    "Transpose": lambda: layers.Transpose(maps(), (3, 1, 2)),
    "Take": lambda: layers.Take(rows(), (3, 0, 3)),
    "Take of maps": lambda: layers.Take(maps(), (1, 1, 0), axis=2),
    "Pad": lambda: layers.Pad(sequences(), [(1, 0), (0, 2)], 0.5),
    "Reduce": lambda: layers.Reduce(maps(), "log_sum_exp", [3, 1]),
    "Reduce and keep axes": lambda: layers.Reduce(maps(), "mean", [1, 3], keep_axes=True),
    "LogSoftmax": lambda: layers.LogSoftmax(maps(), [1, 3]),
    "Flatten": lambda: layers.Flatten(maps()),
    "Reshape": lambda: layers.Reshape(maps(), (4, -1)),
    "Upsample2d": lambda: layers.Upsample2d(images(1, 2)),
    "Upsample2d of two factors": lambda: layers.Upsample2d(images(2, 1, 2), (1, 3)),
    "Pad2d": lambda: layers.Pad2d(images(2, 3), 1),
    "Pad2d of four sizes": lambda: layers.Pad2d(images(2, 3), ((0, 1), (2, 3))),
    "Embedding": lambda: layers.Embedding(indices(), 6, 4),
    "Conv2d": lambda: layers.Conv2d(images(2, 3), 3, 3),
    "Conv2d valid with steps": lambda: layers.Conv2d(images(5, 4), 3, (3, 2), stride=2, padding="valid"),
    "Conv2d same with steps": lambda: layers.Conv2d(images(4, 3), 1, (2, 3), stride=(3, 2)),
    "Conv2d padded with gaps": lambda: layers.Conv2d(images(4, 3), 2, 2, (2, 1), padding=(2, 1), dilation=(3, 2)),
    "Conv2d in groups": lambda: layers.Conv2d(images(2, 3, 4), 6, 2, padding=1, groups=2),
    "Conv2d depthwise": lambda: layers.Conv2d(images(3, 2, 3), 3, 3, groups=3),
    "Conv1d": lambda: layers.Conv1d(sequences(4), 3, 3),
    "Conv1d with steps": lambda: layers.Conv1d(sequences(7), 3, 2, stride=2, padding="valid", dilation=2),
    "Conv1d in groups": lambda: layers.Conv1d(sequences(5, 4), 2, 4, stride=3, padding=2, groups=2),
    "ConvTranspose2d": lambda: layers.ConvTranspose2d(images(2, 3), 3, 3, stride=2),
    "ConvTranspose2d valid": lambda: layers.ConvTranspose2d(images(2, 3), 1, (2, 3), (3, 1), "valid", (1, 2)),
    "ConvTranspose2d padded": lambda: layers.ConvTranspose2d(images(3, 2), 2, 3, (2, 1), padding=1),
    "MaxPool2d": lambda: layers.MaxPool2d(images(2, 4)),
    "MaxPool2d overlapping": lambda: layers.MaxPool2d(images(5, 4), (3, 2), stride=(2, 1), padding=(1, 0)),
    "MaxPool2d same": lambda: layers.MaxPool2d(images(4, 5), 3, stride=2, padding="same"),
    "AvgPool2d": lambda: layers.AvgPool2d(images(2, 4)),
    "AvgPool2d overlapping": lambda: layers.AvgPool2d(images(5, 4), (3, 2), stride=(2, 1), padding=(1, 0)),
    "AvgPool2d same": lambda: layers.AvgPool2d(images(4, 5), 3, stride=2, padding="same"),
    "GlobalAvgPool2d": lambda: layers.GlobalAvgPool2d(images(2, 3)),
    "RandomShift": lambda: layers.RandomShift(images(2, 2), 1),
    "RandomShift in prediction": lambda: _in_prediction(layers.RandomShift(images(3, 2), 1)),
    "RandomFlip": lambda: layers.RandomFlip(images(1, 3)),
    "RandomFlip in prediction": lambda: _in_prediction(layers.RandomFlip(images(2, 3))),
    "RandomCrop": lambda: layers.RandomCrop(images(2, 3), (1, 2)),
    "RandomCrop in prediction": lambda: _in_prediction(layers.RandomCrop(images(4, 5), (2, 3))),
    "Cutout": lambda: layers.Cutout(images(2, 3), 2),
    "Cutout in prediction": lambda: _in_prediction(layers.Cutout(images(3, 4), 2)),
}


def _weighted(loss: Loss, labels: Any) -> Loss:
    loss.set_labels(labels, np.random.default_rng(5).uniform(0.5, 2.0, NUM_DATA))
    return loss


def _numbers(num_outputs: int = 4) -> Any:
    return np.random.default_rng(9).standard_normal((NUM_DATA, num_outputs))


def _classes() -> Any:
    return np.random.default_rng(9).integers(0, 4, NUM_DATA)


LOSS_CASES: dict[str, Callable[[], Loss]] = {
    "SquareLoss": lambda: losses.SquareLoss(rows(), _numbers()),
    "SquareLoss with weights": lambda: _weighted(losses.SquareLoss(rows()), _numbers()),
    "AbsoluteLoss": lambda: losses.AbsoluteLoss(rows(), _numbers()),
    "HuberLoss": lambda: losses.HuberLoss(rows(), _numbers(), delta=0.8),
    "QuantileLoss": lambda: losses.QuantileLoss(rows(), _numbers(), quantile=0.3),
    "QuantileLoss of several": lambda: losses.QuantileLoss(rows(), _numbers(1), quantile=(0.1, 0.4, 0.6, 0.9)),
    "PoissonLoss": lambda: losses.PoissonLoss(rows(), np.random.default_rng(9).poisson(2.0, (NUM_DATA, 4))),
    "GammaLoss": lambda: losses.GammaLoss(rows(), np.random.default_rng(9).gamma(2.0, size=(NUM_DATA, 4))),
    "TweedieLoss": lambda: losses.TweedieLoss(
        rows(), np.random.default_rng(9).poisson(1.0, (NUM_DATA, 4)) * 1.5, power=1.3
    ),
    "BinaryCrossEntropy": lambda: losses.BinaryCrossEntropy(
        rows(), np.random.default_rng(9).integers(0, 2, (NUM_DATA, 4))
    ),
    "BinaryCrossEntropy with weights": lambda: _weighted(losses.BinaryCrossEntropy(rows(1)), _classes() % 2),
    "CrossEntropy": lambda: losses.CrossEntropy(rows(), np.eye(4)[_classes()]),
    "CrossEntropy of class indices": lambda: losses.CrossEntropy(rows(), _classes()),
    "CrossEntropy with everything": lambda: _weighted(
        losses.CrossEntropy(rows(), label_smoothing=0.2, class_weights=(1.0, 0.5, 2.0, 3.0)), _classes()
    ),
}
