"""What a user says of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Workers on the machines of a Ray cluster (`pip install "pysmorch[ray]"`), which train one network together.

    Each worker computes some rows of every batch. The result has the bits of a training on one machine with the same instructions,
    whatever the number of workers, and however often one of them is lost.

    Parameters
    ----------
    address : str, default="auto"
        "HOST:PORT" of the head node; "auto" for the cluster that runs on this machine, or that this process has joined.
    workers : int, (int, int) or "auto", default="auto"
        How many; of a pair the least and the most: a training goes on with fewer when some are lost, and takes further ones when there is
        room again. "auto" takes all that there is room for, measures some steps, and refuses where one machine is as fast.
    cpus : int, default=1
        Processors of each, which are its threads.
    restarts : int, default=3
        How often a training goes on after a loss of workers without a new checkpoint in between.
    patience : float, default=60.0
        Seconds to wait for room on the cluster, for a connection, and for a sign of life of a worker.

    Raises
    ------
    ValueError
        For numbers out of range.

    Examples
    --------
    >>> Cluster(workers=(2, 8), cpus=4)
    Cluster(address='auto', workers=(2, 8), cpus=4, restarts=3, patience=60.0)
    """

    address: str = "auto"
    workers: int | tuple[int, int] | str = "auto"
    cpus: int = 1
    restarts: int = 3
    patience: float = 60.0

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address:
            raise ValueError(f'cluster: address must be "auto" or "HOST:PORT", but is {self.address!r}')
        workers: Any = self.workers if isinstance(self.workers, (tuple, list)) else (self.workers, self.workers)
        in_order = len(workers) == 2 and all(map(_is_count, workers)) and workers[0] <= workers[1]
        if self.workers != "auto" and not in_order:
            raise ValueError(
                f'cluster: workers must be a number, a pair of the least and the most, or "auto", but is {self.workers!r}'
            )
        if not _is_count(self.cpus):
            raise ValueError(f"cluster: cpus must be a positive integer, but is {self.cpus!r}")
        if self.restarts < 0 or not 0 < self.patience < float("inf"):
            raise ValueError(
                f"cluster: restarts must be 0 or more and patience a number of seconds, but they are {self.restarts!r} and {self.patience!r}"
            )

    def bounds(self) -> tuple[int, int | None]:
        """Return the least and the most workers.

        Returns
        -------
        least : int
            As in `workers`.
        most : int or None
            None for as many as there is room for.
        """
        if isinstance(self.workers, str):
            return 1, None
        return self.workers if isinstance(self.workers, tuple) else (self.workers, self.workers)


def as_cluster(cluster: Any) -> Cluster:
    """Return the cluster of an argument: an address, or a `Cluster`.

    Raises TypeError for anything else.
    """
    if isinstance(cluster, Cluster):
        return cluster
    if isinstance(cluster, str):
        return Cluster(address=cluster)
    raise TypeError(f'cluster must be "auto", the address of a head node, or a Cluster, but is {cluster!r}')


def _is_count(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, (bool, np.bool_)) and bool(number >= 1)
