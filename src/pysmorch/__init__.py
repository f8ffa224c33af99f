"""PySmorch: neural networks on the machine people have.

Layers and losses are here at once; everything else is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch import layers, losses
from pysmorch.layers import *  # noqa: F403
from pysmorch.losses import *  # noqa: F403
from pysmorch.memory import spare_address_space
from pysmorch.missing import missing_library
from pysmorch.version import __version__ as __version__
from pysmorch.warnings import PysmorchWarning

if TYPE_CHECKING:
    # mypy reads no sums of __all__, only the lists in the files of the families.
    from pysmorch import metrics, models
    from pysmorch.advice import advise, compare_with_baselines
    from pysmorch.batches import BatchPredictor
    from pysmorch.cluster import Cluster
    from pysmorch.engine import set_num_threads
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.files import ModelFileError
    from pysmorch.gradcheck import check, check_gradient
    from pysmorch.importing import from_onnx
    from pysmorch.layers.activations import *  # noqa: F403
    from pysmorch.layers.arithmetic import *  # noqa: F403
    from pysmorch.layers.augmentation import *  # noqa: F403
    from pysmorch.layers.axes import *  # noqa: F403
    from pysmorch.layers.compose import *  # noqa: F403
    from pysmorch.layers.convolution import *  # noqa: F403
    from pysmorch.layers.dense import *  # noqa: F403
    from pysmorch.layers.dropout import *  # noqa: F403
    from pysmorch.layers.embedding import *  # noqa: F403
    from pysmorch.layers.functions import *  # noqa: F403
    from pysmorch.layers.merge import *  # noqa: F403
    from pysmorch.layers.normalization import *  # noqa: F403
    from pysmorch.layers.pooling import *  # noqa: F403
    from pysmorch.layers.shape import *  # noqa: F403
    from pysmorch.loading import load
    from pysmorch.losses.classification import *  # noqa: F403
    from pysmorch.losses.positive import *  # noqa: F403
    from pysmorch.losses.regression import *  # noqa: F403
    from pysmorch.many import ManyModels, fit_many, for_small_groups
    from pysmorch.metrics import Metric
    from pysmorch.network import Network
    from pysmorch.optimizers import SGD, Adam, AdamW, RMSprop
    from pysmorch.schedules import Constant, Cosine, CosineCycles, FlatCosine, OneCycle, Step, WarmUp
    from pysmorch.start import start_from_data
    from pysmorch.training import Callback, EarlyStopping, History, NonFiniteError
    from pysmorch.tuning import Tuner

_LAZY = {
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "BatchPredictor": "batches",
    "Callback": "training",
    "Classifier": "estimators",
    "Cluster": "cluster",
    "Constant": "schedules",
    "Cosine": "schedules",
    "CosineCycles": "schedules",
    "EarlyStopping": "training",
    "FlatCosine": "schedules",
    "History": "training",
    "ManyModels": "many",
    "Metric": "metrics",
    "ModelFileError": "files",
    "Network": "network",
    "NonFiniteError": "training",
    "OneCycle": "schedules",
    "RMSprop": "optimizers",
    "Regressor": "estimators",
    "SGD": "optimizers",
    "Step": "schedules",
    "Tuner": "tuning",
    "WarmUp": "schedules",
    "advise": "advice",
    "check": "gradcheck",
    "check_gradient": "gradcheck",
    "compare_with_baselines": "advice",
    "fit_many": "many",
    "for_small_groups": "many",
    "from_onnx": "importing",
    "load": "loading",
    "metrics": "metrics",
    "models": "models",
    "set_num_threads": "engine",
    "start_from_data": "start",
}

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "BatchPredictor",
    "Callback",
    "Classifier",
    "Cluster",
    "Constant",
    "Cosine",
    "CosineCycles",
    "EarlyStopping",
    "FlatCosine",
    "History",
    "ManyModels",
    "Metric",
    "ModelFileError",
    "Network",
    "NonFiniteError",
    "OneCycle",
    "PysmorchWarning",
    "RMSprop",
    "Regressor",
    "Step",
    "Tuner",
    "WarmUp",
    "advise",
    "check",
    "check_gradient",
    "compare_with_baselines",
    "fit_many",
    "for_small_groups",
    "from_onnx",
    "load",
    "metrics",
    "models",
    "set_num_threads",
    "start_from_data",
]
__all__ += layers.__all__
__all__ += losses.__all__


spare_address_space()  # before PyArrow is loaded


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pysmorch' has no attribute {name!r}")
    try:
        module = import_module(f"pysmorch.{_LAZY[name]}")
    except ModuleNotFoundError as error:
        raise missing_library(error, f"pysmorch.{name}") from error
    value = module if name == _LAZY[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
