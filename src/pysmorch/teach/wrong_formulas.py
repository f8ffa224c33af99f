"""Formulas that are often written by mistake, by class and result, with the sentence that each of them gets.

What all gradients have in common (a factor, a sign, a transpose) is recognised by `gradcheck.mistakes`.
"""

from __future__ import annotations

from pysmorch.teach.exercises import Formulas
from pysmorch.teach.formulas_of_cross_entropy import WRONG_CROSS_ENTROPY
from pysmorch.teach.formulas_of_functions import WRONG_FUNCTIONS
from pysmorch.teach.formulas_of_images import WRONG_IMAGES
from pysmorch.teach.formulas_of_layers import WRONG_LAYERS
from pysmorch.teach.formulas_of_square_loss import WRONG_SQUARE_LOSS

WRONG_FORMULAS: Formulas = {
    **WRONG_LAYERS,
    **WRONG_FUNCTIONS,
    **WRONG_SQUARE_LOSS,
    **WRONG_CROSS_ENTROPY,
    **WRONG_IMAGES,
}
