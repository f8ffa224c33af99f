"""Layers that change the shape of an example: the same entries in another shape, repeated, or with zeros around them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from pysmorch.layers.arguments import Array, Pair, ShapeError, format_dims, image_dims, pair
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["Flatten", "Pad2d", "Reshape", "Upsample2d"]


class Reshape(Layer):
    """Give every example another shape with the same number of entries, in C order; the batch stays.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    shape : sequence of int
        The shape of one example, without the batch; one entry may be -1 and is then worked out.

    Raises
    ------
    ShapeError
        When the number of entries differs.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Reshape(Data(shape=(None, 784)), (28, -1)).out_dims
    (None, 28, 28)
    """

    native = "reshape"
    is_view = True

    def __init__(self, in_layer: LayerLike, shape: Sequence[int]) -> None:
        super().__init__(in_layer)
        num_data, *sizes = self.in_layer.out_dims
        self.shape = _fill_in(prod(sizes), tuple(int(s) for s in shape), in_layer)
        self.out_dims = (num_data, *self.shape)

    def compute(self, x: Array) -> Array:
        """X in the new shape."""
        return x.reshape(len(x), *self.shape)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm in the old shape."""
        return dwnstrm.reshape(self.in_array.shape)


class Flatten(Layer):
    """Make one row of features of every example: (N, H, W, C) becomes (N, H * W * C), in C order.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    """

    native = "reshape"
    is_view = True

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)
        num_data, *sizes = self.in_layer.out_dims
        self.num_features = prod(sizes)
        self.out_dims = (num_data, self.num_features)

    def compute(self, x: Array) -> Array:
        """X as rows."""
        return x.reshape(len(x), self.num_features)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm in the old shape."""
        return dwnstrm.reshape(self.in_array.shape)


class Upsample2d(Layer):
    """Repeat every pixel, the nearest-neighbour way of making an image larger: Y[y, x] = X[y // fh, x // fw].

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    factor : int or (int, int), default=2
        How often rows and columns are repeated, one number or (height, width): Y is (N, H * fh, W * fw, C).

    Raises
    ------
    ShapeError
        When the input is not images.
    ValueError
        When factor is not made of positive integers.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Upsample2d(Data(shape=(None, 7, 7, 64))).out_dims
    (None, 14, 14, 64)
    """

    native = "upsample2d"
    moves_entries = True

    def __init__(self, in_layer: LayerLike, factor: int | Pair = 2) -> None:
        super().__init__(in_layer)
        num_data, self.height, self.width, self.channels = image_dims(self)
        self.factor = pair(self, "factor", factor)
        self.out_size = (self.height * self.factor[0], self.width * self.factor[1])
        self.out_dims = (num_data, *self.out_size, self.channels)

    def compute(self, x: Array) -> Array:
        """Every row and column several times."""
        return x.repeat(self.factor[0], axis=1).repeat(self.factor[1], axis=2)

    def pull_back(self, dwnstrm: Array) -> Array:
        """The sum over the copies of each pixel."""
        copies = (len(dwnstrm), self.height, self.factor[0], self.width, self.factor[1], self.channels)
        return dwnstrm.reshape(copies).sum((2, 4))

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of both images, and the factors as steps."""
        return _both_images(self, *self.out_size) | {"stride_height": self.factor[0], "stride_width": self.factor[1]}


class Pad2d(Layer):
    """Put zeros around images.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    padding : int, (int, int) or ((int, int), (int, int))
        ((top, bottom), (left, right)); or (height, width), or one number, for the same on both sides. Y is
        (N, top + H + bottom, left + W + right, C).

    Raises
    ------
    ShapeError
        When the input is not images.
    ValueError
        When padding is not of such a form.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Pad2d(Data(shape=(None, 28, 28, 1)), ((0, 1), (2, 2))).out_dims
    (None, 29, 32, 1)
    """

    native = "pad2d"
    moves_entries = True

    def __init__(self, in_layer: LayerLike, padding: int | Pair | tuple[Pair, Pair]) -> None:
        super().__init__(in_layer)
        num_data, self.height, self.width, self.channels = image_dims(self)
        above_and_beside = padding if isinstance(padding, (tuple, list)) and len(padding) == 2 else (padding, padding)
        rows, columns = (pair(self, "padding", sides, least=0) for sides in above_and_beside)
        self.padding = (rows, columns)
        self.out_size = (self.height + sum(rows), self.width + sum(columns))
        self.out_dims = (num_data, *self.out_size, self.channels)

    def compute(self, x: Array) -> Array:
        """X with zeros around it."""
        return np.pad(x, ((0, 0), *self.padding, (0, 0)))

    def pull_back(self, dwnstrm: Array) -> Array:
        """The part of dwnstrm that belongs to X."""
        (top, _), (left, _) = self.padding
        return dwnstrm[:, top : top + self.height, left : left + self.width]

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of both images, and the zeros above and to the left."""
        (top, _), (left, _) = self.padding
        return _both_images(self, *self.out_size) | {"pad_top": top, "pad_left": left}


def _both_images(layer: Upsample2d | Pad2d, out_height: int, out_width: int) -> dict[str, int]:
    return {
        "height": layer.height,
        "width": layer.width,
        "channels": layer.channels,
        "out_height": out_height,
        "out_width": out_width,
        "out_channels": layer.channels,
    }


def _fill_in(num_entries: int, shape: tuple[int, ...], in_layer: LayerLike) -> tuple[int, ...]:
    known = prod(s for s in shape if s != -1)
    if shape.count(-1) == 1 and known > 0 and num_entries % known == 0:
        shape = tuple(num_entries // known if s == -1 else s for s in shape)
    if any(s < 0 for s in shape) or prod(shape) != num_entries:
        raise ShapeError(
            f"Reshape: cannot make examples of shape {shape} from {in_layer!r}, which returns "
            f"{format_dims(in_layer.out_dims)} with {num_entries} entries per example"
        )
    return tuple(np.int64(s).item() for s in shape)
