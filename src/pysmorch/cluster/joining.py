"""A cluster: how this process joins it, what room it has, and whether its machines have the same versions."""

from __future__ import annotations

import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pysmorch.cluster.options import Cluster
from pysmorch.cluster.ring import LostWorkerError
from pysmorch.missing import module_of_extra
from pysmorch.version import __version__

PULSE = 0.5
"""Seconds between two looks at workers, and at the room that there is."""

VERSIONS = {"pysmorch": "PySmorch", "python": "Python", "ray": "Ray"}
"""What has to have the same version on all machines, and what messages call it."""


def joined(cluster: Cluster) -> Any:
    """Return Ray, with this process joined to a cluster.

    Parameters
    ----------
    cluster : Cluster
        Its address; a process that has joined one stays with it.

    Returns
    -------
    module
        Ray.

    Raises
    ------
    ImportError
        Ray is not installed.
    ConnectionError
        There is no cluster, or one with other versions.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # one machine's error is said, not that of each
    ray = module_of_extra("ray", "a cluster needs Ray", "ray")
    if ray.is_initialized():
        return ray
    _check_reachable(cluster)
    try:
        with _own_answer_to_sigterm():
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        if text.startswith("Version mismatch"):
            raise ConnectionError(f"cluster: {cluster.address} has other versions than this machine: {text}") from None
        raise ConnectionError(f"cluster: {_of_address(cluster)} ({first_line(error)})") from None
    return ray


@contextmanager
def _own_answer_to_sigterm() -> Iterator[None]:
    """Let this process answer SIGTERM as before: Ray would end it at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def rooms(ray: Any, cluster: Cluster) -> Iterator[int]:
    """Say how many workers there is room for, again and again, whenever that is enough.

    Parameters
    ----------
    ray : module
        Ray.
    cluster : Cluster
        How many there may be.

    Yields
    ------
    int
        At most as many as there may be.

    Raises
    ------
    LostWorkerError
        There is no room, or what was done with it has failed, for `patience` seconds.
    """
    least, most = cluster.bounds()
    until = time.monotonic() + cluster.patience
    while True:
        room = int(ray.available_resources().get("CPU", 0) // cluster.cpus)
        if room >= least:
            yield room if most is None else min(room, most)
        if time.monotonic() > until:
            raise LostWorkerError(
                f"cluster: there is room for {room} workers with {cluster.cpus} processors each, but {least} are needed; "
                f"waited {cluster.patience:g} seconds"
            )
        time.sleep(PULSE)


def versions() -> dict[str, str]:
    """Return the name of this machine as "node", and the versions of `VERSIONS`."""
    ray = module_of_extra("ray", "a cluster needs Ray", "ray")
    python = ".".join(platform.python_version_tuple()[:2])
    return {"node": socket.gethostname(), "pysmorch": __version__, "python": python, "ray": ray.__version__}


def check_nodes(ray: Any, cluster: Cluster) -> None:
    """Raise an error with the name of a node where that has no PySmorch, other versions than this machine, or does not answer.

    Parameters
    ----------
    ray : module
        Ray.
    cluster : Cluster
        Its patience.

    Raises
    ------
    ValueError
        PySmorch cannot be loaded there, or a version is another one.
    LostWorkerError
        It does not answer in time.
    """

    def look() -> dict[str, str]:  # sent as it is, since a node may have no PySmorch to load it from
        import socket

        try:
            from pysmorch.cluster.joining import versions
        except ImportError as error:
            return {"node": socket.gethostname(), "missing": str(error)}
        return versions()

    nodes = {
        node["NodeID"]: node["NodeName"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= cluster.cpus
    }
    on = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    task, here = ray.remote(look), versions()
    answers = {
        name: task.options(num_cpus=0, max_retries=0, scheduling_strategy=on(node, soft=False)).remote()
        for node, name in nodes.items()
    }
    until = time.monotonic() + cluster.patience
    for name, answer in answers.items():
        try:
            found = ray.get(answer, timeout=max(0.0, until - time.monotonic()))
        except ray.exceptions.GetTimeoutError:
            raise LostWorkerError(f"cluster: node {name} did not answer within {cluster.patience:g} seconds") from None
        except ray.exceptions.RayError as error:
            raise LostWorkerError(f"cluster: node {name} is lost ({first_line(error)})") from None
        if "missing" in found:
            raise ValueError(
                f"cluster: node {found['node']} cannot load PySmorch ({found['missing']}); install the same version on all"
            )
        check_versions(found, here)


def check_versions(found: dict[str, str], of_driver: dict[str, str]) -> None:
    """Raise ValueError where a node has other versions than the driver: what is sent would not fit.

    Parameters
    ----------
    found, of_driver : dict
        What `versions` has returned there.
    """
    for name, called in VERSIONS.items():
        if found[name] != of_driver[name]:
            raise ValueError(
                f"cluster: node {found['node']} has {called} {found[name]}, but this machine has {of_driver[name]}; "
                "install the same version on all"
            )


def located(error: BaseException, where: str) -> BaseException:
    """Return an error with the name of the node, where it may be one of that machine alone.

    Parameters
    ----------
    error : BaseException
        What was raised there.
    where : str
        Such as "node a".

    Returns
    -------
    BaseException
        To be raised here.
    """
    if isinstance(error, (OSError, MemoryError, ImportError)):
        return with_text(error, lambda text: f"{where}: {text}")
    error.add_note(f"raised on {where}")
    return error


E = TypeVar("E", bound=BaseException)


def with_text(error: E, changed: Callable[[str], str]) -> E:
    """Return an error, or a warning, with another text.

    Parameters
    ----------
    error : BaseException
        With a text as its first argument, or, as an error of the system, a number before it.
    changed : callable
        Returns the other text.

    Returns
    -------
    BaseException
        Of the same class; itself where it has no text of its own.
    """
    if isinstance(error, OSError) and error.errno is not None:
        name = "" if error.filename is None else f": {error.filename!r}"
        return type(error)(error.errno, changed(f"{error.strerror}{name}"))
    if error.args and isinstance(error.args[0], str):
        error.args = (changed(error.args[0]), *error.args[1:])
        if isinstance(error, ImportError):
            error.msg = error.args[0]
    return error


def first_line(error: BaseException) -> str:
    """Return the first line of a message that says something; Ray's have many."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _check_reachable(cluster: Cluster) -> None:
    """Raise ConnectionError where nothing listens at an address: Ray itself would try for a minute."""
    host, separator, port = cluster.address.removeprefix("ray://").rpartition(":")
    if cluster.address in ("auto", "local") or not separator:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConnectionError(f"cluster: {_of_address(cluster)} ({error})") from None


def _of_address(cluster: Cluster) -> str:
    if cluster.address == "auto":
        return "no Ray cluster runs on this machine; start one with  ray start --head , or say its address"
    return f"no Ray cluster answers at {cluster.address}"
