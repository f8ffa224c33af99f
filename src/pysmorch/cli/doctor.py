"""What PySmorch finds on this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "narwhals", "pillow", "rich", "typer")

GPU_PAYS = (
    'for wide or convolutional networks and batches of 64 rows and more, with engine="jax" (expected, not measured here: ResNet-20 in 3 to '
    "5 ms a step, by the native engine in 53); a small network is faster on the CPU (64-100-10 in 0.02 ms)"
)
"""The rule of docs/gpu.md in one line."""


def findings() -> dict[str, str]:
    """Return names and values, as text."""
    import pysmorch

    found = {
        "pysmorch": pysmorch.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    found |= {name: _version(name) for name in LIBRARIES}
    found["BLAS"] = _blas()
    found["cores"] = _cores()
    found["memory"] = _memory()
    found["would run"] = _engine()
    found["JAX"] = _jax()
    found["a GPU pays"] = GPU_PAYS
    return found


def _engine() -> str:
    from pysmorch.engine import num_threads
    from pysmorch.engine.extension import NOT_BUILT, instructions

    name = instructions()
    if name is None:
        return f"the reference path: NumPy, layer by layer, which is slower ({NOT_BUILT})"
    return f"the native engine, {name} instructions, {num_threads()} threads"


def _jax() -> str:
    version = _version("jax")
    if version == "not installed":
        return 'not installed; engine="jax" runs a network on a GPU: pip install "pysmorch[jax]"'
    from pysmorch.engine.jax.support import devices

    return f'{version}, engine="jax" would run on {devices()}'


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _cores() -> str:
    from pysmorch.engine.threads import cpu_quota, usable_cores

    quota = cpu_quota()
    limit = f", limited to {quota:.3g} by the container" if quota else ""
    return f"{usable_cores()} of {os.cpu_count()}{limit}"


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    limited = f", limited to {int(limit) / 2**30:.1f} GiB by the container" if limit.isdigit() else ""
    return f"{total:.1f} GiB{limited}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
