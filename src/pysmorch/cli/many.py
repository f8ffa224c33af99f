"""What `pysmorch train --by` does: a small model for each group of rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pysmorch.cli import holdout
from pysmorch.cli.data import Rows, check_column, in_file
from pysmorch.cli.options import TrainOptions, TuneOptions
from pysmorch.cli.output import Report
from pysmorch.encoders import kinds_from
from pysmorch.many import ManyModels, fit_many, for_small_groups
from pysmorch.many.grouping import columns_of, grouped, written
from pysmorch.sources.streaming import StreamedTable

OF_ONE = (
    *(
        "network",
        "augment",
        "checkpoint",
        "cluster",
        "start_from",
        "validation",
        "test_file",
        "report",
        "log",
        "metric",
    ),
    *("split_time", "split_group", "time_limit"),
)
"""Options that are for a single model."""


def check_options(options: TrainOptions) -> None:
    """Refuse options that exclude each other, before anything is read."""
    if not options.by:
        if options.fallback:
            raise ValueError("--fallback is for the groups of --by; add that, or leave it out")
        return
    if isinstance(options, TuneOptions):
        raise ValueError("--by is for train: a search for each group would take long; tune on the rows of one group")
    for name in OF_ONE:
        if getattr(options, name) not in (None, [], ()):
            raise ValueError(f"--{name.replace('_', '-')} is for a single model, not for one of each group of --by")


def train(options: TrainOptions, kind: Any, rows: Rows, given: dict[str, Any], task: str, report: Report) -> None:
    """Hold out rows, train a model for each group, measure, and write the file."""
    by = list(options.by or [])
    if isinstance(rows.source.features, StreamedTable):
        raise ValueError(
            f"--by: {rows.source.name} is larger than the memory, in which the rows of all groups have to be"
        )
    for name in by:
        check_column(rows.source, name, "--by")
    training, held_out = holdout.split(rows, options, task, options.seed, report)
    parameters = {"random_state": options.seed, "verbose": not options.quiet, **given}
    estimator = for_small_groups(kind, **parameters)
    started = time.perf_counter()
    source = training.source
    with kinds_from(rows.source.features):
        many: ManyModels = in_file(
            source,
            lambda: fit_many(
                estimator,
                source.features,
                training.y,
                by,
                training.weights,
                for_small_groups(kind, **parameters) if options.fallback else None,
            ),
        )
    many.notes_ = {
        "source": rows.source.name,
        "task": task,
        "target": rows.target,
        "header": not options.no_header,
        **({} if options.missing is None else {"missing": options.missing}),
    }
    values: dict[str, Any] = {
        **many.notes_,
        "model": options.out,
        "groups": len(many.groups),
        "without_model": {str(group): reason for group, reason in many.failed.items()},
        "rows": {"training": len(training), "held_out": 0 if held_out is None else len(held_out)},
    }
    report.result(f"{many!r} in {time.perf_counter() - started:.1f} s")
    if held_out is not None:
        measured, left_out = _measured(many, held_out)
        many.notes_["test"] = measured
        values["metrics"] = measured
        said = "  ".join(f"{name} {value:.4g}" for name, value in measured.items())
        without = f" ({left_out} of groups without a model are left out)" if left_out else ""
        report.result(f"on {len(held_out) - left_out} held-out rows{without}: {said}")
    many.save(options.out)
    report.result(f"models written to {options.out}")
    report.finish(values)


def _measured(many: ManyModels, held_out: Rows) -> tuple[dict[str, float], int]:
    """Return the score over all held-out rows that a model predicts, and how many are left out."""
    groups = grouped(columns_of(many.by, held_out.source.features)[0])
    known = {written(group) for group in many.models} if many.fallback is None else None
    parts = [
        groups.order[first:last]
        for key, first, last in zip(groups.keys, groups.starts[:-1], groups.starts[1:], strict=True)
        if known is None or written(key) in known
    ]
    if not parts:
        return {}, len(held_out)
    rows = held_out.take(np.sort(np.concatenate(parts)))
    predicted = many.predict(rows.source.features)
    if many.is_classifier:
        overall = {"accuracy": float((predicted == rows.y).mean())}
    else:
        spread = float(np.square(rows.y - rows.y.mean()).sum())
        overall = {"r2": 1 - float(np.square(rows.y - predicted).sum()) / spread if spread > 0 else float("nan")}
    return overall, len(held_out) - len(rows)
