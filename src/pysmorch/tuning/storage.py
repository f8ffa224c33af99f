"""Where trials are stored: in memory, or in an SQLite file that several processes write."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.missing import module_of_extra
from pysmorch.prediction.storing import parameters_to_plain

SEARCH = "search"
"""The attribute of a study that says what it searches."""

TRIES = 50
"""How often a file is opened while another process makes its tables, a tenth of a second apart."""

BEAT, GRACE = 30, 120
"""Seconds between two signs of life of a process, and after how many without one its trial is given up."""


def optuna_or_error() -> Any:
    """Return Optuna, or raise ImportError with what to install."""
    return module_of_extra("optuna", "a search needs Optuna", "tune")


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna print nothing inside this context."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used")  # optimize_on has its own
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(optuna: Any, storage: str | Path | None, name: str, search: dict[str, Any], epochs: int) -> Any:
    """Return the study of a search, with the trials that are stored already.

    Parameters
    ----------
    optuna : module
        Optuna.
    storage : str, Path or None
        An SQLite file; None for the memory of this process.
    name : str
        Of the study.
    search : dict
        From `search_of`.
    epochs : int
        How many a trial has at most.

    Returns
    -------
    optuna.Study
        It minimises.

    Raises
    ------
    ValueError
        The file is none of SQLite, or its study is that of another search.
    OSError
        There is no such folder.
    """
    backend = None if storage is None else _file(optuna, Path(os.path.expanduser(storage)))
    study = optuna.create_study(
        storage=backend, study_name=name, pruner=pruner_for(optuna, epochs), load_if_exists=True
    )
    stored = study.user_attrs.get(SEARCH)
    if stored is None:
        study.set_user_attr(SEARCH, search)
    elif stored != search:
        which = next(key for key in search if search[key] != stored.get(key))
        raise ValueError(
            f"storage: the study {name!r} in {storage} searches for other {which}; say another file, or another name of the study"
        )
    return study


def pruner_for(optuna: Any, epochs: int) -> Any:
    """Return what decides which of the trials with so many epochs are stopped."""
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 5))


def _file(optuna: Any, path: Path) -> Any:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"storage: there is no folder {path.parent}")
    import sqlalchemy

    try:
        with closing(sqlite3.connect(path)) as file:
            file.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        raise ValueError(f"storage: {path} is no SQLite file that can be written ({error}); name a new file") from None
    for attempt in range(TRIES):
        try:
            return optuna.storages.RDBStorage(
                f"sqlite:///{path.absolute()}",
                engine_kwargs={"connect_args": {"timeout": 60}},
                heartbeat_interval=BEAT,
                grace_period=GRACE,
            )
        except sqlalchemy.exc.DatabaseError:  # another process makes the tables at the same time
            if attempt == TRIES - 1:
                raise
            time.sleep(0.1)


def search_of(estimator: Any, searched: Any, y: Array, num_rows: int) -> dict[str, Any]:
    """Return what a search is of, so that no other one goes on with its trials.

    Parameters
    ----------
    estimator : Classifier or Regressor
        With the parameters that stay.
    searched : iterable of str
        The names of the others.
    y : ndarray
        All labels.
    num_rows : int
        How many rows there are.

    Returns
    -------
    dict
        Plain data.
    """
    parameters, _ = parameters_to_plain(estimator)
    stay = {name: value for name, value in parameters.items() if name not in (*searched, "verbose", "threads")}
    labels = hashlib.sha256(json.dumps(np.asarray(y).tolist(), default=str).encode()).hexdigest()
    return {
        "estimators": type(estimator).__name__,
        "parameters": json.dumps(stay, sort_keys=True, default=str),
        "space": sorted(searched),
        "rows": num_rows,
        "labels": labels,
    }
