"""All epochs of a training in one call of its program, where nothing has to be done between them."""

from __future__ import annotations

from pysmorch.engine import NativeProgram, NonFiniteError
from pysmorch.training.callbacks import Callback
from pysmorch.training.ending import CONVERGED_WITHIN, Cancelled, Cancelling, CancellingWithin, Converged
from pysmorch.training.measures import means
from pysmorch.training.rates import rates_of_epochs
from pysmorch.training.run import Run, explained

MOST_STEPS = 2**16
"""With more, it takes long to make their rates, and calls of the program cost nothing beside them."""

HOOKS = ("on_batch_end", "on_epoch_end")
"""Of callbacks: what is called between the first and the last step."""


def trains_at_once(run: Run) -> bool:
    """Whether a run that begins can be one call of its program.

    Parameters
    ----------
    run : Run
        Before its first step, without checkpoints.

    Returns
    -------
    bool
        Callbacks may end it by its own loss, or from another thread; what does anything else between epochs has to be called there.
    """
    program = run.program
    return (
        isinstance(program, NativeProgram)
        and program.can_run_epochs(run.data)
        and run.num_batches * run.options.epochs <= MOST_STEPS
        and run.validation is None
        and run.options.checkpoint is None
        and run.options.accumulate == 1
        and run.ring is None
        and run.epoch == 0
        and run.training.history.stopped_by is None
        and all(_is_known(callback) for callback in run.callbacks)
        and sum(type(callback) is Converged for callback in run.callbacks) <= 1
    )


def _is_known(callback: Callback) -> bool:
    kind = type(callback)
    return kind in (Converged, Cancelling, CancellingWithin) or all(
        getattr(kind, hook) is getattr(Callback, hook) for hook in HOOKS
    )


def train_at_once(run: Run) -> None:
    """Train as `Run.go` does, to the same bits.

    Parameters
    ----------
    run : Run
        One that `trains_at_once`.

    Raises
    ------
    NonFiniteError
        The loss is no longer finite; the weights are those from before that epoch.
    Cancelled
        Another thread has set the flag of a callback.
    """
    program, options = run.program, run.options
    assert isinstance(program, NativeProgram)
    converged = next((callback for callback in run.callbacks if type(callback) is Converged), None)
    cancelling = next((callback for callback in run.callbacks if isinstance(callback, Cancelling)), None)
    rates = rates_of_epochs(run.optimizer, run.network.layers, run.num_batches, options.epochs)
    done = program.train_epochs(
        run.data,
        options.batch_size,
        options.shuffle,
        rates,
        0 if converged is None else converged.patience,
        CONVERGED_WITHIN,
        None if cancelling is None else cancelling.flag.memory,
    )
    for epoch, (totals, seconds) in enumerate(zip(done.totals, done.seconds, strict=True), 1):
        of_last_step = rates[epoch * run.num_batches - 1].learning
        record = {**means(run.network.loss, totals, ""), "learning_rate": of_last_step, "seconds": seconds}
        run.training.history.append(record)
        run.training.epoch, run.training.batch = epoch, 0
        if converged is not None:
            converged.on_epoch_end(run.training)
    if isinstance(done.error, NonFiniteError):
        raise explained(done.error, run.epoch + 1) from None
    if done.error is not None:
        raise done.error
    if done.cancelled:
        raise Cancelled
