"""Programs: a network made ready to run whole epochs."""

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.reference import NonFiniteError, ReferenceProgram, Totals, evaluate, predict

__all__ = ["Dataset", "NonFiniteError", "ReferenceProgram", "Totals", "evaluate", "predict"]
