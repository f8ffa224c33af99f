"""Training: epochs over a data set, callbacks between them, and the history of what was measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch import engine
from pysmorch.engine import Dataset, NonFiniteError, ReferenceProgram, Totals
from pysmorch.layers.randomness import check_seed, draw_seed
from pysmorch.optimizers import Optimizer, as_optimizer

if TYPE_CHECKING:
    from pysmorch.network import Network

__all__ = ["Callback", "EarlyStopping", "History", "Metrics", "NonFiniteError", "Training", "fit"]

Metrics = Mapping[str, Callable[[Any, Any], float]]

SHARED_FROM = 20_000_000
"""Floating-point operations of one matrix product from which several threads gain, about 0.1 ms of one core's work."""


class History(Mapping[str, list[float]]):
    """What was measured in each epoch, by name: `history["val_loss"][-1]`.

    Names are "loss" and the loss's metric ("accuracy" or "mae") as means over the batches while training, the same with
    "val_" for the validation data after the epoch, "learning_rate" of the last step, and "seconds".

    Attributes:
        stopped_by: why training ended before the last epoch, or None.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self.stopped_by: str | None = None

    def append(self, record: Mapping[str, float]) -> None:
        """Add what was measured in an epoch."""
        for name, value in record.items():
            self._columns.setdefault(name, []).append(float(value))

    @property
    def num_epochs(self) -> int:
        """How many epochs were completed."""
        return len(self._columns.get("loss", ()))

    def to_dict(self) -> dict[str, list[float]]:
        """Return the columns as a dictionary of lists, which any data frame takes."""
        return {name: list(values) for name, values in self._columns.items()}

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self._columns) or 'no epochs'}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self._columns.items())
        return f"History({self.num_epochs} epochs{'; last: ' + last if last else ''})"


class Training:
    """A running fit, as callbacks see it.

    Attributes:
        network: what is trained.
        history: the epochs so far.
        epoch: number of the epoch just completed, from 1.
        num_epochs: how many were asked for.
        batch, num_batches: batches of the current epoch that are done, and all of them.
    """

    def __init__(self, network: Network, num_epochs: int, num_batches: int) -> None:
        self.network = network
        self.history = History()
        self.epoch = 0
        self.num_epochs = num_epochs
        self.batch = 0
        self.num_batches = num_batches

    def stop(self, reason: str) -> None:
        """End training after this epoch; the reason is kept in the history."""
        self.history.stopped_by = reason


class Callback:
    """Called while `fit` runs; define what is needed. A plain function is called at the end of every epoch."""

    def on_fit_start(self, training: Training) -> None:
        """Before the first epoch."""

    def on_batch_end(self, training: Training) -> None:
        """Now and then within an epoch, at least at its end."""

    def on_epoch_end(self, training: Training) -> None:
        """After each epoch and its validation."""

    def on_fit_end(self, training: Training) -> None:
        """After the last epoch, also when training was stopped or interrupted."""


class _FunctionCallback(Callback):
    def __init__(self, function: Callable[[Training], Any]) -> None:
        self.function = function

    def on_epoch_end(self, training: Training) -> None:
        self.function(training)


class EarlyStopping(Callback):
    """Stop when a measured value has not become better for `patience` epochs, and take back the best weights.

    Args:
        monitor: a name in the history, such as "val_loss", "val_accuracy" or a metric of your own ("val_" + its name).
        patience: epochs without a better value before training stops.
        min_delta: by how much a value must be better to count.
        restore_best: whether the weights of the best epoch are taken back at the end.
        mode: "min" or "max", which values are better; "auto" goes by the name.

    Attributes:
        best_epoch: the epoch with the best value, counted from 1; None before there is one.
        best_value: that value.

    Raises ValueError when the name is not measured, or does not say which values are better.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least one epoch, but is {patience!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'EarlyStopping: mode must be "auto", "min" or "max", but is {mode!r}')
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.mode = mode
        self._sign = _direction(monitor, mode)

    def on_fit_start(self, training: Training) -> None:
        """Begin anew."""
        self.best_epoch: int | None = None
        self.best_value = float("nan")
        self._best_weights: list[Any] | None = None

    def on_epoch_end(self, training: Training) -> None:
        """Compare with the best so far."""
        if self.monitor not in training.history:
            raise ValueError(
                f"EarlyStopping: monitor {self.monitor!r} is not measured; there are "
                f"{', '.join(training.history)}{'' if 'val_loss' in training.history else '; pass validation_data'}"
            )
        value = training.history[self.monitor][-1]
        if self.best_epoch is None or self._sign * (value - self.best_value) > self.min_delta:
            self.best_epoch, self.best_value = training.epoch, value
            if self.restore_best:
                self._best_weights = training.network.snapshot()
        elif training.epoch - self.best_epoch >= self.patience:
            training.stop(
                f"{self.monitor} was best in epoch {self.best_epoch} ({self.best_value:.5g}) "
                f"and did not get better for {self.patience} epochs"
            )

    def on_fit_end(self, training: Training) -> None:
        """Take back the best weights."""
        if self._best_weights is not None:
            training.network.restore(self._best_weights)
            self._best_weights = None


def fit(
    network: Network,
    X: Any,
    y: ArrayLike,
    *,
    optimizer: str | Optimizer,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    seed: int | None,
    sample_weight: ArrayLike | None,
    validation_data: Sequence[Any] | None,
    callbacks: Sequence[Callback | Callable[[Training], Any]],
    metrics: Metrics | None,
    progress: bool | None,
    dtype: str,
    engine_name: str,
    threads: int | None,
    precision: str,
) -> History:
    """Train a network; see `Network.fit`."""
    epochs, batch_size = _count("epochs", epochs), _count("batch_size", batch_size)
    seed = draw_seed() if seed is None else check_seed(seed)
    if dtype not in ("float32", "float64"):
        raise ValueError(f'dtype must be "float32" or "float64", but is {dtype!r}')
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X")
    validation = _check_validation(network, validation_data)
    if metrics and validation is None:
        raise ValueError("metrics are measured on validation data; pass validation_data=(X, y)")
    optimizer = as_optimizer(optimizer)
    program = _make_program(network, optimizer, dtype, seed, data, engine_name, threads, precision)
    num_batches = -(-len(data) // batch_size)
    training = Training(network, epochs, num_batches)
    listeners = [c if isinstance(c, Callback) else _FunctionCallback(c) for c in callbacks]
    listeners += _progress_listeners(progress)
    _tell(listeners, "on_fit_start", training)
    native = isinstance(program, engine.NativeProgram)
    one_thread = None if native else _limit_to_one_thread(network, min(batch_size, len(data)))
    good_weights = None
    try:
        for epoch in range(epochs):
            start = time.perf_counter()
            good_weights = network.snapshot(good_weights)
            order = program.permutation(epoch, len(data)) if shuffle else np.arange(len(data))
            rates = [optimizer.schedule.rate(epoch + b / num_batches, epochs) for b in range(num_batches)]
            try:
                totals = _run_epoch(program, data, order, batch_size, rates, training, listeners)
            except NonFiniteError as error:
                network.restore(good_weights)
                raise _explain(error, epoch + 1) from None
            record = _measures(network, totals, "")
            if validation is not None:
                record |= _measure_all(network, validation, metrics, "val_")
            record |= {"learning_rate": rates[-1], "seconds": time.perf_counter() - start}
            training.epoch, training.batch = epoch + 1, 0
            training.history.append(record)
            _tell(listeners, "on_epoch_end", training)
            if training.history.stopped_by is not None:
                break
    finally:
        if one_thread is not None:
            one_thread.restore_original_limits()
        _tell(listeners, "on_fit_end", training)
    return training.history


def evaluate(
    network: Network, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, metrics: Metrics | None
) -> dict[str, float]:
    """Measure a network; see `Network.evaluate`."""
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X")
    return _measure_all(network, data, metrics, "")


def _run_epoch(
    program: ReferenceProgram,
    data: Dataset,
    order: Any,
    batch_size: int,
    rates: Sequence[float],
    training: Training,
    listeners: Sequence[Callback],
) -> Totals:
    """Run an epoch in pieces, so that callbacks hear of it on the way; the pieces change nothing in the result."""
    totals = Totals()
    heard = any(type(listener).on_batch_end is not Callback.on_batch_end for listener in listeners)
    piece = max(1, len(rates) // 20) if heard else len(rates)
    for first in range(0, len(rates), piece):
        rows = order[first * batch_size : (first + piece) * batch_size]
        totals.add(program.train(data, rows, batch_size, rates[first : first + piece], first))
        training.batch = min(first + piece, len(rates))
        _tell(listeners, "on_batch_end", training)
    return totals


def _measures(network: Network, totals: Totals, prefix: str) -> dict[str, float]:
    return {prefix + "loss": totals.mean_loss, prefix + network.loss.metric: totals.mean_metric}


def _measure_all(network: Network, data: Dataset, metrics: Metrics | None, prefix: str) -> dict[str, float]:
    measures = _measures(network, engine.evaluate(network.predictor, network.loss, data), prefix)
    if metrics:
        outputs = network.predictor(data.inputs)
        predictions = network.loss.predictions(outputs)
        measures |= {prefix + name: float(metric(data.labels, predictions)) for name, metric in metrics.items()}
    return measures


def _check_validation(network: Network, validation_data: Sequence[Any] | None) -> Dataset | None:
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        raise ValueError("validation_data must be (X, y) or (X, y, sample_weight)")
    X, y, *weights = validation_data
    return Dataset.checked(network.inputs, network.loss, X, y, weights[0] if weights else None, "validation_data's X")


def _make_program(
    network: Network,
    optimizer: Optimizer,
    dtype: str,
    seed: int,
    data: Dataset,
    engine_name: str,
    threads: int | None,
    precision: str,
) -> ReferenceProgram:
    if precision not in ("float32", "bf16", "auto"):
        raise ValueError(f'precision must be "float32", "bf16" or "auto", but is {precision!r}')
    threads = engine.num_threads() if threads is None else engine.check_threads(threads)
    if engine_name not in ("auto", "native", "reference"):
        raise ValueError(f'engine must be "auto", "native" or "reference", but is {engine_name!r}')
    reason = engine.reason_against(network.layers, network.loss, optimizer) if engine_name != "reference" else "asked"
    against_bf16 = reason
    if reason == "asked":
        against_bf16 = 'it needs the native engine, not engine="reference"'
    elif reason is None and dtype != "float32":
        against_bf16 = f'the weights must be float32, not dtype="{dtype}"'
    elif reason is None and not engine.has_bf16():
        against_bf16 = "this processor has no instructions for it (avx512_bf16); take float32"
    if precision == "bf16" and against_bf16:
        raise ValueError(f'precision="bf16" is not possible: {against_bf16}')
    if reason is None:
        bf16 = precision != "float32" and against_bf16 is None
        return engine.NativeProgram(network.loss, optimizer, dtype, seed, data, threads, bf16)
    if engine_name == "native":
        raise ValueError(f'engine="native" is not possible: {reason}')
    if engine_name == "auto" and reason not in _SAID:
        _SAID.add(reason)
        logging.getLogger("pysmorch").warning("training on the reference path, which is slower: %s", reason)
    return ReferenceProgram(network.loss, optimizer, dtype, seed)


_SAID: set[str] = set()
"""Reasons that were given once; saying them again would not help."""


def _limit_to_one_thread(network: Network, batch_size: int) -> Any:
    """Keep NumPy's products that are too small to share from waking threads, which cost more than they bring."""
    largest = max((W.size for W in network.parameters.values()), default=0)
    if 2 * batch_size * largest >= SHARED_FROM:
        return None
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _explain(error: NonFiniteError, epoch: int) -> NonFiniteError:
    message = (
        f"the loss is not finite in epoch {epoch}, batch {error.batch}: the first layer with such a value is "
        f"{error.layer} ({error.args[0]}). The weights from before this epoch are kept. "
        "Try a smaller learning rate, clip_norm=1.0 in the optimizer, or inputs and labels scaled to about 1"
    )
    return NonFiniteError(message, epoch, error.batch, error.layer)


def _progress_listeners(progress: bool | None) -> list[Callback]:
    if progress is False:
        return []
    from pysmorch.progress import ProgressDisplay, is_watched

    return [ProgressDisplay()] if progress or is_watched() else []


def _tell(listeners: Sequence[Callback], event: str, training: Training) -> None:
    for listener in listeners:
        getattr(listener, event)(training)


def _count(argument: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{argument} must be a positive integer, but is {value!r}")
    return int(value)


_BETTER_WHEN_SMALL = ("loss", "error", "mae", "mse", "rmse", "seconds")
_BETTER_WHEN_LARGE = ("accuracy", "score", "auc", "precision", "recall", "f1", "r2", "kappa")


def _direction(monitor: str, mode: str) -> int:
    if mode != "auto":
        return 1 if mode == "max" else -1
    if any(word in monitor.lower() for word in _BETTER_WHEN_SMALL):
        return -1
    if any(word in monitor.lower() for word in _BETTER_WHEN_LARGE):
        return 1
    raise ValueError(f'EarlyStopping: cannot tell which values of {monitor!r} are better; pass mode="min" or "max"')
