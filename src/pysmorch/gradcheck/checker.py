"""The thorough check of a layer or a whole network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.check_report import CheckReport, CheckRow
from pysmorch.gradcheck.differences import STEPS, derivative, relative_error, sample, sides, smallest_scale
from pysmorch.gradcheck.explanation import explain
from pysmorch.gradcheck.probe import Probe, Variable, other_inputs
from pysmorch.layers.base import Array
from pysmorch.layers.copies import shallow_copies
from pysmorch.layers.dense import Data
from pysmorch.layers.description import LAST_PASS
from pysmorch.layers.graph import feeders, graph, name_layers, run_forward, set_feeders
from pysmorch.losses import BinaryCrossEntropy, CrossEntropy, GammaLoss, Loss, PoissonLoss, TweedieLoss

BATCH = 5
"""Rows that are drawn for a Data layer without an array; neither 1 nor 2, so that no factor is mistaken for it."""


def check(target: Any, tol: float = 1e-7, seed: int = 0) -> CheckReport:
    """Compare all gradients of a layer, a loss or a network with central differences, and name mistakes.

    Parameters
    ----------
    target : Layer, Loss or Network
        What is checked, also a layer with a forward and backward of its own. Data layers without an array and losses without labels
        get random ones.
    tol : float, default=1e-7
        The largest relative error that passes.
    seed : int, default=0
        Of everything random here.

    Returns
    -------
    CheckReport
        True when everything passed; a table as text.

    Raises
    ------
    TypeError
        When target has no forward and backward.

    Notes
    -----
    Every parameter and every input of floating-point numbers is compared, entry by entry, in float64 (a random sample of 400 entries
    of a larger array). Parameters that are all the same, or a symmetric matrix, are varied a little, since they hide mistakes such as
    a forgotten transpose. The layers are left as they were. When something is wrong, each layer is checked alone, and the report says
    which one it is, at which entry, what was expected and what was found, and the likely mistake.

    Examples
    --------
    >>> from pysmorch import Data, Linear, Relu
    >>> check(Relu(Linear(Data(shape=(None, 3)), 2))).passed
    True
    """
    last = getattr(target, "loss", target)
    if not hasattr(last, "forward") or not hasattr(last, "backward"):
        raise TypeError(f"check: target must be a layer, a loss or a network, but is a {type(target).__name__}")
    nodes = _as_float64(graph(last), seed)
    rows = _check_graph(nodes[-1], tol, seed)
    if all(row.passed for row in rows) or len([n for n in nodes if feeders(n)]) == 1:
        return CheckReport(rows)
    return CheckReport(_blame(nodes, rows, tol, seed))


def _check_graph(last: Any, tol: float, seed: int) -> list[CheckRow]:
    name = name_layers(graph(last))[-1]
    data_before = [(node, node.data, node.data.copy()) for node in graph(last) if isinstance(node, Data)]
    try:
        probe = Probe(last, seed)
        with other_inputs(probe):
            probe.gradients()  # state that a layer wrongly carries over shows in the next pass
        found = probe.gradients()
    except Exception as error:  # whatever a layer under test raises is its mistake, not ours
        return [CheckRow(name, "-", 0, float("nan"), False, f"{name}: {type(error).__name__} was raised: {error}")]
    rows = [_compare(probe, v, g, tol) for v, g in zip(probe.variables, found, strict=True)]
    if any(not np.array_equal(array, before) for _, array, before in data_before):
        message = f"{name}: the pass changed its input array in place; work on a copy"
        rows.append(CheckRow(name, "input unchanged", 0, float("nan"), False, message))
    return rows


def _compare(probe: Probe, variable: Variable, found: Array, tol: float) -> CheckRow:
    array = variable.array
    if found.shape != array.shape:
        message = (
            f"{variable.name}: the gradient with respect to {_of(variable)} has shape {found.shape}, "
            f"but {_of(variable)} has {array.shape}"
        )
        return CheckRow(variable.name, variable.what, 0, float("nan"), False, message)
    if not np.isfinite(found).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        message = f"{variable.name}: the gradient with respect to {_of(variable)} has {found[at]} at {list(at)}"
        return CheckRow(variable.name, variable.what, 0, float("nan"), False, message)
    scale = smallest_scale(found, probe.size())
    worst, worst_index, kinks = 0.0, None, 0
    errors = np.full(array.shape, np.nan)
    indices = sample(array, probe.seed)
    for index in indices:
        error = _entry_error(probe, variable, found[index], index, scale, tol)
        if error > tol and _is_kink(probe, variable, found[index], index, scale):
            kinks += 1
            continue
        errors[index] = error
        if error >= worst:
            worst, worst_index = error, index
    if worst <= tol or worst_index is None:
        note = f"{variable.name}: {kinks} entries of {_of(variable)} lie on a kink and were left out" if kinks else ""
        return CheckRow(variable.name, variable.what, len(indices) - kinks, worst, True, note, errors)
    expected = probe.expected_gradient(variable)
    message = (
        f"{variable.name}: wrong gradient with respect to {_of(variable)}, worst at {list(worst_index)}: "
        f"expected {expected[worst_index]:.8g}, found {found[worst_index]:.8g}. "
        f"{explain(probe, variable, found, expected, worst_index)}"
    )
    return CheckRow(variable.name, variable.what, len(indices), worst, False, message, errors)


def _entry_error(
    probe: Probe, variable: Variable, found: float, index: tuple[int, ...], scale: float, tol: float
) -> float:
    best = float("inf")
    for step in STEPS:
        estimate = derivative(probe.value, variable.array, index, step)
        best = min(best, relative_error(found, estimate, scale))
        if best <= tol:
            break
    return best


def _is_kink(probe: Probe, variable: Variable, found: float, index: tuple[int, ...], scale: float) -> bool:
    """Whether the slopes to the left and to the right differ, and what was found is one of them or between them."""
    left, right = sides(probe.value, variable.array, index, 1e-7)
    if abs(left - right) < 1e-2 * max(abs(left), abs(right), scale):
        return False
    margin = 1e-5 * max(abs(left), abs(right), scale)
    return min(left, right) - margin <= found <= max(left, right) + margin


def _of(variable: Variable) -> str:
    return "W" if variable.what == "W" else f"its {variable.what}"


def _blame(nodes: list[Any], rows: list[CheckRow], tol: float, seed: int) -> list[CheckRow]:
    """Check each layer alone on its inputs in the network, and explain the ones that fail."""
    run_forward(nodes[-1])
    inputs = {id(node): [_value_of(feeder) for feeder in feeders(node)] for node in nodes}
    guilty: list[CheckRow] = []
    for node, name in zip(nodes, name_layers(nodes), strict=True):
        if not feeders(node):
            continue
        real = feeders(node)
        stand_ins = {id(f): Data(np.array(value)) for f, value in zip(real, inputs[id(node)], strict=True)}
        set_feeders(node, tuple(stand_ins[id(f)] for f in real))
        try:
            alone = [row for row in _check_graph(node, tol, seed) if not row.passed]
        finally:
            set_feeders(node, real)
        own_name = name_layers([node])[0]
        guilty += [replace(row, layer=name, message=_rename(row.message, own_name, name)) for row in alone]
    if not guilty:
        return rows
    names = ", ".join(sorted({row.layer for row in guilty}))
    whole = [
        replace(r, message="" if r.passed else f"{r.layer}: wrong because of {names}")
        for r in rows
        if (r.layer, r.what) not in {(g.layer, g.what) for g in guilty}
    ]
    return guilty + whole


def _rename(message: str, own_name: str, name: str) -> str:
    """A layer looked at alone is the first of its class; in the network it has another number."""
    return f"{name}:{message.removeprefix(f'{own_name}:')}"


def _value_of(layer: Any) -> Any:
    return layer.data if isinstance(layer, Data) else run_forward(layer)


def _as_float64(layers: list[Any], seed: int) -> list[Any]:
    """Return copies of all layers with float64 copies of their arrays, and with data and labels where these are missing."""
    nodes = shallow_copies(layers)
    rng = np.random.default_rng(seed)
    for node in nodes:
        state = vars(node)
        for pass_only in LAST_PASS:
            state.pop(pass_only, None)
        for name, value in list(state.items()):
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                state[name] = np.array(value, dtype=np.float64)
        if isinstance(node, Data) and node.data is None:
            node.data = _draw_data(node, nodes, rng)
        if _hides_mistakes(getattr(node, "W", None)):
            node.W = _varied(node.W, seed)
    last = nodes[-1]
    if isinstance(last, Loss) and last.labels is None:
        last.labels = _draw_labels(last, np.shape(run_forward(last.in_layer)), rng)
    return nodes


def _hides_mistakes(W: Any) -> bool:
    """Whether parameters are such that wrong gradients may be right by chance: all the same, or a matrix equal to its transpose."""
    if not isinstance(W, np.ndarray) or W.dtype.kind != "f" or W.size < 2:
        return False
    return bool(np.ptp(W) == 0 or (W.ndim == 2 and W.shape[0] == W.shape[1] and np.array_equal(W, W.T)))


def _varied(W: Array, seed: int) -> Array:
    """Return other parameters near those that were given, of the same signs; those that are 0 become small numbers."""
    rng = np.random.default_rng(seed + 2)
    return np.where(W == 0, 0.1 * rng.standard_normal(W.shape), W * rng.uniform(0.8, 1.2, W.shape))


def _draw_data(node: Data, nodes: list[Any], rng: np.random.Generator) -> Array:
    shape = (BATCH, *(d for d in node.out_dims[1:] if d is not None))
    for other in nodes:
        if getattr(other, "reads_indices", False) and node in feeders(other):
            return rng.integers(0, other.num_entries, shape)
    return rng.standard_normal(shape)


def _draw_labels(loss: Loss, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if isinstance(loss, CrossEntropy):
        return rng.integers(0, shape[1], shape[0])
    if isinstance(loss, BinaryCrossEntropy):
        return rng.integers(0, 2, shape)
    if isinstance(loss, PoissonLoss):
        return rng.poisson(2.0, shape)
    if isinstance(loss, (GammaLoss, TweedieLoss)):
        return rng.gamma(2.0, size=shape)
    return rng.standard_normal(shape)
