"""Training: the loop over epochs, its options, callbacks and history."""

from pysmorch.engine import NonFiniteError
from pysmorch.metrics import Metric, Metrics
from pysmorch.training.callbacks import Callback, EarlyStopping, Training
from pysmorch.training.history import History
from pysmorch.training.loop import evaluate, fit
from pysmorch.training.on_cluster import fit_on_cluster
from pysmorch.training.options import FitOptions

__all__ = [
    "Callback",
    "EarlyStopping",
    "FitOptions",
    "History",
    "Metric",
    "Metrics",
    "NonFiniteError",
    "Training",
    "evaluate",
    "fit",
    "fit_on_cluster",
]
