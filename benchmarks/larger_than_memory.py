"""Train on Parquet files of more bytes than the memory allowed, and predict for them; prints sizes, seconds and peaks.

python benchmarks/larger_than_memory.py [--rows 20000000] [--columns 50] [--limit 1.5] [--folder /tmp] [--out FILE.json]

Beside the seconds of the command stand those of its parts: what PyArrow takes to read the files once, and what the engine takes for the
steps of an epoch, measured on a million rows in memory with the network of the model that was trained.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import pysmorch

ROWS_OF_A_GROUP = 100_000
ROWS_OF_A_FILE = 2_500_000
ROWS_IN_MEMORY = 1_000_000


def write_tables(folder: Path, num_rows: int, columns: int) -> None:
    """Write normal numbers of 4 bytes, and a label, 0 or 1 in a byte, that depends on three of them."""
    rng = np.random.default_rng(0)
    for start in range(0, num_rows, ROWS_OF_A_FILE):
        writer = None
        for first in range(start, min(start + ROWS_OF_A_FILE, num_rows), ROWS_OF_A_GROUP):
            X = rng.standard_normal((min(ROWS_OF_A_GROUP, num_rows - first), columns), dtype=np.float32)
            score = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.standard_normal(len(X), dtype=np.float32)
            table = pa.table({f"x{i}": X[:, i] for i in range(columns)} | {"label": (score > 0).astype(np.int8)})
            path = folder / f"part-{start // ROWS_OF_A_FILE:03}.parquet"
            writer = writer or parquet.ParquetWriter(path, table.schema, use_dictionary=["label"])
            writer.write_table(table)
        assert writer is not None
        writer.close()


def run(command: list[str], limit: int, progress: Path) -> tuple[float, float, int, int]:
    """Return the seconds of a command whose address space is limited, those of its processor time, and its largest space and memory.

    What it shows of its progress is written to a file.
    """
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with progress.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pysmorch", *command],
            stderr=file,
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
        sys.exit(f"pysmorch {command[0]} ended with {process.returncode}: {progress.read_text()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processor, peaks["VmPeak"], peaks["VmHWM"]


def read_once(files: list[Path]) -> tuple[float, float]:
    """Return the seconds, and those of processor time, in which PyArrow reads the files, row group by row group."""
    start, before = time.perf_counter(), time.process_time()
    for path in files:
        opened = parquet.ParquetFile(path)
        for i in range(opened.num_row_groups):
            opened.read_row_group(i)
    return time.perf_counter() - start, time.process_time() - before


def engine_steps(model: pysmorch.Classifier, num_rows: int) -> tuple[float, float]:
    """Return the seconds, and those of processor time, that the engine takes for an epoch of so many rows."""
    network = model.network_
    X = np.random.default_rng(1).standard_normal((ROWS_IN_MEMORY, *model.encoder_.shape), dtype=np.float32)
    y = np.arange(ROWS_IN_MEMORY) % 2
    start, before = time.perf_counter(), time.process_time()
    network.fit(X, y, epochs=1, batch_size=256, precision=model.precision, progress=False)
    share = num_rows / ROWS_IN_MEMORY
    return share * (time.perf_counter() - start), share * (time.process_time() - before)


def main() -> None:
    """Make the tables, train, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--limit", type=float, default=1.5, help="GB of address space")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--out", default=None, help="a file for the figures, with the machine")
    options = parser.parse_args()
    limit = int(options.limit * 1e9)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        tables, model, out = (Path(folder) / name for name in ("tables", "model.safetensors", "out.parquet"))
        tables.mkdir()
        write_tables(tables, options.rows, options.columns)
        files = sorted(tables.iterdir())
        size = sum(path.stat().st_size for path in files)
        print(f"{options.rows} rows, {size / 1e9:.2f} GB; limit {limit / 1e9:.2f} GB", flush=True)
        figures: dict[str, dict[str, float]] = {}
        train = ["train", str(tables), "--target", "label", "--epochs", str(options.epochs), "--out", str(model)]
        for command in (train, ["predict", str(model), str(tables), "--out", str(out)]):
            progress = Path(folder) / "progress"
            seconds, processor, space, memory = run(command, limit, progress)
            figures[command[0]] = {"seconds": seconds, "processor": processor, "address space": space, "memory": memory}
            if command is train:
                epochs = [
                    float(found) for found in re.findall(r"^epoch .* ([0-9.]+) s$", progress.read_text(), re.MULTILINE)
                ]
                figures["an epoch with its held-out rows"] = {"seconds": float(np.median(epochs))}
                print(f"an epoch on four fifths of the rows, with the loss of the fifth: {np.median(epochs):.1f} s")
            print(
                f"{command[0]}: {seconds:.0f} s, {processor:.0f} s of processor time; largest address space {space / 1e9:.2f} GB, "
                f"largest memory {memory / 1e9:.2f} GB",
                flush=True,
            )
        assert parquet.read_metadata(out).num_rows == options.rows
        said = {
            "reading with PyArrow": read_once(files),
            "the engine's own steps": engine_steps(pysmorch.load(model), options.rows),
        }
        for what, (seconds, processor) in said.items():
            figures[what] = {"seconds": seconds, "processor": processor}
            print(f"{what}: {seconds:.0f} s, {processor:.0f} s of processor time")
    if options.out is not None:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        given = {"rows": options.rows, "columns": options.columns, "limit": limit, "bytes": size}
        Path(options.out).write_text(json.dumps(given | {"machine": machine, "figures": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
