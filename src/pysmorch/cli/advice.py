"""What `pysmorch train` says after a training: what deserves attention, and simpler models on the same held-out rows."""

from __future__ import annotations

import warnings
from typing import Any

from pysmorch.advice.advising import advise
from pysmorch.advice.comparing import compare_with_baselines, unsupported_reason
from pysmorch.advice.comparison import Comparison
from pysmorch.cli.data import Rows
from pysmorch.warnings import PysmorchWarning


def remarks(model: Any, training: Rows, held_out: Rows) -> list[str]:
    """Return sentences about the data, the split and the training, after warning of each."""
    X, X_test = training.source.features, held_out.source.features
    found = advise(model, X, training.y, X_test, held_out.y, training.weights, held_out.weights)
    for remark in found:
        warnings.warn(remark, PysmorchWarning, stacklevel=2)
    return found


def compared(model: Any, training: Rows, held_out: Rows, seconds: float | None) -> Comparison | None:
    """Return a model beside simpler ones; None where it is not compared: for images, quantiles and tables in files."""
    X, X_test = training.source.features, held_out.source.features
    if unsupported_reason(model, X, X_test) is not None:
        return None
    groups = None if training.by is None else training.by.groups
    weights = training.weights, held_out.weights
    return compare_with_baselines(model, X, training.y, X_test, held_out.y, *weights, seconds, groups)


def as_values(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what the JSON object of a training says about the other models."""
    return [
        {
            "model": other.name,
            "metrics": other.values,
            "seconds": other.seconds,
            "rows": other.num_rows,
            "network better by": other.better_by,
        }
        for other in comparison.baselines
    ]
