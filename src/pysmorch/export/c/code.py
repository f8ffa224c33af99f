"""A C file as it is made: its constants, the functions that it needs, and its buffer."""

from __future__ import annotations

import re
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.export.c import literals

ALIGNED = 16
"""Entries of the buffer that a layer's output takes a multiple of, so that it begins with a cache line if the buffer does."""

TYPES = {"float32": "float", "float64": "double", "int64": "int", "int32": "int", "bool": "unsigned char"}
"""Types of C by the names of dtypes."""


@cache
def kernels() -> dict[str, tuple[tuple[str, ...], str]]:
    """Return the parts of kernels.c: of each its name, the names of those that it needs, and its lines."""
    source = Path(__file__).with_name("kernels.c").read_text(encoding="utf-8")
    parts = re.split(r"^//// (.*)\n", source, flags=re.MULTILINE)[1:]
    found = {}
    for heading, lines in zip(parts[::2], parts[1::2], strict=True):
        name, _, needs = heading.partition(":")
        found[name] = (tuple(re.findall(r"\w+", needs)), lines.strip())
    return found


class Memory:
    """Which entries of the buffer are in use, as intervals."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}
        self.size = 0

    def allocate(self, count: int) -> int:
        """Return the index of the first of so many entries that are not in use, which now are."""
        start = 0
        for taken, size in sorted(self._used.items()):
            if taken - start >= count:
                break
            start = taken + size
        self._used[start] = -(-count // ALIGNED) * ALIGNED
        self.size = max(self.size, start + self._used[start])
        return start

    def release(self, start: int) -> None:
        """Let the entries of `allocate` be in use no longer."""
        del self._used[start]


class Code:
    """What a file needs, as forms of layers find it out.

    Parameters
    ----------
    names : dict of int to str
        Of the layers, by their ids.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.memory = Memory()
        self.data: list[str] = []
        self.num_bytes = 0
        self.lines: list[str] = []
        self._kernels: set[str] = set()

    def kernel(self, name: str) -> None:
        """Let the file have a part of kernels.c, with all that it needs."""
        if name not in self._kernels:
            self._kernels.add(name)
            for needed in kernels()[name][0]:
                self.kernel(needed)

    def call(self, kernel: str, *arguments: Any, function: str = "") -> None:
        """Add a line that calls the function of a part, which has its name unless another one is given."""
        self.kernel(kernel)
        self.lines.append(f"{function or kernel}({', '.join(map(str, arguments))});")

    def array(self, name: str, values: Any) -> str:
        """Let the file have a constant array, and return its name."""
        values = np.asarray(values)
        kind = TYPES[values.dtype.name]
        self.data.append(literals.array(kind, name, values))
        self.num_bytes += values.size * (8 if kind == "double" else 1 if kind == "unsigned char" else 4)
        return name

    def weights(self, layer: Any, values: Any, name: str = "W") -> str:
        """Let the file have numbers of a layer, in float32, and return the name of the array."""
        return self.array(f"{self.names[id(layer)]}_{name}", np.asarray(values, np.float32))

    def windows(self, layer: Any, sizes: dict[str, int]) -> str:
        """Let the file have the sizes of windows, and return a pointer to them."""
        self.kernel("windows")
        name = f"{self.names[id(layer)]}_windows"
        self.data.append(f"static const struct windows {name} = {{{', '.join(map(str, sizes.values()))}}};")
        return f"&{name}"

    def definitions(self, before: Code | None = None) -> list[str]:
        """Return the functions that are needed, in the order of kernels.c, but those that another part of the file has before."""
        known = {"windows"} if before is None else before._kernels
        return [lines for name, (_, lines) in kernels().items() if name in self._kernels - known]

    def constants(self, before: Code | None = None) -> list[str]:
        """Return the constants, each once, but those that another part of the file has before."""
        known = [] if before is None else before.data
        types = [kernels()["windows"][1]] if "windows" in self._kernels else []
        return [lines for lines in dict.fromkeys([*types, *self.data]) if lines not in known]


def pointer(start: int) -> str:
    """Return entries of the buffer as an expression."""
    return f"buffer + {start}"


def size_of(layer: Any) -> int:
    """Return how many entries the output of a layer has."""
    return prod(layer.out_dims[1:])


def float_literal(value: Any) -> str:
    """Return a number as float32."""
    return literals.number(np.float32(value))
