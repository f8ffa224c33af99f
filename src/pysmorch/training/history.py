"""The history of a training: what was measured in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class History(Mapping[str, list[float]]):
    """What was measured in each epoch, by name: `history["val_loss"][-1]`.

    Names are "loss" and the loss's default metric ("accuracy" or "mae"), as means over the batches while training; the
    same with `"val_"`, and `"val_"` with the name of each other metric, for the validation data after the epoch;
    "learning_rate" of the last step; and "seconds".

    Attributes
    ----------
    stopped_by : str or None
        Why training ended before the last epoch.
    num_epochs : int
        Number of completed epochs.

    Examples
    --------
    >>> history = History()
    >>> history.append({"loss": 0.5, "accuracy": 0.75})
    >>> history["accuracy"]
    [0.75]
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self._newest: dict[str, tuple[int, float]] = {}
        self.stopped_by: str | None = None

    def append(self, record: Mapping[str, float]) -> None:
        """Add what was measured in an epoch.

        Parameters
        ----------
        record : mapping of str to float
            One value for each name.
        """
        columns = self._completed() if self._newest else self._columns
        self._newest = {name: (len(columns.get(name, ())) + 1, float(value)) for name, value in record.items()}
        self._completed()

    def _completed(self) -> dict[str, list[float]]:
        """Return the columns, with the newest record in all of them also where a signal interrupted `append`."""
        for name, (count, value) in self._newest.items():
            column = self._columns.setdefault(name, [])
            if len(column) < count:
                column.append(value)
        self._newest = {}
        return self._columns

    def take(self, columns: Mapping[str, list[float]]) -> None:
        """Go on from the columns of another history.

        Parameters
        ----------
        columns : mapping of str to list of float
            One value per epoch for each name.
        """
        self._columns = {name: [float(value) for value in values] for name, values in columns.items()}
        self._newest = {}

    @property
    def num_epochs(self) -> int:
        """Number of completed epochs."""
        return len(self._completed().get("loss", ()))

    def to_dict(self) -> dict[str, list[float]]:
        """Return the columns as a dictionary of lists, which any data frame takes.

        Returns
        -------
        dict of str to list of float
            One value per epoch for each name.
        """
        return {name: list(values) for name, values in self._completed().items()}

    def to_frame(self) -> Any:
        """Return the history as a data frame of pandas; `pysmorch.plots.loss_curves(history)` draws it.

        Returns
        -------
        pandas.DataFrame
            A row for each epoch, with the epochs, from 1, as the index.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas, or take to_dict()") from error
        return pd.DataFrame(self._completed(), index=pd.RangeIndex(1, self.num_epochs + 1, name="epoch"))

    def __getitem__(self, name: str) -> list[float]:
        columns = self._completed()
        if name not in columns:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(columns) or 'no epochs'}")
        return columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._completed())

    def __len__(self) -> int:
        return len(self._completed())

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self._completed().items())
        return f"History({self.num_epochs} epochs{'; last: ' + last if last else ''})"
