"""What kinds of files a model is written as, by the end of their names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pysmorch.export.c.program import model_to_c
from pysmorch.export.forms import ModelForm
from pysmorch.export.network import model_to_onnx
from pysmorch.export.python.program import model_to_numpy

Target = Literal["onnx", "c", "numpy"]
"""Kinds of files."""

ENDINGS: Mapping[Target, str] = MappingProxyType({"onnx": ".onnx", "c": ".c", "numpy": ".py"})
"""Ends of names, by the kinds of files."""


def target_of(path: str | Path) -> Target:
    """Return the kind of a file: "c" where its name ends in .c, "numpy" in .py, else "onnx"."""
    ending = Path(path).suffix.lower()
    return next((target for target, end in ENDINGS.items() if end == ending), "onnx")


def check_module(path: str | Path) -> None:
    """Refuse the name of a Python file that is then found in place of a module which it, NumPy or its neighbours import."""
    name = Path(path).name
    taken = {module.lower() for module in sys.stdlib_module_names} | {"numpy", "pysmorch"}
    if target_of(path) == "numpy" and Path(path).stem.lower() in taken:
        raise ValueError(
            f"{name} would be found in place of the module {Path(path).stem.lower()} by Python files in the same folder, "
            f"this one included; choose another name, such as {Path(path).stem}_model.py"
        )


def content_of(form: ModelForm, path: str | Path, channels_first: bool = False) -> bytes:
    """Return a model as the content of a file.

    Parameters
    ----------
    form : ModelForm
        The model.
    path : str or Path
        The file; the end of its name says which kind it is, the rest is the name of what is in a C file.
    channels_first : bool, default=False
        Whether images will have their channels first, which an ONNX file alone can have.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    ValueError
        A layer has no form there, the file would be too large for its kind, or a Python file has the name of another module.
    """
    check_module(path)
    target = target_of(path)
    if target == "onnx":
        return model_to_onnx(form, channels_first)
    if channels_first:
        raise ValueError(f'layout="nchw" is for ONNX files; in {Path(path).name} images have their channels last')
    text = model_to_c(form, Path(path).stem) if target == "c" else model_to_numpy(form)
    return text.encode()
