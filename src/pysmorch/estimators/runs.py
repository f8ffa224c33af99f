"""Checkpoints of the fit of an estimator: what is remembered beside the training of its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pysmorch.estimators.small import Calibration
from pysmorch.files import ModelFileError
from pysmorch.files.header import entries, entry
from pysmorch.files.plain import from_plain, to_plain
from pysmorch.prediction.storing import parameters_to_plain
from pysmorch.training.checkpoints import SavedRun, check_new, read_run

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
        Its last checkpoint.

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
    saved = read_run(resume)
    theirs = entry(entry(saved.header, "model", dict), "parameters", dict)
    ours, _ = parameters_to_plain(model)
    for name in sorted(ours):
        if name not in NO_PART and ours[name] != theirs.get(name):
            was = from_plain(theirs[name]) if name in theirs else "another one"
            raise ValueError(
                f"resume: {name} is {getattr(model, name)!r}, but in the run in {Path(resume)} it was {was!r}"
            )
    return saved


def notes_of(model: Any, epochs: int | None, calibration: Calibration | None) -> dict[str, Any]:
    """Return what a fit of an estimator needs to go on, besides its network, as plain data.

    Parameters
    ----------
    model : NetworkEstimator
        Before its network is trained.
    epochs : int or None
        What cross-validation chose; None without it.
    calibration : Calibration or None
        What it chose for the outputs.

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
        "chosen": epochs,
        "calibration": None if calibration is None else [to_plain(value) for value in calibration],
    }


def take_notes(model: Any, notes: dict[str, Any]) -> tuple[int | None, Calibration | None]:
    """Let a fit begin as that of the run did, and return what cross-validation chose then.

    Parameters
    ----------
    model : NetworkEstimator
        Before its network is trained.
    notes : dict
        What `notes_of` returned.

    Returns
    -------
    epochs : int or None
        As in `notes_of`.
    calibration : Calibration or None
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
    plain = entry(notes, "calibration", list, type(None))
    if plain is not None and len(plain) != 2:
        raise ModelFileError("the calibration of its run is none")
    calibration = None if plain is None else Calibration(*(from_plain(value) for value in plain))
    return entry(notes, "chosen", int, type(None)), calibration
