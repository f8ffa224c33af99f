"""Formulas that are often written by mistake, by class and result, with the sentence that each of them gets.

What all gradients have in common (a factor, a sign, a transpose) is recognised by `gradcheck.mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysmorch.teach.exercises import Exercise, Formulas, Problem
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


def known_mistakes(exercise: Exercise) -> dict[str, dict[str, Callable[[Problem], Any]]]:
    """Return the wrong formulas of an exercise, by result: those of a teacher's, or those under the name of the class."""
    return WRONG_FORMULAS.get(exercise.name, {}) if exercise.mistakes is None else exercise.mistakes
