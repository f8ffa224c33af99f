"""The training loop: epochs over a data set, with validation and callbacks between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from pysmorch.cluster import current_ring
from pysmorch.engine import Dataset, ended_by_exit, make_program, unsupported_shards
from pysmorch.engine.rows import SomeRows
from pysmorch.engine.shards import in_shards
from pysmorch.layers.claims import being_trained
from pysmorch.layers.randomness import check_seed, draw_seed
from pysmorch.metrics import Metrics
from pysmorch.optimizers import Optimizer, as_optimizer
from pysmorch.training.at_once import train_at_once, trains_at_once
from pysmorch.training.callbacks import Callback, FunctionCallback, Training
from pysmorch.training.checkpoints import Checkpoints, SavedRun, read_run
from pysmorch.training.history import History
from pysmorch.training.measures import directions, measure_all, metrics_beside
from pysmorch.training.options import FitOptions
from pysmorch.training.progress import ProgressDisplay, is_watched
from pysmorch.training.run import Run, call
from pysmorch.training.run_folder import only_run

if TYPE_CHECKING:
    from pysmorch.network import Network


def fit(
    network: Network,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    options: FitOptions,
    finite: bool = True,
    model: Any = None,
    notes: Mapping[str, Any] | None = None,
) -> History:
    """Train a network on labelled samples; `Network.fit` documents arguments, result and errors.

    With `finite=False` X and the X of `validation_data` are not searched for NaN and infinities, because the caller has
    done that. Checkpoints hold `model`, of which the network is a part, and `notes` as plain data; without it the network.
    """
    saved = read_run(options.resume) if isinstance(options.resume, (str, Path)) else options.resume
    if saved is not None:
        options = saved.options(options)
    optimizer = as_optimizer(options.optimizer)
    with being_trained([network.loss, *network.layers, optimizer]), only_run(options.checkpoint):
        run = _begin(network, X, y, sample_weight, options, finite, optimizer)
        call(run.callbacks, "on_fit_start", run.training)
        checkpoints = _checkpoints(run, network if model is None else model, notes or {}, saved)
        try:
            if saved is None or not saved.is_finished:
                _go(run, checkpoints)
        finally:
            call(run.callbacks, "on_fit_end", run.training)
        if checkpoints is not None and not (saved is not None and saved.is_finished):
            checkpoints.finish()
    return run.training.history


def _begin(
    network: Network,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    options: FitOptions,
    finite: bool,
    optimizer: Optimizer,
) -> Run:
    """Check everything, and make the program."""
    seed = draw_seed() if options.seed is None else check_seed(options.seed)
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X", finite, options.dtype)
    validation = _check_validation(network, options.validation_data, finite)
    metrics = metrics_beside(network.loss, options.metrics)
    if metrics and validation is None:
        names = ", ".join(metric.name for metric in metrics)
        raise ValueError(f"metrics: {names} can be measured on validation data only; pass validation_data=(X, y)")
    ring = current_ring()
    _check_shards(network, options.accumulate, ring is not None)
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
    if options.accumulate > 1 or ring is not None:
        in_shards(program)
    measured = directions(network.loss, metrics, validation is not None)
    training = Training(network, options.epochs, -(-len(data) // options.batch_size), measured)
    callbacks = _as_callbacks(options.callbacks, options.progress)
    return Run(network, options, optimizer, program, data, validation, metrics, callbacks, training, ring)


def _check_shards(network: Network, accumulate: int, is_shared: bool) -> None:
    """Raise ValueError where batches are to be computed in pieces or shares, and cannot be."""
    if accumulate == 1 and not is_shared:
        return
    what = "training on a cluster" if is_shared else f"accumulate = {accumulate}"
    reason = unsupported_shards(network.layers)
    if reason is not None:
        raise ValueError(f"{what} is not possible: {reason}")
    if is_shared and accumulate > 1:
        raise ValueError(
            f"accumulate = {accumulate} is for one machine: each worker of a cluster has only its share of a batch in memory; leave it out"
        )


def _checkpoints(run: Run, model: Any, notes: Mapping[str, Any], saved: SavedRun | None) -> Checkpoints | None:
    if saved is not None:
        saved.take(run, model)
    if run.options.checkpoint is None:
        return None
    checkpoints = Checkpoints(run, model, notes, saved)
    checkpoints.begin()
    return checkpoints


def _go(run: Run, checkpoints: Checkpoints | None) -> None:
    """Train to the end; what there is then is in a checkpoint, also after an exception or a signal."""
    with run.program.limit_threads(min(run.options.batch_size, len(run.data))):
        if checkpoints is None:
            train_at_once(run) if trains_at_once(run) else run.go(lambda event: None)
            return
        with ended_by_exit():
            try:
                run.go(checkpoints.after)
            except BaseException as error:
                checkpoints.ended(error)
                raise


def evaluate(
    network: Network,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    metrics: Metrics | None,
    engine: str = "auto",
) -> dict[str, float]:
    """Measure a network on labelled samples; `Network.evaluate` documents arguments, result and errors."""
    data = Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "X")
    return measure_all(network, data, metrics_beside(network.loss, metrics), "", engine)


def _check_validation(network: Network, validation_data: Sequence[Any] | None, finite: bool) -> Dataset | None:
    if validation_data is None:
        return None
    X, y, *weights = validation_data
    X = X[:] if isinstance(X, SomeRows) else X  # only those of the training are read where they are
    sample_weight = weights[0] if weights else None
    return Dataset.checked(network.inputs, network.loss, X, y, sample_weight, "validation_data's X", finite)


def _as_callbacks(callbacks: Sequence[Callback | Callable[[Training], Any]], progress: bool | None) -> list[Callback]:
    made = [c if isinstance(c, Callback) else FunctionCallback(c) for c in callbacks]
    shown = is_watched() if progress is None else progress
    return [*made, ProgressDisplay()] if shown else made
