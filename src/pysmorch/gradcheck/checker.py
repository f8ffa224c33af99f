"""The thorough check of a layer or a whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.check_report import NOTHING, CheckReport, CheckRow, failed_row, text_of
from pysmorch.gradcheck.comparison import compare
from pysmorch.gradcheck.differences import SINGLE_STEPS
from pysmorch.gradcheck.preparation import Prepared
from pysmorch.gradcheck.probe import Probe, other_inputs
from pysmorch.layers.attributes import is_layer
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import fed_by, feeders, graph
from pysmorch.layers.object_functions import object_functions
from pysmorch.layers.randomness import global_state_restored

SINGLE_TOL = 2e-3
"""The largest relative error that passes where a layer computes in float32."""

NO_W = "there is no floating-point array W"
"""In the message of a layer that has no numbers to compare."""


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
    loss = getattr(target, "loss", None)
    last = target if loss is None else loss
    if not hasattr(last, "forward") or not hasattr(last, "backward"):
        raise TypeError(f"check: target must be a layer, a loss or a network, but is a {type(target).__name__}")
    fixed = object_functions(graph(last))
    if fixed:
        return CheckReport([failed_row(name, "-", f"{name}: {NOTHING}: {text}") for name, text in fixed.items()])
    with global_state_restored(), np.errstate(all="ignore"):
        prepared = Prepared(last, seed)
        out_of_reach = _out_of_reach(prepared)
        if out_of_reach:
            return CheckReport(out_of_reach)
        rows, inputs = _check_graph(prepared.nodes[-1], prepared, tol, seed)
        if all(row.passed for row in rows) or len([n for n in prepared.nodes if feeders(n)]) == 1:
            return CheckReport(rows)
        return CheckReport(_blame(prepared, rows, inputs, tol, seed))


def _out_of_reach(prepared: Prepared) -> list[CheckRow]:
    """Return a row for each layer that holds others, which read from the graph, where they cannot be found."""
    known = {id(node) for node in prepared.nodes}
    rows = []
    for node in prepared.nodes:
        hidden = prepared.hidden.get(id(node), ())
        if any(id(feeder) in known for one in hidden if is_layer(one) for feeder in feeders(one)):
            name = prepared.names[id(node)]
            held = ", ".join(type(one).__name__ for one in hidden)
            text = f"it holds {held} where they are not found; hold layers in attributes, or in lists, tuples or dicts of them"
            rows.append(failed_row(name, "-", f"{name}: {NOTHING}: {text}"))
    return rows


def _check_graph(
    last: Any, prepared: Prepared, tol: float, seed: int
) -> tuple[list[CheckRow], Mapping[int, Sequence[Array]]]:
    """Return the rows of a graph, and what each of its layers is given."""
    name = prepared.names[id(last)]
    try:
        probe = Probe(last, prepared.names, seed, prepared.hidden)
    except Exception as error:  # whatever a layer under test raises is its mistake, not ours
        return [_raised(name, error)], {}
    watched = probe.watched
    if watched.broken:
        return watched.faults, watched.inputs
    try:
        if not watched.is_repeatable():
            text = (
                f"{name}: {NOTHING}: forward returns other numbers each time for the same input; random numbers must come from "
                "np.random or from a Generator in an attribute of the layer, and nothing may be left over from the pass before"
            )
            return [*watched.faults, failed_row(name, "-", text)], watched.inputs
        return [*_compared(probe, prepared, name, tol), *watched.faults], watched.inputs
    except Exception as error:
        return [_raised(name, error), *watched.faults], watched.inputs


def _compared(probe: Probe, prepared: Prepared, name: str, tol: float) -> list[CheckRow]:
    # Integers to which no gradient is passed back are indices, not numbers.
    indices = prepared.integers - probe.watched.reached
    probe.variables = [variable for variable in probe.variables if id(variable.layer) not in indices]
    if not probe.variables:
        return [failed_row(name, "-", f"{name}: {NOTHING}: {_reason(probe)}")]
    with other_inputs(probe):
        probe.gradients()  # state that a layer wrongly carries over shows in the next pass
    found = probe.gradients()
    terms = probe.sizes_of_terms()
    single = probe.watched.single
    if single:
        probe.steps, tol = SINGLE_STEPS, max(tol, SINGLE_TOL)
    rows = [compare(probe, v, g, tol, terms.get(id(v.layer), 0.0)) for v, g in zip(probe.variables, found, strict=True)]
    if single:
        note = (
            f"{', '.join(single)}: computes in float32 inside, so that only the first digits were compared (tolerance {tol:g}); keep "
            "the dtype of the input"
        )
        rows[-1] = replace(rows[-1], message=f"{rows[-1].message}\n{note}".strip())
    return rows


def _reason(probe: Probe) -> str:
    sources = [node for node in probe.nodes if isinstance(node, Data)]
    if len(probe.nodes) == 1:
        what = "is the input itself" if sources else "holds no input layer in its attributes"
        return f"it {what}, and {NO_W}"
    if sources:
        return f"its inputs are integers that it uses as indices, and {NO_W}"
    return f"none of its inputs is a floating-point array, and {NO_W}"


def _raised(name: str, error: Exception) -> CheckRow:
    return failed_row(name, "-", f"{name}: {type(error).__name__} was raised{text_of(error)}")


def _blame(
    prepared: Prepared, rows: list[CheckRow], inputs: Mapping[int, Sequence[Array]], tol: float, seed: int
) -> list[CheckRow]:
    """Check each layer alone on its inputs in the network, and explain the ones that fail."""
    guilty: list[CheckRow] = []
    for node in prepared.nodes:
        real = feeders(node)
        if not real or id(node) not in inputs:
            continue
        stand_ins = {id(f): Data(np.array(value)) for f, value in zip(real, inputs[id(node)], strict=True)}
        with fed_by(node, tuple(stand_ins[id(f)] for f in real)):
            prepared.names |= {id(data): "Data" for data in stand_ins.values()}
            alone, _ = _check_graph(node, prepared, tol, seed)
        guilty += [row for row in alone if not row.passed and NO_W not in row.message]
    if not guilty:
        return rows
    blamed = sorted({row.layer for row in guilty})
    whole = [
        replace(r, message="" if r.passed or r.layer in blamed else f"{r.layer}: wrong because of {', '.join(blamed)}")
        for r in rows
        if (r.layer, r.what) not in {(g.layer, g.what) for g in guilty}
    ]
    return guilty + whole
