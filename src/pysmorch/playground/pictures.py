"""What the page shows of a network: the plane as each unit sees it, weights, sizes of gradients, and units without use."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import numpy as np

from pysmorch.diagram.nodes import root_mean_square
from pysmorch.engine import Predictor
from pysmorch.layers import Bias, Dropout, Linear
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.playground.points import Points

PIXELS = 48
"""Side of the picture of the whole network."""
UNIT_PIXELS = 20
"""Side of the picture of a unit."""
BEYOND = 0.15
"""How much of the range of the points is added on each side."""
LARGEST = 1e30
"""What is drawn of anything larger, and of what is no number."""
MOST_OF_CURVE = 200
"""How many epochs a curve has at most; of more the same number is shown, evenly."""


class Pictures:
    """Draws a network for points.

    Parameters
    ----------
    network : Network
        Made by `Settings.make_network`.
    data : Points
        Whose plane is drawn.

    Attributes
    ----------
    domain : list of float
        Left, right, bottom and top of the pictures.
    """

    def __init__(self, network: Network, data: Points) -> None:
        self._network = network
        self._data = data
        self.domain = _domain(np.concatenate([data.X_train, data.X_test]))
        self._blocks = _blocks(network)
        self._predictors = [Predictor(block[-1]) for block in self._blocks]
        self._grids = {side: _grid(self.domain, side) for side in (PIXELS, UNIT_PIXELS)}

    def boundary(self) -> dict[str, str]:
        """Return the prediction at each pixel, row by row from the top: the class and how sure it is, or the value of a regression."""
        outputs = self._network.predict(self._grids[PIXELS])
        predicted = self._network.loss.predictions(outputs)
        if not self._data.classes:
            return {"values": _packed(127.5 + 63.75 * predicted)}  # from -2 to 2 standard deviations
        least = 1 / len(self._data.classes)
        sure = (predicted.max(axis=1) - least) / (1 - least)
        return {"classes": _packed(predicted.argmax(axis=1)), "sure": _packed(255 * sure)}

    def layers(self) -> list[dict[str, Any]]:
        """Return the blocks of the network: for each unit its picture, bias and whether it is dead, the weights, and the gradients."""
        drawn = []
        for block, predictor in zip(self._blocks, self._predictors, strict=True):
            linear, bias, last = block[0], block[1], block[-1]
            on_grid = predictor([self._grids[UNIT_PIXELS]])
            on_points = predictor([self._data.X_train])
            sizes = np.maximum(np.abs(on_grid).max(axis=0), 1e-12)
            drawn.append(
                {
                    "activation": "" if last is bias else type(last).__name__,
                    "weights": _rounded(linear.W),
                    "biases": _rounded(bias.W.ravel()),
                    "pictures": [_packed(127.5 + 127.5 * on_grid[:, i] / sizes[i]) for i in range(on_grid.shape[1])],
                    "dead": (np.ptp(on_points, axis=0) == 0).tolist(),
                    "gradients": {"weights": _size_of_gradient(linear), "biases": _size_of_gradient(bias)},
                }
            )
        return drawn


def drawable(value: float) -> float:
    """Return a number that JSON and pictures can hold.

    >>> drawable(float("inf"))
    1e+30
    """
    return float(np.nan_to_num(min(value, LARGEST), nan=LARGEST))


def points_on_page(data: Points) -> dict[str, Any]:
    """Return the points with their labels, for the page."""
    return {
        "train": _rounded(np.column_stack([data.X_train, data.y_train])),
        "test": _rounded(np.column_stack([data.X_test, data.y_test])),
        "classes": list(data.classes),
        "names": list(data.names),
    }


def thinned(columns: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return curves of at most `MOST_OF_CURVE` epochs, the first and the last among them, with the number of each epoch.

    Parameters
    ----------
    columns : dict of str to list of float
        Values of each epoch.

    Returns
    -------
    dict of str to list of float
        With "epoch" besides.
    """
    count = len(next(iter(columns.values())))
    shown = np.linspace(0, max(count - 1, 0), min(count, MOST_OF_CURVE)).round().astype(int).tolist()
    return {"epoch": [i + 1 for i in shown]} | {
        name: [float(f"{values[i]:.5g}") for i in shown] for name, values in columns.items()
    }


def _blocks(network: Network) -> list[list[Any]]:
    """Return the layers of each block: a Linear, its Bias and an activation; what is left out in prediction is not among them."""
    layers = [layer for layer in network.layers if not isinstance(layer, Dropout)]
    starts = [i for i, layer in enumerate(layers) if isinstance(layer, Linear)]
    blocks = [layers[i:j] for i, j in pairwise([*starts, len(layers)])]
    assert all(isinstance(block[1], Bias) for block in blocks)
    return blocks


def _domain(X: Array) -> list[float]:
    low, high = X.min(axis=0), X.max(axis=0)
    more = BEYOND * np.maximum(high - low, 1e-6)
    return [float(f"{edge:.4g}") for pair in zip(low - more, high + more, strict=True) for edge in pair]


def _grid(domain: list[float], side: int) -> Array:
    left, right, bottom, top = domain
    middles = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(left + (right - left) * middles, top - (top - bottom) * middles)
    return np.column_stack([x.ravel(), y.ravel()]).astype(np.float32)


def _size_of_gradient(layer: Any) -> float | None:
    """The root mean square of the gradient of the last step; None where there was none."""
    size = root_mean_square(getattr(layer, "G", None))
    return None if size is None else drawable(size)


def _packed(values: Array) -> str:
    """Bytes as text."""
    with np.errstate(invalid="ignore"):
        whole = np.clip(np.nan_to_num(values), 0, 255).astype(np.uint8)
    return base64.b64encode(whole.tobytes()).decode()


def _rounded(array: Array) -> Any:
    return np.round(np.nan_to_num(array.astype(np.float64)), 3).tolist()
