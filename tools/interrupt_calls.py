"""Press Ctrl-C in the midst of work: `tools/interrupt_calls.py --count 100 --seed 0`.

So often in each of fit, predict and evaluate on both paths, and in train of the command line, after a random time. Each has to end
within a second of the processor's time, and the network to predict and to train as before; a file that was written loads.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from campaign import OwnLayer, parser_of

import pysmorch as ps
from pysmorch.cli import INTERRUPTED
from pysmorch.cli import main as command_line

ROWS = 200_000
TRAIN = ["train", "data.csv", "--target", "y", "--epochs", "1000", "--no-early-stopping", "--force", "--quiet"]


def network(own: bool) -> ps.Network:
    """Return a network for one of the paths."""
    rows = ps.Dropout(ps.Normalize(ps.Linear(ps.Data(shape=(None, 20)), 256)), 0.2)
    return ps.Network(ps.CrossEntropy(ps.mlp(OwnLayer(rows) if own else rows, [256], 3)))


def train() -> None:
    """Train by the command line; its exit code says that it was interrupted."""
    sys.argv = ["pysmorch", *TRAIN]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            command_line()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise AssertionError(f"exit code {end.code}") from None


def interrupted(do: Callable[[], Any], seconds: float) -> tuple[float, float] | None:
    """Return the seconds from a signal to the end, by the clock and of the processor; None where the work was done before."""
    at: list[tuple[float, float]] = []

    def press() -> None:
        at.append((time.perf_counter(), time.process_time()))
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, press)
    try:
        timer.start()
        do()
        timer.cancel()
        timer.join()
        time.sleep(0.05)  # a signal that came at the very end
    except KeyboardInterrupt:
        return time.perf_counter() - at[0][0], time.process_time() - at[0][1]
    finally:
        timer.cancel()
    return None


def main() -> int:
    """Run, and print how long it took; the exit code is 1 where anything was late or broken."""
    options = parser_of(__doc__, 20).parse_args()
    warnings.simplefilter("ignore")
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell may have told a process in the background to ignore it
    rng, late = random.Random(options.seed), 0
    X = np.random.default_rng(0).standard_normal((ROWS, 20)).astype(np.float32)
    y = np.arange(ROWS) % 3
    few, labels = X[:40], y[:40]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        np.savetxt(
            "data.csv",
            np.c_[X[:3000], y[:3000]],
            "%.4f",
            ",",
            header=",".join([*"abcdefghijklmnopqrst", "y"]),
            comments="",
        )
        for what in ("fit", "predict", "evaluate", "train"):
            for own in (False, True) if what != "train" else (False,):
                made = network(own)
                made.fit(few, labels, epochs=1, seed=0)
                work: dict[str, Callable[[], Any]] = {
                    "fit": lambda made=made: made.fit(X, y, epochs=100, seed=0, progress=False),
                    "predict": lambda made=made: [made.predict(X) for _ in range(20)],
                    "evaluate": lambda made=made: [made.evaluate(X, y) for _ in range(20)],
                    "train": train,
                }
                times = []
                while len(times) < options.count:
                    before = made.predict(few)
                    taken = interrupted(work[what], rng.uniform(0.01, 0.3))
                    if what != "fit":
                        assert np.array_equal(made.predict(few), before), "the network was changed"
                    assert np.isfinite(made.predict(few)).all()
                    made.fit(few, labels, epochs=1, seed=0)
                    for path in Path().glob("*.safetensors"):
                        ps.load(path)
                        path.unlink()
                    if taken is not None:
                        times.append(taken)
                clock, processor = np.array(times).T
                late += int((processor > 1).sum())
                print(
                    f"{what}{' on the reference path' if own else ''}: {len(times)} interruptions, seed {options.seed}; by the clock "
                    f"median {np.median(clock):.3f} s, 99 of 100 within {np.quantile(clock, 0.99):.2f} s; of the processor at most "
                    f"{processor.max():.2f} s",
                    flush=True,
                )
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
