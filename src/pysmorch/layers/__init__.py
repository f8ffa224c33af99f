"""Layers: one operation each, with at most one parameter array. NumPy only."""

from pysmorch.layers.activations import Gelu, LeakyRelu, Mish, Relu, Selu, Sigmoid, Silu, Tanh
from pysmorch.layers.arguments import ShapeError
from pysmorch.layers.augmentation import Cutout, RandomCrop, RandomFlip, RandomShift
from pysmorch.layers.base import Layer
from pysmorch.layers.compose import batch_norm, conv, conv_norm, dense, layer_norm, mlp
from pysmorch.layers.convolution import Conv1d, Conv2d, ConvTranspose2d
from pysmorch.layers.dense import Bias, Data, Linear, Rescale, Scale
from pysmorch.layers.dropout import Dropout
from pysmorch.layers.embedding import Embedding
from pysmorch.layers.merge import Add, Concat, Multiply
from pysmorch.layers.normalization import GroupNormalize, LayerNormalize, Normalize
from pysmorch.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pysmorch.layers.randomness import weights_from
from pysmorch.layers.shape import Flatten, Pad2d, Reshape, Upsample2d

__all__ = [
    "Add",
    "AvgPool2d",
    "Bias",
    "Concat",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Cutout",
    "Data",
    "Dropout",
    "Embedding",
    "Flatten",
    "Gelu",
    "GlobalAvgPool2d",
    "GroupNormalize",
    "Layer",
    "LayerNormalize",
    "LeakyRelu",
    "Linear",
    "MaxPool2d",
    "Mish",
    "Multiply",
    "Normalize",
    "Pad2d",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "Relu",
    "Rescale",
    "Reshape",
    "Scale",
    "Selu",
    "ShapeError",
    "Sigmoid",
    "Silu",
    "Tanh",
    "Upsample2d",
    "batch_norm",
    "conv",
    "conv_norm",
    "dense",
    "layer_norm",
    "mlp",
    "weights_from",
]
