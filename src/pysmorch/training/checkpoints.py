"""Checkpoints: the folder of a run, from which it goes on when it was interrupted, to the same bits."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pysmorch.cluster import current_ring
from pysmorch.engine import NonFiniteError, without_interrupts
from pysmorch.files import ModelFileError, parts_of, read_parts, write_parts
from pysmorch.files.header import entry
from pysmorch.files.plain import from_plain, to_plain
from pysmorch.layers.base import Array
from pysmorch.training.callbacks import EarlyStopping
from pysmorch.training.options import DEFAULTS, FitOptions, interval
from pysmorch.training.run import Run
from pysmorch.training.run_folder import BEST, LAST, check_new, keep_as, older, thin_out
from pysmorch.training.state import (
    OPTIMIZER,
    OTHER_DATA,
    arrays_of,
    instructions_of,
    optimizer_to_plain,
    same_bits,
    state_to_parts,
    take_state,
)
from pysmorch.version import __version__
from pysmorch.warnings import PysmorchWarning

OF_TRAINING = {
    "parameters",
    "network",
    "loss_curve",
    "validation_curve",
    "num_epochs",
    "seed",
    "training",
    "notes",
    "optimizer",
}
"""Entries of a model that the training changes, or that are compared elsewhere."""


@dataclass
class SavedRun:
    """The last checkpoint of a run.

    Attributes
    ----------
    path : Path
        The file.
    header : dict
        All of its header.
    tensors : dict of str to ndarray
        Its arrays.
    """

    path: Path
    header: dict[str, Any]
    tensors: dict[str, Array]

    @property
    def run(self) -> dict[str, Any]:
        """Where the run was."""
        run: dict[str, Any] = entry(self.header, "run", dict)
        return run

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        finished: bool = entry(self.run, "finished", bool)
        return finished

    @property
    def notes(self) -> dict[str, Any]:
        """What the caller of the fit wanted to be remembered."""
        notes: dict[str, Any] = entry(self.run, "notes", dict)
        return notes

    def options(self, given: FitOptions) -> FitOptions:
        """Return the options with which the run goes on: its own, and those that no bit depends on as they are given.

        Raises ValueError where an option is given that is neither the default nor that of the run.
        """
        with self._whatever_is_there():
            return self._options(given, entry(self.run, "options", dict))

    def _options(self, given: FitOptions, saved: dict[str, Any]) -> FitOptions:
        changes: dict[str, Any] = {}
        for name in ("epochs", "batch_size", "shuffle", "seed", "dtype"):
            self._check(name, getattr(given, name), saved[name])
            changes[name] = saved[name]
        changes["accumulate"] = self._accumulate(given.accumulate, saved)
        if given.precision != "auto":
            self._check("precision", given.precision, saved["precision"])
        changes["precision"] = saved["precision"]
        if given.engine == "auto":
            changes["engine"] = saved["engine"]
        if given.checkpoint is None:
            changes["checkpoint"] = self.path.parent
        return replace(given, optimizer=self._optimizer(given.optimizer, saved["optimizer"]), **changes)

    def _accumulate(self, given: int, saved: dict[str, Any]) -> Any:
        """Return in how many pieces batches are computed: the last digits depend on it on the reference path, else the memory alone."""
        if saved["engine"] == "reference":
            self._check("accumulate", given, saved["accumulate"])
        elif given != DEFAULTS["accumulate"] or current_ring() is not None:
            return given
        return saved["accumulate"]

    def take(self, run: Run, model: Any) -> None:
        """Bring a run that has just begun to where the saved one was."""
        with self._whatever_is_there():
            self._take(run, model)

    def _take(self, run: Run, model: Any) -> None:
        self._check_model(run, model)
        here, there = instructions_of(run), entry(self.run, "instructions", str)
        version = entry(self.header, "versions", dict).get("pysmorch")
        if here != there or version != __version__:
            warnings.warn(
                f"{self.path}: the run goes on, but not to the same bits: it was trained by pysmorch {version} with "
                f"{there or 'NumPy'}, and this is pysmorch {__version__} with {here or 'NumPy'}",
                PysmorchWarning,
                stacklevel=8,
            )
        try:
            take_state(run, self.run, self.tensors)
        except ValueError as error:
            raise type(error)(f"{self.path}: {error}") from error

    @contextmanager
    def _whatever_is_there(self) -> Iterator[None]:
        """Raise ModelFileError where something in the file has another type or is missing."""
        try:
            yield
        except (TypeError, KeyError, IndexError, AttributeError, OverflowError, AssertionError) as error:
            raise ModelFileError(f"{self.path}: its state is damaged ({type(error).__name__}: {error})") from error

    def _check_model(self, run: Run, model: Any) -> None:
        """Refuse another network, and another encoder of rows or labels."""
        kind, parts, tensors = parts_of(model)
        theirs = entry(self.header, "model", dict)
        ours = json.loads(json.dumps(parts))
        if entry(self.header, "kind", str) != kind or ours.get("network", ours) != theirs.get("network", theirs):
            raise ValueError(f"{self.path}: the run has another network; make the same one again")
        trained = {
            f"{name}.{key}"
            for name, layer in zip(run.network.names, run.network.layers, strict=True)
            for key in arrays_of(layer)
        }
        learned = [name for name in tensors if name not in trained and not name.startswith(OPTIMIZER)]
        same = all(name in self.tensors and same_bits(tensors[name], self.tensors[name]) for name in learned)
        if not same or any(ours[name] != theirs.get(name) for name in set(ours) - OF_TRAINING):
            raise ValueError(f"{self.path}: the run had other data: {OTHER_DATA}")

    def _check(self, argument: str, given: Any, saved: Any) -> None:
        if given != DEFAULTS[argument] and given != saved:
            raise ValueError(f"{argument} is {given!r}, but the run in {self.path.parent} has {saved!r}; leave it out")

    def _optimizer(self, given: Any, saved: Any) -> Any:
        if isinstance(given, str):
            self._check("optimizer", given.lower(), saved["is"].lower() if isinstance(saved, dict) else saved)
            if isinstance(saved, str):
                raise ValueError(
                    f"optimizer: {given!r} was given, but the run in {self.path.parent} has a {saved}; pass the same one again"
                )
            return from_plain(saved)
        if optimizer_to_plain(given) != saved:
            wanted = from_plain(saved) if isinstance(saved, dict) else saved
            raise ValueError(f"optimizer: {given!r} was given, but the run in {self.path.parent} has {wanted!r}")
        return given


def read_run(folder: str | Path) -> SavedRun:
    """Return the last checkpoint of a run; of one that is damaged, the one before, with a warning.

    Parameters
    ----------
    folder : str or Path
        The folder of the run.

    Returns
    -------
    SavedRun
        Its last checkpoint.

    Raises
    ------
    FileNotFoundError
        There is none.
    ModelFileError
        All are damaged.
    """
    path = Path(os.path.expanduser(folder))
    files = [path / LAST, *reversed(older(path))]
    damaged: list[ModelFileError] = []
    for file in files:
        if not file.is_file():
            continue
        try:
            header, tensors = read_parts(file)
            if "run" not in header:
                raise ModelFileError(f"{file}: a model, but no checkpoint of a run")
        except ModelFileError as error:
            damaged.append(error)
            continue
        if damaged:
            warnings.warn(f"{damaged[0]}; the run goes on from {file}", PysmorchWarning, stacklevel=3)
        return SavedRun(file, header, tensors)
    if damaged:
        raise damaged[0]
    raise FileNotFoundError(f"{path}: no checkpoint of a run is there; fit(checkpoint=...) begins one")


class Checkpoints:
    """Writes the checkpoints of a run: the last one, the best model so far, and some older ones.

    Parameters
    ----------
    run : Run
        The run, with a folder in its options.
    model : Network or NetworkEstimator
        What the files hold.
    notes : mapping
        Plain data that the caller of the fit wants to be remembered.
    saved : SavedRun or None
        Where the run goes on.
    """

    def __init__(self, run: Run, model: Any, notes: Mapping[str, Any], saved: SavedRun | None) -> None:
        assert run.options.checkpoint is not None
        self.run, self.model, self.notes = run, model, dict(notes)
        self.folder = Path(os.path.expanduser(run.options.checkpoint))
        if saved is None or saved.path.parent != self.folder:
            check_new(self.folder)
        self.count, self.unit = interval(run.options.every)
        self.monitor, self.sign = _monitored(run)
        best = {} if saved is None else entry(saved.run, "best", dict)
        self.best_value: float | None = from_plain(best.get("value")) if best else None
        self.best_epoch: int | None = entry(best, "epoch", int) if best else None
        if best and type(self.best_value) is not float:
            raise ModelFileError("its best value is no number")
        self.best_parts: Any = None
        self.given_up = False
        self.written = -1 if saved is None else run.program.num_steps
        self.since = self._now()

    def begin(self) -> None:
        """Write the first checkpoint, so that a folder that cannot be written is known at once."""
        if self.written < 0:
            with without_interrupts(may_give_up=True):
                self._write(finished=False)

    def after(self, event: str) -> None:
        """Write a checkpoint if it is time; called when all callbacks have been told of an event."""
        if event == "on_epoch_end":
            self._compare()
        if self._now() - self.since >= self.count:
            self._try_to_write(finished=False)

    def ended(self, error: BaseException) -> None:
        """Write what there is when an exception ends the run.

        A step by half and a loss that is not finite leave the last one, and so does a signal that ended the writing of one.
        """
        if self.given_up:
            return
        if self.run.program.is_whole and not isinstance(error, NonFiniteError):
            self._try_to_write(finished=False)
        else:
            self._try_to_write_best()

    def finish(self) -> None:
        """Write the end of the run."""
        self._try_to_write(finished=True)

    def _now(self) -> float:
        """Return where the run is, in the unit of the interval."""
        if self.unit == "s":
            return time.monotonic()
        return self.run.epoch if self.unit == "epochs" else self.run.program.num_steps

    def _compare(self) -> None:
        value = self.run.training.history[self.monitor][-1]
        if self.best_value is None or self.sign * (value - self.best_value) > 0:
            self.best_value, self.best_epoch = value, self.run.epoch
            kind, parts, tensors = parts_of(self.model)
            self.best_parts = kind, parts, {name: array.copy() for name, array in tensors.items()}

    def _try_to_write(self, finished: bool) -> None:
        try:
            with without_interrupts(may_give_up=True):
                self._write(finished)
        except (KeyboardInterrupt, SystemExit):
            self.given_up = True
            raise
        except OSError as error:
            warnings.warn(f"no checkpoint was written: {error}", PysmorchWarning, stacklevel=5)

    def _try_to_write_best(self) -> None:
        try:
            with without_interrupts(may_give_up=True):
                self._write_best()
        except OSError as error:
            warnings.warn(f"the best model so far was not written: {error}", PysmorchWarning, stacklevel=5)

    def _write(self, finished: bool) -> None:
        self._write_best()
        kind, parts, tensors = parts_of(self.model)
        header, state = state_to_parts(self.run)
        best = {} if self.best_epoch is None else {"epoch": self.best_epoch, "value": to_plain(self.best_value)}
        header |= {"finished": finished, "best": best, "notes": self.notes}
        last = self.folder / LAST
        if self.written >= 0 and self.written != self.run.program.num_steps and last.exists():
            keep_as(last, self.folder / f"step-{self.written:09d}.safetensors")
        write_parts(last, kind, parts, tensors | state, run=header)
        self.written, self.since = self.run.program.num_steps, self._now()
        thin_out(self.folder)

    def _write_best(self) -> None:
        if self.best_parts is not None:
            write_parts(self.folder / BEST, *self.best_parts)
            self.best_parts = None


def _monitored(run: Run) -> tuple[str, int]:
    """Return what is best in which epoch, and 1 where larger is better, else -1."""
    for callback in run.callbacks:
        if isinstance(callback, EarlyStopping):
            return callback.monitor, 1 if callback.maximizes(run.training) else -1
    return ("loss" if run.validation is None else "val_loss"), -1
