"""Formulas that are often written by mistake, by class and result, with the sentence that each of them gets.

What all gradients have in common (a factor, a sign, a transpose) is recognised by `gradcheck.mistakes`.
"""

from __future__ import annotations

from pysmorch.teach.exercises import Formulas
from pysmorch.teach.formulas_of_images import WRONG_IMAGES
from pysmorch.teach.formulas_of_layers import WRONG_LAYERS
from pysmorch.teach.formulas_of_losses import WRONG_LOSSES

WRONG_FORMULAS: Formulas = {**WRONG_LAYERS, **WRONG_LOSSES, **WRONG_IMAGES}
