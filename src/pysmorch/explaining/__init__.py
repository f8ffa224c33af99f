"""Reasons for predictions: what each column adds to one, how much worse a model is without it, and how predictions follow it."""

from pysmorch.explaining.dependence import PartialDependence
from pysmorch.explaining.explanation import Explanation
from pysmorch.explaining.importance import Importance

__all__ = ["Explanation", "Importance", "PartialDependence"]
