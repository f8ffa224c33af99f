"""On 10,000 images of MNIST: accuracy in float32 and with bfloat16, and the memory of training, beside PyTorch.

    python benchmarks/mnist.py IMAGES LABELS [--save]

IMAGES and LABELS are files in MNIST's idx format, gzipped or not. The first 8,000 images are trained on, the other 2,000 tested.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

SIZES, BATCH, EPOCHS, SEEDS = (784, 256, 128, 10), 128, 10, 5


def read(path: str) -> np.ndarray:
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        content = file.read()
    shape = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def load(images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
    X = read(images).reshape(-1, 784).astype(np.float32) / 255
    return X, read(labels).astype(np.int64)


def with_pysmorch(X: np.ndarray, y: np.ndarray, precision: str, seed: int) -> float:
    import pysmorch as ps

    network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 784)), SIZES[1:-1], 10, seed=seed)))
    network.fit(X[:8000], y[:8000], epochs=EPOCHS, batch_size=BATCH, seed=seed, precision=precision)
    return float((network.predict(X[8000:]).argmax(1) == y[8000:]).mean())


def with_torch(X: np.ndarray, y: np.ndarray) -> float:
    import torch

    a, b, c, d = SIZES
    model = torch.nn.Sequential(
        torch.nn.Linear(a, b), torch.nn.ReLU(), torch.nn.Linear(b, c), torch.nn.ReLU(), torch.nn.Linear(c, d)
    )
    optimizer, loss = torch.optim.Adam(model.parameters(), fused=True), torch.nn.CrossEntropyLoss()
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(EPOCHS):
        for rows in torch.randperm(8000).split(BATCH):
            optimizer.zero_grad()
            loss(model(X[rows]), y[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        return float((model(X[8000:]).argmax(1) == y[8000:]).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--peak", choices=["pysmorch", "torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    X, y = load(arguments.images, arguments.labels)
    if arguments.peak:
        with_pysmorch(X, y, "float32", 0) if arguments.peak == "pysmorch" else with_torch(X, y)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    sys.path.insert(0, str(Path(__file__).parent))
    import machine

    found: dict[str, object] = {"machine": machine.describe()}
    accuracy = {p: [with_pysmorch(X, y, p, seed) for seed in range(SEEDS)] for p in ("float32", "bf16")}
    found["accuracy"] = accuracy
    for precision, values in accuracy.items():
        print(
            f"{precision:<8} test accuracy {statistics.mean(values):.4f} (seeds: {', '.join(f'{v:.4f}' for v in values)})"
        )
    command = [sys.executable, __file__, arguments.images, arguments.labels, "--peak"]
    memory = {name: float(subprocess.check_output([*command, name], text=True)) for name in ("pysmorch", "torch")}
    found["memory_mib"] = memory
    print(f"peak memory: PySmorch {memory['pysmorch']:.0f} MiB, PyTorch {memory['torch']:.0f} MiB")
    if arguments.save:
        path = Path(__file__).parent / "results" / "mnist.json"
        path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
