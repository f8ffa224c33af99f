"""Formulas that are often written by mistake, by class and result, with the sentence that each of them gets.

What all gradients have in common (a factor, a sign, a transpose) is recognised by `gradcheck.mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysmorch.teach.exercises import Exercise, Formulas, Problem
from pysmorch.teach.formulas_of_images import WRONG_IMAGES
from pysmorch.teach.formulas_of_layers import WRONG_LAYERS
from pysmorch.teach.formulas_of_losses import WRONG_LOSSES

WRONG_FORMULAS: Formulas = {**WRONG_LAYERS, **WRONG_LOSSES, **WRONG_IMAGES}


def known_mistakes(exercise: Exercise) -> dict[str, dict[str, Callable[[Problem], Any]]]:
    """Return the wrong formulas of an exercise, by result: those of a teacher's, or those under the name of the class."""
    return WRONG_FORMULAS.get(exercise.name, {}) if exercise.mistakes is None else exercise.mistakes
