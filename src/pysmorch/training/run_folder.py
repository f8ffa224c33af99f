"""The folder of a run: its checkpoints, and that only one fit writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pysmorch.cluster.worker import LAST as LAST
from pysmorch.files.writing import LOCKS, lock_at_once

BEST = "best.safetensors"
OLDER = re.compile(r"step-(\d+)\.safetensors")
NETWORK = re.compile(r"network-(\d+)")
MOST_OLDER = 3
"""How many checkpoints before the last one stay."""


def has_checkpoint(folder: str | Path) -> bool:
    """Whether there is a run in a folder that can go on, that of one network or of several."""
    return first_run(folder) is not None


def first_run(folder: str | Path) -> Path | None:
    """Return the folder itself where it has checkpoints, else the first one in it of a network of an ensemble, or None."""
    path = Path(os.path.expanduser(folder))
    numbers = [int(match[1]) for one in names(path) if (match := NETWORK.fullmatch(one))]
    folders = [path, *(folder_of_network(path, number) for number in sorted(numbers))]
    return next((one for one in folders if (one / LAST).exists() or older(one)), None)


def folder_of_network(folder: str | Path, number: int) -> Path:
    """Return where in the folder of a run one of several networks has its own, counted from 1."""
    return Path(os.path.expanduser(folder)) / f"network-{number}"


def check_new(folder: str | Path) -> Path:
    """Return the folder of a new run, which is made; FileExistsError where another run is in it."""
    path = Path(os.path.expanduser(folder))
    if has_checkpoint(path):
        raise FileExistsError(
            f"{path}: a run is there already; resume={str(folder)!r} goes on with it, or name another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def only_run(folder: str | Path | None) -> Iterator[None]:
    """Make the folder of a run, if there is to be one; inside this context no other fit, of any process, writes checkpoints there.

    Raises OSError where one does, and where the folder cannot be made.
    """
    if folder is None or LOCKS is None:
        yield
        return
    path = Path(os.path.expanduser(folder))
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if not lock_at_once(descriptor):
            raise FileExistsError(
                f"{path}: another fit writes its checkpoints there; wait until it has ended, or name another folder"
            )
        yield
    finally:
        with suppress(OSError):
            LOCKS.flock(descriptor, LOCKS.LOCK_UN)  # processes that were forked meanwhile hold it, too
        os.close(descriptor)


def keep_as(last: Path, other: Path) -> None:
    """Give the last checkpoint a second name, so that there is one at every moment; without links, move it."""
    other.unlink(missing_ok=True)
    try:
        os.link(last, other)
    except OSError:
        last.replace(other)


def older(folder: Path) -> list[Path]:
    """Return the checkpoints before the last one, oldest first."""
    found = [(int(match[1]), folder / name) for name in names(folder) if (match := OLDER.fullmatch(name))]
    return [path for _, path in sorted(found)]


def names(folder: Path) -> list[str]:
    """Return the names of what is in a folder, if there is one."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def thin_out(folder: Path) -> None:
    """Remove older checkpoints that are near to others: those that are left lie evenly apart, and the newest is among them."""
    paths = older(folder)
    while len(paths) > MOST_OLDER:
        steps = [0, *(int(path.stem.removeprefix("step-")) for path in paths)]
        gaps = [steps[i + 2] - steps[i] for i in range(len(paths) - 1)]
        paths.pop(gaps.index(min(gaps))).unlink(missing_ok=True)
