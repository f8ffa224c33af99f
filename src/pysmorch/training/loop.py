"""The training loop: epochs over a data set, with validation and callbacks between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.engine import Dataset, NonFiniteError, Program, Totals, make_program
from pysmorch.layers.claims import being_trained
from pysmorch.layers.randomness import check_seed, draw_seed
from pysmorch.metrics import Metrics
from pysmorch.optimizers import Optimizer, as_optimizer
from pysmorch.training.callbacks import Callback, FunctionCallback, Training
from pysmorch.training.history import History
from pysmorch.training.measures import directions, means, measure_all, metrics_beside
from pysmorch.training.options import FitOptions
from pysmorch.training.progress import ProgressDisplay, is_watched

if TYPE_CHECKING:
    from pysmorch.network import Network

PIECES = 20
"""How often `on_batch_end` is called in an epoch, or after every batch where there are fewer."""


def fit(
    network: Network,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    options: FitOptions,
    finite: bool = True,
) -> History:
    """Train a network on labelled samples; `Network.fit` documents arguments, result and errors.

    With `finite=False` X and the X of `validation_data` are not searched for NaN and infinities, because the caller has
    done that.
    """
    optimizer = as_optimizer(options.optimizer)
    with being_trained([network.loss, *network.layers, optimizer]):
        return _fit(network, X, y, sample_weight, options, finite, optimizer)


def _fit(
    network: Network,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    options: FitOptions,
    finite: bool,
    optimizer: Optimizer,
) -> History:
    seed = draw_seed() if options.seed is None else check_seed(options.seed)
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X", finite, options.dtype)
    validation = _check_validation(network, options.validation_data, finite)
    metrics = metrics_beside(network.loss, options.metrics)
    if metrics and validation is None:
        names = ", ".join(metric.name for metric in metrics)
        raise ValueError(f"metrics: {names} can be measured on validation data only; pass validation_data=(X, y)")
    program = make_program(
        network.loss,
        optimizer,
        data,
        seed,
        engine=options.engine,
        dtype=options.dtype,
        precision=options.precision,
        threads=options.threads,
    )
    num_batches = -(-len(data) // options.batch_size)
    measured = directions(network.loss, metrics, validation is not None)
    training = Training(network, options.epochs, num_batches, measured)
    callbacks = _as_callbacks(options.callbacks, options.progress)
    _call(callbacks, "on_fit_start", training)
    good_weights = None
    limit = program.limit_threads(min(options.batch_size, len(data)))
    try:
        with limit:
            for epoch in range(options.epochs):
                start = time.perf_counter()
                good_weights = network.snapshot(good_weights)
                order = program.permutation(epoch, len(data)) if options.shuffle else np.arange(len(data))
                rates = _rates(optimizer, epoch, num_batches, options.epochs)
                try:
                    totals = _run_epoch(program, data, order, options.batch_size, rates, training, callbacks)
                except NonFiniteError as error:
                    network.restore(good_weights)
                    raise _explain(error, epoch + 1) from None
                record = means(network.loss, totals, "")
                if validation is not None:
                    record |= measure_all(network, validation, metrics, "val_")
                record |= {"learning_rate": rates[-1], "seconds": time.perf_counter() - start}
                training.epoch, training.batch = epoch + 1, 0
                training.history.append(record)
                _call(callbacks, "on_epoch_end", training)
                if training.history.stopped_by is not None:
                    break
    finally:
        _call(callbacks, "on_fit_end", training)
    return training.history


def evaluate(
    network: Network, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, metrics: Metrics | None
) -> dict[str, float]:
    """Measure a network on labelled samples; `Network.evaluate` documents arguments, result and errors."""
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X")
    return measure_all(network, data, metrics_beside(network.loss, metrics), "")


def _rates(optimizer: Optimizer, epoch: int, num_batches: int, num_epochs: int) -> list[float]:
    return [optimizer.schedule.rate(epoch + batch / num_batches, num_epochs) for batch in range(num_batches)]


def _run_epoch(
    program: Program,
    data: Dataset,
    order: Any,
    batch_size: int,
    rates: Sequence[float],
    training: Training,
    callbacks: Sequence[Callback],
) -> Totals:
    """Run an epoch in pieces, so that callbacks are called within it; the result does not depend on the pieces."""
    totals = Totals()
    of_batches = any(type(callback).on_batch_end is not Callback.on_batch_end for callback in callbacks)
    piece = max(1, len(rates) // PIECES) if of_batches else len(rates)
    for first in range(0, len(rates), piece):
        rows = order[first * batch_size : (first + piece) * batch_size]
        totals.add(_train(program, data, rows, batch_size, rates[first : first + piece], first))
        training.batch = min(first + piece, len(rates))
        _call(callbacks, "on_batch_end", training)
    return totals


def _train(
    program: Program, data: Dataset, order: Any, batch_size: int, rates: Sequence[float], first_batch: int
) -> Totals:
    """Take a step for each batch of some rows; of lazy rows a block is made at a time."""
    if data.rows_at_a_time is None:
        return program.train(data, order, batch_size, rates, first_batch)
    totals = Totals()
    batches = max(1, data.rows_at_a_time // batch_size)
    for first in range(0, len(rates), batches):
        block = data.read(order[first * batch_size : (first + batches) * batch_size])
        of_block = rates[first : first + batches]
        totals.add(program.train(block, np.arange(len(block)), batch_size, of_block, first_batch + first))
    return totals


def _check_validation(network: Network, validation_data: Sequence[Any] | None, finite: bool) -> Dataset | None:
    if validation_data is None:
        return None
    X, y, *weights = validation_data
    sample_weight = weights[0] if weights else None
    return Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "validation_data's X", finite)


def _explain(error: NonFiniteError, epoch: int) -> NonFiniteError:
    message = (
        f"the loss is not finite in epoch {epoch}, batch {error.batch}: the first layer with such a value is "
        f"{error.layer} ({error.args[0]}). The weights from before this epoch are restored. "
        "Try a smaller learning rate, clip_norm=1.0 in the optimizer, or inputs and labels scaled to about 1"
    )
    return NonFiniteError(message, epoch, error.batch, error.layer)


def _as_callbacks(callbacks: Sequence[Callback | Callable[[Training], Any]], progress: bool | None) -> list[Callback]:
    made = [c if isinstance(c, Callback) else FunctionCallback(c) for c in callbacks]
    shown = is_watched() if progress is None else progress
    return [*made, ProgressDisplay()] if shown else made


def _call(callbacks: Sequence[Callback], event: str, training: Training) -> None:
    for callback in callbacks:
        getattr(callback, event)(training)
