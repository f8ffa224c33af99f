"""A variant of the assignment: the attributes have other names.

pysmorch grade homework --exercise docs/exercises/other_names.py
"""

import numpy as np

points = 10
formula = "X + offset"
names = {"W": "offset", "G": "offset_gradient", "in_layer": "previous", "out_dims": "shape"}


class Bias:
    def __init__(self, previous):
        self.previous = previous
        self.shape = previous.out_dims
        self.offset = np.zeros(previous.out_dims[1])

    def forward(self):
        return self.previous.forward() + self.offset


def draw(rng, rows):
    """Return the input."""
    return rng.normal(size=(rows, 4))
