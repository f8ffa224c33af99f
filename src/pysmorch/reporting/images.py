"""Images in a report: thumbnails as data URIs, and where in an image the network finds what it predicts."""

from __future__ import annotations

import base64
import io
from math import isqrt
from typing import Any

import numpy as np

from pysmorch.explaining.activation import class_activation
from pysmorch.layers.base import Array
from pysmorch.reporting.content import Image, share
from pysmorch.reporting.measured import Measured

SIDE = 96
"""Pixels of the longer side of a thumbnail."""

EXACT = 40
"""Pixels up to which a thumbnail is stored exactly."""

MOST_PIXELS = 2**16
"""In larger images it is not looked for what the network sees where."""

WARM = np.array([255.0, 96.0, 0.0])
"""The colour of where the network looks."""


def images_in(model: Any, X: Any) -> Array | None:
    """Return rows as images (N, height, width, C), also rows of pixels of square grey images; None for anything else."""
    if not isinstance(X, np.ndarray):
        return None
    shape: tuple[int, ...] = X.shape
    if len(model.encoder_.shape) == 3 and len(shape) in (3, 4):
        return X[..., None] if len(shape) == 3 else X
    side = isqrt(shape[1]) if len(shape) == 2 else 0
    if getattr(model, "pixels", False) and side > 1 and side * side == shape[1]:
        return X.reshape(-1, side, side, 1)
    return None


def gallery(one: Measured, images: Array, some: Array, top: float) -> list[Image]:
    """Return thumbnails of some rows, with what is right, what is predicted, and where the network looks.

    Parameters
    ----------
    one : Measured
        With labels.
    images : ndarray of shape (N, height, width, C)
        All images.
    some : ndarray of int
        Which of them.
    top : float
        The brightest value of pixels.

    Returns
    -------
    list of Image
        In that order.
    """
    maps = _maps(one, images[some], some)
    found = []
    for i, row in enumerate(some.tolist()):
        pixels = _bytes(images[row], top)
        right, predicted = _captions(one, row)
        name = one.rows.name_of(int(one.rows.indices[row]))
        beside = "" if maps is None else as_uri(_over(pixels, maps[i]))
        found.append(Image(as_uri(_scaled(pixels)), f"{name}: {right}, {predicted}", [name, right, predicted], beside))
    return found


def _captions(one: Measured, row: int) -> tuple[str, str]:
    assert one.codes is not None
    if one.task == "numbers":
        return f"right {one.codes[row, 0]:.5g}", f"predicted {one.predicted[row, 0]:.5g}"
    if one.task == "labels":
        right, predicted = (one.names_in(marks, row) for marks in (one.codes, one.guessed))
        return f"right {right}", f"predicted {predicted}"
    guess = int(one.guessed[row])  # type: ignore[index]
    return (
        f"right {one.outputs[int(one.codes[row])]}",
        f"predicted {one.outputs[guess]} ({share(float(one.predicted[row, guess]))})",
    )


def _maps(one: Measured, images: Array, some: Array) -> Array | None:
    """Return where the network finds what it predicts, by its last convolution, else by integrated gradients; None where neither can be."""
    if one.task != "classes" or not len(some) or images[0].size > MOST_PIXELS:
        return None
    which = np.asarray(one.guessed)[some]
    try:
        if len(one.model.encoder_.shape) == 3:
            found = class_activation(one.model.network_, images, which, one.model._head()[1])
            if found is not None:
                return found
        contributions = np.abs(one.model.explain(images.reshape(_as_given(one, images))).contributions)
    except ValueError:  # a quantized network has no gradients
        return None
    maps = contributions.reshape(len(some), *images.shape[1:3])
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.asarray(maps / np.where(largest > 0, largest, 1.0))


def _as_given(one: Measured, images: Array) -> tuple[int, ...]:
    return images.shape if len(one.model.encoder_.shape) == 3 else (len(images), -1)


def _bytes(image: Array, top: float) -> Array:
    """Return an image as bytes of red, green and blue."""
    scaled = np.clip(image.astype(np.float64) * (255.0 / top), 0, 255).astype(np.uint8)
    if scaled.shape[2] in (1, 2):
        return np.repeat(scaled[..., :1], 3, axis=2)
    return scaled[..., :3]


def brightest(images: Array) -> float:
    """Return the value of white: 255 of bytes, 65,535 of 16 bits, 1 of fractions, else the largest value."""
    largest = float(images.max(initial=0.0))
    if images.dtype == np.uint8:
        return 255.0 if largest > 16 else max(largest, 1.0)
    return largest if largest > 0 else 1.0


def _scaled(pixels: Array) -> Any:
    from PIL import Image as Pictures

    picture = Pictures.fromarray(pixels)
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE))
    return picture


def _over(pixels: Array, heat: Array) -> Any:
    """Return an image with a warm colour where the network looks."""
    from PIL import Image as Pictures

    picture = _scaled(pixels)
    size = (max(picture.width, 2), max(picture.height, 2))
    spread = Pictures.fromarray((255 * heat).astype(np.uint8)).resize(size, Pictures.Resampling.BILINEAR)
    strength = np.asarray(spread, np.float64)[..., None] / 255 * 0.75
    grey = np.asarray(picture.convert("L").resize(size), np.float64)[..., None] * 0.7
    return Pictures.fromarray(np.clip((1 - strength) * grey + strength * WARM, 0, 255).astype(np.uint8))


def as_uri(picture: Any) -> str:
    """Return a picture of Pillow as a data URI: exactly where it is small, else with what JPEG leaves of it."""
    file, kind = io.BytesIO(), "png" if max(picture.size) <= EXACT else "jpeg"
    picture.save(file, kind, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
