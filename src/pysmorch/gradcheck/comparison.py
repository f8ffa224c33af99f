"""Compares one gradient that a pass has found with differences, entry by entry."""

from __future__ import annotations

import numpy as np

from pysmorch.gradcheck.check_report import NOTHING, CheckRow, failed_row
from pysmorch.gradcheck.differences import entry_error, is_hidden, sample, sides, smallest_scale, steps_at
from pysmorch.gradcheck.explanation import explain
from pysmorch.gradcheck.probe import Probe, Variable
from pysmorch.layers.base import Array
from pysmorch.layers.own_parameters import NO_G

LEFT_OUT = {
    "lie on a kink": "move them off it",
    "are so far from zero and so close to each other that rounding hides the slope": "move them towards zero",
}
"""Why an entry that differs says nothing, and what to do where all of them are so."""

KINK, HIDDEN = LEFT_OUT


def compare(probe: Probe, variable: Variable, found: Array | None, tol: float, terms: float) -> CheckRow:
    """Return the row of one variable.

    Parameters
    ----------
    probe : Probe
        The graph.
    variable : Variable
        One of its variables.
    found : array or None
        What a pass has found; None where backward sets no `G`.
    tol : float
        The largest relative error that passes.
    terms : float
        How large the terms are that were added, for gradients that are zero by nature.

    Returns
    -------
    CheckRow
    """
    array, name = variable.array, variable.name
    if array.size == 0:
        return failed_row(
            name, variable.what, f"{name}: {NOTHING}: {_of(variable)} has no entries, shape {array.shape}"
        )
    if variable.what == "W" and variable.layer.W is not array:
        text = "W is another array each time that it is read; store one array, and return that"
        return failed_row(name, "W", f"{name}: {NOTHING}: {text}")
    if found is None:
        return failed_row(name, "W", f"{name}: {NO_G}")
    if found.shape != array.shape:
        text = f"the gradient with respect to {_of(variable)} has shape {found.shape}, but {_of(variable)} has {array.shape}"
        return failed_row(name, variable.what, f"{name}: {text}")
    if not np.isfinite(found).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        text = f"the gradient with respect to {_of(variable)} has {found[at]} at {list(at)}"
        return failed_row(name, variable.what, f"{name}: {text}")
    return _by_entries(probe, variable, found, tol, terms)


def _by_entries(probe: Probe, variable: Variable, found: Array, tol: float, terms: float) -> CheckRow:
    array, name = variable.array, variable.name
    scale = max(smallest_scale(found, probe.size, array), 1e-2 * terms)
    worst, worst_index = 0.0, None
    left_out = dict.fromkeys(LEFT_OUT, 0)
    errors = np.full(array.shape, np.nan)
    indices = sample(array, probe.seed)
    estimates: dict[tuple[int, ...], dict[float, float]] = {index: {} for index in indices}
    for index in indices:
        error = entry_error(probe.value, array, index, found[index], scale, tol, probe.steps, estimates[index])
        reason = _reason_to_leave_out(probe, variable, found[index], index, scale) if error > tol else ""
        if reason:
            left_out[reason] += 1
            continue
        errors[index] = error
        if error >= worst:
            worst, worst_index = error, index
    reasons = [(count, reason) for reason, count in left_out.items() if count]
    if worst_index is None:
        count = "all" if len(reasons) == 1 else "the"
        told = ", others ".join(f"{reason}; {LEFT_OUT[reason]}" for _, reason in reasons)
        return failed_row(
            name, variable.what, f"{name}: {NOTHING}: {count} {len(indices)} entries of {_of(variable)} {told}"
        )
    if worst <= tol:
        note = "\n".join(
            f"{name}: {count} entries of {_of(variable)} {why} and were left out" for count, why in reasons
        )
        return CheckRow(name, variable.what, len(indices) - sum(left_out.values()), worst, True, note, errors)
    expected = probe.expected_gradient(variable, estimates)
    message = (
        f"{name}: wrong gradient with respect to {_of(variable)}, worst at {list(worst_index)}: "
        f"expected {expected[worst_index]:.8g}, found {found[worst_index]:.8g}. "
        f"{explain(probe, variable, found, expected, worst_index)}"
    )
    return CheckRow(name, variable.what, len(indices), worst, False, message, errors)


def _reason_to_leave_out(probe: Probe, variable: Variable, found: float, index: tuple[int, ...], scale: float) -> str:
    """Return why an entry that differs says nothing, or an empty string."""
    if is_hidden(probe.value, variable.array, index, found, scale):
        return HIDDEN
    return KINK if _is_kink(probe, variable, found, index, scale) else ""


def _is_kink(probe: Probe, variable: Variable, found: float, index: tuple[int, ...], scale: float) -> bool:
    """Whether the slopes to the left and to the right differ, and what was found is one of them or between them."""
    left, right = sides(probe.value, variable.array, index, 1e-4 * max(steps_at(variable.array, probe.steps[-1:])))
    if abs(left - right) < 1e-2 * max(abs(left), abs(right), scale):
        return False
    margin = 1e-5 * max(abs(left), abs(right), scale)
    return min(left, right) - margin <= found <= max(left, right) + margin


def _of(variable: Variable) -> str:
    return "W" if variable.what == "W" else f"its {variable.what}"
