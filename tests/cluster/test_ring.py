"""The connections between workers, here threads of one process."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from pysmorch.cluster import LostWorkerError, Ring
from pysmorch.cluster.ring import Endpoint

TOKEN = b"t" * 32


def on_ring(size, work, patience=20.0):
    """Return what `work` returns for each of some workers, which run at the same time."""
    endpoints = [Endpoint("127.0.0.1") for _ in range(size)]
    addresses = [endpoint.address for endpoint in endpoints]

    def run(rank):
        with Ring(rank, addresses, endpoints[rank], TOKEN, patience) as ring:
            return work(ring)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))


@pytest.mark.parametrize("size", [2, 3, 5])
def test_rows_of_all_workers_come_to_all(size):
    cuts = np.linspace(0, 7, size + 1).astype(int)  # some have none of few rows
    owners = [slice(first, end) for first, end in pairwise(cuts)]
    whole = np.arange(21.0).reshape(7, 3)

    def work(ring):
        values = np.full((7, 3), np.nan)
        values[owners[ring.rank]] = whole[owners[ring.rank]]
        ring.complete(values, owners)
        return values

    assert all(np.array_equal(values, whole) for values in on_ring(size, work))


def test_workers_that_all_send_at_once_do_not_wait_for_each_other():
    size, count = 3, 4_000_000  # far more than the system takes at a time

    def work(ring):
        into = np.empty(count, np.float32)
        ring.exchange(np.full(count, ring.rank, np.float32), into)
        return float(into.min()), float(into.max())

    assert on_ring(size, work) == [(2.0, 2.0), (0.0, 0.0), (1.0, 1.0)]


def test_objects_are_gathered_by_the_first_worker():
    found = on_ring(4, lambda ring: ring.gather({"rank": ring.rank, "W": np.full(3, ring.rank)}))
    assert [one["rank"] for one in found[0]] == [0, 1, 2, 3]
    assert found[1:] == [None] * 3


def test_a_number_of_the_first_worker_comes_to_all():
    assert on_ring(3, lambda ring: ring.from_first(ring.rank + 0.5)) == [0.5, 0.5, 0.5]


def test_a_worker_that_ends_is_noticed_by_the_next_one():
    def work(ring):
        if ring.rank == 0:
            return None
        with pytest.raises(LostWorkerError, match=f"worker {(ring.rank - 1) % 3} is lost"):
            ring.receive(np.empty(3))
        return True

    assert on_ring(3, work) == [None, True, True]


def test_strangers_are_turned_away():
    endpoints = [Endpoint("127.0.0.1") for _ in range(2)]
    addresses = [endpoint.address for endpoint in endpoints]
    strangers = [socket.create_connection(addresses[0]) for _ in range(3)]
    strangers[0].sendall(b"x" * 36)
    strangers[1].close()
    results = {}

    def run(rank):
        with Ring(rank, addresses, endpoints[rank], TOKEN) as ring:
            results[rank] = ring.from_first(7.0 + rank)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    strangers[2].close()  # having said nothing
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: 7.0, 1: 7.0}
    for stranger in strangers:
        stranger.close()


def test_a_worker_that_cannot_be_reached_is_named():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    endpoint = Endpoint("127.0.0.1")
    with pytest.raises(LostWorkerError, match=r"worker 1 cannot be reached at 127\.0\.0\.1"):
        Ring(0, [endpoint.address, address], endpoint, TOKEN, 1.0)
    endpoint.close()


def test_a_worker_that_does_not_come_is_named_in_time():
    endpoints = [Endpoint("127.0.0.1") for _ in range(2)]
    start = time.monotonic()
    with pytest.raises(LostWorkerError, match="worker 1 did not connect in time"):
        Ring(0, [endpoint.address for endpoint in endpoints], endpoints[0], TOKEN, 0.3)
    assert time.monotonic() - start < 30
    endpoints[1].close()
