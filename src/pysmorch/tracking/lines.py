"""Logs that are files with a line for each epoch."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

from pysmorch.entries import escaped, finite_or_none
from pysmorch.tracking.epochs import EpochLog
from pysmorch.training import Training

LONGEST_HEADER = 200
"""Letters that a message repeats of a file's first line, beyond those that were expected."""


class _Lines(EpochLog):
    """A line for each epoch, which is in the file when the epoch ends."""

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = Path(path)
        self.append = append
        if not append and self.path.exists():
            raise FileExistsError(f"{self.path} exists; take another name, or go on with it: append=True")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path}: there is no folder {self.path.parent}")

    def on_fit_start(self, training: Training) -> None:
        """End a line that was cut off, as by a full disk or a kill, so that the next one is whole.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            is_cut = file.read() != b"\n"
        if is_cut:
            self._add("\n")

    def _add(self, text: str) -> None:
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(text)


class JSONLog(_Lines):
    """Write a JSON object for each epoch, one a line.

    Parameters
    ----------
    path : str or path-like
        The file.
    append : bool, default=False
        Whether to go on with a file that exists, as when a run is resumed; its last epochs may then come twice.

    Raises
    ------
    FileExistsError
        There is such a file, and `append` is False.
    FileNotFoundError
        There is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> from pysmorch import CrossEntropy, Data, Network, mlp
    >>> network = Network(CrossEntropy(mlp(Data(shape=(None, 2)), [4], 2, seed=0)))
    >>> path = Path(tempfile.mkdtemp(), "history.jsonl")
    >>> _ = network.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], epochs=3, callbacks=[JSONLog(path)], seed=0)
    >>> [json.loads(line)["epoch"] for line in path.read_text().splitlines()]
    [1, 2, 3]
    """

    def write(self, epoch: int, measured: dict[str, float]) -> None:
        """Add a line.

        Parameters
        ----------
        epoch : int
            From 1.
        measured : dict of str to float
            The value of each name in the history; what is not finite is null.
        """
        self._add(json.dumps(finite_or_none({"network": self.network, "epoch": epoch, **measured})) + "\n")


class CSVLog(_Lines):
    """Write a row for each epoch, under the names of the history.

    Parameters
    ----------
    path : str or path-like
        The file.
    append : bool, default=False
        Whether to go on with a file that exists, as when a run is resumed; its last epochs may then come twice.

    Raises
    ------
    FileExistsError
        There is such a file, and `append` is False.
    FileNotFoundError
        There is no such folder.
    ValueError
        When `fit` begins: the file has other columns.

    Examples
    --------
    >>> import tempfile
    >>> from pysmorch import CrossEntropy, Data, Network, mlp
    >>> network = Network(CrossEntropy(mlp(Data(shape=(None, 2)), [4], 2, seed=0)))
    >>> path = Path(tempfile.mkdtemp(), "history.csv")
    >>> _ = network.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], epochs=3, callbacks=[CSVLog(path)], seed=0)
    >>> path.read_text().splitlines()[0]
    'network,epoch,loss,accuracy,learning_rate,seconds'
    """

    def on_fit_start(self, training: Training) -> None:
        """Write the names of the columns, or compare them with those of the file.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        header = _row(["network", "epoch", *training.maximize])
        if not self.path.exists() or not self.path.stat().st_size:
            self._add(header)
            return
        with open(self.path, "rb") as file:
            found = file.read(len(header.encode()))
            rest = file.readline(LONGEST_HEADER)
        if found != header.encode():
            columns = escaped((found + rest).decode(errors="replace").splitlines()[0])
            raise ValueError(f"{self.path} has the columns {columns}, but this training has {header.strip()}")
        super().on_fit_start(training)

    def write(self, epoch: int, measured: dict[str, float]) -> None:
        """Add a row.

        Parameters
        ----------
        epoch : int
            From 1.
        measured : dict of str to float
            The value of each name in the history.
        """
        self._add(_row([self.network, epoch, *(repr(value) for value in measured.values())]))


def _row(cells: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
