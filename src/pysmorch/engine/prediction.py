"""Outputs and measures of a network in prediction mode: natively where that is possible, else on the reference path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from pysmorch.engine import passes
from pysmorch.engine.arrays import contiguous
from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import Lowering, unsupported_layers
from pysmorch.engine.program import Totals
from pysmorch.engine.rows import LazyRows, SomeRows, blocks_of
from pysmorch.engine.threads import num_threads
from pysmorch.entries import check_finite, check_float32
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import graph
from pysmorch.layers.object_functions import refuse_object_functions

ROWS_AT_A_TIME = 64
"""Batch size of the reference path, which fewer rows are filled up to; larger batches are hardly faster."""

VALUES_AT_A_TIME = 2**18
"""Limit of the entries of all layers' outputs in such a batch: 1 MiB in float32, so that few images are not filled up to many."""

ROWS_OF_A_BLOCK = 4096
"""Rows whose outputs are computed at a time where they are made when they are read."""

NO_LOSS = {"kind": "square_loss", "attributes": {}}


class Compiled(NamedTuple):
    """A program of the extension, the dtype of its arithmetic, which of its inputs are indices, and its process.

    A process that was forked while another thread was predicting makes a program of its own: that thread, which holds the lock of
    this one, is not in it.
    """

    program: Any
    dtype: Any
    as_indices: list[bool]
    process: int


class Predictor:
    """Computes the output of a layer for rows of data.

    Natively, parameters are read from the layers' own arrays, so that whatever changes in them counts. The program is made
    again when a layer has another array, another number or another input layer.

    Parameters
    ----------
    output : Layer
        The layer.
    bf16 : bool, default=False
        Whether the products of dense blocks are made of bfloat16.
    """

    def __init__(self, output: Any, bf16: bool = False) -> None:
        self._output = output
        self._bf16 = bf16
        # Replaced as a whole, since other threads may be predicting.
        self._compiled: Compiled | None = None

    def quick(self, X: Any) -> Array | None:
        """Return the outputs for a few rows in one plain array, or None where there is more to do; nothing is checked twice."""
        compiled = self._compiled
        return None if compiled is None else compiled.program.quick(X)

    def __call__(self, inputs: Sequence[Array | SomeRows | LazyRows], dtype: Any = None, engine: str = "auto") -> Array:
        """Return the outputs for inputs that have the right shapes, an array or lazy rows for each Data layer.

        The arithmetic is in `dtype` or that of the parameters. Raises ValueError where a number is not finite.
        """
        if any(isinstance(rows, LazyRows) for rows in inputs):
            blocks = blocks_of(len(inputs[0]), ROWS_OF_A_BLOCK)
            return np.concatenate([self([rows[block] for rows in inputs], dtype, engine) for block in blocks])
        arrays = [rows[:] for rows in inputs]
        compiled = None if engine == "reference" else self._ready()
        if compiled is not None and (dtype is None or np.dtype(dtype) == compiled.dtype):
            shape = (len(inputs[0]), *self._output.out_dims[1:])
            out = np.empty((shape[0], int(np.prod(shape[1:]))), compiled.dtype)
            data = [contiguous(a, np.int64 if i else None) for a, i in zip(arrays, compiled.as_indices, strict=True)]
            try:
                if compiled.program.predict(data, out, num_threads()):
                    return out.reshape(shape)
            except IndexError:
                pass  # the reference path names the entry
        dtype = passes.compute_dtype(self._output, arrays) if dtype is None else dtype
        for array in arrays:
            check_finite(array, "X")
            if dtype == np.float32:
                check_float32(array, "X")
        return passes.predict(self._output, arrays, rows_at_a_time(self._output), dtype)

    @property
    def is_native(self) -> bool:
        """Whether there is a compiled program for the layers as they are."""
        compiled = self._compiled
        return compiled is not None and bool(compiled.program.unchanged())

    def _ready(self) -> Compiled | None:
        """Return the program for the layers as they are, or None where there is no native one."""
        compiled = self._compiled
        if compiled is not None and compiled.process == os.getpid() and compiled.program.unchanged():
            return compiled
        self._compiled = None
        layers = graph(self._output)
        refuse_object_functions(layers)
        module = extension()
        if module is None or unsupported_layers(layers):
            return None
        parameters = [array for layer in layers for array in layer.native_parameters.values()]
        dtypes = {array.dtype for array in parameters if array.dtype.kind == "f"}
        if len(dtypes) != 1:
            return None
        (dtype,) = dtypes
        if dtype not in (np.float32, np.float64) or not all(
            W.flags.c_contiguous and W.flags.aligned for W in parameters
        ):
            return None
        compiled = self._compile(module, layers, dtype)
        self._compiled = compiled
        return compiled

    def _compile(self, module: Any, layers: Sequence[Any], dtype: Any) -> Compiled:
        # Taken before the layers are read: what is replaced meanwhile is found out by `unchanged`.
        watched = [
            (vars(layer), name, vars(layer)[name])
            for layer in layers
            for name in ("_W", "in_layers", *layer.native_attributes, *layer.state_names)
            if name in vars(layer)
        ]
        lowered = Lowering(layers, self._output, training=False)
        make = module.Program32 if dtype == np.float32 else module.Program64
        as_indices = [lowered.values[v]["is_index"] for v in lowered.inputs]
        program = make(lowered.values, lowered.operations, lowered.inputs, NO_LOSS | {"value": lowered.output})
        if self._bf16:
            program.use_bf16()
        data = [layer for layer in layers if isinstance(layer, Data)]
        shapes = (
            [tuple(data[0].out_dims[1:]), tuple(self._output.out_dims[1:])]
            if len(data) == 1 and not any(as_indices)
            else []
        )
        program.watch(watched, shapes, np.empty, dtype)
        return Compiled(program, dtype, as_indices, os.getpid())


def rows_at_a_time(output: Any) -> int:
    """Return how many rows the reference path takes at a time: a power of two, so that none are left over beside the tiles of a product."""
    values_of_a_row = sum(prod(layer.out_dims[1:]) for layer in graph(output))
    rows = max(1, min(ROWS_AT_A_TIME, VALUES_AT_A_TIME // max(values_of_a_row, 1)))
    return 2 ** (rows.bit_length() - 1)


def evaluate(predictor: Predictor, loss: Any, data: Dataset, outputs: Array | None = None) -> Totals:
    """Return the sums of loss and metric over all rows, in prediction mode and in the dtype of the parameters.

    Where `outputs` of all rows are given, they are measured, and no row is predicted.
    """
    totals = Totals()
    with np.errstate(all="ignore"):
        for rows in blocks_of(len(data), 4 * ROWS_OF_A_BLOCK):
            weights = None if data.weights is None else data.weights[rows]
            known = predictor([array[rows] for array in data.inputs]) if outputs is None else outputs[rows]
            totals.add(passes.measure(loss, known, data.labels[rows], weights))
    return totals
