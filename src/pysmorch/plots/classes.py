"""Decision boundaries and confusion matrices of classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.encoders import kind_of
from pysmorch.layers.base import Array
from pysmorch.losses import BinaryCrossEntropy, CrossEntropy
from pysmorch.network import Network
from pysmorch.plots.canvas import INK, canvas, hide_frame, need, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = 200
"""Points along each axis for which the classes are predicted."""
CLASSES_WITH_PERCENTAGES = 12
CLASSES_WITH_COUNTS = 25


def decision_boundary(model: Any, X: Any, y: ArrayLike, ax: Axes | None = None) -> Axes | Figure:
    """Draw which class is predicted where, for two features, with the examples on top.

    The colour is the class with the highest probability, stronger where that probability is higher; lines are where two
    classes are equally likely.

    Parameters
    ----------
    model : classifier or Network
        A fitted classifier of any library with `predict_proba` and `classes_`, or a Network with the loss `CrossEntropy`, or
        `BinaryCrossEntropy` and one output.
    X : array-like of shape (N, 2) or data frame with two columns
        Two features for each example.
    y : array-like of shape (N,)
        The classes of the examples; one-hot rows (N, K) count as the class of their 1.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ValueError
        When there are not two features or not two classes, or y has a class that the model does not know.
    TypeError
        When the model is no classifier.
    ImportError
        Without Matplotlib.

    See Also
    --------
    confusion : Counts which classes are taken for which.
    """
    points, names, like = _two_features(X)
    classes = _classes(model)
    codes = _codes(classes, y, len(points))
    if len(classes) < 2:
        raise ValueError(f"decision_boundary needs at least two classes, but the model knows only {classes[0]}")
    result, ax = canvas(ax, 6, 4.6)

    low, high = points.min(0), points.max(0)
    margin = np.where(high > low, 0.08 * (high - low), 1.0)
    low, high = low - margin, high + margin
    across, up = (np.linspace(low[i], high[i], GRID) for i in (0, 1))
    grid = np.stack([a.ravel() for a in np.meshgrid(across, up)], axis=1)
    probabilities = _probabilities(model, like(grid)).reshape(GRID, GRID, -1)

    palette = need("matplotlib").colormaps["tab10" if len(classes) <= 10 else "tab20"]
    colours = np.array([palette(k % palette.N)[:3] for k in range(len(classes))])
    likeliest, chance = probabilities.argmax(2), 1 / len(classes)
    strength = 0.12 + 0.45 * (probabilities.max(2) - chance) / (1 - chance)
    shading = np.concatenate([colours[likeliest], strength[..., None]], axis=2)
    ax.imshow(
        shading, extent=(low[0], high[0], low[1], high[1]), origin="lower", aspect="auto", interpolation="bilinear"
    )
    for k in range(len(classes)):
        margins = probabilities[..., k] - np.delete(probabilities, k, axis=2).max(2)
        if margins.min() < 0 < margins.max():
            ax.contour(across, up, margins, levels=[0], colors=[INK], linewidths=1)
    for k, name in enumerate(classes):
        if (codes == k).any():
            x1, x2 = points[codes == k].T
            ax.scatter(x1, x2, s=22, color=colours[k], edgecolors="white", linewidths=0.6, label=plain(name), zorder=3)
    ax.set(
        title="Predicted classes",
        xlabel=plain(names[0]),
        ylabel=plain(names[1]),
        xlim=(low[0], high[0]),
        ylim=(low[1], high[1]),
    )
    ax.legend(title="class", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return result


def confusion(model: Any, X: Any, y: ArrayLike, ax: Axes | None = None) -> Axes | Figure:
    """Draw a table of how often each class was taken for which, as counts and as fractions of the true class.

    Parameters
    ----------
    model : classifier or Network
        A fitted classifier of any library with `predict`, `predict_proba` and `classes_`, or a Network as for `decision_boundary`.
    X : array-like or data frame
        The examples, in whatever form the model takes.
    y : array-like of shape (N,)
        The classes of the examples; one-hot rows (N, K) count as the class of their 1.
    ax : Axes or None, default=None
        Matplotlib axes to draw into; None for a figure of its own.

    Returns
    -------
    Axes or Figure
        `ax` if it was given, else the figure, which shows itself in a notebook.

    Raises
    ------
    ValueError
        When y has a class that the model does not know.
    TypeError
        When the model is no classifier.
    ImportError
        Without Matplotlib.

    See Also
    --------
    decision_boundary : Draws which class is predicted where.
    """
    classes = _classes(model)
    predicted = _probabilities(model, X).argmax(1) if isinstance(model, Network) else _codes(classes, model.predict(X))
    codes = _codes(classes, y, len(predicted))
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (codes, predicted), 1)
    totals = counts.sum(1, keepdims=True)
    fractions = counts / np.maximum(totals, 1)

    side = min(2.2 + 0.45 * len(classes), 9)
    result, ax = canvas(ax, side + 0.6, side)
    image = ax.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    if len(classes) > CLASSES_WITH_PERCENTAGES:
        percent = need("matplotlib.ticker").PercentFormatter(1)
        ax.figure.colorbar(image, ax=ax, label="fraction of the true class", format=percent, shrink=0.8)
    for (i, j), count in np.ndenumerate(counts):
        if count and len(classes) <= CLASSES_WITH_COUNTS:
            words = f"{count}\n{fractions[i, j]:.0%}" if len(classes) <= CLASSES_WITH_PERCENTAGES else f"{count}"
            ax.text(j, i, words, ha="center", va="center", fontsize=8, color="white" if fractions[i, j] > 0.5 else INK)
    ticks, names = range(len(classes)), [plain(name) for name in classes]
    size = min(9, 400 / len(classes))
    ax.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 3 else 0, fontsize=size)
    ax.set_yticks(ticks, names, fontsize=size)
    ax.tick_params(length=0)
    right = np.trace(counts) / max(counts.sum(), 1)
    ax.set(title=f"{right:.1%} of {counts.sum():,} rows are right", xlabel="predicted class", ylabel="true class")
    hide_frame(ax)
    return result


def _classes(model: Any) -> Array:
    if hasattr(model, "classes_") and hasattr(model, "predict_proba"):
        return np.asarray(model.classes_)
    if isinstance(model, Network):
        num_outputs = model.output.out_dims[-1]
        if isinstance(model.loss, CrossEntropy):
            return np.arange(num_outputs)
        if isinstance(model.loss, BinaryCrossEntropy) and num_outputs == 1:
            return np.arange(2)
    raise TypeError(
        "model must be a fitted classifier, or a Network with CrossEntropy or with BinaryCrossEntropy and one output, "
        f"but is {model!r}"
    )


def _probabilities(model: Any, X: Any) -> Array:
    """Return the probability of each class for every row."""
    if not isinstance(model, Network):
        return np.asarray(model.predict_proba(X), float)
    found = np.asarray(model.loss.predictions(model.predict(X)), float)
    return np.hstack([1 - found, found]) if found.shape[1] == 1 else found


def _codes(classes: Array, labels: ArrayLike, num_rows: int | None = None) -> Array:
    """Return the class index of each label; one-hot rows count as the index of their one."""
    labels = np.asarray(labels)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else classes[labels.argmax(1)]
    if num_rows is not None and len(labels) != num_rows:
        raise ValueError(f"y has {len(labels)} labels, but X has {num_rows} rows")
    index = {name: k for k, name in enumerate(classes.tolist())}
    unknown = sorted({str(label) for label in labels.tolist() if label not in index})
    if unknown:
        known = ", ".join(map(str, classes[:10]))
        raise ValueError(f"y has a class that the model does not know: {unknown[0]}; it knows {known}")
    return np.array([index[label] for label in labels.tolist()], dtype=int)


def _two_features(X: Any) -> tuple[Array, list[str], Callable[[Array], Any]]:
    """Return the values of X, the names of its features, and a function that makes an input like X of an array."""
    points, names, like = kind_of(X).numbers_of(X)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(
            f"decision_boundary draws two features, so X must have the shape (N, 2), but it has {points.shape}; "
            "train on the two columns that you want to see"
        )
    return points, names, like
