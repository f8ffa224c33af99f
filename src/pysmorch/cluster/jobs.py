"""The driver of a training on a cluster: it starts workers, keeps their checkpoints, and starts them anew when some are lost."""

from __future__ import annotations

import copy
import os
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

from pysmorch.cluster.joining import PULSE, check_nodes, first_line, joined, located, rooms
from pysmorch.cluster.options import Cluster
from pysmorch.cluster.ring import LostWorkerError
from pysmorch.cluster.worker import Work, Worker
from pysmorch.engine import ended_by_exit
from pysmorch.layers.randomness import draw_seed

ENDING = 30.0
"""Seconds that the first worker has for a last checkpoint when the driver is interrupted."""

GROWING = 20.0
"""Seconds between two looks at whether there is room for further workers."""


def run_on(
    cluster: Cluster,
    work: Work,
    files: Mapping[str, bytes],
    keep: Callable[[str, bytes], None] | None = None,
    progress: bool = False,
) -> Any:
    """Let the workers of a cluster do a work together, through losses of some, and return what the first one made.

    Parameters
    ----------
    cluster : Cluster
        Where.
    work : Work
        What each of them does.
    files : mapping of str to bytes
        Checkpoints to begin with, by their paths in the folder of the run.
    keep : callable, default=None
        Called with path and content of each new checkpoint.
    progress : bool, default=False
        Whether the progress of the first worker is shown.

    Returns
    -------
    object
        The result.

    Raises
    ------
    LostWorkerError
        Workers were lost too often.
    Exception
        What the work raises.
    """
    ray = joined(cluster)
    checkpoints, seed, lost = dict(files), draw_seed(), 0
    shared = ray.put(work)
    with nullcontext() if keep is None else ended_by_exit():
        while True:
            group = _Group(ray, cluster)
            try:
                made = group.run(shared, seed, checkpoints, keep, progress)
                for warning in made.warnings:
                    warnings.warn(warning, stacklevel=2)
                return copy.deepcopy(made.result)  # arrays that came here cannot be written
            except _Resized:
                lost = 0
            except LostWorkerError as error:
                lost = 1 if group.has_new_files else lost + 1
                if lost > cluster.restarts:
                    raise LostWorkerError(
                        f"cluster: workers were lost {lost} times without a new checkpoint in between; the last time: {error}"
                    ) from None
            except (KeyboardInterrupt, SystemExit):
                if keep is not None:
                    group.stop(checkpoints, keep)
                raise
            finally:
                group.end()


class _Resized(Exception):
    """There is room for further workers."""


class _Group:
    """Workers that were started together, and end together."""

    def __init__(self, ray: Any, cluster: Cluster) -> None:
        self.ray, self.cluster = ray, cluster
        self.has_new_files = False
        self.placement, self.workers = self._start()
        self.nodes = ["?"] * len(self.workers)
        self.results: list[Any] = []

    def _start(self) -> tuple[Any, list[Any]]:
        """Reserve room for as many workers as there may be, or fewer, and start them."""
        ray = self.ray
        for count in rooms(ray, self.cluster):
            placement = ray.util.placement_group([{"CPU": self.cluster.cpus}] * count, strategy="SPREAD")
            if placement.wait(5.0):
                break
            ray.util.remove_placement_group(placement)
        strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        actor = ray.remote(Worker)
        return placement, [
            actor.options(
                num_cpus=self.cluster.cpus,
                max_concurrency=2,
                scheduling_strategy=strategy(placement, placement_group_bundle_index=index),
            ).remote(self.cluster.cpus, os.getcwd())
            for index in range(count)
        ]

    def run(
        self,
        work: Any,
        seed: int,
        checkpoints: dict[str, bytes],
        keep: Callable[[str, bytes], None] | None,
        progress: bool,
    ) -> Any:
        """Do the work, and put new checkpoints among the others."""
        check_nodes(self.ray, self.cluster)
        found = self._ask("where")
        self.nodes = [one["node"] for one in found]
        _check_alike(found)
        addresses = self._ask("listen")
        token, measured = secrets.token_bytes(32), self.cluster.workers == "auto"
        results = self.results = [
            worker.run.remote(
                work, rank, addresses, token, seed, dict(checkpoints), self.cluster.patience, measured, progress
            )
            for rank, worker in enumerate(self.workers)
        ]
        looked = time.monotonic()
        while True:
            ready, _ = self.ray.wait(results, num_returns=len(results), timeout=PULSE)
            if results[0] in ready or any(self._outcome(result)[1] is not None for result in ready):
                break
            self._show_new(progress)
            self._fetch_new(checkpoints, keep)
            if self.has_new_files and time.monotonic() - looked > GROWING:
                looked = time.monotonic()
                if self._has_room():
                    raise _Resized
        self._show_new(progress)
        self.ray.wait(results, num_returns=len(results), timeout=PULSE)  # those that the others have lost say why
        return self._result(results, checkpoints, keep)

    def _result(
        self, results: list[Any], checkpoints: dict[str, bytes], keep: Callable[[str, bytes], None] | None
    ) -> Any:
        """Return what the first worker made, or raise the reason for which there is nothing."""
        ready, _ = self.ray.wait(results, num_returns=len(results), timeout=0)
        outcomes = {results.index(result): self._outcome(result) for result in ready}
        if 0 in outcomes and outcomes[0][1] is None:
            self._fetch_new(checkpoints, keep)
            return outcomes[0][0]
        with suppress(LostWorkerError):
            self._fetch_new(checkpoints, keep)  # the others have written where they were
        reasons = [(rank, error) for rank, (_, error) in sorted(outcomes.items()) if error is not None]
        for rank, error in reasons:
            if not isinstance(error, LostWorkerError):
                raise located(error, f"worker {rank} on node {self.nodes[rank]}") from None
        rank, error = reasons[0]
        raise LostWorkerError(f"{error} (node {self.nodes[rank]})")

    def _outcome(self, result: Any) -> tuple[Any, BaseException | None]:
        """Return what a worker that has ended made, and what it raised, or None."""
        exceptions = self.ray.exceptions
        try:
            return self.ray.get(result), None
        except exceptions.RayTaskError as error:
            return None, error.cause
        except exceptions.OutOfMemoryError as error:
            return None, LostWorkerError(f"a worker took more memory than its node has ({first_line(error)})")
        except exceptions.RayError as error:
            return None, LostWorkerError(first_line(error))

    def _ask(self, method: str) -> list[Any]:
        """Return what each worker answers to a call."""
        exceptions = self.ray.exceptions
        try:
            answers = [getattr(worker, method).remote() for worker in self.workers]
            return self.ray.get(answers, timeout=self.cluster.patience)
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except exceptions.GetTimeoutError:
            raise self._silent() from None
        except exceptions.RayError as error:
            raise LostWorkerError(first_line(error)) from None

    def _silent(self) -> LostWorkerError:
        return LostWorkerError(f"a worker did not answer within {self.cluster.patience:g} seconds")

    def _fetch_new(self, checkpoints: dict[str, bytes], keep: Callable[[str, bytes], None] | None) -> None:
        """Take what workers have written since the last call; one that is lost is noticed by its result."""
        answers = [worker.new_files.remote() for worker in self.workers]
        for answer in answers:
            try:
                files = self.ray.get(answer, timeout=self.cluster.patience)
            except self.ray.exceptions.GetTimeoutError:
                raise self._silent() from None
            except self.ray.exceptions.RayError:
                continue
            for path, content in files.items():
                checkpoints[path] = content
                self.has_new_files = True
                if keep is not None:
                    keep(path, content)

    def _show_new(self, progress: bool) -> None:
        """Show what the first worker has shown since the last call; one that is lost shows nothing."""
        if progress:
            with suppress(self.ray.exceptions.RayError, self.ray.exceptions.GetTimeoutError):
                lines = self.ray.get(self.workers[0].new_lines.remote(), timeout=self.cluster.patience)
                print(lines, end="", file=sys.stderr, flush=True)

    def _has_room(self) -> bool:
        _, most = self.cluster.bounds()
        return (most is None or len(self.workers) < most) and self.ray.available_resources().get(
            "CPU", 0
        ) >= self.cluster.cpus

    def stop(self, checkpoints: dict[str, bytes], keep: Callable[[str, bytes], None]) -> None:
        """Let the first worker write where it is, and take that."""
        if self.results:
            self.workers[0].stop.remote()
            self.ray.wait(self.results[:1], timeout=ENDING)
            with suppress(LostWorkerError):
                self._fetch_new(checkpoints, keep)

    def end(self) -> None:
        """End the workers, and give their room back."""
        answers = [worker.leave_nothing.remote() for worker in self.workers]
        self.ray.wait(answers, num_returns=len(answers), timeout=PULSE)
        for worker in self.workers:
            self.ray.kill(worker)
        self.ray.util.remove_placement_group(self.placement)


def _check_alike(found: list[dict[str, str | None]]) -> None:
    """Raise ValueError where a machine has other instructions than the first one, since the results would differ."""
    first = found[0]
    for one in found:
        if one["instructions"] != first["instructions"]:
            raise ValueError(
                f"cluster: node {one['node']} has the engine with the instructions {one['instructions']}, but node {first['node']} has "
                f"{first['instructions']}; the same bits need the same on all"
            )
