"""The compiled extension, in the build for this processor's instructions."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import Any

NOT_BUILT = "the native extension is not built; install a C++ compiler, then PySmorch again"
"""Why the native engine cannot run where `extension` returns None, and what to do."""
UNITS = {"avx512_bf16": "avx512", "amx": "avx512"}
"""Instructions that a module has beside its own and uses where the processor has them, and that module."""


def extension() -> Any:
    """Return the extension for the best instructions of this processor, or None where there is none."""
    wanted = os.environ.get("PYSMORCH_INSTRUCTIONS", "")
    module = _build(UNITS.get(wanted, wanted))
    if hasattr(module, "allow"):
        module.allow(bf16=wanted != "avx512", vnni=wanted != "avx512", matrix_unit=wanted in ("", "amx"))
    return module


@cache
def _build(wanted: str) -> Any:
    try:
        base = import_module("pysmorch.engine._native_base")
    except ImportError:
        return None
    wanted = wanted or base.best_instructions()
    return base if wanted == "base" else import_module(f"pysmorch.engine._native_{UNITS.get(wanted, wanted)}")


def instructions() -> str | None:
    """Return the name of the instructions that the engine uses, or None where there is no extension."""
    module = extension()
    if module is None:
        return None
    return "avx512_bf16" if module.has_bf16() else str(module.__name__.split("_native_")[1])


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16, and the extension for it is there."""
    module = extension()
    return module is not None and bool(module.has_bf16())
