"""A small problem of three classes, and a network for it."""

import numpy as np

import pysmorch as ps

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5))
Y = (X @ RNG.standard_normal((5, 3))).argmax(1)


def classifier(seed=0, **options):
    return ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 5)), [16], 3, seed=seed, **options)))


def weights_of(network):
    return np.concatenate([W.ravel() for W in network.parameters.values()])
