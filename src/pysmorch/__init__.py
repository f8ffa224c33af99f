"""PySmorch: neural networks on the machine people have.

Layers and losses are here at once; everything else is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch.layers import (
    Add,
    AvgPool2d,
    Bias,
    Concat,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Cutout,
    Data,
    Dropout,
    Embedding,
    Flatten,
    Gelu,
    GlobalAvgPool2d,
    GroupNormalize,
    Layer,
    LayerNormalize,
    LeakyRelu,
    Linear,
    MaxPool2d,
    Mish,
    Multiply,
    Normalize,
    Pad2d,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Relu,
    Rescale,
    Reshape,
    Scale,
    Selu,
    ShapeError,
    Sigmoid,
    Silu,
    Tanh,
    Upsample2d,
    batch_norm,
    conv,
    conv_norm,
    dense,
    layer_norm,
    mlp,
    weights_from,
)
from pysmorch.losses import (
    AbsoluteLoss,
    BinaryCrossEntropy,
    CrossEntropy,
    HuberLoss,
    Loss,
    PoissonLoss,
    QuantileLoss,
    SquareLoss,
)
from pysmorch.version import __version__ as __version__

if TYPE_CHECKING:
    from pysmorch import metrics, models
    from pysmorch.engine import set_num_threads
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.files import ModelFileError
    from pysmorch.gradcheck import check, check_gradient
    from pysmorch.loading import load
    from pysmorch.metrics import Metric
    from pysmorch.network import Network
    from pysmorch.optimizers import SGD, Adam, AdamW, RMSprop
    from pysmorch.schedules import Constant, Cosine, OneCycle, Step, WarmUp
    from pysmorch.training import Callback, EarlyStopping, History, NonFiniteError

_LAZY = {
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "Callback": "training",
    "Classifier": "estimators",
    "Constant": "schedules",
    "Cosine": "schedules",
    "EarlyStopping": "training",
    "History": "training",
    "Metric": "metrics",
    "ModelFileError": "files",
    "Network": "network",
    "NonFiniteError": "training",
    "OneCycle": "schedules",
    "RMSprop": "optimizers",
    "Regressor": "estimators",
    "SGD": "optimizers",
    "Step": "schedules",
    "WarmUp": "schedules",
    "check": "gradcheck",
    "check_gradient": "gradcheck",
    "load": "loading",
    "metrics": "metrics",
    "models": "models",
    "set_num_threads": "engine",
}

__all__ = [
    "SGD",
    "AbsoluteLoss",
    "Adam",
    "AdamW",
    "Add",
    "AvgPool2d",
    "Bias",
    "BinaryCrossEntropy",
    "Callback",
    "Classifier",
    "Concat",
    "Constant",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Cosine",
    "CrossEntropy",
    "Cutout",
    "Data",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Flatten",
    "Gelu",
    "GlobalAvgPool2d",
    "GroupNormalize",
    "History",
    "HuberLoss",
    "Layer",
    "LayerNormalize",
    "LeakyRelu",
    "Linear",
    "Loss",
    "MaxPool2d",
    "Metric",
    "Mish",
    "ModelFileError",
    "Multiply",
    "Network",
    "NonFiniteError",
    "Normalize",
    "OneCycle",
    "Pad2d",
    "PoissonLoss",
    "QuantileLoss",
    "RMSprop",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "Regressor",
    "Relu",
    "Rescale",
    "Reshape",
    "Scale",
    "Selu",
    "ShapeError",
    "Sigmoid",
    "Silu",
    "SquareLoss",
    "Step",
    "Tanh",
    "Upsample2d",
    "WarmUp",
    "batch_norm",
    "check",
    "check_gradient",
    "conv",
    "conv_norm",
    "dense",
    "layer_norm",
    "load",
    "metrics",
    "mlp",
    "models",
    "set_num_threads",
    "weights_from",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pysmorch' has no attribute {name!r}")
    module = import_module(f"pysmorch.{_LAZY[name]}")
    value = module if name == _LAZY[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
