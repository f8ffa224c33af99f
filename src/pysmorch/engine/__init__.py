"""Programs: a network made ready to run whole epochs."""

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.native import NativeProgram, reason_against
from pysmorch.engine.reference import NonFiniteError, ReferenceProgram, Totals, evaluate, predict

__all__ = [
    "Dataset",
    "NativeProgram",
    "NonFiniteError",
    "ReferenceProgram",
    "Totals",
    "evaluate",
    "predict",
    "reason_against",
]
