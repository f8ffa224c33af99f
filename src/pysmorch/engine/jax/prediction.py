"""Predictions of a network by XLA."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pysmorch.engine.jax.functions import rules_for
from pysmorch.engine.jax.passes import Passes, as_numpy_computes
from pysmorch.engine.jax.support import refuse_untraceable
from pysmorch.engine.passes import compute_dtype
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.entries import check_finite, check_float32
from pysmorch.layers.attributes import attributes_of
from pysmorch.layers.base import Array
from pysmorch.layers.graph import graph
from pysmorch.layers.object_functions import refuse_object_functions

ROWS_AT_A_TIME = 4096
"""Rows of a batch at most, a power of two, which fewer rows are filled up to: shapes that differ are compiled anew."""

VALUES_AT_A_TIME = 2**24
"""Limit of the entries of all layers' outputs in a batch."""

PLAIN = (bool, int, float, str, type(None))


class JaxPredictor:
    """Computes the output of a layer for rows of data, on the device of JAX.

    Parameters
    ----------
    output : Layer
        The layer. What changes in parameters and states counts in the next call; a layer with other attributes or input layers is compiled
        again.
    bf16 : bool, default=False
        Whether products are made from bfloat16.
    """

    def __init__(self, output: Any, bf16: bool = False) -> None:
        self._output = output
        self._bf16 = bf16
        self._programs: dict[Any, Any] = {}

    def __call__(self, inputs: Sequence[Array | LazyRows], dtype: Any = None) -> Array:
        """Return the outputs for inputs that have the right shapes, an array or lazy rows for each Data layer.

        The arithmetic is in `dtype` or that of the parameters. Raises ValueError where a number is not finite, and for a network that
        cannot be traced.
        """
        layers = graph(self._output)
        refuse_object_functions(layers)
        refuse_untraceable(layers)
        dtype = np.dtype(compute_dtype(self._output, inputs) if dtype is None else dtype)
        passes = Passes(layers, dtype, rules_for(jax.default_backend(), self._bf16), training=False)
        with as_numpy_computes():
            arrays = jax.device_put(([layers[i].W.astype(dtype) for i in passes.with_parameters], passes.states()))
            count = len(inputs[0])
            size = self._rows_at_a_time(layers, count)
            parts = []
            for block in blocks_of(count, size):
                batch = _checked([rows[block] for rows in inputs], dtype)
                filled = [
                    np.pad(a, ((0, size - len(a)), *((0, 0),) * (a.ndim - 1)), mode=_mode(a))
                    for a in passes.arrays_of(batch)
                ]
                parts.append(self._program(passes, arrays, filled)(*arrays, filled)[: block.stop - block.start])
            return np.concatenate(jax.device_get(parts))

    def _rows_at_a_time(self, layers: Sequence[Any], count: int) -> int:
        values_of_a_row = sum(prod(layer.out_dims[1:]) for layer in layers)
        rows = max(1, min(ROWS_AT_A_TIME, VALUES_AT_A_TIME // max(values_of_a_row, 1), 2 * count - 1))
        return int(2 ** (rows.bit_length() - 1))

    def _program(self, passes: Passes, arrays: Any, batch: list[Array]) -> Any:
        """Return the compiled program for layers as they are and a batch of this shape."""
        shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves((arrays, batch)))
        key = passes.dtype, shapes, tuple(map(_description, passes.layers))
        if key not in self._programs:

            def outputs(W: Any, states: Any, batch: Any) -> Any:
                return passes.forward(passes.begin(W, states), [jnp.asarray(array) for array in batch]).value

            self._programs = {
                k: v for k, v in self._programs.items() if k[2] == key[2]
            }  # those of other layers are gone
            self._programs[key] = jax.jit(outputs).lower(*arrays, batch).compile()
        return self._programs[key]


def _mode(array: Array) -> Any:
    """How rows are added: by repeating the last one, where there is one."""
    return "edge" if len(array) else "constant"


def _checked(arrays: list[Array], dtype: np.dtype[Any]) -> list[Array]:
    for array in arrays:
        check_finite(array, "X")
        if dtype == np.float32:
            check_float32(array, "X")
    return arrays


def _description(layer: Any) -> Any:
    """Return all of a layer that a program depends on, besides its arrays."""
    plain = ((name, value) for name, value in attributes_of(layer).items() if isinstance(value, PLAIN))
    return type(layer), tuple(map(id, layer.in_layers)), repr(sorted(plain)), repr(layer)
