"""Runs of `pysmorch train` that can go on: the command is stored beside the checkpoints."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pysmorch.cli.options import TrainOptions
from pysmorch.entries import integer_of_json
from pysmorch.files import write_whole
from pysmorch.training.run_folder import check_new

COMMAND = "command.json"
"""The file with the options of the command, in the folder of the run."""

CHOSEN_ANEW = (
    "epochs",
    "learning_rate",
    "batch_size",
    "early_stopping",
    "validation_fraction",
    "patience",
    "class_weight",
    "time_limit",
)
"""Parameters that can be chosen anew where training goes on from a model."""


def store_command(options: TrainOptions) -> None:
    """Write the options of a command into the folder of its run, which is made.

    Raises OSError where the folder cannot be written or has another run.
    """
    assert options.checkpoint is not None
    folder = check_new(options.checkpoint)
    command = {"folder": os.getcwd(), "options": asdict(options)}
    write_whole(folder / COMMAND, lambda file: file.write(json.dumps(command).encode()))


def stored_command(run: str) -> tuple[TrainOptions, contextlib.AbstractContextManager[Any]]:
    """Return the options of the command that began a run, and a context in the folder where it was given.

    Raises FileNotFoundError where there is none, and ValueError where it is not a command of this version.
    """
    path = Path(os.path.expanduser(run)).absolute()
    if not (path / COMMAND).is_file():
        how = "it was begun in Python, where fit(resume=...) goes on" if path.is_dir() else "there is no such folder"
        raise FileNotFoundError(f"{run} has no run of pysmorch train: {how}")
    try:
        command = json.loads((path / COMMAND).read_text(encoding="utf-8"), parse_int=integer_of_json)
        values, folder = dict(command["options"]), str(command["folder"])
        if set(values) != {field.name for field in fields(TrainOptions)}:
            raise ValueError("its options are not those of this version")
        for name, kind in get_type_hints(TrainOptions).items():
            if not _is_of(values[name], kind):
                raise ValueError(f"its option {name} is {values[name]!r}")
        options = TrainOptions(**values)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path / COMMAND} is not the command of a run ({error}); begin a new one") from error
    return replace(options, checkpoint=str(path)), contextlib.chdir(folder if Path(folder).is_dir() else ".")


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of a type of an option."""
    if get_args(kind) and get_origin(kind) is not list:
        return any(_is_of(value, one) for one in get_args(kind))
    if isinstance(value, list):
        return get_origin(kind) is list and all(_is_of(item, get_args(kind)[0]) for item in value)
    return type(value) in ((int, float) if kind is float else (kind,))


def start_from(model: Any, path: str, estimator: Any, given: dict[str, Any]) -> Any:
    """Return the model of a file, as it is trained on with the parameters that may be chosen anew.

    Raises ValueError where it is for another task, or a parameter is given that is part of the model.
    """
    if type(model) is not estimator:
        raise ValueError(
            f"--start-from {path}: it is a {type(model).__name__}, but the task needs a {estimator.__name__}"
        )
    for name in given:
        if name not in CHOSEN_ANEW:
            raise ValueError(f"--{name.replace('_', '-')} is that of the model with --start-from; leave it out")
    return model.set_params(warm_start=True, **given)
