"""When would several machines train a network faster than one? A model whose inputs are measured here.

python benchmarks/cluster_model.py [--sizes 784-256-128-10] [--workers 2 4 8] [--bandwidth 1.1 --latency 0.1] [--threads 2]

Measured are the seconds of a training step for batches of several sizes, to which a line a + b M is fitted (M rows; a is what does not
shrink with the batch: the optimizer's pass over the weights), and, unless they are given, bandwidth and latency of TCP between two
processes of this machine. The model of data-parallel training with W workers: each takes M / W rows, then the gradients of P parameters,
4 P bytes, are exchanged by a reduce-scatter and an all-gather, which move 2 (W - 1) / W of them over each link in 2 (W - 1) hops:

    T(W) = a + b M / W + 2 (W - 1) / W * 4 P / bandwidth + 2 (W - 1) * latency,    efficiency = T(1) / (W T(W)).

The bandwidth of a loopback is that of memory: for real machines give that of their network, as iperf3 says (10 GbE: 1.1 GB/s).
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import time
from typing import Any

import numpy as np

from pysmorch import CrossEntropy, Data, Network, mlp, set_num_threads

BATCHES = (64, 128, 256, 512, 1024, 2048)
SECONDS = 0.5
"""How long the steps of one batch size are repeated at least."""

EFFICIENT = 0.8
MOST_ROWS = 2**24


def step_seconds(sizes: list[int]) -> tuple[float, float, int]:
    """Return a and b of the line through the seconds of a step, and how many parameters there are."""
    inputs, *hidden, outputs = sizes
    network = Network(CrossEntropy(mlp(Data(shape=(None, inputs)), hidden, outputs, seed=0)))
    rng = np.random.default_rng(0)
    found = []
    for batch in BATCHES:
        X = rng.standard_normal((8 * batch, inputs), dtype=np.float32)
        y = rng.integers(0, outputs, len(X))
        network.fit(X, y, batch_size=batch, epochs=1, progress=False, seed=0)
        best, end = np.inf, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            network.fit(X, y, batch_size=batch, epochs=4, progress=False, seed=0)
            best = min(best, (time.perf_counter() - start) / 32)
        found.append(best)
        print(f"  a step of {batch:5} rows: {1e3 * best:8.3f} ms")
    weights = 1 / np.array(found)  # relative errors count
    b, a = np.polyfit(BATCHES, found, 1, w=weights)
    return max(a, 0.0), b, sum(layer.W.size for layer in network.layers if getattr(layer, "W", None) is not None)


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


def seconds_of(
    rows: float, workers: int, a: float, b: float, num_parameters: int, bandwidth: float, latency: float
) -> float:
    """Return the seconds of a step of so many rows with so many workers, by the model."""
    exchanged = 2 * (workers - 1) / workers * 4 * num_parameters / bandwidth + 2 * (workers - 1) * latency
    return a + b * rows / workers + exchanged


def rows_needed(workers: int, *inputs: Any) -> int | None:
    """Return the least power of two of rows in a batch for which workers are efficient; None where there is none."""
    rows = workers
    while rows <= MOST_ROWS:
        if seconds_of(rows, 1, *inputs) >= EFFICIENT * workers * seconds_of(rows, workers, *inputs):
            return rows
        rows *= 2
    return None


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", nargs="+", default=["784-256-128-10", "1024-1024-1024-1000"], help="of dense networks"
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--rows", nargs="+", type=int, default=[256, 2048, 16384], help="of a batch")
    parser.add_argument("--bandwidth", type=float, default=None, help="GB a second between two machines")
    parser.add_argument("--latency", type=float, default=None, help="milliseconds of a message between two machines")
    parser.add_argument("--threads", type=int, default=None, help="of the engine")
    options = parser.parse_args()
    if options.threads is not None:
        set_num_threads(options.threads)
    bandwidth, latency = loopback() if None in (options.bandwidth, options.latency) else (0.0, 0.0)
    bandwidth = bandwidth if options.bandwidth is None else 1e9 * options.bandwidth
    latency = latency if options.latency is None else 1e-3 * options.latency
    print(f"network: {bandwidth / 1e9:.2f} GB/s, {1e3 * latency:.3f} ms a message")
    for text in options.sizes:
        print(f"{text}:")
        a, b, num_parameters = step_seconds([int(size) for size in text.split("-")])
        inputs = (a, b, num_parameters, bandwidth, latency)
        print(f"  {num_parameters:,} parameters; a step of M rows takes {1e3 * a:.3f} ms + {1e6 * b:.2f} us M")
        for rows in options.rows:
            alone = seconds_of(rows, 1, *inputs)
            gains = [f"{alone / seconds_of(rows, workers, *inputs):.2f}" for workers in options.workers]
            print(f"  {rows:6} rows: speed-up {', '.join(gains)} with {', '.join(map(str, options.workers))} workers")
        needed = [f"{rows:,}" if (rows := rows_needed(workers, *inputs)) else "never" for workers in options.workers]
        print(f"  rows for an efficiency of {EFFICIENT:.0%}: {', '.join(needed)}")


if __name__ == "__main__":
    main()
