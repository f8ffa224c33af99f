"""Layers: one operation each, with at most one parameter array. NumPy only, and written to be read."""

from pysmorch.layers.activations import Gelu, LeakyRelu, Mish, Relu, Selu, Sigmoid, Silu, Tanh
from pysmorch.layers.base import Layer, ShapeError
from pysmorch.layers.compose import batch_norm, dense, layer_norm, mlp
from pysmorch.layers.convolution import Conv1d, Conv2d, ConvTranspose2d
from pysmorch.layers.dense import Bias, Data, Linear, Scale
from pysmorch.layers.dropout import Dropout
from pysmorch.layers.embedding import Embedding
from pysmorch.layers.merge import Add, Concat, Multiply
from pysmorch.layers.normalization import LayerNormalize, Normalize
from pysmorch.layers.randomness import weights_from
from pysmorch.layers.shape import Flatten, Reshape

__all__ = [
    "Add",
    "Bias",
    "Concat",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Data",
    "Dropout",
    "Embedding",
    "Flatten",
    "Gelu",
    "Layer",
    "LayerNormalize",
    "LeakyRelu",
    "Linear",
    "Mish",
    "Multiply",
    "Normalize",
    "Relu",
    "Reshape",
    "Scale",
    "Selu",
    "ShapeError",
    "Sigmoid",
    "Silu",
    "Tanh",
    "batch_norm",
    "dense",
    "layer_norm",
    "mlp",
    "weights_from",
]
