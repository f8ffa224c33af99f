"""
A backward pass that is wrong, and how the checker says so
==========================================================

A layer of one's own is checked against finite differences. Here the gradient misses a factor of two.
"""

import numpy as np

from pysmorch import Data, Layer, check, plots


class Square(Layer):
    """x squared."""

    def compute(self, x):
        """Return the output."""
        return x**2

    def pull_back(self, dwnstrm):
        """Return the gradient of the input; the factor 2 is missing."""
        return self.in_array * dwnstrm


report = check(Square(Data(np.random.default_rng(0).standard_normal((4, 3)))))
print(report)

# %%
# Found and expected gradients, entry by entry:
picture = plots.gradient_check(report)
