"""Mistakes of position: windows that begin elsewhere, borders with other numbers, axes in another order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pysmorch.layers.base import Array
from pysmorch.teach.exercise_table import CONVOLUTION
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import Explanation, Finding, near

MODES = {
    "edge": "copies of the pixels at the edge",
    "reflect": "mirrored pixels",
    "symmetric": "mirrored pixels",
    "wrap": "the pixels of the opposite edge",
}
"""How np.pad fills a border, in words."""


def _everywhere(x: Array, W: Array) -> Array:
    """The filters at every position where they touch the image at all, and one more on each side."""
    border = len(W)
    padded = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    windows = sliding_window_view(padded, W.shape[:2], (1, 2))
    return np.tensordot(windows, W, ((4, 5, 3), (0, 1, 2)))


def window_elsewhere(f: Finding) -> str:
    """A convolution whose windows begin at other pixels, or lie further apart."""
    if f.name != "Conv2d" or f.what != "output" or f.found.ndim != 4:
        return ""
    p = f.problem
    everywhere, border = _everywhere(p.x, p.W), len(p.W)
    before = (border - 1) // 2 if p.setting == "same" else 0
    height, width = f.found.shape[1:3]
    for stride in (1, 2):
        for top, left in product(range(everywhere.shape[1]), range(everywhere.shape[2])):
            part = everywhere[:, top::stride, left::stride][:, :height, :width]
            if near(f.found, part) and (stride, top, left, part.shape) != (
                1,
                border - before,
                border - before,
                f.expected.shape,
            ):
                return _window_in_words(f, stride, top - border + before, left - border + before)
    return ""


def _window_in_words(f: Finding, stride: int, down: int, right: int) -> str:
    if stride > 1:
        return f"The window moves by {stride} pixels instead of 1: the stride is 1 here."
    if f.found.shape == f.expected.shape:
        return f"The output is shifted by {_steps(down, right)}: the padding, or an index, is off."
    size = len(f.problem.W)
    valid = tuple(n - size + 1 for n in f.problem.x.shape[1:3])
    what = f"What forward returns has shape {f.found.shape}, but has to have {f.expected.shape}"
    if f.found.shape[1:3] == valid and (down, right) == ((size - 1) // 2,) * 2:
        return f"{what}, as out_dims says: the border is not filled with zeros (padding)."
    begins = f" and the output begins {_steps(down, right)} from where it should" if down or right else ""
    return f"{what}{begins}: a loop ends at another position, or the padding is off."


def _steps(down: int, right: int) -> str:
    if not down and not right:
        return "0 pixels"
    parts = [f"{abs(n)} {axis}{'s' if abs(n) > 1 else ''}" for n, axis in ((down, "row"), (right, "column")) if n]
    return " and ".join(parts)


def other_border(f: Finding) -> str:
    """A border that is filled with something else than zeros."""
    if f.name != "Conv2d" or f.what != "output" or f.problem.setting != "same" or not f.same_shape:
        return ""
    p = f.problem
    size = len(p.W)
    widths = ((0, 0), ((size - 1) // 2, size // 2), ((size - 1) // 2, size // 2), (0, 0))
    for mode, words in MODES.items():
        padded = np.pad(p.x, widths, mode=mode)  # type: ignore[call-overload]
        if near(f.found, CONVOLUTION.expected(replace(p, x=padded, setting="valid"), "output")):
            return f"The border is filled with {words} instead of zeros."
    return ""


def G_elsewhere(f: Finding) -> str:
    """A gradient of filters whose windows begin at other pixels."""
    if f.name != "Conv2d" or f.what != "G" or f.found.shape != f.expected.shape or f.expected.ndim != 4:
        return ""
    x, d = f.problem.x, f.problem.dwnstrm
    size = len(f.expected)
    padded = np.pad(x, ((0, 0), (size, size), (size, size), (0, 0)))
    before = (size - 1) // 2 if f.problem.setting == "same" else 0
    for down, right in product(range(-2, 3), repeat=2):
        G = np.empty_like(f.expected)
        for i, j in product(range(size), repeat=2):
            top, left = size - before + i + down, size - before + j + right
            part = padded[:, top : top + d.shape[1], left : left + d.shape[2]]
            if top < 0 or left < 0 or part.shape[1:3] != d.shape[1:3]:
                break
            G[i, j] = np.tensordot(part, d, ((0, 1, 2), (0, 1, 2)))
        else:
            if (down or right) and near(f.found, G):
                return f"In G the window lies {_steps(down, right)} beside where forward has it: the padding, or an index, is off."
    return ""


def pass_back_elsewhere(f: Finding) -> str:
    """What is passed back, shifted: cut out of the padded image at another position."""
    if f.name != "Conv2d" or f.what != "pass_back" or f.found.shape != f.expected.shape:
        return ""
    p = f.problem
    size = len(p.W)
    d = np.pad(p.dwnstrm, ((0, 0), (size, size), (size, size), (0, 0)))
    whole = np.zeros((len(d), d.shape[1] + size, d.shape[2] + size, p.x.shape[3]))
    for i, j in product(range(size), repeat=2):
        whole[:, i : i + d.shape[1], j : j + d.shape[2]] += d @ p.W[i, j].T
    before = (size - 1) // 2 if p.setting == "same" else 0
    height, width = p.x.shape[1:3]
    for top, left in product(range(whole.shape[1] - height + 1), range(whole.shape[2] - width + 1)):
        down, right = top - size - before, left - size - before
        if (down or right) and near(f.found, whole[:, top : top + height, left : left + width]):
            return f"What is passed back is shifted by {_steps(down, right)}: the border has to be cut off as it was put on."
    return ""


_AXES_OF_W = ("row", "column", "channel", "filter")


def axes_of_the_filter(f: Finding) -> str:
    """A convolution, or its gradients, with the axes of W in another order, or with W turned round along one axis."""
    if f.name != "Conv2d" or not f.same_shape:
        return ""
    p, W = f.problem, f.problem.W
    for axis in (0, 1):
        other = replace(p, W=np.flip(W, axis))
        value = CONVOLUTION.expected(other, f.what)
        value = np.flip(value, axis) if f.what == "G" else value
        right = np.flip(f.expected, axis) if f.what == "G" else value
        if near(f.found, right):
            return f"The {_AXES_OF_W[axis]}s of the filter are in reverse order."
    if f.what != "output":
        return ""
    for axes in permutations(range(4)):
        shape = tuple(W.shape[i] for i in axes)
        turned = replace(p, W=W.transpose(axes).reshape(W.shape))
        if axes != (0, 1, 2, 3) and near(f.found, CONVOLUTION.expected(turned, "output")):
            return f"W is reshaped, or its axes {shape} are in another order than (row, column, channel, filter)."
    return ""


def not_all_of_the_filter(f: Finding) -> str:
    """A convolution with one position, one channel or one row of the filter alone, or without one."""
    if f.name != "Conv2d" or f.what != "output" or not f.same_shape:
        return ""
    p, W = f.problem, f.problem.W
    for axis in (0, 1, 2):
        for index in range(W.shape[axis]):
            alone = np.zeros_like(W)
            at = tuple(slice(None) if a != axis else index for a in range(4))
            alone[at] = W[at]
            for part, word in ((alone, "Only"), (W - alone, "All but")):
                if part.any() and near(f.found, CONVOLUTION.expected(replace(p, W=part), "output")):
                    return f"{word} {_AXES_OF_W[axis]} {index} of the filter counts: add up over all of them."
    return ""


def reduced_windows(f: Finding) -> str:
    """Another function of the products in a window than their sum."""
    if f.name != "Conv2d" or f.what != "output" or not f.same_shape or f.problem.setting not in ("same", "valid"):
        return ""
    p = f.problem
    size = len(p.W)
    x = p.x
    if p.setting == "same":
        x = np.pad(x, ((0, 0), ((size - 1) // 2, size // 2), ((size - 1) // 2, size // 2), (0, 0)))
    windows = sliding_window_view(x, p.W.shape[:2], (1, 2)).transpose(0, 1, 2, 4, 5, 3)
    products = windows[..., None] * p.W
    for name, value in (
        ("largest", products.max((3, 4, 5))),
        ("largest", products.max((3, 4)).sum(3)),
        ("largest", products.sum(5).max((3, 4))),
    ):
        if near(f.found, value):
            return f"The {name} product in a window is taken instead of the sum of them."
    if factor_between(f.found, windows.sum((3, 4, 5))[..., None] + 0 * f.expected) is not None:
        return "The filter does not appear: the pixels of a window are added up without their weights."
    return ""


def axes_before_flattening(f: Finding) -> str:
    """Flatten with the axes of an example in another order, forward or backward."""
    if f.name != "Flatten" or f.found.size != f.expected.size or f.problem.x.ndim != 4:
        return ""
    x = f.problem.x
    for axes in permutations(range(4)):
        if axes == (0, 1, 2, 3):
            continue
        if f.what == "output":
            value = x.transpose(axes).reshape(f.expected.shape)
        else:
            shape = tuple(x.shape[i] for i in axes)
            value = f.problem.dwnstrm.reshape(shape).transpose(np.argsort(axes))
        if near(f.found.reshape(f.expected.shape), value):
            verb = "before" if f.what == "output" else "after"
            return f"The axes are exchanged, to {axes}, {verb} reshape: the entries come in another order than in memory (C order)."
    if f.what == "output" and near(f.found.ravel(), x.reshape(len(x), -1).T.ravel()):
        return "The batch has become the last axis: it has to stay the first."
    return ""


POSITIONS: tuple[Explanation, ...] = (
    window_elsewhere,
    other_border,
    G_elsewhere,
    pass_back_elsewhere,
    axes_of_the_filter,
    not_all_of_the_filter,
    reduced_windows,
    axes_before_flattening,
)
