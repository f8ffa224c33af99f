"""Training: the loop over epochs, its options, callbacks and history."""

from pysmorch.engine import NonFiniteError
from pysmorch.metrics import Metric, Metrics
from pysmorch.training.callbacks import Callback, EarlyStopping, Training
from pysmorch.training.checkpoints import SavedRun, check_new, has_checkpoint, read_run
from pysmorch.training.history import History
from pysmorch.training.loop import evaluate, fit
from pysmorch.training.options import FitOptions, interval

__all__ = [
    "Callback",
    "EarlyStopping",
    "FitOptions",
    "History",
    "Metric",
    "Metrics",
    "NonFiniteError",
    "SavedRun",
    "Training",
    "check_new",
    "evaluate",
    "fit",
    "has_checkpoint",
    "interval",
    "read_run",
]
