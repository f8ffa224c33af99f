"""What weights of 8 bits cost and save: accuracy or R² on held-out rows, and the size of files, beside float32.

Usage: python benchmarks/quantized.py DATA [--seeds 3] [--save results/quantized.json]
       python benchmarks/quantized.py --speed [--save results/quantized.json]

DATA is a folder with mnist10k-images-idx3-ubyte.gz and mnist10k-labels-idx1-ubyte.gz, adult-train.csv, letter-recognition.csv,
winequality-white.csv and california-housing.csv. A fifth of the rows is held out. With --speed predictions are timed instead: the
medians of some calls, the precisions in turn. A file has both.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pandas as pd

import pysmorch as ps

TABLES: dict[str, tuple[str, int, Any, Any]] = {
    "adult": ("adult-train.csv", -1, None, ps.Classifier),
    "letter": ("letter-recognition.csv", 0, "infer", ps.Classifier),
    "wine": ("winequality-white.csv", -1, None, ps.Regressor),
    "california": ("california-housing.csv", -1, "infer", ps.Regressor),
}
"""File, number of the target's column, header, and estimator of each table."""

Split = tuple[Any, Any, Any, Any]


def mnist(folder: Path) -> Split:
    """The images and digits, the last fifth held out."""
    images = gzip.decompress((folder / "mnist10k-images-idx3-ubyte.gz").read_bytes())[16:]
    X = np.frombuffer(images, np.uint8).reshape(-1, 28, 28, 1)
    y = np.frombuffer(gzip.decompress((folder / "mnist10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8).astype(
        int
    )
    n = len(X) * 4 // 5
    return X[:n], y[:n], X[n:], y[n:]


def table(folder: Path, file: str, target: int, header: Any) -> Split:
    """The columns and the target of a table, a random fifth of the rows held out."""
    frame = pd.read_csv(folder / file, header=header, skipinitialspace=True)
    frame.columns = [str(name) for name in frame.columns]
    name = frame.columns[target]
    order = np.random.default_rng(0).permutation(len(frame))
    X, y = frame.drop(columns=name).iloc[order], frame[name].to_numpy()[order]
    n = len(X) * 4 // 5
    return X.iloc[:n], y[:n], X.iloc[n:], y[n:]


def size_of(model: Any) -> int:
    """The bytes of a model's file."""
    file = io.BytesIO()
    model.save(file)
    return len(file.getvalue())


def speeds() -> dict[str, dict[str, float]]:
    """Seconds of a prediction by network and precision, of 4096 rows or 512 images."""
    images, rows = np.zeros((512, 28, 28, 1), np.float32), np.zeros((4096, 784), np.float32)
    found = {}
    for name, layer, X in (
        ("784-256-128-10, 4096", ps.mlp(ps.Data(shape=(None, 784)), [256, 128], 10, seed=0), rows),
        ("LeNet, 512", ps.models.lenet(ps.Data(shape=(None, 28, 28, 1)), 10), images),
    ):
        X[:] = np.random.default_rng(0).random(X.shape)
        exact = ps.Network(ps.CrossEntropy(layer))
        small = exact.quantize(X[:200])
        exact.fit(X[:8], np.arange(8), epochs=1, progress=False)  # its parameters are float32 from here on
        calls: dict[str, Callable[[], Any]] = {
            "float32": lambda exact=exact, X=X: exact.predict(X),
            "bf16": lambda exact=exact, X=X: exact.predict(X, precision="bf16"),
            "8 bits": lambda small=small, X=X: small.predict(X),
        }
        if not ps.engine.has_bf16():
            del calls["bf16"]
        times: dict[str, list[float]] = {precision: [] for precision in calls}
        for _ in range(40):
            for precision, call in calls.items():
                start = time.perf_counter()
                call()
                times[precision].append(time.perf_counter() - start)
        found[name] = {precision: float(np.median(taken)) for precision, taken in times.items()}
    return found


def compare(make: Callable[[int], Any], split: Split, seeds: int) -> dict[str, Any]:
    """Scores of both models for each seed, and sizes."""
    X, y, held_out, answers = split
    scores = []
    for seed in range(seeds):
        model = make(seed).fit(X, y)
        small = model.quantize(X)
        scores.append((model.score(held_out, answers), small.score(held_out, answers)))
    return {
        "float32": [a for a, _ in scores],
        "8 bits": [b for _, b in scores],
        "network_bytes": [size_of(model.network_), size_of(small.network_)],
        "model_bytes": [size_of(model), size_of(small)],
    }


def compare_all(folder: Path, seeds: int) -> dict[str, Any]:
    """Scores and sizes by what is learned."""
    images = {"epochs": 12, "early_stopping": False}
    networks: dict[str, dict[str, Any]] = {
        "MNIST, LeNet": {"network": ps.models.lenet, **images},
        "MNIST, 784-256-128-10": {"hidden": (256, 128), **images},
    }
    found = {}
    for name, given in networks.items():
        found[name] = compare(lambda seed, given=given: ps.Classifier(random_state=seed, **given), mnist(folder), seeds)
        print(name, found[name], flush=True)
    for name, (file, target, header, kind) in TABLES.items():
        found[name] = compare(
            lambda seed, kind=kind: kind(random_state=seed), table(folder, file, target, header), seeds
        )
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Measure, print it, and save it where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ps.PysmorchWarning)
    if options.speed:
        found = {"machine": machine.describe(), "seconds": speeds()}
        print(found["seconds"])
    else:
        found = {"seeds": options.seeds, "models": compare_all(options.folder, options.seeds)}
    if options.save:
        before = json.loads(options.save.read_text()) if options.save.exists() else {}
        options.save.write_text(json.dumps(before | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
