"""Checkpoints of the fit of an estimator: what is remembered beside the training of its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.small import Choice
from pysmorch.files import ModelFileError
from pysmorch.files.header import entries, entry
from pysmorch.files.plain import from_plain, to_plain
from pysmorch.prediction.conformal import ConformalScores
from pysmorch.prediction.storing import parameters_to_plain
from pysmorch.training.checkpoints import SavedRun, read_run
from pysmorch.training.run_folder import NETWORK, check_new, first_run, folder_of_network, has_checkpoint
from pysmorch.training.state import OTHER_DATA

NO_PART = ("verbose", "threads", "warm_start")
"""Parameters on which no bit of a run depends, or which say how it begins."""


def saved_run(model: Any, checkpoint: Any, resume: Any) -> SavedRun | None:
    """Return the run that goes on, or None where one begins.

    Parameters
    ----------
    model : NetworkEstimator
        Before its fit.
    checkpoint, resume : str, Path or None
        Arguments of `fit`.

    Returns
    -------
    SavedRun or None
        Its last checkpoint; of several networks that of the first one that has any.

    Raises
    ------
    ValueError
        The estimator has other parameters than that of the run.
    OSError
        There is no run to resume, or one is in the way.
    """
    if resume is None:
        if checkpoint is not None:
            check_new(checkpoint)
        return None
    saved = read_run(first_run(resume) or resume)
    theirs = entry(entry(saved.header, "model", dict), "parameters", dict)
    ours, _ = parameters_to_plain(model)
    for name in sorted(ours):
        if name not in NO_PART and ours[name] != theirs.get(name):
            was = from_plain(theirs[name]) if name in theirs else "another one"
            raise ValueError(
                f"resume: {name} is {getattr(model, name)!r}, but in the run in {Path(resume)} it was {was!r}"
            )
    return saved


def run_of_network(run: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the options of a fit that make one of several networks a run of its own, in a folder of its own.

    Parameters
    ----------
    run : mapping
        Options of the whole: "checkpoint", "every" and "notes", and the last checkpoint of a network as "resume".
    number : int
        That of the network, from 1.

    Returns
    -------
    dict
        The same for the network; without checkpoints nothing is stored.

    Raises
    ------
    ValueError
        The run was that of one network.
    """
    saved, goes_on, folder = run["resume"], None, run["checkpoint"]
    if saved is not None:
        whole = saved.path.parent.parent
        if NETWORK.fullmatch(saved.path.parent.name) is None:
            raise ValueError(f"{saved.path}: the run had other data, for which one network is trained: {OTHER_DATA}")
        there = folder_of_network(whole, number)
        goes_on = read_run(there) if has_checkpoint(there) else None
        folder = whole if folder is None else folder
    own = None if folder is None else folder_of_network(folder, number)
    return {"checkpoint": own, "every": run["every"], "resume": goes_on, "notes": run["notes"]}


def notes_of(model: Any, seed_of_split: int, choice: Choice | None) -> dict[str, Any]:
    """Return what a fit of an estimator needs to go on, besides its network, as plain data.

    Parameters
    ----------
    model : NetworkEstimator
        Before its network is trained.
    seed_of_split : int
        The seed that says which rows are set aside.
    choice : Choice or None
        What cross-validation chose; None without it.

    Returns
    -------
    dict
        For `take_notes`.
    """
    return {
        "seed": model._seed,
        "epochs_before": model.n_iter_,
        "loss_curve": list(model.loss_curve_),
        "validation_curve": list(model.validation_curve_),
        "seed_of_split": seed_of_split,
        "chosen": None if choice is None else choice.epochs,
        "calibration": None if choice is None else _tuple_to_plain(choice.calibration),
        "threshold": None if choice is None else choice.threshold,
        "scores": None if choice is None else _tuple_to_plain(choice.scores),
    }


def _tuple_to_plain(values: Calibration | ConformalScores | None) -> list[Any] | None:
    return None if values is None else [to_plain(value) for value in values]


def _tuple_from_plain(notes: dict[str, Any], name: str, kind: Any) -> Any:
    plain = notes.get(name)
    if plain is None:
        return None
    if len(entry(notes, name, list)) != len(kind._fields):
        raise ModelFileError(f"the {name} of its run has not {len(kind._fields)} entries")
    return kind(*(from_plain(value) for value in plain))


def seed_of_split(saved: SavedRun | None, drawn: int) -> int:
    """Return the seed that says which rows are set aside: that of the run that goes on, or one that was drawn.

    Parameters
    ----------
    saved : SavedRun or None
        The run.
    drawn : int
        A seed.

    Returns
    -------
    int
        The seed.
    """
    return drawn if saved is None or "seed_of_split" not in saved.notes else entry(saved.notes, "seed_of_split", int)


def take_notes(model: Any, notes: dict[str, Any]) -> Choice | None:
    """Let a fit begin as that of the run did, and return what cross-validation chose then.

    Parameters
    ----------
    model : NetworkEstimator
        Before its network is trained.
    notes : dict
        What `notes_of` returned.

    Returns
    -------
    Choice or None
        As in `notes_of`.

    Raises
    ------
    ModelFileError
        Something is missing.
    """
    model._seed = entry(notes, "seed", int)
    model.n_iter_ = entry(notes, "epochs_before", int)
    model.loss_curve_ = [float(value) for value in entries(notes, "loss_curve", float, int)]
    model.validation_curve_ = [float(value) for value in entries(notes, "validation_curve", float, int)]
    epochs = entry(notes, "chosen", int, type(None))
    if epochs is None:
        return None
    calibration = _tuple_from_plain(notes, "calibration", Calibration)
    threshold = notes.get("threshold")
    return Choice(epochs, calibration, threshold, _tuple_from_plain(notes, "scores", ConformalScores))
