"""Records of trainings: a file for each in the folder of `--log`, and what `pysmorch runs` prints of them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pysmorch.cli.options import TrainOptions
from pysmorch.cli.output import Report
from pysmorch.entries import finite_or_none, integer_of_json
from pysmorch.files import write_whole
from pysmorch.version import __version__

FORMAT = 1
NOT_SETTINGS = ("as_json", "quiet", "force", "log", "out", "checkpoint")
"""Options that change nothing in what is trained."""

SHOWN_METRICS = 4
"""Columns of metrics in a list of runs."""


def check_folder(log: str | None) -> None:
    """Make the folder of the records before the training; raises OSError where that cannot be."""
    if log is not None:
        if Path(log).exists() and not Path(log).is_dir():
            raise NotADirectoryError(f"--log {log} is a file; name a folder")
        Path(log).mkdir(parents=True, exist_ok=True)


def record(options: TrainOptions, model: Any, values: dict[str, Any], seconds: float) -> str:
    """Write the record of a training, and return its file."""
    assert options.log is not None
    began = datetime.now().astimezone()
    content = {
        "format": FORMAT,
        "version": __version__,
        "time": began.isoformat(timespec="seconds"),
        "seconds": seconds,
        "settings": _settings(options),
        "history": model.history_.to_dict(),
        **values,
    }
    folder, name = Path(options.log), began.strftime("%Y%m%d-%H%M%S")
    number = 1
    while (path := folder / (f"{name}.json" if number == 1 else f"{name}-{number}.json")).exists():
        number += 1
    write_whole(path, lambda file: file.write(json.dumps(finite_or_none(content), indent=1, default=str).encode()))
    return str(path)


def _settings(options: TrainOptions) -> dict[str, Any]:
    """Return the options that differ from their defaults."""
    defaults, given = asdict(TrainOptions()), asdict(options)
    names = [field.name for field in fields(TrainOptions) if field.name not in NOT_SETTINGS]
    return {name: given[name] for name in names if given[name] != defaults[name]}


def show(folder: str, names: list[str], sort: str | None, as_json: bool) -> None:
    """Print the runs of a folder, one a line, or those that are named side by side."""
    found = _read(folder)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(f"{folder} has no run {unknown[0]}; it has {', '.join(found) or 'none'}")
    chosen = {name: found[name] for name in names} or found
    if sort is not None:
        missing = all(sort not in run.get("metrics", {}) for run in chosen.values())
        if missing:
            known = sorted({metric for run in chosen.values() for metric in run.get("metrics", {})})
            raise ValueError(f"--sort {sort}: no run has that metric; there are {', '.join(known) or 'none'}")
        worst = (True, 0.0)
        by = {
            name: (False, value) if (value := run.get("metrics", {}).get(sort)) is not None else worst
            for name, run in chosen.items()
        }
        chosen = {name: chosen[name] for name in sorted(chosen, key=by.__getitem__)}
    report = Report(as_json)
    if not chosen:
        report.result(f"{folder} has no runs; pysmorch train --log {folder} adds one")
    elif len(names) > 1:
        report.result(_beside(chosen))
    else:
        report.result(_list(chosen))
    report.finish({"runs": [{"run": name, **run} for name, run in chosen.items()]})


def _read(folder: str) -> dict[str, dict[str, Any]]:
    """Return the records of a folder by name, the oldest first."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; pysmorch train --log {folder} makes it")
    runs = {}
    for path in sorted(Path(folder).glob("*.json"), key=_by_time):
        try:
            run = json.loads(path.read_text(encoding="utf-8"), parse_int=integer_of_json)
            if run["format"] != FORMAT:
                raise ValueError(f"it has format {run['format']}, of version {run.get('version')}")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is not the record of a training ({error}); move it elsewhere") from error
        runs[path.stem] = run
    return runs


def _by_time(path: Path) -> tuple[str, int, str]:
    """Of two runs that ended in the same second the second one has a number after the time."""
    name = path.stem
    return name[: len("20260101-000000")], len(name), name


def _list(runs: dict[str, dict[str, Any]]) -> str:
    """Return a table with a line for each run."""
    metrics: dict[str, None] = {}
    for run in runs.values():
        metrics |= dict.fromkeys(run.get("metrics", {}))
    shown = list(metrics)[:SHOWN_METRICS]
    lines = [["run", "source", "epochs", "seconds", *shown, "settings"]]
    for name, run in runs.items():
        values = [_number(run.get("metrics", {}).get(metric)) for metric in shown]
        settings = " ".join(f"{key}={_text(value)}" for key, value in run["settings"].items() if key != "source")
        stopped = " (interrupted)" if run.get("interrupted") else ""
        lines.append(
            [
                name,
                str(run.get("source", "")),
                f"{run.get('epochs', '')}{stopped}",
                f"{run['seconds']:.1f}",
                *values,
                settings,
            ]
        )
    return _aligned(lines)


def _beside(runs: dict[str, dict[str, Any]]) -> str:
    """Return a table with a column for each run, and a line for each setting or metric; those that differ are marked."""
    rows: dict[str, list[str]] = {}
    for part, show_value in (("settings", _text), ("metrics", _number)):
        names = dict.fromkeys(name for run in runs.values() for name in run.get(part, {}))
        rows |= {name: [show_value(run.get(part, {}).get(name)) for run in runs.values()] for name in names}
    rows["epochs"] = [str(run.get("epochs", "")) for run in runs.values()]
    rows["seconds"] = [f"{run['seconds']:.1f}" for run in runs.values()]
    lines = [["", "", *runs]]
    lines += [["*" if len(set(cells)) > 1 else "", name, *cells] for name, cells in rows.items()]
    return _aligned(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
