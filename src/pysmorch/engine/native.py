"""The native program: the same steps as the reference program, in one call of the extension for many steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import (
    Lowering,
    describe_loss,
    describe_optimizer,
    is_ours,
    why_not,
    why_not_layers,
)
from pysmorch.engine.reference import ReferenceProgram, Totals
from pysmorch.engine.threads import num_threads
from pysmorch.layers.base import Array
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer

DTYPES = ("float32", "float64", "uint8", "int32", "int64")


def reason_against(layers: Sequence[Any], loss: Loss, optimizer: Optimizer) -> str | None:
    """Return why a network cannot run natively here, or None if it can."""
    if extension() is None:
        return "the native extension is not built for this platform"
    return why_not(layers, loss, optimizer)


def step_memory(layers: Sequence[Any], loss: Loss, batch_size: int) -> int | None:
    """Return the bytes that a float32 program takes for batches of this size besides parameters, or None where there is none."""
    module = extension()
    if module is None or why_not_layers(layers) or not is_ours(loss):
        return None
    lowered = Lowering(layers, loss.in_layer)
    for operation in lowered.operations:
        parameters = operation["parameters"]
        operation["parameters"] = {name: np.ascontiguousarray(W, np.float32) for name, W in parameters.items()}
    described = describe_loss(loss, lowered.output, np.empty(0))
    program = module.Program32(lowered.values, lowered.operations, lowered.inputs, described)
    return int(program.memory(batch_size, num_threads()))


class NativeProgram(ReferenceProgram):
    """A network made ready for the extension; parameters, gradients and states are the same arrays as ever."""

    def __init__(
        self,
        loss: Loss,
        optimizer: Optimizer,
        dtype: str,
        seed: int,
        data: Dataset,
        threads: int | None = None,
        bf16: bool = False,
    ) -> None:
        super().__init__(loss, optimizer, dtype, seed)
        lowered = Lowering(self.layers[:-1], loss.in_layer)
        module = extension()
        make = module.Program32 if self.dtype == np.float32 else module.Program64
        self._program = make(
            lowered.values, lowered.operations, lowered.inputs, describe_loss(loss, lowered.output, data.labels)
        )
        self._program.train_with(
            describe_optimizer(optimizer),
            self.parameters,
            self.gradients,
            [optimizer.state[name] for name in optimizer.state_names],
            self.rate_factors,
            self.decay_factors,
            seed,
            bf16,
        )
        as_indices = [lowered.values[v]["is_index"] for v in lowered.inputs]
        self._data = [contiguous(a, np.int64 if i else None) for a, i in zip(data.inputs, as_indices, strict=True)]
        classes = loss.native == "cross_entropy" and data.labels.ndim == 1
        self._labels = contiguous(data.labels, np.int64 if classes else None)
        self._threads = num_threads() if threads is None else threads

    def permutation(self, epoch: int, count: int) -> Array:
        """Return `count` rows in the order of an epoch, the same as on the reference path."""
        order = np.empty(count, np.int64)
        extension().permutation(self.seed, epoch, order)
        return order

    def train(self, data: Dataset, order: Array, batch_size: int, rates: Sequence[float], first_batch: int) -> Totals:
        """Take one step for each batch of `order`, with these learning rates."""
        result = self._program.train(
            self._data,
            self._labels,
            data.weights,
            np.ascontiguousarray(order, dtype=np.int64),
            batch_size,
            [float(rate) for rate in rates],
            self.num_steps,
            self.optimizer.num_steps,
            self._threads,
        )
        self.num_steps += result["steps"]
        self.optimizer.num_steps += result["steps"]
        if result["failed_batch"] >= 0:
            # The weights are those from before the failed batch; the reference path finds the layer.
            b = result["failed_batch"]
            super().train(data, order[b * batch_size : (b + 1) * batch_size], batch_size, [0.0], first_batch + b)
            raise AssertionError("the reference path finds finite what the native program does not")
        return Totals(result["loss"], result["metric"], result["weight"], result["rows"])


def contiguous(array: Array, dtype: Any) -> Array:
    """Return an array in C order, in the machine's byte order, aligned, and of a dtype that the extension reads."""
    if dtype is None:
        dtype = array.dtype.newbyteorder("=") if array.dtype.name in DTYPES else np.result_type(array.dtype, np.float32)
    if dtype == np.int64 and array.dtype.kind == "f":
        # What is no whole number becomes an index that is out of range, and so is found.
        with np.errstate(invalid="ignore"):
            whole = array.astype(np.int64)
        array = np.where(whole == array, whole, -1)
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
