"""What an installation takes on the disk, and how long an import takes: run it in an environment that has PySmorch.

python benchmarks/install.py [--save]
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent


def size_of(name: str) -> int:
    distribution = metadata.distribution(name)
    paths = [Path(str(file.locate())) for file in distribution.files or () if not str(file).endswith(".pyc")]
    return sum(path.stat().st_size for path in paths if path.is_file())


def needed_by(name: str, known: set[str]) -> set[str]:
    for requirement in metadata.requires(name) or ():
        other = re.match(r"[\w.-]+", requirement)
        if other and "extra ==" not in requirement and other.group().lower() not in known:
            try:
                metadata.distribution(other.group())
            except metadata.PackageNotFoundError:
                continue
            known.add(other.group().lower())
            needed_by(other.group(), known)
    return known


def import_seconds(name: str) -> float:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
        return time.perf_counter() - start

    def empty() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return time.perf_counter() - start

    once()
    return statistics.median(once() - empty() for _ in range(15))


def main() -> None:
    sys.path.insert(0, str(HERE))
    import machine

    libraries = sorted(needed_by("pysmorch", set()))
    found = {
        "machine": machine.describe(),
        "pysmorch_mb": size_of("pysmorch") / 1e6,
        "smallest_mb": sum(map(size_of, ("pysmorch", "numpy", "threadpoolctl"))) / 1e6,
        "with_libraries_mb": (size_of("pysmorch") + sum(map(size_of, libraries))) / 1e6,
        "libraries": libraries,
        "import_seconds": {name: import_seconds(name) for name in ("numpy", "pysmorch")},
    }
    print(json.dumps(found, indent=1))
    if "--save" in sys.argv:
        (HERE / "results" / "install.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
