"""Whether a network is the right model, and what deserves attention in its data, its split and its training."""

from pysmorch.advice.advising import advise
from pysmorch.advice.comparing import compare_with_baselines
from pysmorch.advice.comparison import Comparison, Measured

__all__ = ["Comparison", "Measured", "advise", "compare_with_baselines"]
