"""Whether a network is the right model: the same held-out rows by simpler models."""

from pysmorch.advice.comparing import compare_with_baselines
from pysmorch.advice.comparison import Comparison, Measured

__all__ = ["Comparison", "Measured", "compare_with_baselines"]
