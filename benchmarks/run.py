"""Measure PySmorch and every installed peer side by side, and print medians and ratios.

    python benchmarks/run.py training      # steps of training, on the workloads of the README
    python benchmarks/run.py prediction
    python benchmarks/run.py scaling       # over batch, width, depth and threads
    python benchmarks/run.py images        # steps of training of two networks for images

Each library lives in a process of its own and takes its turn, round after round, so that a slow moment of the machine meets all
of them. `--save` writes the figures to benchmarks/results/ with a description of the machine, `--save amx` to a folder there.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import operator
import os
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRAINING = {
    "64-100-10": ((64, 100, 10), 32),
    "784-256-128-10": ((784, 256, 128, 10), 128),
    "784-512-512-10": ((784, 512, 512, 10), 256),
    "1024-2048-2048-1000": ((1024, 2048, 2048, 1000), 256),
}
PREDICTION = {
    "64-100-10": ((64, 100, 10), 1),
    "784-256-128-10": ((784, 256, 128, 10), 4096),
}
SCALING = {
    **{f"batch {b}": ((256, 256, 256, 10), b) for b in (1, 4, 16, 64, 256, 1024, 4096)},
    **{f"width {w}": ((w, w, w, 10), 128) for w in (16, 64, 256, 1024, 4096)},
    **{f"depth {d}": ((128,) * d + (10,), 128) for d in (1, 2, 4, 8, 16, 32)},
}
IMAGES = {"LeNet": ("LeNet", 64), "ResNet-20": ("ResNet-20", 64)}
WORKLOADS = {"training": TRAINING, "prediction": PREDICTION, "scaling": SCALING, "images": IMAGES}
NUM_IMAGES = 2048
# glibc returns large arrays to the system and takes them anew, page by page, in every step. With these settings it keeps them,
# which makes steps of PyTorch up to a third shorter (LeNet in bfloat16: 8.6 instead of 13.2 ms). They are read when a process starts.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}
SECONDS_A_TURN = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores (scaling: 1 and 2)")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peers", default="", help="names of libraries, with commas between; all that are installed")
    parser.add_argument(
        "--save",
        nargs="?",
        const=".",
        metavar="MACHINE",
        help="keep the figures, in a folder for another machine than the README's",
    )
    arguments = parser.parse_args()

    sys.path.insert(0, str(HERE))
    import machine

    os.environ.update(KEEP_MEMORY)
    described = machine.describe()
    threads = arguments.threads or int(described["cores"])  # type: ignore[call-overload]
    workloads = {name: work for name, work in WORKLOADS[arguments.what].items() if arguments.only in name}
    wanted = [name for name in arguments.peers.split(",") if name]
    if arguments.what == "scaling" and not wanted:
        wanted = ["PySmorch", "PySmorch bf16", "PyTorch", "PyTorch bf16", "JAX scan"]
    rows = []
    for count in [1, 2] if arguments.what == "scaling" and not arguments.threads else [threads]:
        peaks = {dtype: in_process(peak_of, dtype, count) for dtype in ("float32", "bfloat16")}
        print(
            f"{count} threads; large products: "
            + ", ".join(f"{d} {p / 1e9:.0f} GFLOP/s" for d, p in peaks.items() if p)
        )
        for name, (network, batch) in workloads.items():
            times = measure(arguments.what, network, batch, count, arguments.rounds, wanted)
            row = {
                "workload": name,
                "network": network,
                "batch": batch,
                "threads": count,
                "peaks": peaks,
                "seconds": times,
            }
            rows.append(row)
            show(row, arguments.what)
    if arguments.save:
        path = HERE / "results" / arguments.save / f"{arguments.what}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        stored = json.loads(path.read_text()) if path.exists() else {"rows": []}
        key = operator.itemgetter("workload", "threads")
        merged = {key(row): row for row in [*stored["rows"], *rows]}  # the workloads that were not measured stay
        path.write_text(json.dumps({"machine": described, "rows": list(merged.values())}, indent=1) + "\n")
        print(f"written: {path}")


def makers(what: str) -> dict[str, Any]:
    """Return the classes of the libraries by their names."""
    import image_peers
    import peers

    return {"prediction": peers.PREDICTORS, "images": image_peers.TRAINERS}.get(what, peers.TRAINERS)


def measure(what: str, network: Any, batch: int, threads: int, rounds: int, wanted: list[str]) -> dict[str, float]:
    """Return the median seconds of a step (or of a prediction) of every library that is there."""
    workers = {}
    for name in wanted or makers(what):
        worker = Worker(what, name, network, batch, threads)
        if worker.problem:
            print(f"  {name}: left out, {worker.problem}")
        else:
            workers[name] = worker
    turns: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            turns[name].append(worker.turn())
    for worker in workers.values():
        worker.close()
    return {name: statistics.median(values) for name, values in turns.items()}


class Worker:
    """A library in a process of its own, which measures when it is told to."""

    def __init__(self, *work: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other, *work), daemon=True)
        self.process.start()
        other.close()
        self.problem = self._receive()

    def turn(self) -> float:
        self.pipe.send("turn")
        return self._receive()

    def _receive(self) -> Any:
        try:
            return self.pipe.recv()
        except EOFError:
            raise SystemExit("a library's process has died") from None

    def close(self) -> None:
        self.pipe.send("end")
        self.process.join()


def _work(pipe: Any, what: str, name: str, network: Any, batch: int, threads: int) -> None:
    os.environ.pop("OPENBLAS_CORETYPE", None)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    if threads == 1 and name.startswith("JAX"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # JAX takes all cores that it may use
    sys.path.insert(0, str(HERE))
    import numpy as np

    rng = np.random.default_rng(0)
    make = makers(what)[name]
    try:
        if what == "prediction":
            once = make(network, rng.standard_normal((batch, network[0]), dtype=np.float32), threads).predict
            calls_in_one = 1
        else:
            X, y = _data(what, network, batch, rng)
            once = make(network, batch, X, y, threads).epochs
            calls_in_one = len(X) // batch
        run = _repeat(once, what)
        run(1)
        count = _how_many(run)
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        return
    pipe.send(None)
    gc.collect()
    gc.disable()
    while pipe.recv() == "turn":
        # Its data come back into the caches, and memory that the system has taken back while others had their turns.
        run(max(1, count // 20))
        start = time.perf_counter()
        run(count)
        pipe.send((time.perf_counter() - start) / (count * calls_in_one))


def _data(what: str, network: Any, batch: int, rng: Any) -> tuple[Any, Any]:
    if what == "images":
        import image_peers

        shape, num_classes = (NUM_IMAGES, *image_peers.SHAPES[network]), image_peers.NUM_CLASSES
        return rng.random(shape, dtype="float32"), rng.integers(0, num_classes, NUM_IMAGES)
    operations = 6 * batch * sum(a * b for a, b in pairwise(network))  # a step, about
    num_rows = batch * max(8, min(256, 8192 // batch, int(4e11 / operations)))
    return rng.standard_normal((num_rows, network[0]), dtype="float32"), rng.integers(0, network[-1], num_rows)


def _repeat(once: Any, what: str) -> Any:
    if what != "prediction":
        return once

    def run(count: int) -> None:
        for _ in range(count):
            once()

    return run


def _how_many(run: Any) -> int:
    count, seconds = 1, 0.0
    while True:
        start = time.perf_counter()
        run(count)
        seconds = time.perf_counter() - start
        if seconds > SECONDS_A_TURN / 4:
            return max(1, round(count * SECONDS_A_TURN / seconds))
        count *= 4


def in_process(function: Any, *arguments: Any) -> Any:
    """Call in a process of its own, whose threads and memory are gone afterwards."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def peak_of(dtype: str, threads: int) -> float | None:
    os.environ.pop("OPENBLAS_CORETYPE", None)
    sys.path.insert(0, str(HERE))
    import machine

    return machine.peak(dtype, threads)


def operations(network: Any, batch: int, what: str) -> float:
    """Multiplications and additions of the products of one step."""
    if what == "images":
        import image_peers

        return image_peers.operations(network, batch)
    forward = sum(2.0 * batch * d * k for d, k in pairwise(network))
    return forward if what == "prediction" else 3 * forward - 2.0 * batch * network[0] * network[1]


def show(row: dict[str, Any], what: str) -> None:
    peers = {n: s for n, s in row["seconds"].items() if not n.startswith("PySmorch")}
    print(f"\n{row['workload']}, batch {row['batch']}, {row['threads']} threads")
    best = min(peers.values(), default=float("nan"))
    best32 = min((s for n, s in peers.items() if "bf16" not in n), default=float("nan"))
    for name, seconds in row["seconds"].items():
        dtype = "bfloat16" if "bf16" in name else "float32"
        rate = operations(row["network"], row["batch"], what) / seconds
        share = f"{rate / row['peaks'][dtype]:6.1%} of peak" if row["peaks"].get(dtype) else ""
        print(
            f"  {name:<28}{seconds * 1e6:>11.1f} µs  {seconds / best:6.2f} x best peer  {seconds / best32:6.2f} x best float32  {share}",
            flush=True,
        )


if __name__ == "__main__":
    main()
