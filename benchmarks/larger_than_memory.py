"""Train on a Parquet file of more bytes than the memory allowed, and predict for it; prints size, limit, seconds and peak.

python benchmarks/larger_than_memory.py [--rows 10000000] [--limit 1.5] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

COLUMNS = 20
ROWS_OF_A_GROUP = 500_000


def write_table(path: Path, num_rows: int) -> None:
    """Write normal numbers and a label, yes or no, that depends on three of them."""
    rng = np.random.default_rng(0)
    writer = None
    for first in range(0, num_rows, ROWS_OF_A_GROUP):
        X = rng.normal(size=(min(ROWS_OF_A_GROUP, num_rows - first), COLUMNS))
        score = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=len(X))
        columns = {f"x{i}": X[:, i] for i in range(COLUMNS)} | {"label": np.where(score > 0, "yes", "no")}
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def run(command: list[str], limit: int) -> tuple[float, int, int]:
    """Return the seconds of a command whose address space is limited, the largest one it had, and its largest memory."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pysmorch", *command],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    peaks = {"VmPeak": 0, "VmHWM": 0}
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        for line in status:
            name, _, value = line.partition(":")
            if name in peaks:
                peaks[name] = 1024 * int(value.split()[0])
        time.sleep(0.2)
    if process.returncode != 0:
        sys.exit(f"pysmorch {command[0]} ended with {process.returncode}")
    return time.perf_counter() - start, peaks["VmPeak"], peaks["VmHWM"]


def main() -> None:
    """Make the table, train, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--limit", type=float, default=1.5, help="GB of address space")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    limit = int(options.limit * 1e9)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table, model, out = (Path(folder) / name for name in ("table.parquet", "model.safetensors", "out.parquet"))
        write_table(table, options.rows)
        print(f"{options.rows} rows, {table.stat().st_size / 1e9:.2f} GB; limit {limit / 1e9:.2f} GB", flush=True)
        train = ["train", str(table), "--target", "label", "--epochs", str(options.epochs), "--out", str(model)]
        for command in (train, ["predict", str(model), str(table), "--out", str(out)]):
            seconds, space, memory = run(command, limit)
            print(
                f"{command[0]}: {seconds:.0f} s, largest address space {space / 1e9:.2f} GB, largest memory {memory / 1e9:.2f} GB",
                flush=True,
            )
        assert parquet.read_metadata(out).num_rows == options.rows


if __name__ == "__main__":
    main()
