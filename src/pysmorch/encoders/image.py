"""Images, (N, H, W) or (N, H, W, C): they go into the network as they are, where a `Rescale` layer scales the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from pysmorch import models
from pysmorch.encoders.array import check_entries, check_numbers, dtype_for, plain_numbers
from pysmorch.encoders.base import Augmentation, Encoder
from pysmorch.encoders.cells import as_table, is_table
from pysmorch.entries import check_finite
from pysmorch.export.forms import ImageForm
from pysmorch.files.header import ModelFileError, entries
from pysmorch.layers import Cutout, Data, Layer, RandomCrop, RandomFlip, RandomShift, Rescale
from pysmorch.layers.base import Array, format_dims
from pysmorch.sources.source import Source, describe_images

PIXELS_AT_A_TIME = 2**18
"""Pixels of which there is a copy in another dtype while their scale is learned."""

NETWORKS: dict[str, Callable[[Any, int], Layer]] = {
    "lenet": models.lenet,
    "resnet20": models.resnet20,
    "resnet32": models.resnet32,
    "resnet44": models.resnet44,
    "resnet56": models.resnet56,
    "mobilenet_small": models.mobilenet_small,
}
"""Besides mlp, the dense network that the estimators make by themselves."""

LENET_FROM = 16
"""Height and width from which the default is lenet; smaller images have little left after its poolings."""

AUGMENTATIONS = {
    "shift": Augmentation(lambda layer, pixels: RandomShift(layer, pixels or 2), "pixels"),
    "flip": Augmentation(lambda layer, probability: RandomFlip(layer, probability or 0.5), "probability"),
    "crop": Augmentation(
        lambda layer, size: RandomCrop(layer, size or tuple(max(1, 7 * d // 8) for d in layer.out_dims[1:3])), "pixels"
    ),
    "cutout": Augmentation(
        lambda layer, size: Cutout(layer, size or max(1, min(layer.out_dims[1:3]) // 4)),
        "pixels",
    ),
}


class ImageEncoder(Encoder):
    """Images of one shape.

    Attributes
    ----------
    image_shape : tuple of int
        (H, W, C).
    scaling : tuple of float
        Scale and shift of the pixels, from `learn`; in a file the `Rescale` layer of the network has them.
    """

    what = "images"
    entry = "image_shape"
    misfit = "the shape of its images does not fit its network"
    networks = NETWORKS
    augmentations = AUGMENTATIONS
    makes_arrays = False

    image_shape: tuple[int, ...]
    scaling: tuple[float, float]

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Whether X is an array, or lists, with the axes of images."""
        try:
            return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) in (3, 4)
        except ValueError:  # lists of different lengths, which are no array
            return False

    def check(self, X: Any, estimator: Any, reset: bool) -> Array:
        """Return images (N, H, W, C), in the dtype that they have."""
        if is_table(X):
            X = as_table(X).to_numpy()
        images = plain_numbers(X)
        if images is None:
            from sklearn.utils import check_array

            images = check_array(X, dtype=dtype_for(X), allow_nd=True, input_name="X", ensure_all_finite=False)
        check_entries(images)
        found = images.shape
        images = images[..., None] if images.ndim == 3 else images
        if 0 in found:
            raise ValueError(f"X has shape {found}; images need at least one pixel")
        if reset:
            self.image_shape = images.shape[1:]
            estimator.n_features_in_ = self.num_features
            if hasattr(estimator, "feature_names_in_"):
                del estimator.feature_names_in_
        elif images.shape[1:] != self.image_shape:
            raise ValueError(
                f"X has shape {found}, but this {type(estimator).__name__} was trained on images and expects shape "
                f"{format_dims((None, *self.image_shape))}"
            )
        return images

    def learn(self, rows: Array, weights: Array | None, targets: Array) -> None:
        """Learn the scale of all pixels together."""
        self.scaling = learn_scaling(rows, weights)

    def encode(self, rows: Array) -> Array:
        """Return the images as they are."""
        return rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self.image_shape

    @property
    def num_features(self) -> int:
        """The number of pixels, counted in each channel."""
        return prod(self.image_shape)

    def input_layer(self) -> Layer:
        """Return a Rescale layer on a Data layer."""
        return Rescale(Data(shape=(None, *self.image_shape)), *self.scaling)

    def form(self) -> ImageForm:
        """Return the shape of the images."""
        return ImageForm(self.image_shape)

    def inputs_of(self, rows: Array, channels_first: bool) -> dict[str, Array]:
        """Return "images"."""
        images = rows.astype(np.float32)
        return {"images": images.transpose(0, 3, 1, 2) if channels_first else images}

    @property
    def owners(self) -> tuple[Array, tuple[int, ...]]:
        """The pixel of each channel's value, and height and width."""
        height, width, channels = self.image_shape
        return np.repeat(np.arange(height * width), channels), (height, width)

    @classmethod
    def default_network(cls, shape: Sequence[int]) -> tuple[str, str]:
        """Return lenet for images that are large enough."""
        if min(shape[:2]) >= LENET_FROM:
            return "lenet", f"images of {LENET_FROM}x{LENET_FROM} pixels and more"
        return "mlp", "small images"

    @classmethod
    def check_network(cls, name: str, shape: Sequence[int]) -> None:
        """Refuse images whose channels seem to come first."""
        if shape[2] > 4 and shape[0] <= 4:
            raise ValueError(
                f"{name} takes images (N, height, width, channels), but these have {shape[0]}x{shape[1]} pixels "
                f"and {shape[2]} channels; if the channels come first, use numpy.transpose(X, (0, 2, 3, 1))"
            )

    @classmethod
    def check_features(cls, features: Array) -> None:
        """Refuse images with NaN or infinities, or of another dtype than numbers."""
        check_numbers(features)

    def select(self, source: Source, by_position: bool) -> Array:
        """Return the images of a source that has images of the shape of the training."""
        takes = f"images of {describe_images(self.image_shape)}"
        if not (isinstance(source.features, np.ndarray) and source.features.ndim == 4):
            raise ValueError(f"the model takes {takes}, but is given {source.description}")
        if source.features.shape[1:] != self.image_shape:
            height, width, _ = self.image_shape
            advice = "" if source.files is None else f"; --resize {height}x{width} makes them fit"
            raise ValueError(f"the model takes {takes}, but is given {source.description}{advice}")
        check_finite(source.features, "X")
        return source.features

    def reading(self, resize: tuple[int, int] | None, resized: bool) -> tuple[tuple[int, int] | None, str | None]:
        """Return the size of the training where images were resized then, and its colours."""
        height, width, channels = self.image_shape
        return (height, width) if resize is None and resized else resize, "grey" if channels == 1 else "colour"

    def describe(self) -> list[str]:
        """Return the size of the images."""
        return [f"images: {describe_images(self.image_shape)}"]

    @classmethod
    def is_in(cls, header: dict[str, Any]) -> bool:
        """Whether there is a shape; files from before there were images have no such entry."""
        return header.get(cls.entry) is not None

    def to_parts(self) -> tuple[list[int], dict[str, Array]]:
        """Return the shape."""
        return list(self.image_shape), {}

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> ImageEncoder:
        """Return the encoder of `to_parts`."""
        self = cls()
        self.image_shape = tuple(entries(header, cls.entry, int))
        if len(self.image_shape) != 3:
            raise ModelFileError(self.misfit)
        return self


def learn_scaling(images: Array, weights: Array | None) -> tuple[float, float]:
    """Return scale and shift with which all pixels together have mean 0 and variance 1: scale * x + shift.

    A weight counts for all pixels of an image. Pixels that are all alike only get mean 0.
    """
    if images.dtype == np.uint8:
        values, counts = np.arange(256.0), _histogram(images, weights)
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ np.square(values - mean) / counts.sum())
    else:
        mean = _mean(images, weights, lambda x: x)
        variance = _mean(images, weights, lambda x: np.square(x - mean))
    std = sqrt(variance)
    # Rounding leaves pixels that are all alike with a tiny spread; they have none.
    std = std if std > 1e-12 * abs(mean) else 1.0
    return 1 / std, -mean / std


def _histogram(images: Array, weights: Array | None) -> Array:
    """Return how often each of the 256 values of a byte comes."""
    counts = np.zeros(256)
    for block, w in _blocks(images, weights):
        each = None if w is None else np.repeat(w, block.shape[1])
        counts += np.bincount(block.ravel(), each, minlength=256)
    return counts


def _mean(images: Array, weights: Array | None, function: Callable[[Array], Array]) -> float:
    """Return the weighted mean of a function of all pixels."""
    total = 0.0
    for block, w in _blocks(images, weights):
        of_images = function(block.astype(np.float64)).mean(1)
        total += float(of_images.sum() if w is None else w @ of_images)
    return total / (len(images) if weights is None else float(weights.sum()))


def _blocks(images: Array, weights: Array | None) -> Iterator[tuple[Array, Array | None]]:
    """Go through the images, a few at a time, each as a row of pixels."""
    step = max(1, PIXELS_AT_A_TIME // prod(images.shape[1:]))
    for start in range(0, len(images), step):
        block = images[start : start + step]
        yield block.reshape(len(block), -1), None if weights is None else weights[start : start + step]
