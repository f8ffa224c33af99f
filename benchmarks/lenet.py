"""LeNet on 10,000 images of MNIST, beside PyTorch: accuracy and the seconds that training takes.

    python benchmarks/lenet.py IMAGES LABELS [--seeds 3] [--save]

IMAGES and LABELS are files in MNIST's idx format, gzipped or not. The first 8,000 images are trained on, the other 2,000 tested. Each
library starts from weights of its own, in a process of its own, and has trained on one batch before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
from image_peers import NUM_CLASSES, torch_lenet
from mnist import load
from run import KEEP_MEMORY, in_process

BATCH, EPOCHS, RATE, NUM_TRAINED = 64, 10, 1e-3, 8000


def train_pysmorch(images: str, labels: str, seed: int, threads: int, precision: str) -> tuple[float, float]:
    """Return accuracy and seconds."""
    import pysmorch as ps
    from pysmorch.models import lenet

    X, y = load(images, labels)
    X = X.reshape(-1, 28, 28, 1)

    def fit(num_images: int, epochs: int) -> Any:
        with ps.weights_from(seed):
            network = ps.Network(ps.CrossEntropy(lenet(ps.Data(shape=(None, 28, 28, 1)), NUM_CLASSES)))
        network.fit(
            *(X[:num_images], y[:num_images]),
            optimizer=ps.Adam(RATE),
            epochs=epochs,
            batch_size=BATCH,
            seed=seed,
            precision=precision,
            threads=threads,
            progress=False,
        )
        return network

    network, seconds = timed(fit)
    return float((network.predict(X[NUM_TRAINED:]).argmax(1) == y[NUM_TRAINED:]).mean()), seconds


def train_torch(images: str, labels: str, seed: int, threads: int, precision: str) -> tuple[float, float]:
    """Return accuracy and seconds; channels come first, which is faster here than channels last."""
    import torch

    torch.set_num_threads(threads)
    X, y = (torch.from_numpy(array) for array in load(images, labels))
    X = X.reshape(-1, 1, 28, 28)
    loss = torch.nn.CrossEntropyLoss()

    def fit(num_images: int, epochs: int) -> Any:
        torch.manual_seed(seed)
        model = torch_lenet(torch)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        for _ in range(epochs):
            for rows in torch.randperm(num_images).split(BATCH):
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    value = loss(model(X[rows]), y[rows])
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
        return model

    model, seconds = timed(fit)
    with torch.inference_mode():
        return float((model(X[NUM_TRAINED:]).argmax(1) == y[NUM_TRAINED:]).float().mean()), seconds


def timed(fit: Callable[[int, int], Any]) -> tuple[Any, float]:
    fit(BATCH, 1)
    start = time.perf_counter()
    network = fit(NUM_TRAINED, EPOCHS)
    return network, time.perf_counter() - start


LIBRARIES = {
    "PySmorch": (train_pysmorch, "float32"),
    "PySmorch bf16": (train_pysmorch, "bf16"),
    "PyTorch": (train_torch, "float32"),
    "PyTorch bf16": (train_torch, "bf16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--peers", default="", help="names of libraries, with commas between; all")
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()

    os.environ.update(KEEP_MEMORY)
    described = machine.describe()
    threads = arguments.threads or int(described["cores"])  # type: ignore[call-overload]
    names = [name for name in arguments.peers.split(",") if name] or list(LIBRARIES)
    found: dict[str, dict[str, list[float]]] = {name: {"accuracy": [], "seconds": []} for name in names}
    for seed in range(arguments.seeds):
        for name in list(found):
            train, precision = LIBRARIES[name]
            try:
                accuracy, seconds = in_process(train, arguments.images, arguments.labels, seed, threads, precision)
            except Exception as error:
                print(f"{name}: left out, {type(error).__name__}: {error}")
                del found[name]
                continue
            found[name]["accuracy"].append(accuracy)
            found[name]["seconds"].append(seconds)
            print(f"seed {seed}  {name:<16} test accuracy {accuracy:.4f}  {seconds:7.1f} s", flush=True)
    for name, values in found.items():
        means = {what: statistics.mean(numbers) for what, numbers in values.items()}
        print(f"mean    {name:<16} test accuracy {means['accuracy']:.4f}  {means['seconds']:7.1f} s")
    if arguments.save:
        content = {"machine": described, "epochs": EPOCHS, "seeds": arguments.seeds, "libraries": found}
        path = Path(__file__).parent / "results" / "lenet.json"
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
