"""A variant of the assignment: W is (outputs, inputs), as in PyTorch.

pysmorch grade homework --exercise docs/exercises/outputs_first.py
"""

import numpy as np

points = 20
formula = "X W^T"
hints = {
    "forward": "Entry (n, k) is the product of row n of X with row k of W.",
    "G": "W[k, d] takes part in every row: add up dwnstrm[n, k] X[n, d] over n. G has the shape of W.",
    "backward": "X[n, d] acts on output k by the factor W[k, d]: add up over k.",
}
mistakes = {
    "G": {"G is transposed: it has the shape of W, which is (outputs, inputs) here.": lambda p: p.x.T @ p.dwnstrm}
}


class Linear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        num_data, num_in_features = in_layer.out_dims
        self.out_dims = (num_data, num_out_features)
        self.W = np.random.randn(num_out_features, num_in_features) / np.sqrt(num_in_features)

    def forward(self):
        return self.in_layer.forward() @ self.W.T


def draw(rng, rows):
    """Return the input, and how many outputs there are."""
    return rng.normal(size=(rows, 4)), 3
