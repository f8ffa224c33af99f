"""Data, models and layers of which files are made."""

import numpy as np
import pandas as pd

import pysmorch as ps


def flat_network(layer):
    """A network with one output that has all entries of a layer."""
    return ps.Network(ps.SquareLoss(layer if len(layer.out_dims) == 2 else ps.Flatten(layer)))


def arrays_of(network):
    return [data.data for data in network.inputs]


def predicted(network, arrays):
    return network.predict(tuple(arrays) if len(arrays) > 1 else arrays[0], engine="reference")


class Doubled(ps.Layer):
    def compute(self, x):
        return 2 * x

    def pull_back(self, dwnstrm):
        return 2 * dwnstrm


class LouderRelu(ps.Relu):
    def compute(self, x):
        return 3 * super().compute(x)


def numbers(num_rows=300, seed=0):
    """Columns that are plain, skewed, constant, and missing here and there."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(num_rows, 5))
    X[:, 1] = np.exp(4 * X[:, 1])
    X[:, 2] = 3.0
    X[rng.random(num_rows) < 0.1, 3] = np.nan
    return X, np.where(X[:, 0] > 0, 1, 0) + (X[:, 1] > 1)


def people(num_rows=400):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, num_rows).astype(float),
            "income": np.exp(rng.normal(10, 2, num_rows)),
            "town": rng.choice(["Rome", "Oslo", "Kyōto", "Bern"], num_rows),
            "street": np.array([f"s{i}" for i in rng.integers(0, 150, num_rows)], dtype=object),
            "member": rng.random(num_rows) < 0.5,
            "grade": pd.Categorical(rng.choice(["low", "mid", "high"], num_rows), ["low", "mid", "high"], ordered=True),
        }
    )
    frame.loc[::17, "income"] = np.nan
    frame.loc[::13, "town"] = None
    y = np.where((frame.age > 50) ^ (frame.town == "Rome"), "yes", "no")
    return frame, y
