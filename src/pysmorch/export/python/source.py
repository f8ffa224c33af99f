"""A Python file as it is made: its arrays, and the functions that it needs."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np

from pysmorch.entries import BLANKS
from pysmorch.export.python import functions
from pysmorch.export.python.literals import laid_out, literal

MODULES = {
    "base64": "import base64",
    "csv": "import csv",
    "sys": "import sys",
    "erf": "from math import erf",
    "erfc": "from math import erfc",
}
"""Imports of the standard library, by the names that functions use of them."""


class Source:
    """What a file needs beside the lines that compute something.

    Parameters
    ----------
    names : dict of int to str
        Of the layers, by their ids.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names
        self._functions: set[str] = set()
        self._globals: set[str] = set()
        self.data: list[str] = []

    def function(self, name: str) -> str:
        """Let the file have a function of `functions.py`, with all that it calls, and return its name."""
        if name not in self._functions:
            self._functions.add(name)
            tree = ast.parse(inspect.getsource(getattr(functions, name)))
            for node in ast.walk(tree):
                if not isinstance(node, ast.Name):
                    continue
                self._globals.add(node.id)
                if inspect.isfunction(getattr(functions, node.id, None)) and node.id not in MODULES:
                    self.function(node.id)
        return name

    def constant(self, name: str, value: Any) -> str:
        """Let the file have a value under a name, and return the name."""
        text = laid_out(value)
        if "unpack(" in text:
            self.function("unpack")
        self.data.append(f"{name} = {text}")
        return name

    def array(self, layer: Any, name: str, array: Any) -> str:
        """Let the file have an array of a layer, in float64, and return its name."""
        return self.constant(f"{self._names[id(layer)]}_{name}", np.asarray(array, np.float64))

    def indices(self, layer: Any, name: str, indices: Any) -> str:
        """Let the file have indices of a layer, and return their name."""
        return self.constant(f"{self._names[id(layer)]}_{name}", np.asarray(indices, np.int64))

    def weights(self, layer: Any, name: str) -> str:
        """Let the file have parameters of a layer, in float32, and return their name."""
        return self.constant(f"{self._names[id(layer)]}_{name}", np.asarray(getattr(layer, name), np.float32))

    def imports(self) -> list[str]:
        """Return the lines of the imports."""
        lines = [line for name, line in MODULES.items() if name in self._globals]
        return [*lines, *([""] if lines else []), "import numpy as np"]

    def definitions(self) -> list[str]:
        """Return the functions that are needed, and the texts that they use, in the order of `functions.py`."""
        parts = [f"BLANKS = {literal(BLANKS)}"] if "BLANKS" in self._globals else []
        known = {name: value for name, value in vars(functions).items() if name in self._functions}
        return [*parts, *(inspect.getsource(function).rstrip() for function in known.values())]
