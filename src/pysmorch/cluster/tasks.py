"""Calls that machines of a cluster make one by one, each by itself; what they return comes back in order."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from pysmorch.cluster.joining import PULSE, check_nodes, check_versions, first_line, joined, located, rooms, versions
from pysmorch.cluster.options import Cluster
from pysmorch.cluster.ring import LostWorkerError
from pysmorch.engine import using_threads

Stays = TypeVar("Stays")


def in_order(
    cluster: Cluster,
    call: Callable[[Any, Any], Any],
    shared: Any,
    items: Iterable[tuple[Stays, Any]],
    ahead: int = 1,
) -> Generator[tuple[Stays, Any]]:
    """Go through what a function returns for each of some items, in their order; machines of a cluster call it.

    So many calls are under way at a time as there may be workers, and no item is drawn before there is room for it. So which results are
    known when it is drawn does not depend on which machine is faster. A call whose machine or process is lost is made again.

    Parameters
    ----------
    cluster : Cluster
        Where; `workers` is how many calls are made at a time, `restarts` how often one is made again.
    call : callable
        Called with `shared` and an item; a function of a module.
    shared : object
        Sent once to each machine.
    items : iterable of (object, object)
        What stays here, and the item that is sent.
    ahead : int, default=1
        How many calls there are for each worker, so that none has to wait until a result was taken.

    Yields
    ------
    stays : object
        What stays here of the item.
    result : object
        What the call returned.

    Raises
    ------
    LostWorkerError
        Machines were lost too often, or all of them are gone.
    Exception
        What a call raises; errors of files and memory name the node.
    """
    ray = joined(cluster)
    under_way = ahead * next(rooms(ray, cluster))
    check_nodes(ray, cluster)
    task = ray.remote(_call).options(num_cpus=cluster.cpus, max_retries=cluster.restarts, scheduling_strategy="SPREAD")
    there, here = ray.put(shared), versions()
    waiting: deque[tuple[Stays, Any]] = deque()
    try:
        for stays, item in items:
            waiting.append((stays, task.remote(call, there, item, here, cluster.cpus)))
            if len(waiting) == under_way:
                yield _first(ray, cluster, waiting)
        while waiting:
            yield _first(ray, cluster, waiting)
    finally:
        for _, result in waiting:
            with suppress(ray.exceptions.RayError):
                ray.cancel(result, force=True)


def _first(ray: Any, cluster: Cluster, waiting: deque[tuple[Stays, Any]]) -> tuple[Stays, Any]:
    """Return what stays here of the oldest call, and what it returned; it is no longer waited for."""
    stays, result = waiting[0]
    until = time.monotonic() + cluster.patience
    while not ray.wait([result], timeout=PULSE)[0]:
        if ray.cluster_resources().get("CPU", 0) >= cluster.cpus:
            until = time.monotonic() + cluster.patience
        elif time.monotonic() > until:
            raise LostWorkerError(f"cluster: no machine is left that could go on; waited {cluster.patience:g} seconds")
    waiting.popleft()
    exceptions = ray.exceptions
    try:
        return stays, ray.get(result)
    except exceptions.RayTaskError as error:
        raise error.cause from None
    except exceptions.OutOfMemoryError as error:
        raise LostWorkerError(f"cluster: a call took more memory than its node has ({first_line(error)})") from None
    except exceptions.RayError as error:
        raise LostWorkerError(
            f"cluster: a call was made {cluster.restarts + 1} times, and each time its process was lost ({first_line(error)})"
        ) from None


def _call(call: Callable[[Any, Any], Any], shared: Any, item: Any, of_driver: dict[str, str], threads: int) -> Any:
    """Make a call on a machine of the cluster."""
    check_versions(versions(), of_driver)  # a node may have come later
    try:
        with using_threads(threads):
            return call(shared, item)
    except Exception as error:
        raise located(error, f"node {socket.gethostname()}") from None
