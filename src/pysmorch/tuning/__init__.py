"""The search for parameters with Optuna (`pip install "pysmorch[tune]"`)."""

from pysmorch.tuning.tuner import Tuner

__all__ = ["Tuner"]
