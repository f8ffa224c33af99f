"""A variant of the assignment: labels are class numbers, not one-hot rows.

pysmorch grade homework --exercise docs/exercises/class_numbers.py
"""

import numpy as np

points = 30
formula = "the mean of log(sum_j exp(x_j)) - x_k, where k is the label"
hints = {
    "forward": "Work the formula out by hand for one row; x[np.arange(len(x)), labels] takes one entry of each row.",
    "backward": "Differentiate log(sum_j exp(x_j)) and x_k for one row; the loss is a mean, so there is a factor of the batch.",
}


class CrossEntropy:
    def __init__(self, in_layer, labels):
        self.in_layer = in_layer
        self.labels = labels

    def forward(self):
        x = self.in_layer.forward()
        log_sum = np.log(np.exp(x).sum(axis=1))
        return np.mean(log_sum - x[np.arange(len(x)), self.labels])


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


mistakes = {
    "backward": {
        "The 1 of the label is not taken away: this is the softmax, divided by the number of rows.": lambda p: (
            softmax(p.x) / len(p.x)
        ),
    },
}


def draw(rng, rows):
    """Return the input and the labels."""
    return rng.normal(size=(rows, 3)), rng.integers(0, 3, rows)
