"""When would several machines train a network faster than one? A model whose inputs are measured here.

python benchmarks/cluster_model.py [--networks 784-256-128-10 resnet20] [--workers 2 4 8] [--bandwidth 1.1 --latency 0.1] [--threads 2]
python benchmarks/cluster_model.py --networks resnet20 --rows 64 256 --workers 2 --threads 1 --measure

Measured are the seconds of a training step for batches of several sizes, to which a line a + b M is fitted (M rows; a is what does not
shrink with the batch: the optimizer's pass over the weights), and, unless they are given, bandwidth and latency of TCP between two
processes of this machine. With W workers each computes M / W rows. Then the B bytes of the sums go from worker to worker in k parts, and
from the last one to all in the same way, and before that n numbers of `Normalize` layers, m bytes of each row in all, are completed by all:

    T(W) = a + b M / W + 2 (k + W - 2) / k * B / bandwidth + 2 (W - 1) * latency
         + (W - 1) / W * m M / bandwidth + n (W - 1) * latency,                       efficiency = T(1) / (W T(W)).

With `--measure` the same steps are made by so many processes of this machine, which need a core for each of their threads, and what they
take stands beside the model. The bandwidth of a loopback is that of memory: for real machines give that of their network, as iperf3 says
(10 GbE: 1.1 GB/s).
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import time
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from pysmorch import Adam, CrossEntropy, Data, Network, mlp, set_num_threads
from pysmorch.cluster.ring import Endpoint, Ring
from pysmorch.cluster.sharing import training_with
from pysmorch.engine import Dataset, make_program
from pysmorch.engine.program import Shard
from pysmorch.models import resnet20

IMAGES = "resnet20"
BATCHES = {False: (64, 128, 256, 512, 1024, 2048), True: (32, 64, 128, 256)}
"""Of dense networks, and of images."""

STEPS = 8
"""Of an epoch."""

ROWS = {False: 2**15, True: 2**11}
"""How many rows are trained on at least for each size of a batch."""

EFFICIENT = 0.8
MOST_ROWS = 2**24


class Inputs(NamedTuple):
    """What the model takes of a network: the line a + b M in seconds, bytes and parts of the sums, number and bytes a row of `Normalize`."""

    a: float
    b: float
    num_bytes: int
    parts: int
    exchanges: int
    bytes_of_row: float


def network_of(text: str) -> tuple[Network, int]:
    """Return a network, and how many classes it has."""
    if text == IMAGES:
        return Network(CrossEntropy(resnet20(Data(shape=(None, 32, 32, 3)), 10))), 10
    inputs, *hidden, outputs = (int(size) for size in text.split("-"))
    return Network(CrossEntropy(mlp(Data(shape=(None, inputs)), hidden, outputs, seed=0))), outputs


def rows_for(network: Network, classes: int, count: int) -> tuple[Any, Any]:
    """Return samples and labels at random."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((count, *network.inputs[0].out_dims[1:]), dtype=np.float32)
    return X, rng.integers(0, classes, count)


def step_seconds(text: str, batch: int) -> float:
    """Return the seconds of a step: of this process, or of a worker of the ring in this context."""
    network, classes = network_of(text)
    X, y = rows_for(network, classes, STEPS * batch)
    epochs = max(4, ROWS[text == IMAGES] // (STEPS * batch))
    history = network.fit(X, y, optimizer=Adam(), batch_size=batch, epochs=epochs, progress=False, seed=0)
    return float(min(history["seconds"][1:])) / STEPS


def measured_inputs(text: str) -> Inputs:
    """Measure what the model takes."""
    batches = BATCHES[text == IMAGES]
    found = []
    for batch in batches:
        found.append(step_seconds(text, batch))
        print(f"  a step of {batch:5} rows: {1e3 * found[-1]:8.3f} ms", flush=True)
    b, a = np.polyfit(batches, found, 1, w=1 / np.array(found))  # relative errors count
    network, classes = network_of(text)
    data = Dataset.checked(network.inputs, network.loss, *rows_for(network, classes, 64), None, "X", True, "float32")
    program: Any = make_program(
        network.loss, Adam(), data, 0, engine="auto", dtype="float32", precision="float32", threads=None
    )
    exchanged: list[int] = []
    program.compute(Shard(data, np.arange(32), 64), lambda moments, _: exchanged.append(moments.nbytes))
    sums = program.sums
    num_bytes = sums.entries.nbytes + sums.wide.nbytes
    return Inputs(max(a, 0.0), b, num_bytes, len(sums.parts), len(exchanged), sum(exchanged) / 64)


def _answer(connection: Any) -> None:
    """Send back every message, until the other end closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection.send(server.getsockname()[1])
        peer, _ = server.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while size := int.from_bytes(peer.recv(4), "big"):
                _receive(peer, size)
                peer.sendall(b"!")


def _receive(peer: socket.socket, size: int) -> None:
    while size:
        size -= len(peer.recv(min(size, 2**20)))


def loopback() -> tuple[float, float]:
    """Return bytes a second and the seconds of a message between two processes of this machine."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_answer, args=(there,), daemon=True)
    process.start()
    with socket.create_connection(("127.0.0.1", here.recv())) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def seconds(size: int, times: int) -> float:
            best = np.inf
            for _ in range(times):
                start = time.perf_counter()
                peer.sendall(size.to_bytes(4, "big") + bytes(size))
                peer.recv(1)
                best = min(best, time.perf_counter() - start)
            return best

        latency = seconds(1, 200) / 2
        size = 2**26
        bandwidth = size / (seconds(size, 5) - latency)
        peer.sendall(bytes(4))
    process.join()
    return bandwidth, latency


def _work(connection: Any, rank: int, workers: int, text: str, batch: int, threads: int | None) -> None:
    """Be a worker: send where it listens, get where all listen, and send the seconds of a step."""
    if threads is not None:
        set_num_threads(threads)
    endpoint = Endpoint("127.0.0.1")
    connection.send(endpoint.address)
    addresses = connection.recv()
    ring = None if workers == 1 else Ring(rank, addresses, endpoint, bytes(32))
    with nullcontext() if ring is None else training_with(ring):
        connection.send(step_seconds(text, batch))
    connection.recv()  # all have ended before one closes its connections


def measured_seconds(text: str, batch: int, workers: int, threads: int | None) -> float:
    """Return the seconds of a step of so many processes."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(there, rank, workers, text, batch, threads), daemon=True)
        for rank, (_, there) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    for _, there in pipes:
        there.close()  # so that the end of a process is noticed
    addresses = [here.recv() for here, _ in pipes]
    for here, _ in pipes:
        here.send(addresses)
    seconds = max(here.recv() for here, _ in pipes)
    for here, _ in pipes:
        here.send(None)
    for process in processes:
        process.join()
    return float(seconds)


def seconds_of(rows: float, workers: int, inputs: Inputs, bandwidth: float, latency: float) -> float:
    """Return the seconds of a step of so many rows with so many workers, by the model."""
    a, b, num_bytes, parts, exchanges, bytes_of_row = inputs
    others = workers - 1
    if others == 0:
        return a + b * rows
    sums = 2 * (parts + others - 1) / parts * num_bytes / bandwidth + 2 * others * latency
    normalized = others / workers * bytes_of_row * rows / bandwidth + exchanges * others * latency
    return a + b * rows / workers + sums + normalized


def rows_needed(workers: int, *inputs: Any) -> int | None:
    """Return the least power of two of rows in a batch for which workers are efficient; None where there is none."""
    rows = workers
    while rows <= MOST_ROWS:
        if seconds_of(rows, 1, *inputs) >= EFFICIENT * workers * seconds_of(rows, workers, *inputs):
            return rows
        rows *= 2
    return None


def compare(text: str, options: argparse.Namespace, *inputs: Any) -> None:
    """Print what steps take beside what the model says."""
    for rows in options.rows:
        for workers in (1, *options.workers):
            predicted = seconds_of(rows, workers, *inputs)
            found = min(measured_seconds(text, rows, workers, options.threads) for _ in range(options.repeats))
            print(
                f"  {rows:6} rows, {workers} workers: measured {1e3 * found:.2f} ms, predicted {1e3 * predicted:.2f} ms "
                f"({predicted / found - 1:+.0%})",
                flush=True,
            )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["784-256-128-10", "1024-1024-1024-1000"],
        help=f"widths of dense networks, or {IMAGES}",
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--rows", nargs="+", type=int, default=[256, 2048, 16384], help="of a batch")
    parser.add_argument("--bandwidth", type=float, default=None, help="GB a second between two machines")
    parser.add_argument("--latency", type=float, default=None, help="milliseconds of a message between two machines")
    parser.add_argument("--threads", type=int, default=None, help="of the engine")
    parser.add_argument(
        "--measure", action="store_true", help="also measure it, with processes of this machine as workers"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement, of which the best one counts")
    options = parser.parse_args()
    if options.threads is not None:
        set_num_threads(options.threads)
    bandwidth, latency = loopback() if None in (options.bandwidth, options.latency) else (0.0, 0.0)
    bandwidth = bandwidth if options.bandwidth is None else 1e9 * options.bandwidth
    latency = latency if options.latency is None else 1e-3 * options.latency
    print(f"network: {bandwidth / 1e9:.2f} GB/s, {1e3 * latency:.3f} ms a message")
    for text in options.networks:
        print(f"{text}:")
        inputs = (measured_inputs(text), bandwidth, latency)
        a, b, num_bytes, parts, exchanges, bytes_of_row = inputs[0]
        print(f"  a step of M rows takes {1e3 * a:.3f} ms + {1e6 * b:.2f} us M")
        print(
            f"  to pass on: {num_bytes / 1e6:.2f} MB in {parts} parts; {exchanges} exchanges of {bytes_of_row:.0f} bytes a row"
        )
        for rows in options.rows:
            alone = seconds_of(rows, 1, *inputs)
            gains = [f"{alone / seconds_of(rows, workers, *inputs):.2f}" for workers in options.workers]
            print(f"  {rows:6} rows: speed-up {', '.join(gains)} with {', '.join(map(str, options.workers))} workers")
        needed = [f"{rows:,}" if (rows := rows_needed(workers, *inputs)) else "never" for workers in options.workers]
        print(f"  rows for an efficiency of {EFFICIENT:.0%}: {', '.join(needed)}")
        if options.measure:
            compare(text, options, *inputs)


if __name__ == "__main__":
    main()
