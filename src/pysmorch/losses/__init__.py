"""Losses: the last layer of a network, which compares the output with labels and returns one number.

Every loss is a mean over the M samples of the batch, L = (1/M) sum_i w_i l_i, with sample weights w_i that are 1 unless
given. A class says what l_i and its gradient are; the mean and the weights are applied in one place (`base.py`). No loss
exponentiates a positive number.
"""

from pysmorch.losses import classification, positive, regression
from pysmorch.losses.base import Loss
from pysmorch.losses.classification import *  # noqa: F403
from pysmorch.losses.classification import softmax as softmax
from pysmorch.losses.positive import *  # noqa: F403
from pysmorch.losses.regression import *  # noqa: F403

__all__ = ["Loss"]
__all__ += classification.__all__
__all__ += positive.__all__
__all__ += regression.__all__
