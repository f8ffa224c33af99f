"""What a batch costs that is computed in shards, beside the same batch in one piece; both make steps of the same bits.

    python benchmarks/shards.py [--rounds 40] [--save]

Rounds alternate, in one thread of one process, and each is as many steps as an epoch has. Figures are medians of processor time for a step,
and of the ratios of neighbouring rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np

import pysmorch as ps
from pysmorch.engine import Dataset, NativeProgram, StepRates, Totals, train_in_pieces
from pysmorch.layers import weights_from
from pysmorch.models import lenet

RESULTS = Path(__file__).parent / "results" / "shards.json"
NETWORKS: dict[str, tuple[tuple[int, ...], Any]] = {
    "784-256-128-10": ((784,), lambda x: ps.mlp(x, [256, 128], 10, seed=0)),
    "LeNet": ((28, 28, 1), lambda x: lenet(x, 10)),
}
BATCHES = (256, 512, 1024)
PIECES = (1, 2, 4)
ROWS = 2048
RATES = StepRates(1e-3)


def program_for(name: str) -> tuple[NativeProgram, Dataset]:
    """Return a network with its data, always the same."""
    shape, make = NETWORKS[name]
    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((ROWS, *shape)).astype(np.float32), generator.integers(0, 10, ROWS)
    with weights_from(0):
        network = ps.Network(ps.CrossEntropy(make(ps.Data(shape=(None, *shape)))))
    data = Dataset.checked(network.inputs, network.loss, X, y, None, "X")
    return NativeProgram(network.loss, ps.Adam(1e-3), "float32", 0, data, threads=1), data


def train(program: NativeProgram, data: Dataset, batch: int, pieces: int) -> None:
    """Take the steps of an epoch."""
    order, rates = np.arange(ROWS), [RATES] * (ROWS // batch)
    if pieces == 1:
        program.train(data, order, batch, rates, 0)
    else:
        train_in_pieces(program, data, order, batch, rates, 0, Totals(), pieces)


def measured(name: str, batch: int, rounds: int) -> dict[str, float]:
    """Return milliseconds of processor time for a step, and ratios to that in one piece."""
    weights = []
    for pieces in PIECES:
        program, data = program_for(name)
        train(program, data, batch, pieces)
        weights.append(program.parameters.copy())
        assert np.array_equal(weights[0], weights[-1])
    times: dict[int, list[float]] = {pieces: [] for pieces in PIECES}
    for _ in range(rounds):
        for pieces in PIECES:
            start = time.process_time()
            train(program, data, batch, pieces)
            times[pieces].append((time.process_time() - start) / (ROWS // batch) * 1e3)
    whole = np.array(times[1])
    ratios = {f"{pieces} shards": round(float(np.median(np.array(times[pieces]) / whole)), 3) for pieces in PIECES[1:]}
    return {"ms": round(float(np.median(whole)), 3), **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/shards.json")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in NETWORKS:
        for batch in BATCHES:
            found[f"{name}, {batch} rows"] = one = measured(name, batch, options.rounds)
            print(name, batch, one, flush=True)
    content = {"machine": machine.describe(), "load_average": round(os.getloadavg()[0], 1), "steps": found}
    if options.save:
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
