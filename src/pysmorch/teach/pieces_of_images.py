"""Tests of MaxPool2d, which lesson 10 has."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import generator
from pysmorch.teach.piece import RIGHT, Source, first_fit, say, trial

SQUARE = np.array([[1.0, 5.0], [3.0, 2.0]])


def _pool(cls: Any, images: Array, dwnstrm: Array | None = None) -> tuple[Any, Array]:
    """What forward returns and what is passed back."""
    source = Source(images.copy())
    layer = cls(source)
    out = layer.forward()
    if dwnstrm is not None:
        layer.backward(dwnstrm.copy())
    return out, source.received


def _images() -> Array:
    """Two images of 4 x 6 pixels with three channels, all numbers different, negative ones among them."""
    order = generator(0).permutation(2 * 4 * 6 * 3)
    return order.reshape(2, 4, 6, 3) / 10 - 5


def _squares(images: Array) -> Array:
    """The four numbers of every square, along a first axis."""
    return np.stack([images[:, a::2, b::2] for a in (0, 1) for b in (0, 1)])


def _pooled(cls: Any) -> tuple[str, str]:
    images = _images()
    found, _ = _pool(cls, images)
    if found is None:
        return "Forward returns nothing: is there a return?", ""
    squares = _squares(images)
    if np.shape(found) != squares.shape[1:]:
        return "What forward returns has the wrong shape: one number for each square", say(
            squares.shape[1:], np.shape(found), f"for images {images.shape}"
        )
    if np.allclose(found, squares.max(0)):
        return RIGHT
    known = {
        "This is the mean of each square; the largest number is needed": squares.mean(0),
        "This is the smallest number of each square; the largest one is needed": squares.min(0),
        "This is which of the four is the largest, not the number itself": squares.argmax(0).astype(float),
        "This is the sum of each square; the largest number is needed": squares.sum(0),
        "This is the upper left number of each square; the largest one is needed": squares[0],
    }
    cause = first_fit(known, np.asarray(found)) or "These are not the largest numbers of the squares"
    one, _ = _pool(cls, SQUARE.reshape(1, 2, 2, 1))
    return cause, say(5.0, float(np.ravel(one)[0]), f"the square {SQUARE.tolist()}")


def _handed_back(cls: Any) -> tuple[str, str]:
    images = _images()
    squares = _squares(images)
    dwnstrm = generator(1).standard_normal(squares.shape[1:])
    _, found = _pool(cls, images, dwnstrm)
    expected = _spread(dwnstrm * (squares == squares.max(0)))
    if found.shape != expected.shape:
        return "What is passed back does not have the shape of the input", say(expected.shape, found.shape, "its shape")
    if np.allclose(found, expected):
        return RIGHT
    everywhere = np.ones(squares.shape)
    known = {
        "The gradient goes to all four numbers; only the largest one had a say": _spread(dwnstrm * everywhere),
        "The gradient is shared between the four, as for a mean; the largest one gets all of it": _spread(
            dwnstrm * everywhere / 4
        ),
        "The mask itself is passed back: dwnstrm does not appear in what is passed back": _spread(
            (squares == squares.max(0)).astype(float)
        ),
        "The gradient goes to all but the largest number": _spread(dwnstrm * (squares != squares.max(0))),
        "The gradient is multiplied by the largest number; the derivative is 1": _spread(
            dwnstrm * squares.max(0) * (squares == squares.max(0))
        ),
        "Everything is 0": 0 * expected,
    }
    cause = first_fit(known, found) or "The gradient has to go to the largest number of each square, and only there"
    _, one = _pool(cls, SQUARE.reshape(1, 2, 2, 1), np.full((1, 1, 1, 1), 10.0))
    return cause, say(
        [[0.0, 10.0], [0.0, 0.0]], one.reshape(2, 2).tolist(), f"the square {SQUARE.tolist()} with dwnstrm 10"
    )


def _spread(squares: Array) -> Array:
    """Put the four numbers of every square, along the first axis, back in their positions."""
    n, rows, columns, channels = squares.shape[1:]
    images = np.zeros((n, 2 * rows, 2 * columns, channels))
    for i, (a, b) in enumerate((a, b) for a in (0, 1) for b in (0, 1)):
        images[:, a::2, b::2] = squares[i]
    return images


def _ties(cls: Any) -> tuple[str, str]:
    _, found = _pool(cls, np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)))
    if np.array_equal(found.ravel(), [1, 0, 0, 0]):
        return RIGHT
    return "Where several numbers are the largest, the first one gets everything", say(
        [[1.0, 0.0], [0.0, 0.0]], found.reshape(2, 2).tolist(), "the square [[1, 1], [1, 1]] with dwnstrm 1"
    )


OF_IMAGES: dict[str, list[Trial]] = {
    "MaxPool2d": [
        trial("the largest number of each square", _pooled),
        trial("the gradient goes to the largest number", _handed_back, "backward"),
        trial("of several largest numbers the first gets the gradient", _ties, "backward"),
    ],
}
