"""Kill trainings and savings, and see that nothing is lost: `tools/kill_trainings.py --count 300 --seed 0`.

A process trains with a checkpoint after every batch, goes on from it after each kill -9, and ends with the same bits as one that was
never killed. Another one saves a model over and over; whenever it is killed, the file is a whole model, and the next save leaves no
temporary files.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from campaign import parser_of, processor_time

import pysmorch as ps
from pysmorch.layers.randomness import weights_from

EPOCHS = 40


def network() -> ps.Network:
    """Return a network with dropout and running statistics."""
    with weights_from(0):
        rows = ps.Relu(ps.Bias(ps.Scale(ps.Normalize(ps.Linear(ps.Data(shape=(None, 20)), 64)))))
        return ps.Network(ps.CrossEntropy(ps.mlp(ps.Dropout(rows, 0.2), [32], 3)))


def train(run: str | None, result: str, engine: str) -> None:
    """Train, from the last checkpoint where there is one, and save the network."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 20))
    y = (X[:, :3]).argmax(1)
    trained = network()
    options = {} if run is None else {"resume": run} if Path(run, "last.safetensors").exists() else {"checkpoint": run}
    trained.fit(X, y, epochs=EPOCHS, batch_size=64, seed=1, every="5 batches", engine=engine, **options)
    trained.save(result)


def save_for_ever(path: str) -> None:
    """Save until the process is killed."""
    layer = ps.Linear(ps.Data(shape=(None, 600)), 600)
    while True:
        ps.Network(ps.SquareLoss(layer)).save(path)


def killed(process: multiprocessing.Process, seconds: float) -> bool:
    """Start a process and kill it when it has computed for a while; return whether it was still running."""
    process.start()
    while process.is_alive() and processor_time(process.pid) < seconds:
        process.join(0.005)
    running = process.is_alive()
    process.kill()
    process.join()
    if not running and process.exitcode:
        raise SystemExit(f"a process ended with {process.exitcode}")
    return running


def bits_of(path: str) -> dict[str, bytes]:
    """Return the parameters in a file."""
    return {name: W.tobytes() for name, W in ps.load(path).parameters.items()}


def trainings(count: int, rng: random.Random, folder: str) -> int:
    """Kill so many trainings; return how many came to another end than one that was not killed."""
    wrong, kills, runs = 0, 0, 0
    for engine in ("native", "reference"):
        train(None, f"{folder}/whole-{engine}", engine)
    while kills < count:
        engine, runs = ("native", "reference")[runs % 2], runs + 1
        run, result = f"{folder}/run{runs}", f"{folder}/result{runs}"
        while killed(multiprocessing.Process(target=train, args=(run, result, engine)), rng.uniform(0.02, 0.6)):
            kills += 1
        wrong += bits_of(result) != bits_of(f"{folder}/whole-{engine}")
    print(f"{kills} kills of {runs} trainings: {wrong} ended with other bits")
    return wrong


def savings(count: int, rng: random.Random, folder: str) -> int:
    """Kill so many savings; return how many left no whole model, or temporary files after the next save."""
    path, wrong = f"{folder}/m.safetensors", 0
    network().save(path)
    for _ in range(count):
        killed(multiprocessing.Process(target=save_for_ever, args=(path,)), rng.uniform(0.01, 0.1))
        ps.load(path)
        network().save(path)
        wrong += any(name.endswith(".tmp") for name in os.listdir(folder))
    print(f"{count} kills while saving: {wrong} left something behind")
    return wrong


def main() -> int:
    """Run both; the exit code is 1 where anything was lost."""
    options = parser_of(__doc__, 30).parse_args()
    multiprocessing.set_start_method("fork")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        wrong = savings(options.count, random.Random(options.seed), folder)
        wrong += trainings(options.count, random.Random(options.seed), folder)
    print(f"{time.perf_counter() - start:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
