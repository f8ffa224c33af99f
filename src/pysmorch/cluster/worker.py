"""A worker: a process on a machine of the cluster, which does a fit together with others."""

from __future__ import annotations

import io
import os
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from pysmorch.cluster.joining import with_text
from pysmorch.cluster.ring import Address, Endpoint, Ring
from pysmorch.cluster.sharing import HandedOver, stopped_by, training_with
from pysmorch.engine import using_threads
from pysmorch.engine.extension import instructions
from pysmorch.warnings import PysmorchWarning

LAST = "last.safetensors"
"""The checkpoint in the folder of a run from which it goes on."""


class Work(Protocol):
    """What each worker does: a fit, with its data."""

    def run(self, checkpoint: Path, resume: Path | None, progress: bool) -> Any:
        """Do it, from a run if there is one, with checkpoints in a folder; show progress if so; return what was made."""
        ...


class Made(NamedTuple):
    """What the first worker made.

    Attributes
    ----------
    result : object
        Of the work.
    warnings : sequence of Warning
        Of the library, which are for the user.
    """

    result: Any
    warnings: Sequence[Warning]


class Worker:
    """A worker, as an actor of Ray with two threads: one does the work, the other one answers.

    Parameters
    ----------
    threads : int
        How many it may use.
    folder : str
        Where relative paths begin, if this machine has it.
    """

    def __init__(self, threads: int, folder: str) -> None:
        with suppress(OSError):
            os.chdir(folder)
        self._threads = threads
        self._shown = io.StringIO()
        self._num_shown = 0
        self._folder = tempfile.TemporaryDirectory(prefix="pysmorch-", ignore_cleanup_errors=True)
        self._sent: dict[str, int] = {}
        self._endpoint: Endpoint | None = None
        self._shares_files = False
        self._lock = threading.Lock()
        self._to_stop = threading.Event()

    def where(self) -> dict[str, str | None]:
        """Return the instructions of this machine, which have to be the same on all, and its name."""
        return {"node": socket.gethostname(), "instructions": instructions()}

    def listen(self) -> Address:
        """Return the address where the worker before this one is to connect."""
        import ray

        self._endpoint = Endpoint(ray.util.get_node_ip_address())
        return self._endpoint.address

    def run(
        self,
        work: Work,
        rank: int,
        addresses: Sequence[Address],
        token: bytes,
        seed: int,
        files: Mapping[str, bytes],
        patience: float,
        measured: bool,
        progress: bool,
    ) -> Made | None:
        """Do a work together with the other workers; what is returned comes from the first one.

        Raises LostWorkerError when another one is gone, and what the work raises.
        """
        assert self._endpoint is not None
        folder = Path(self._folder.name) / "run"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with self._lock:
            self._sent = {name: os.stat(folder / name).st_mtime_ns for name in files}
        self._shares_files = rank == 0
        np.random.seed(seed)
        ring = None if len(addresses) == 1 else Ring(rank, addresses, self._endpoint, token, patience, measured)
        shown = progress and rank == 0
        with ExitStack() as stack:
            if ring is not None:
                stack.enter_context(training_with(ring))
            stack.enter_context(using_threads(self._threads))
            stack.enter_context(stopped_by(self._to_stop))
            if shown:
                stack.enter_context(redirect_stderr(self._shown))
            warned = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always", PysmorchWarning)
            try:
                result = work.run(folder, folder if files else None, shown)
            except HandedOver:
                return None
            except Exception as error:
                raise with_text(error, _without(folder)) from None
        if rank != 0:
            return None
        messages = [one.message for one in warned if isinstance(one.message, PysmorchWarning)]
        return Made(result, [with_text(message, _without(folder, socket.gethostname())) for message in messages])

    def leave_nothing(self) -> None:
        """Remove the folder of the checkpoints, before the process is killed."""
        self._folder.cleanup()

    def stop(self) -> None:
        """Let the work end with a checkpoint, as by an interruption."""
        self._to_stop.set()

    def new_lines(self) -> str:
        """Return what was shown of the progress since the last call."""
        with self._lock:
            new = self._shown.getvalue()[self._num_shown :]
            self._num_shown += len(new)
        return new

    def new_files(self) -> dict[str, bytes]:
        """Return the checkpoints that are new or changed since the last call: those that a run goes on from, by their paths."""
        folder, new = Path(self._folder.name) / "run", {}
        with self._lock:
            for path in sorted(folder.rglob(LAST)):
                name = path.relative_to(folder).as_posix()
                if "/" not in name and not self._shares_files:
                    continue  # all workers have the same one
                try:
                    changed = path.stat().st_mtime_ns
                    if self._sent.get(name) != changed:
                        new[name] = path.read_bytes()
                        self._sent[name] = changed
                except FileNotFoundError:
                    continue  # it is about to be replaced
        return new


def _without(folder: Path, node: str | None = None) -> Callable[[str], str]:
    """Return a function that leaves out a folder of this machine, which nobody knows, in texts, and names its node after those with it."""

    def changed(text: str) -> str:
        path = f"{folder}{os.sep}"
        named = f" (on node {node})" if node is not None and path in text else ""
        return text.replace(path, "checkpoint ") + named

    return changed
