"""What estimators predict with: an encoder, a network, and what its outputs mean; a model file holds all of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Self

import numpy as np

from pysmorch.encoders import ColumnError, Encoder, encode_rows
from pysmorch.engine import Precision, using_threads
from pysmorch.engine.ahead import ahead
from pysmorch.engine.prediction import ROWS_OF_A_BLOCK
from pysmorch.engine.rows import BYTES_AT_A_TIME, LazyRows, blocks_of
from pysmorch.files import ModelPath, save
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.prediction.conformal import ConformalScores
from pysmorch.prediction.exported import Exportable
from pysmorch.prediction.files import check_takes_files, is_path, read_features
from pysmorch.prediction.one_model import BEFORE, of_one_model, state_of
from pysmorch.prediction.parameters import check_parameters, check_precision
from pysmorch.prediction.parts import estimator_from_parts, estimator_to_parts
from pysmorch.prediction.reasons import Reasons
from pysmorch.prediction.reported import Reportable
from pysmorch.prediction.storing import parameters_to_plain
from pysmorch.sources.streaming import StreamedTable
from pysmorch.warnings import PysmorchWarning


class NetworkModel(Exportable, Reasons, Reportable):
    """The base of ClassifierModel and RegressorModel, which say what labels and outputs mean.

    A subclass defines `_num_outputs`, `_label_parts` and `_take_label_parts`. Nothing here needs scikit-learn, so that a process that
    only predicts does not load it.
    """

    network_: Network
    encoder_: Encoder
    n_features_in_: int
    conformal_scores_: ConformalScores | None
    predict_precision: Precision
    threads: int | None

    # What a subclass defines.

    def _num_outputs(self) -> int:
        raise NotImplementedError

    def _conformal_scores(self, outputs: Array, codes: Array) -> Array:
        """Return how far outputs are from their labels, which the loss takes as `codes`: (n, K), the larger the worse."""
        raise NotImplementedError

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        raise NotImplementedError

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        raise NotImplementedError

    def _check_parameters(self) -> None:
        check_parameters(self)

    # Model files and copies.

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of one model for copies, also while this one is trained."""
        return {name: value for name, value in state_of(self).items() if name != BEFORE}

    @of_one_model
    def save(self, path: ModelPath) -> None:
        """Write the model into one .safetensors file, whole or not at all; `pysmorch.load` reads it.

        Parameters
        ----------
        path : str, Path or binary file
            The file.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            The file cannot be written.
        """
        self._check_fitted()
        _, lost = parameters_to_plain(self)
        if lost:
            warnings.warn(
                f"a model file cannot hold the parameter {', '.join(lost)}: the loaded model predicts the same, but set it again "
                "with set_params before another fit",
                PysmorchWarning,
                stacklevel=3,  # `of_one_model` calls this method
            )
        save(self, path)

    @of_one_model
    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the model as plain data and arrays, which `save` writes.

        Returns
        -------
        header : dict
            Parameters, network, encoder and labels as plain data.
        tensors : dict of str to ndarray
            The arrays by name.
        """
        return estimator_to_parts(self)

    def own_layers(self) -> list[Any]:
        """Return the layers that are of classes of your own, which `pysmorch.load` needs, and the loss if it is one.

        Returns
        -------
        list of Layer
            In the order of the graph.
        """
        return self.network_.own_layers()

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Self:
        """Return the model of `to_parts`, after checking everything.

        Parameters
        ----------
        header : dict
            The first result of `to_parts`.
        tensors : dict of str to ndarray
            The second one.
        layers : sequence of type of Layer, default=()
            Classes of your own, of layers and losses, that the model has.

        Returns
        -------
        Classifier or Regressor
            Fitted.

        Raises
        ------
        ModelFileError
            Where anything is missing or does not fit.
        """
        model: Self = estimator_from_parts(cls, header, tensors, layers)
        return model

    # Prediction.

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            from sklearn.utils.validation import check_is_fitted

            check_is_fitted(self, "network_")

    def _checked(self, X: Any) -> Any:
        """Return rows as the encoder takes them; the columns must be those of the training."""
        self._check_fitted()
        if is_path(X):
            X = read_features(X, self.encoder_)
        check_takes_files(self.encoder_, X)
        return self.encoder_.check(X, self, reset=False)

    @of_one_model
    def _outputs(self, X: Any, of_block: Callable[[Array], Array]) -> Array:
        """Return what a function makes of the outputs of the network, block by block."""
        self._check_fitted()
        check_precision("predict_precision", self.predict_precision)
        if is_path(X):
            X = read_features(X, self.encoder_)
        with using_threads(self.threads):
            if isinstance(X, StreamedTable):
                with closing(ahead(X.blocks())) as blocks:
                    parts = [part for block in blocks for part in self._outputs_of(*block, of_block)]
            else:
                parts = self._outputs_of(0, X, of_block)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _outputs_of(self, num_before: int, X: Any, of_block: Callable[[Array], Array]) -> list[Array]:
        """Return those of rows in memory; errors count rows from the first of those that were before."""
        try:
            encoded = encode_rows(self.encoder_, self._checked(X), BYTES_AT_A_TIME)
            return [of_block(outputs) for outputs in self._blocks_of_outputs(encoded)]
        except ColumnError as error:
            raise error.after(num_before) from None

    def _blocks_of_outputs(self, encoded: Array | LazyRows) -> Iterator[Array]:
        for rows in blocks_of(len(encoded), ROWS_OF_A_BLOCK):
            yield self.network_.predict(encoded[rows], precision=self.predict_precision).astype(np.float64)

    @of_one_model
    def _predictions(self, X: Any, of_block: Callable[[Array], Array] = lambda predictions: predictions) -> Array:
        """Return what a function makes of the predictions of the loss, block by block."""
        return self._outputs(X, lambda outputs: of_block(self.network_.loss.predictions(outputs)))

    @property
    def columns_(self) -> Encoder:
        """What was learned about the columns: `encoder_`, shown as a table in notebooks."""
        self._check_fitted()
        return self.encoder_
