"""Programs: a network made ready to run whole epochs."""

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import has_bf16
from pysmorch.engine.native import NativeProgram, reason_against, step_memory
from pysmorch.engine.prediction import Predictor, evaluate
from pysmorch.engine.reference import NonFiniteError, ReferenceProgram, Totals
from pysmorch.engine.threads import check_threads, num_threads, set_num_threads

__all__ = [
    "Dataset",
    "NativeProgram",
    "NonFiniteError",
    "Predictor",
    "ReferenceProgram",
    "Totals",
    "check_threads",
    "evaluate",
    "has_bf16",
    "num_threads",
    "reason_against",
    "set_num_threads",
    "step_memory",
]
