"""Reasons for the predictions of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.encoders import Encoder, encode_rows
from pysmorch.engine.rows import BYTES_AT_A_TIME
from pysmorch.entries import list_names
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.prediction.files import is_path, read_features, read_labelled
from pysmorch.prediction.one_model import of_one_model
from pysmorch.sources.streaming import StreamedTable

if TYPE_CHECKING:
    from pysmorch.explaining import Explanation, Importance, PartialDependence
    from pysmorch.explaining.gradients import Head

Label = str | float | bool | np.generic
"""A class, a quantile, or the index of a target."""


class Reasons:
    """What every estimator can say about why it predicts what it predicts.

    A subclass defines `_output_names`, `_default_outputs` and `_head`.
    """

    network_: Network
    encoder_: Encoder
    baseline_: Array

    def _output_names(self) -> list[Any]:
        """Return what the outputs of the network stand for."""
        raise NotImplementedError

    def _default_outputs(self, outputs: Array) -> Array:
        """Return the index of the output of each row that is explained unless another one is chosen."""
        raise NotImplementedError

    def _head(self) -> tuple[str, Head]:
        """Return what is explained, in words, and what makes it of outputs."""
        raise NotImplementedError

    def _checked(self, X: Any) -> Any:
        raise NotImplementedError

    @of_one_model
    def explain(self, X: Any, of: Label | None = None, baseline: Any = None) -> Explanation:
        """Return how much each column contributes to the predictions of some rows, by integrated gradients.

        Of a Classifier the log-odds of a class are explained, log(p / (1 - p)); of a Regressor the prediction in the units of y, or its
        logarithm for the losses "poisson", "gamma" and "tweedie". The contributions of a row are summed over all features that a column becomes, and together
        are the difference to what is predicted for the baseline, within 1 % (`error` of the result).

        Parameters
        ----------
        X : array-like, data frame or path
            The rows, as for `predict`.
        of : class, quantile or int, default=None
            The class whose log-odds are explained, for each row the predicted one without it; of a Regressor with several quantiles or
            targets one quantile, or the index of a target.
        baseline : array-like or data frame, default=None
            Rows, like X, whose mean encoded row is the baseline; None for the mean encoded row of the training.

        Returns
        -------
        Explanation
            Contributions (N, columns), or (N, height, width) for images.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            Before `fit`, for data that do not fit, without rows, for an output that there is not, and for a quantized model.

        Notes
        -----
        Models in files of before have no baseline of the training: theirs is a row whose numbers are at their means, without any
        category or word, or a black image where pixels are 0 for black.
        Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", 2017.
        """
        from pysmorch.explaining.explanation import Explanation
        from pysmorch.explaining.gradients import integrated_gradients

        rows, encoded = self._encoded(X, "X")
        encoder, names = self.encoder_, self._output_names()
        if baseline is None:
            start = getattr(self, "baseline_", np.zeros(encoder.shape))
        else:
            from pysmorch.encoders.explained import mean_row

            start = mean_row(self._encoded(baseline, "baseline")[1], None)
        which = self._default_outputs(self.network_.predict(encoded)) if of is None else self._chosen(of, len(encoded))
        unit, head = self._head()
        owners, shape = encoder.owners
        found = integrated_gradients(self.network_, encoded, start, which, head, owners, int(np.prod(shape)))
        difference = found.predictions - found.baseline
        residual = np.abs(found.contributions.sum(axis=1) - difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(residual > 0, residual / np.abs(difference), 0.0)
        return Explanation(
            found.contributions.reshape(len(encoded), *shape),
            found.baseline,
            found.predictions,
            error,
            encoder.names,
            [encoder.cells(rows, i) for i in range(len(encoder.names))],
            [names[i] for i in which.tolist()],
            unit,
        )

    def _chosen(self, of: Label, count: int) -> Array:
        """Return the index of a chosen output for each of `count` rows."""
        names = self._output_names()
        index = next((i for i, name in enumerate(names) if np.ndim(of) == 0 and name == of), None)
        if index is None:
            raise ValueError(f"of must be one of {list_names([str(name) for name in names])}, but is {of!r}")
        return np.full(count, index)

    def _encoded(self, X: Any, argument: str) -> tuple[Any, Any]:
        """Return rows from the check of the encoder, and as the network takes them."""
        if is_path(X):
            X = read_features(X, self.encoder_)
        if isinstance(X, StreamedTable):
            raise ValueError(
                f"{argument} is read block by block, since the memory does not hold it; explain some of its rows"
            )
        rows = self._checked(X)
        if len(rows) == 0:
            raise ValueError(f"{argument} has no rows; pass one or more")
        return rows, encode_rows(self.encoder_, rows, BYTES_AT_A_TIME)

    @of_one_model
    def importance(
        self,
        X: Any,
        y: ArrayLike | str,
        sample_weight: ArrayLike | str | None = None,
        repeats: int = 5,
        seed: int = 0,
    ) -> Importance:
        """Return by how much the score falls when the cells of each column are shuffled; best of rows that were not trained on.

        Parameters
        ----------
        X : array-like, data frame or path
            The rows, as for `predict`.
        y : array-like of shape (N,), or (N, K), or str
            Their labels; of a path the name of their column.
        sample_weight : array-like of shape (N,) or str, default=None
            The weights of the rows; of a path also the name of their column.
        repeats : int, default=5
            How often each column is shuffled. So many predictions of all rows are made for each.
        seed : int, default=0
            The same one gives the same orders.

        Returns
        -------
        Importance
            The falls of the accuracy, or of R², with an interval over the repeats.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `score`, for images, and where `repeats` is no positive integer.
        """
        from pysmorch.explaining.importance import column_importance

        if is_path(X):
            X, y, sample_weight = read_labelled(X, y, sample_weight, getattr(self, "classes_", None))
            X = self._in_order(X)
        return column_importance(self, X, y, sample_weight, repeats, seed)

    def _in_order(self, table: Any) -> Any:
        """Return the columns of a table that the model knows."""
        return table.select(self.encoder_.names)

    @of_one_model
    def partial_dependence(self, X: Any, column: str | int, points: int = 20) -> PartialDependence:
        """Return what is predicted on average when all rows have the same value of one column, for several values of it.

        Parameters
        ----------
        X : array-like, data frame or path
            Rows, as for `predict`; some hundred are enough. All their other cells stay.
        column : str or int
            Name or index of the column.
        points : int, default=20
            For how many values: numbers and times of the rows at evenly spaced quantiles, or the most frequent categories and texts.
            A missing value is one more, if there is one.

        Returns
        -------
        PartialDependence
            The mean probability of each class, or the mean prediction.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As for `predict`, for images, for a column that there is not, and where `points` is no integer from 2.
        """
        from pysmorch.encoders.objects import as_text
        from pysmorch.explaining.cells import columns_of, index_of
        from pysmorch.explaining.dependence import PartialDependence, rows_of_values

        if not isinstance(points, (int, np.integer)) or points < 2:
            raise ValueError(f"points must be an integer from 2, but is {points!r}")
        if is_path(X):
            X = read_features(X, self.encoder_)
        names, taken = columns_of(X, "partial_dependence")
        given = index_of(column, names)
        rows, _ = self._encoded(X, "X")
        known = self.encoder_.names.index(names[given])
        cells, numbers = self.encoder_.cells(rows, known), self.encoder_.numbers_in(rows, known)
        chosen = rows_of_values([as_text(cell) for cell in cells], numbers, points)
        predict = getattr(self, "predict_proba", None) or self.predict  # type: ignore[attr-defined]
        means, spreads = [], []
        for row in chosen.tolist():
            predicted = predict(taken(given, np.full(len(rows), row))).reshape(len(rows), -1)
            means.append(predicted.mean(axis=0))
            spreads.append(predicted.std(axis=0))
        return PartialDependence(
            names[given],
            [cells[row] for row in chosen.tolist()],
            None if numbers is None else numbers[chosen],
            np.array(means),
            np.array(spreads),
            self._output_names(),
        )
