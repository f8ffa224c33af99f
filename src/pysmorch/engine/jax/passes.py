"""The passes of a network, recorded: the layers' own `compute` and `pull_back`, run once on traced arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from pysmorch.engine.arrays import contiguous
from pysmorch.engine.jax.arrays import NotTraceableError, Rules, TracedArray
from pysmorch.engine.jax.support import is_index
from pysmorch.engine.rows import LazyRows
from pysmorch.layers.base import Array
from pysmorch.layers.copies import shallow_copy
from pysmorch.layers.dense import Data, data_layers
from pysmorch.layers.dropout import scheduled_dropouts
from pysmorch.layers.embedding import Embedding, whole_indices
from pysmorch.layers.graph import accumulate, name_layers
from pysmorch.layers.trainable import has_parameters


def as_numpy_computes() -> AbstractContextManager[Any]:
    """Return a context with NumPy's dtypes, float64 among them, and whole products of float32; the user's settings stay as they are."""
    settings = ExitStack()
    settings.enter_context(jax.enable_x64(True))
    settings.enter_context(jax.default_matmul_precision("highest"))
    return settings


class Passes:
    """The passes of a network in traced arrays.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order, without the loss.
    dtype : dtype
        Of the arithmetic.
    rules : Rules
        How operations are recorded.
    training : bool
        The mode.
    """

    def __init__(self, layers: Sequence[Any], dtype: Any, rules: Rules, training: bool) -> None:
        self.layers = list(layers)
        self.dtype = np.dtype(dtype)
        self.rules = rules
        self.training = training
        self.names = name_layers(self.layers)
        self.with_parameters = [i for i, layer in enumerate(self.layers) if has_parameters(layer)]
        self.inputs = data_layers(self.layers)
        self.as_indices = [is_index(layer, self.layers) for layer in self.inputs]

    def arrays_of(self, inputs: Sequence[Array | LazyRows]) -> list[Array]:
        """Return the data as the program reads them, with indices that were checked.

        Parameters
        ----------
        inputs : sequence of array or LazyRows
            One for each Data layer.

        Returns
        -------
        list of ndarray
            Indices are int64, numbers stay as they are stored.

        Raises
        ------
        ValueError
            For an entry that is no index.
        """
        arrays = [rows[:] for rows in inputs]
        for layer in self.layers:
            if isinstance(layer, Embedding):
                whole_indices(layer, arrays[self.inputs.index(layer.in_layer)])
        return [contiguous(a, np.int64 if index else None) for a, index in zip(arrays, self.as_indices, strict=True)]

    def states(self) -> list[dict[str, Array]]:
        """Return the state arrays of each layer by name."""
        return [dict(layer.state) for layer in self.layers]

    # Of any type, because they stand where NumPy's arrays and numbers do.

    def number(self, value: Any) -> Any:
        """Return a traced number, which behaves as a number of Python does."""
        return TracedArray(value, self.rules, is_number=True)

    def array(self, value: Any) -> Any:
        """Return a traced array."""
        return TracedArray(jnp.asarray(value), self.rules)

    def begin(self, parameters: Sequence[Any], states: Sequence[dict[str, Any]]) -> list[Any]:
        """Return copies of the layers that hold traced arrays.

        Parameters
        ----------
        parameters : sequence of array
            The `W` of the layers that have one, in their order.
        states : sequence of dict
            The states of each layer.

        Returns
        -------
        list of Layer
            In the order of the layers.
        """
        copies = [shallow_copy(layer) for layer in self.layers]
        for copy, state in zip(copies, states, strict=True):
            copy.training = self.training
            for name, value in state.items():
                vars(copy)[name] = self.array(value)
        for i, W in zip(self.with_parameters, parameters, strict=True):
            copies[i]._W, copies[i]._G, copies[i]._G_is_bound = self.array(W), self.array(jnp.zeros_like(W)), True
        return copies

    def set_random(self, copies: Sequence[Any], seed: int, step: Any, dropout: Sequence[Any]) -> None:
        """Set what random layers draw in a step.

        Parameters
        ----------
        copies : sequence of Layer
            Those of `begin`.
        seed : int
            The key.
        step : array
            The number of the step.
        dropout : sequence of array
            The rate of each Dropout with a schedule.
        """
        for stream, copy in enumerate(copies, start=1):
            if hasattr(copy, "stream"):
                copy.seed, copy.stream, copy.step = seed, stream, self.number(step)
        for copy, rate in zip(scheduled_dropouts(copies), dropout, strict=True):
            copy.rate = self.number(rate)

    def forward(self, copies: Sequence[Any], batches: Sequence[Any]) -> Any:
        """Run a batch forward.

        Parameters
        ----------
        copies : sequence of Layer
            Those of `begin`; they keep what their backward pass needs.
        batches : sequence of array
            One for each Data layer.

        Returns
        -------
        TracedArray
            The output of the last layer.
        """
        outputs: dict[int, Any] = {}
        for layer, batch, index in zip(self.inputs, batches, self.as_indices, strict=True):
            outputs[id(layer)] = self.array(batch if index else batch.astype(self.dtype))
        for layer, copy, name in zip(self.layers, copies, self.names, strict=True):
            if not isinstance(layer, Data):
                copy.in_arrays = tuple(outputs[id(feeder)] for feeder in layer.in_layers)
                try:
                    out = self._as_input(copy.compute(*copy.in_arrays), copy.in_arrays)
                except NotTraceableError as error:
                    _refuse(name, error)
                copy.out_array = outputs[id(layer)] = out
        return outputs[id(self.layers[-1])]

    def backward(self, copies: Sequence[Any], dwnstrm: TracedArray) -> list[Any]:
        """Backpropagate from the last layer.

        Parameters
        ----------
        copies : sequence of Layer
            After `forward`.
        dwnstrm : TracedArray
            The gradient of the loss with respect to the output.

        Returns
        -------
        list of array
            The gradient of each `W`.
        """
        waiting: dict[int, Any] = {}
        accumulate(waiting, self.layers[-1:], [dwnstrm])
        for layer, copy, name in reversed(list(zip(self.layers, copies, self.names, strict=True))):
            gradient = waiting.pop(id(layer), None)
            if gradient is None or isinstance(layer, Data):
                continue
            try:
                parts = copy.pull_back(gradient.astype(copy.out_array.dtype))
            except NotTraceableError as error:
                _refuse(name, error)
            parts = parts if isinstance(parts, tuple) else (parts,)
            passed = [
                None if part is None else self._as_input(part, (x,))
                for part, x in zip(parts, copy.in_arrays, strict=True)
            ]
            accumulate(waiting, layer.in_layers, passed)
        return [copies[i]._G.value for i in self.with_parameters]

    def _as_input(self, out: Any, inputs: Sequence[TracedArray]) -> TracedArray:
        """Give outputs and gradients the dtype of the input, as the base class of the layers does."""
        traced: TracedArray = out if isinstance(out, TracedArray) else self.array(out)
        dtype = next((x.dtype for x in inputs if x.dtype.kind == "f"), traced.dtype)
        return traced if traced.dtype == dtype else traced.astype(dtype)


def _refuse(name: str, error: Exception) -> NoReturn:
    raise ValueError(f'engine="jax" is not possible: {name} cannot be traced: {error}') from error
