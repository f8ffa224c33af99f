"""Predictions for batches of rows that other programs hand over: Ray Data, Spark, DuckDB, PyArrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysmorch.encoders.table import TableEncoder
from pysmorch.entries import list_names
from pysmorch.files import ModelPath
from pysmorch.layers.base import Array
from pysmorch.loading import load
from pysmorch.network import Network
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.predicted import predict_all
from pysmorch.sources.source import Source


class BatchPredictor:
    """A model as a function of batches, which returns predictions in the form of the batch.

    A worker of Ray or Spark makes one, which reads the model once, and calls it with each of its batches. A row has the same bits in any
    batch, and the columns are those of `pysmorch predict`.

    Parameters
    ----------
    model : str, Path, bytes, Classifier or Regressor
        A model file, its content, or a fitted estimator.
    ids : sequence of str, default=()
        Columns of the batches that are returned before the predictions, since they say which row is which.
    coverage : float, default=None
        Of the sets of a classifier, or the intervals of a regressor, that are wanted too.

    Raises
    ------
    TypeError
        The model is a network without an encoder.

    Examples
    --------
    >>> import numpy as np
    >>> from pysmorch import BatchPredictor, Regressor
    >>> batch = {"id": np.arange(4), "x": np.array([1.0, 2.0, 3.0, 4.0]), "z": np.array([0.0, 1.0, 0.0, 1.0])}
    >>> import pyarrow as pa
    >>> model = Regressor(epochs=2, random_state=0).fit(pa.table(batch).select(["x", "z"]), np.array([1.0, 2.0, 3.0, 4.0]))
    >>> list(BatchPredictor(model, ids=["id"])(batch))
    ['id', 'prediction']
    """

    def __init__(
        self, model: ModelPath | bytes | NetworkModel, ids: Sequence[str] = (), coverage: float | None = None
    ) -> None:
        loaded: Any = model if isinstance(model, (NetworkModel, Network)) else load(model)
        if not isinstance(loaded, NetworkModel):
            raise TypeError(
                f"model must be a Classifier, a Regressor or a file of one, but is a {type(loaded).__name__}, which does not say how "
                "columns become numbers"
            )
        loaded._check_fitted()
        self.model, self.ids, self.coverage = loaded, list(ids), coverage
        self._of_columns = isinstance(loaded.encoder_, TableEncoder)

    def __call__(self, batch: Any) -> Any:
        """Return predictions for a batch.

        Parameters
        ----------
        batch : dict of str to array-like, pyarrow.Table, pyarrow.RecordBatch or pandas.DataFrame
            Rows; columns that the model does not know are left out.

        Returns
        -------
        dict of str to ndarray, pyarrow.Table, pyarrow.RecordBatch or pandas.DataFrame
            As the batch: the ids, then the predictions.

        Raises
        ------
        ValueError, TypeError
            A column is missing, or does not fit.
        """
        import pyarrow as pa

        if isinstance(batch, Mapping):
            given = {name: np.asarray(self._column(batch, list(batch), name)) for name in self.ids}
            return given | self._predicted(self._rows_of_arrays(batch), given)
        if isinstance(batch, (pa.Table, pa.RecordBatch)):
            names = batch.schema.names
            given = {name: self._column(batch, names, name) for name in self.ids}
            table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
            found = self._predicted(self._rows_of_table(table), given)
            arrays = given | {name: pa.array(values.tolist(), _type_of(values)) for name, values in found.items()}
            return type(batch).from_pydict(arrays)
        if type(batch).__module__.partition(".")[0] == "pandas":
            given = {name: self._column(batch, list(batch.columns), name) for name in self.ids}
            found = self._predicted(self._rows_of_table(pa.Table.from_pandas(batch, preserve_index=False)), given)
            return type(batch)(given | found, index=batch.index)
        raise TypeError(
            f"a batch must be a dictionary of arrays, a table or record batch of PyArrow, or a data frame of pandas, but is a "
            f"{type(batch).__name__}"
        )

    def _column(self, batch: Any, names: list[str], name: str) -> Any:
        if name not in names:
            raise ValueError(f"ids: the batch has no column {name!r}; the columns are {list_names(names)}")
        return batch[name]

    def _rows_of_arrays(self, batch: Mapping[str, Any]) -> Any:
        """Return the rows of a dictionary of columns, or of one whose only entry besides the ids is an array of rows."""
        import pyarrow as pa

        arrays = {name: np.asarray(values) for name, values in batch.items()}
        rest = [values for name, values in arrays.items() if name not in self.ids]
        if not self._of_columns and len(rest) == 1 and rest[0].ndim > 1:
            return rest[0]
        wide = [name for name, values in arrays.items() if values.ndim != 1]
        if self._of_columns:
            wanted = set(self.model.encoder_.names)
            arrays = {name: values for name, values in arrays.items() if name in wanted}
            wide = [name for name in wide if name in wanted]
        if wide:
            raise ValueError(
                f"the column {wide[0]!r} of the batch has shape {arrays[wide[0]].shape}; expected one value for each row"
            )
        return self._rows_of_table(pa.table({name: pa.array(values) for name, values in arrays.items()}))

    def _rows_of_table(self, table: Any) -> Any:
        """Return the columns that the model knows; for a model of arrays all others than the ids, in their order."""
        if self._of_columns:
            return self.model.encoder_.select(Source("the batch", table), by_position=False)
        rest = [name for name in table.column_names if name not in self.ids]
        return np.column_stack([table[name].to_numpy() for name in rest])

    def _predicted(self, X: Any, given: Mapping[str, Any]) -> dict[str, Array]:
        found = predict_all(self.model, X, self.coverage).columns()
        same = [name for name in found if name in given]
        if same:
            raise ValueError(f"ids: a column of the predictions is called {same[0]!r}, too; rename that of the batch")
        return found


def _type_of(values: Array) -> Any:
    """Return the type of a column of predictions in tables of PyArrow, so that it is there for a batch without rows, too."""
    import pyarrow as pa

    return pa.string() if values.dtype.kind in "US" else pa.from_numpy_dtype(values.dtype)
