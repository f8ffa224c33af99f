"""Models of many groups on the command line: their predictions, and what there is to show of them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pysmorch.cli.options import PredictOptions
from pysmorch.cli.output import print_escaped
from pysmorch.layers.base import Array
from pysmorch.sources import Source


def says_of_groups(model: Any) -> bool:
    """Whether what was loaded is a model for each group; their code is not loaded for any other model."""
    module = sys.modules.get("pysmorch.many.models")
    return module is not None and isinstance(model, module.ManyModels)


def refuse_of_one(options: PredictOptions) -> None:
    """Refuse options of `pysmorch predict` that are for a single model."""
    for option, value in (("--interval", options.interval), ("--set", options.set_coverage)):
        if value is not None:
            raise ValueError(f"{option} is for a single model, but the file holds one for each group; leave it out")


def predicted_by_group(many: Any, block: Source) -> dict[str, Array]:
    """Return the columns of predictions by name, as of a single model."""
    if block.column_names is None:
        raise ValueError(f"the models were trained on a table, but {block.name} is an array")
    values = many.predict(block.features)
    if values.ndim > 1:
        return {f"prediction {i}": values[:, i] for i in range(values.shape[1])}
    columns: dict[str, Array] = {"prediction": values}
    if many.is_classifier:
        probabilities = many.predict_proba(block.features)
        columns |= {f"probability of {name}": probabilities[:, i] for i, name in enumerate(many.classes_.tolist())}
    return columns


def show_groups(name: str, many: Any) -> None:
    """Print what is in a file of many models."""
    figures = many.figures
    print_escaped(f"{name}: {many!r}")
    for key, value in many.notes_.items():
        if key != "test":
            print_escaped(f"  {key}: {value}")
    for key, value in many.notes_.get("test", {}).items():
        print_escaped(f"  test {key}: {value:.4g}")
    rows = np.array(figures["rows"])
    print_escaped(f"  rows of a group: {rows.min()} to {rows.max()}, median {np.median(rows):g}")
    for group, reason in list(many.failed.items())[:20]:
        print_escaped(f"  {group!r} has no model: {reason}")
