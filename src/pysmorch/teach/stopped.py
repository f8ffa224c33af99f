"""Says why a pass of Conv2d or Flatten stops: from NumPy's message, the sizes of the numbers that went in, and the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations
from math import prod
from typing import Any

from pysmorch.teach.exercises import Problem
from pysmorch.teach.reading import Source, source_of

_OF_OTHER_LIBRARIES = {
    r"order must be str|unexpected keyword argument 'start_dim'": "flatten(1) is PyTorch's; NumPy's is x.reshape(len(x), -1).",
    r"\.view\(|has no attribute 'view'": "view is PyTorch's; NumPy's is reshape.",
    r"has no attribute 'flatten'": "Arrays have reshape: x.reshape(len(x), -1).",
    r"has no attribute 'permute'": "permute is PyTorch's; NumPy's is transpose.",
    r"'tuple' object is not callable.*\.shape\(": "shape is a tuple and no function: shape[0].",
    r"'int' object is not callable.*\.size\(": "size is a number in NumPy; shape[0] is the number of rows.",
    r"only specify one unknown dimension": "One size may be -1, the one that follows from the others; the first is len(x).",
    r"'NoneType' object cannot be interpreted": "None is no size; the number of examples is len(x).",
}
"""What NumPy says to names and habits from elsewhere."""

_SHAPE = r"\(([\d, ]+)\)"


def why_it_stopped(name: str, cls: Any, problem: Problem, method: str, cause: str) -> str:
    """Return a sentence on what stopped a pass of a class for images; empty where nothing is known.

    Args:
        name: "Conv2d" or "Flatten".
        cls: the student's class.
        problem: the numbers that went in.
        method: "forward" or "backward".
        cause: what is told of the error: NumPy's message and the line.
    """
    for pattern, sentence in _OF_OTHER_LIBRARIES.items():
        if re.search(pattern, cause):
            return sentence
    sentences = [_of_unpacking(name, problem, cause), _of_a_reshape(problem, cause)]
    if name == "Conv2d":
        sentences += [_of_an_index(problem, cause), _of_writing(cause), _of_the_source(cls, method, cause)]
    return next((sentence for sentence in sentences if sentence), "")


def _of_unpacking(name: str, problem: Problem, cause: str) -> str:
    found = re.search(r"values to unpack \(expected (\d+)", cause)
    axes = problem.x.ndim
    if found is None or not re.search(r"shape|dims", cause) or int(found[1]) == axes:
        return ""
    if name == "Flatten":
        return f"The input may have any number of axes, here {axes}; reshape(len(x), -1) needs no name for each."
    return f"Images have {axes} axes: examples, rows, columns and channels; here are names for {found[1]}."


def _of_a_reshape(problem: Problem, cause: str) -> str:
    """Say which axes a new shape leaves out."""
    found = re.search(rf"cannot reshape array of size (\d+) into shape {_SHAPE}", cause)
    if found is None:
        return ""
    size, shape = int(found[1]), _sizes(found[2])
    full = problem.x.shape
    if size != problem.x.size or not prod(shape) or size % prod(shape):
        return ""
    left_out = [axes for count in (1, 2, 3) for axes in combinations(range(len(full)), count)]
    fitting = [axes for axes in left_out if prod(full[a] for a in axes) * prod(shape) == size]
    if not fitting:
        return ""
    (first, *others) = fitting[0]
    if not others:
        which = "the batch, axis 0" if first == 0 else f"axis {first}, of size {full[first]}"
        return f"There are {size} numbers, of shape {full}, and the new shape leaves out {which}."
    names = " and ".join(map(str, fitting[0]))
    return f"There are {size} numbers, of shape {full}, and the new shape leaves out the axes {names}."


def _of_an_index(problem: Problem, cause: str) -> str:
    """Say whether a loop over rows or columns is too long, or an array too small."""
    found = re.search(r"index (\d+) is out of bounds for axis ([12]) with size (\d+)", cause)
    if found is None:
        return ""
    axis, size = int(found[2]), int(found[3])
    of_image, window = problem.x.shape[axis], problem.W.shape[axis - 1]
    count = of_image if problem.setting == "same" else of_image - window + 1
    what, side = ("rows", "height") if axis == 1 else ("columns", "width")
    formula = side if problem.setting == "same" else f"{side} - kernel_size + 1"
    if size < count:
        return f"An array has {size} {what}, but the window has {count} positions there: {formula}."
    if size == count:
        return f"A loop over the positions is too long: there are {count} {what} of them, {formula}."
    return f"A loop goes on past the last of the {size} {what}; the window has {count} positions there: {formula}."


def _of_writing(cause: str) -> str:
    """Say how the shape of what is written differs from that of the target."""
    found = re.search(rf"could not broadcast input array from shape {_SHAPE} into shape {_SHAPE}", cause)
    if found is None:
        return ""
    written, target = _sizes(found[1]), _sizes(found[2])
    if written == target[::-1]:
        return "The axes are the other way round: turn it (.T), or change the order of the two factors."
    if len(written) == len(target) == 4 and written[0] == target[0] and written[3] == target[3]:
        return "A window reaches over the border of the image, where a slice is shorter."
    return ""


def _of_the_source(cls: Any, method: str, cause: str) -> str:
    text = source_of(cls)
    source = Source(text, method) if text else None
    if source is None:
        return ""
    if "shape-mismatch for sum" in cause:
        return (
            "np.tensordot adds up over pairs of axes of the same size: (1, 2, 3) of a window belong to (0, 1, 2) of W, and for G the "
            "examples, rows and columns of both belong together."
        )
    if "broadcast together" in cause and any(_is_W(side) for side in _factors(source)):
        return "Probably: the weights of a position, W[i, j], are a matrix of channels and filters: multiply by them with @, not with *."
    if "broadcast together" in cause and method == "backward" and _made_like_dwnstrm(source):
        return "Probably: the array for what is passed back has to have the shape of the input, not that of dwnstrm."
    if "matrix product" in cause and any(source.uses_T_of(name) for name in ("in_array", "x", "X", "dwnstrm")):
        return (
            "Probably: .T turns round all four axes of an array of images; add up over examples, rows and columns with np.tensordot or "
            "np.einsum, or after reshape(-1, channels)."
        )
    return ""


def _factors(source: Source) -> Iterator[ast.expr]:
    for product in source.operators(ast.Mult):
        yield from (product.left, product.right)


def _is_W(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "W"


def _made_like_dwnstrm(source: Source) -> bool:
    calls = source.calls("zeros_like", "empty_like", "zeros", "empty", "ones_like")
    return any(isinstance(n, ast.Name) and n.id == "dwnstrm" for call in calls for n in ast.walk(call))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in re.findall(r"\d+", text))
