"""The program of JAX: the layers in NumPy, traced into one program of XLA that takes all steps of an epoch."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pysmorch.engine.arrays import contiguous
from pysmorch.engine.dataset import Dataset
from pysmorch.engine.interrupts import without_interrupts
from pysmorch.engine.jax.functions import rules_for
from pysmorch.engine.jax.passes import Passes, as_numpy_computes
from pysmorch.engine.parameters import FlatParameters
from pysmorch.engine.passes import report_non_finite, set_dropout
from pysmorch.engine.program import StepRates, Totals
from pysmorch.layers.base import Array
from pysmorch.layers.graph import graph
from pysmorch.layers.normalization import Normalize
from pysmorch.layers.randomness import permutation
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer

SECONDS_OF_A_CALL = 0.5
"""How long the steps of one call of the program are to take, between which Python answers signals."""

FIRST_STEPS = 8
"""Steps of the first call, when it is not known how long one takes."""


class JaxProgram:
    """A network made ready for XLA: its layers are those of NumPy, traced, with their own backward pass.

    Parameters
    ----------
    loss, optimizer, dtype, seed
        As in `ReferenceProgram`.
    bf16 : bool, default=False
        Whether products are made from bfloat16.

    Attributes
    ----------
    is_whole : bool
        Always True: what a call of `train` changes is taken from the device at its end, at the end of a step. The other attributes
        are those of `Program`.

    Notes
    -----
    Data stay on the device. Parameters and states go there at the beginning of each call of `train` and come back at its end, so that
    the layers' arrays are never stale for their readers, and what is written into them counts in the next call.
    """

    engine = "jax"

    def __init__(self, loss: Loss, optimizer: Optimizer, dtype: str, seed: int, bf16: bool = False) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.dtype = np.dtype(dtype)
        self.seed = seed
        self.bf16 = bf16
        self.num_steps = 0
        self.is_whole = True
        layers = graph(loss)
        self._flat = FlatParameters(layers, self.dtype, with_decay=bool(optimizer.weight_decay))
        self.parameters, self.gradients = self._flat.values, self._flat.gradients
        optimizer.prepare(self.parameters)
        device = jax.devices()[0]
        self.instructions = f"jax {jax.__version__} on {device.device_kind}"
        self._passes = Passes(layers[:-1], self.dtype, rules_for(device.platform, bf16), training=True)
        self._starts = [self._start_of(layers[i].W) for i in self._passes.with_parameters]
        self._mixes_rows = any(isinstance(layer, Normalize) for layer in layers)
        self._run = jax.jit(self._steps, donate_argnums=0)
        self._compiled: dict[Any, Any] = {}
        self._steps_of_a_call = FIRST_STEPS
        self._prepared: tuple[Dataset, Any] | None = None

    def _start_of(self, W: Array) -> int:
        """Where the parameters of a layer begin in the flat array."""
        return (W.ctypes.data - self.parameters.ctypes.data) // self.dtype.itemsize if W.size else 0

    def permutation(self, epoch: int, count: int) -> Array:
        """Return the order of an epoch: see `Program.permutation`."""
        return permutation(self.seed, epoch, count)

    def limit_threads(self, batch_size: int) -> AbstractContextManager[Any]:
        """Return a context: see `Program.limit_threads`. It does nothing, since no product is NumPy's."""
        return nullcontext()

    def train(
        self,
        data: Dataset,
        order: Array,
        batch_size: int,
        rates: Sequence[StepRates],
        first_batch: int,
        totals: Totals | None = None,
    ) -> Totals:
        """Take one step for each batch of `order`: see `Program.train`."""
        self._flat.check_bound()
        totals = Totals() if totals is None else totals
        size = min(batch_size, len(data))
        with as_numpy_computes(), _with_room():
            arrays = self._on_device(data)
            for first, last, rows in self._parts(len(rates), size, len(order)):
                part = np.asarray(order[first * size :][: (last - first) * size], np.int64)
                done = self._train_part(arrays, part, rows, rates[first:last], totals)
                if done < last - first:
                    # The weights are those from before the failed batch; the reference path finds the layer.
                    failed = part[done * rows : (done + 1) * rows]
                    batch = first_batch + first + done + 1
                    report_non_finite(self.loss, data, failed, self.dtype, self.seed, self.num_steps, batch)
        return totals

    def _parts(self, num_steps: int, size: int, num_rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield steps, from first to last, that are of one program, and the rows of its batches.

        A last smaller batch is filled up with rows of weight 0, unless a layer takes statistics of the whole batch.
        """
        full = num_steps
        if self._mixes_rows and num_rows < num_steps * size:
            full = num_steps - 1
        if full:
            yield 0, full, size
        if full < num_steps:
            yield full, num_steps, num_rows - full * size

    def _train_part(self, arrays: Any, order: Array, size: int, rates: Sequence[StepRates], totals: Totals) -> int:
        """Take steps of one program; return how many were completed."""
        num_steps = len(rates)
        # Room for a power of two, so that parts of an epoch do not need a program each.
        room = 2 ** (num_steps - 1).bit_length()
        batches = np.pad(order, (0, room * size - len(order)), mode="edge").reshape(room, size)
        of_steps = np.zeros((room, 2 + len(rates[0].dropout)))
        of_steps[:num_steps] = [(rate.learning, rate.decay, *rate.dropout) for rate in rates]
        given = (
            arrays,
            batches,
            of_steps,
            np.int64(len(order)),
            np.int64(self.num_steps),
            np.int64(self.optimizer.num_steps),
        )
        state: Any = self._state(totals)
        program = self._program(state, given)
        done = 0
        try:
            while done < num_steps:
                start = time.perf_counter()
                with without_interrupts():
                    before, state = state, None  # its memory is that of the new one
                    last = min(num_steps, done + self._steps_of_a_call)
                    after = program(before, *given, np.int64(last))
                    done, is_finite = int(after["step"]), bool(after["is_finite"])
                    state = after
                if not is_finite:
                    break
                self._plan_calls(time.perf_counter() - start)
        finally:
            if state is not None:
                with without_interrupts():
                    self._take(state, totals)
                    if done:
                        set_dropout(self._passes.layers, rates[done - 1])
        return done

    def _plan_calls(self, seconds: float) -> None:
        """Let calls take about `SECONDS_OF_A_CALL`."""
        if seconds < SECONDS_OF_A_CALL / 2:
            self._steps_of_a_call *= 2
        elif seconds > SECONDS_OF_A_CALL * 2:
            self._steps_of_a_call = max(1, self._steps_of_a_call // 2)

    def _program(self, state: Any, given: Any) -> Any:
        """Return the compiled program for arrays of these shapes."""
        key = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(given))
        if key not in self._compiled:
            self._compiled[key] = self._run.lower(state, *given, np.int64(0)).compile()
        return self._compiled[key]

    # Arrays here and on the device.

    def _on_device(self, data: Dataset) -> Any:
        if self._prepared is None or self._prepared[0] is not data:
            self._prepared = None  # its memory is free
            classes = self.loss.takes_class_indices and data.labels.ndim == 1
            arrays = {
                "inputs": self._passes.arrays_of(data.inputs),
                "labels": contiguous(data.labels, np.int64 if classes else None),
                "weights": np.ones(len(data.labels)) if data.weights is None else data.weights,
                "rate_factors": np.asarray(self._flat.rate_factors),
                "decay_factors": np.asarray(self._flat.decay_factors),
            }
            self._prepared = data, jax.device_put(arrays)
        return self._prepared[1]

    def _state(self, totals: Totals) -> Any:
        """Return what steps change, on the device."""
        state = {
            "W": self.parameters,
            "G": self.gradients,
            "layers": self._passes.states(),
            "optimizer": {name: self.optimizer.state[name] for name in self.optimizer.state_names},
            "totals": np.array([totals.loss, totals.metric, totals.weight]),
            "rows": np.int64(totals.rows),
            "step": np.int64(0),
            "is_finite": np.bool_(True),
        }
        return jax.tree.map(partial(jnp.array, copy=True), state)

    def _take(self, state: Any, totals: Totals) -> None:
        """Store what steps have changed where it is read: in the arrays of layers and optimizer."""
        state = jax.device_get(state)
        self.parameters[...], self.gradients[...] = state["W"], state["G"]
        for layer, arrays in zip(self._passes.layers, state["layers"], strict=True):
            for name, array in arrays.items():
                getattr(layer, name)[...] = array
        for name, array in state["optimizer"].items():
            self.optimizer.state[name][...] = array
        totals.loss, totals.metric, totals.weight = map(float, state["totals"])
        totals.rows = int(state["rows"])
        self.num_steps += int(state["step"])
        self.optimizer.num_steps += int(state["step"])

    # What is traced.

    def _steps(
        self,
        state: Any,
        arrays: Any,
        batches: Any,
        rates: Any,
        num_rows: Any,
        num_steps: Any,
        num_updates: Any,
        last: Any,
    ) -> Any:
        def step(now: Any) -> Any:
            i = now["step"]
            count = jnp.minimum(batches.shape[1], num_rows - i * batches.shape[1])
            new = self._step(now, arrays, batches[i], count, rates[i], num_steps + i, num_updates + i)
            is_finite = jnp.isfinite(new["totals"][0])
            chosen = jax.tree.map(partial(jnp.where, is_finite), new, now)
            return chosen | {"step": i + is_finite, "is_finite": is_finite}

        return lax.while_loop(lambda now: (now["step"] < last) & now["is_finite"], step, state)

    def _step(
        self, now: Any, arrays: Any, rows: Any, count: Any, rates: Any, num_steps: Any, num_updates: Any
    ) -> dict[str, Any]:
        """Return what a step makes of the state."""
        passes = self._passes
        batch = jax.tree.map(
            lambda array: jnp.take(array, rows, axis=0, mode="clip"),
            {name: arrays[name] for name in ("inputs", "labels", "weights")},
        )
        layers = passes.begin(self._views(now["W"]), now["layers"])
        passes.set_random(layers, self.seed, num_steps, rates[2:])
        output = passes.forward(layers, batch["inputs"])
        weights = jnp.where(jnp.arange(len(rows)) < count, batch["weights"], 0.0)
        sums, dwnstrm = self._loss(output, batch["labels"], weights, count)
        gradients = passes.backward(layers, dwnstrm)
        W, G, optimizer = self._update(now, self._flat_gradient(gradients), arrays, rates, num_updates)
        states = [
            {name: getattr(layer, name).value for name in state}
            for layer, state in zip(layers, now["layers"], strict=True)
        ]
        return now | {
            "W": W,
            "G": G,
            "layers": states,
            "optimizer": optimizer,
            "totals": now["totals"] + sums,
            "rows": now["rows"] + count,
        }

    def _views(self, W: Any) -> list[Any]:
        layers = [self._passes.layers[i] for i in self._passes.with_parameters]
        return [
            W[start : start + layer.W.size].reshape(layer.W.shape)
            for start, layer in zip(self._starts, layers, strict=True)
        ]

    def _flat_gradient(self, gradients: Sequence[Any]) -> Any:
        """Return all gradients in one array, with the sum of those of layers that have the same `W`."""
        parts: dict[int, Any] = {}
        for start, gradient in zip(self._starts, gradients, strict=True):
            if gradient.size:
                parts[start] = gradient.ravel() + parts.get(start, 0)
        return jnp.concatenate([parts[start] for start in sorted(parts)] or [jnp.zeros(0, self.dtype)])

    def _loss(self, output: Any, labels: Any, weights: Any, count: Any) -> tuple[Any, Any]:
        """Return the sums of loss, metric and weights over the batch, and the gradient of the mean loss with respect to the output."""
        passes = self._passes
        loss: Any = copy.copy(self.loss)
        labels = passes.array(labels)
        loss.in_arrays, loss.num_data = (output,), passes.number(count)
        loss._y = loss.targets(output, labels)
        loss._w = passes.array(weights.astype(self.dtype))
        losses: Any = np.sum(loss._w * loss.sample_losses(output, loss._y), dtype=np.float64)
        scores: Any = np.sum(passes.array(weights) * loss.sample_scores(output, labels))
        gradient = loss.pull_back(np.ones((), self.dtype))
        return jnp.stack([losses.value, scores.value, weights.sum()]), gradient

    def _update(self, now: Any, gradient: Any, arrays: Any, rates: Any, num_updates: Any) -> tuple[Any, Any, Any]:
        """Return parameters, gradients and the state of the optimizer after its own `step`."""
        passes = self._passes
        optimizer: Any = copy.copy(self.optimizer)
        W, G = passes.array(now["W"]), passes.array(gradient)
        optimizer.state = {name: passes.array(value) for name, value in now["optimizer"].items()}
        optimizer.num_steps = passes.number(num_updates)
        of_rate, of_decay = (self._factors(arrays[name]) for name in ("rate_factors", "decay_factors"))
        optimizer.step(W, G, passes.number(rates[0]), of_rate, of_decay, passes.number(rates[1]))
        return W.value, G.value, {name: array.value for name, array in optimizer.state.items()}

    def _factors(self, factors: Any) -> Any:
        return self._passes.array(factors) if factors.ndim else self._passes.number(factors)


@contextmanager
def _with_room() -> Iterator[None]:
    """Raise MemoryError, with what to do, where the device has no room."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(
            f'engine="jax": there is no room on {jax.devices()[0]} for the data and a step; take a smaller batch_size or fewer rows'
        ) from error
