"""Data sets in the plane: two features and a label for each point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pysmorch.entries import suggest
from pysmorch.layers.base import Array
from pysmorch.layers.randomness import check_seed

TEST_FRACTION = 0.3
LEAST_POINTS, MOST_POINTS = 20, 2000

Drawn = tuple[Array, Array]


@dataclass(frozen=True)
class Points:
    """Points in the plane with their labels, of which some are for testing.

    Attributes
    ----------
    X_train, X_test : ndarray of shape (N, 2)
        The features; those of the training points have mean 0 and variance 1.
    y_train, y_test : ndarray of shape (N,)
        Class indices, or targets of a regression with mean 0 and variance 1.
    classes : tuple of str
        The names of the classes; empty for a regression.
    names : tuple of str
        What the two features are called.
    """

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    classes: tuple[str, ...] = ()
    names: tuple[str, str] = ("x1", "x2")

    @property
    def num_outputs(self) -> int:
        """How many outputs a network for these points has: one for each class, or one for a regression."""
        return len(self.classes) or 1


def spiral(rng: np.random.Generator, count: int) -> Drawn:
    """Two arms that wind around each other."""
    y = np.arange(count) % 2
    t = np.sqrt(rng.uniform(0.02, 1, count))
    angle = 1.5 * 2 * np.pi * t + np.pi * y
    return np.stack([t * np.cos(angle), t * np.sin(angle)], 1), y


def circles(rng: np.random.Generator, count: int) -> Drawn:
    """A disc and a ring around it."""
    y = np.arange(count) % 2
    radius = np.where(y == 0, 0.5 * np.sqrt(rng.uniform(0, 1, count)), rng.uniform(0.75, 1, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), y


def moons(rng: np.random.Generator, count: int) -> Drawn:
    """Two half circles that reach into each other."""
    y = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    side = 1 - 2 * y
    return np.stack([np.cos(angle) * side + y - 0.5, np.sin(angle) * side + y / 2 - 0.25], 1) / 1.5, y


def blobs(rng: np.random.Generator, count: int) -> Drawn:
    """Three normal distributions."""
    y = np.arange(count) % 3
    angle = 2 * np.pi * y / 3 + np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], 1) * 0.7 + 0.18 * rng.standard_normal((count, 2)), y


def xor(rng: np.random.Generator, count: int) -> Drawn:
    """The class says whether the two features have the same sign."""
    X = rng.uniform(-1, 1, (count, 2))
    X += 0.06 * np.sign(X)  # a gap along the axes
    return X, (X[:, 0] * X[:, 1] < 0).astype(np.intp)


def plane(rng: np.random.Generator, count: int) -> Drawn:
    """A regression: the target is the sum of the features."""
    X = rng.uniform(-1, 1, (count, 2))
    return X, X.sum(axis=1)


def hills(rng: np.random.Generator, count: int) -> Drawn:
    """A regression: two hills and a hollow between them."""
    X = rng.uniform(-1, 1, (count, 2))
    heights = ((0.55, 0.55, 1.0), (-0.55, -0.55, 1.0), (0.0, 0.0, -1.0))
    return X, np.sum([h * np.exp(-((X[:, 0] - a) ** 2 + (X[:, 1] - b) ** 2) / 0.12) for a, b, h in heights], axis=0)


CLASSIFICATION: dict[str, Callable[[np.random.Generator, int], Drawn]] = {
    f.__name__: f for f in (spiral, circles, moons, blobs, xor)
}
REGRESSION: dict[str, Callable[[np.random.Generator, int], Drawn]] = {f.__name__: f for f in (plane, hills)}


def points(name: str, count: int = 500, noise: float = 0.1, seed: int = 0) -> Points:
    """Draw one of the playground's data sets.

    Parameters
    ----------
    name : str
        "spiral", "circles", "moons", "blobs" or "xor" for a classification, "plane" or "hills" for a regression.
    count : int, default=500
        How many points, those for testing included; from 20 to 2000.
    noise : float, default=0.1
        From 0 to 1: the standard deviation of what is added to the features is a quarter of it, where these range from -1 to 1.
    seed : int, default=0
        The same one draws the same points.

    Returns
    -------
    Points
        With 30 % of them for testing.

    Raises
    ------
    ValueError
        For a name that there is not, and for numbers out of range.

    Examples
    --------
    >>> points("spiral", count=100).X_train.shape
    (70, 2)
    """
    known = CLASSIFICATION | REGRESSION
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}, but is {name!r}{suggest(name, known)}")
    if isinstance(count, bool) or not isinstance(count, int) or not LEAST_POINTS <= count <= MOST_POINTS:
        raise ValueError(f"count must be an integer from {LEAST_POINTS} to {MOST_POINTS}, but is {count!r}")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must be from 0 to 1, but is {noise!r}")
    rng = np.random.default_rng(check_seed(seed))
    X, y = known[name](rng, count)
    X = X + noise / 4 * rng.standard_normal(X.shape)
    classes = tuple("ABC"[: int(y.max()) + 1]) if name in CLASSIFICATION else ()
    return divided(X, y, classes, ("x1", "x2"), rng)


def divided(X: Array, y: Array, classes: tuple[str, ...], names: tuple[str, str], rng: np.random.Generator) -> Points:
    """Return points in a random order, of which the last are for testing, scaled by those for training.

    Parameters
    ----------
    X : ndarray of shape (N, 2)
        The features.
    y : ndarray of shape (N,)
        Class indices or targets.
    classes : tuple of str
        Of a classification.
    names : tuple of str
        Of the features.
    rng : numpy.random.Generator
        Draws the order.

    Returns
    -------
    Points
        In float64.
    """
    order = rng.permutation(len(X))
    num_test = round(TEST_FRACTION * len(X))
    train, test = order[num_test:], order[:num_test]
    X = _standardized(X, train)
    y = y.astype(np.intp) if classes else _standardized(y, train)
    return Points(X[train], y[train], X[test], y[test], classes, names)


def _standardized(values: Array, train: Array) -> Array:
    std = values[train].std(axis=0)
    return (values - values[train].mean(axis=0)) / np.where(std > 0, std, 1.0)
