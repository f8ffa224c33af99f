"""Weights as images."""

from __future__ import annotations

from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.layers.graph import feeders
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.trainable import has_parameters
from pysmorch.network import Network
from pysmorch.plots.canvas import canvases, hide_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_SIDE = 8
"""Rows of fewer than 64 features are not taken for square images."""
MOST_IMAGES = 100
MOST_CHANNELS = 12


def weights(target: LayerLike | Network, ax: Axes | None = None) -> Axes | Figure:
    """Draw the weights of a layer, or of each layer of a network that has a matrix or filters.

    Weights of a `Linear` that looks at images become an image for each output, and filters an image each (a row of
    images, one for each channel, where there are neither 1 nor 3 channels), of at most 100. A `Linear` looks at images
    when nothing before it has weights and what enters is an image, or a row of features whose number is a square, 64 or
    more. All others are drawn as a matrix. Blue is negative, white 0, red positive; with 3 channels, grey is 0.

    Parameters
    ----------
    target : Layer or Network
        A layer with a parameter array `W`, or a network.
    ax : Axes or None, default=None
        Matplotlib axes to draw into, only for one layer; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    TypeError
        When target is neither a layer with weights nor a network.
    ValueError
        When no layer of a network has weights; when several layers would be drawn into `ax`.
    ImportError
        Without Matplotlib.
    """
    layers = _layers_with_weights(target)
    result, axes = canvases(ax, list(layers), "weights", 4.2, 4)
    for one, (name, layer) in zip(axes, layers.items(), strict=True):
        W = np.asarray(layer.W, float)
        images = _images(layer, W)
        if images is None:
            _draw_matrix(one, name, W.reshape(-1, W.shape[-1]))
        else:
            _draw_images(one, f"{name}: {len(images)} {'filters' if W.ndim == 4 else 'images'}", images)
    return result


def _layers_with_weights(target: Any) -> dict[str, Any]:
    if isinstance(target, Network):
        layers = dict(zip(target.names, target.layers, strict=True))
        matrices = {name: layer for name, layer in layers.items() if has_parameters(layer) and _is_matrix(layer.W)}
        if not matrices:
            raise ValueError("weights: target has no layer with a matrix of weights")
        return matrices
    if not has_parameters(target):
        raise TypeError(
            f"weights: target must be a layer with parameters W, or a network, but is a {type(target).__name__}"
        )
    return {type(target).__name__: target}


def _is_matrix(W: Array) -> bool:
    """Whether these are more than one number for each feature."""
    return W.ndim > 2 or len(W) > 1


def _images(layer: Any, W: Array) -> Array | None:
    """Return the weights as images (K, height, width, channels), or None."""
    if W.ndim == 4 and W.shape[:2] != (1, 1):
        return W.transpose(3, 0, 1, 2)
    shape = _image_before(layer, len(W)) if W.ndim == 2 else None
    return None if shape is None else W.T.reshape(-1, *shape)


def _image_before(layer: Any, size: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of the image whose pixels a layer is given, if it is given any."""
    while len(feeders(layer)) == 1:
        (layer,) = feeders(layer)
        dims = tuple(layer.out_dims)[1:]
        if has_parameters(layer) or prod(dims) != size:
            return None
        if len(dims) == 3 and dims[2] in (1, 3):
            return dims
        if len(dims) == 2:
            return (*dims, 1)
    side = isqrt(size)
    return (side, side, 1) if not feeders(layer) and side**2 == size and side >= SMALLEST_SIDE else None


def _draw_images(ax: Any, title: str, images: Array) -> None:
    num_images, height, width, num_channels = images.shape
    title += f" of {height} × {width}" + (f" × {num_channels}" if num_channels > 1 else "")
    if num_channels in (1, 3):
        tiles = images[:MOST_IMAGES]
        num_columns = isqrt(len(tiles) - 1) + 1
        title += f"\nthe first {len(tiles)}" if len(tiles) < num_images else ""
    else:
        tiles = images[:MOST_CHANNELS, :, :, :MOST_CHANNELS].transpose(0, 3, 1, 2)
        title += f"\n{len(tiles)} filters (rows), {tiles.shape[1]} channels (columns)"
        num_columns = tiles.shape[1]
        tiles = tiles.reshape(-1, height, width, 1)
    largest = _largest(tiles)
    if num_channels == 3:
        ax.imshow(_mosaic(0.5 + tiles / (2 * largest), num_columns, 1.0), interpolation="nearest")
    else:
        _draw_values(ax, _mosaic(tiles, num_columns, np.nan)[:, :, 0], largest)
    ax.set_title(title, fontsize="medium")
    ax.set(xticks=[], yticks=[])
    hide_frame(ax)


def _mosaic(tiles: Array, num_columns: int, between: float) -> Array:
    """Lay images (N, height, width, channels) side by side in rows, with one pixel between them."""
    num_tiles, height, width, num_channels = tiles.shape
    num_rows = -(-num_tiles // num_columns)
    board = np.full((num_rows, height + 1, num_columns, width + 1, num_channels), between)
    for i, tile in enumerate(tiles):
        board[i // num_columns, :height, i % num_columns, :width] = tile
    return board.reshape(num_rows * (height + 1), num_columns * (width + 1), num_channels)[:-1, :-1]


def _draw_matrix(ax: Any, name: str, matrix: Array) -> None:
    _draw_values(ax, matrix, _largest(matrix), aspect="auto")
    ax.set_title(f"{name}: {matrix.shape[0]} × {matrix.shape[1]}", fontsize="medium")
    ax.set(xlabel="output (column of W)", ylabel="input (row of W)")


def _draw_values(ax: Any, values: Array, largest: float, **options: Any) -> None:
    image = ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest", **options)
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)


def _largest(values: Array) -> float:
    """The end of the scale, which is not 0."""
    return float(np.abs(values).max(initial=0.0)) or 1.0
