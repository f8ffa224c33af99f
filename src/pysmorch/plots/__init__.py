"""Plots with Matplotlib (`pip install "pysmorch[plots]"`), and diagrams of networks, which need nothing.

Every function draws into the Axes `ax` and returns them; without `ax` it makes and returns a Figure, which shows itself
in a notebook. None of them opens a window or changes Matplotlib's settings.
"""

from pysmorch.diagram import diagram
from pysmorch.plots.classes import confusion, decision_boundary
from pysmorch.plots.curves import loss_curves
from pysmorch.plots.gradients import gradient_check
from pysmorch.plots.parameters import weights
from pysmorch.plots.reasons import explanation, importance, partial_dependence

__all__ = [
    "confusion",
    "decision_boundary",
    "diagram",
    "explanation",
    "gradient_check",
    "importance",
    "loss_curves",
    "partial_dependence",
    "weights",
]
