"""Logs that are files with a line for each epoch."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

from pysmorch.entries import finite_or_none
from pysmorch.tracking.epochs import EpochLog
from pysmorch.training import Training


class _Lines(EpochLog):
    """A line for each epoch, which is in the file when the epoch ends."""

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = Path(path)
        self.append = append
        if not append and self.path.exists():
            raise FileExistsError(f"{self.path} exists; take another name, or go on with it: append=True")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path}: there is no folder {self.path.parent}")

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
        with open(self.path, encoding="utf-8", newline="") as file:
            found = file.readline()
        if found != header:
            raise ValueError(f"{self.path} has the columns {found.strip()}, but this training has {header.strip()}")

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
