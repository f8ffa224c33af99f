"""Tests of what lesson 14 has: Add, Node, and the backward pass through a graph with branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.piece import RIGHT, Source, first_fit, numbers_in, say, trial

LEFT = np.array([[1.0, -1.0], [2.0, 0.5]])
RIGHT_SIDE = np.array([[3.0, 4.0], [-5.0, 0.25]])
DWNSTRM = np.array([[10.0, 20.0], [30.0, -40.0]])


def _sum(cls: Any) -> tuple[str, str]:
    left, right = Source(LEFT), Source(RIGHT_SIDE)
    expected = LEFT + RIGHT_SIDE
    found = numbers_in(cls(left, right).forward(), "What forward returns", expected.shape)
    example = say(expected.tolist(), found.tolist(), f"{LEFT.tolist()} and {RIGHT_SIDE.tolist()}")
    if not np.array_equal(left.array, LEFT) or not np.array_equal(right.array, RIGHT_SIDE):
        return "An input was changed in place; others read it too: make a new array, a + b", example
    if np.allclose(found, expected):
        return RIGHT
    known = {
        "This is the left input only": LEFT,
        "This is the right input only": RIGHT_SIDE,
        "This is the mean of both; the sum is needed": expected / 2,
        "This is the product of both; the sum is needed": LEFT * RIGHT_SIDE,
        "This is the difference; the sum is needed": LEFT - RIGHT_SIDE,
    }
    return first_fit(known, found) or "This is not the sum of both inputs", example


def _both_get_it(cls: Any) -> tuple[str, str]:
    left, right = Source(LEFT), Source(RIGHT_SIDE)
    layer = cls(left, right)
    layer.forward()
    layer.backward(DWNSTRM.copy())
    for name, source, other in (("left", left, RIGHT_SIDE), ("right", right, LEFT)):
        example = say(
            DWNSTRM.tolist(), source.received.tolist(), f"to the {name} input, for dwnstrm {DWNSTRM.tolist()}"
        )
        if not source.received.size:
            return f"Nothing is passed back to the {name} input: both branches need their gradient", example
        if source.received.shape != DWNSTRM.shape or not np.allclose(source.received, DWNSTRM):
            known: dict[str, Array] = {
                "The gradient is shared between the branches; each gets all of it, since each moves the sum": DWNSTRM
                / 2,
                "This is the rule for a product; the derivative of a sum for each term is 1": DWNSTRM * other,
                "Twice the gradient is passed back: is backward called twice?": 2 * DWNSTRM,
            }
            same = source.received.shape == DWNSTRM.shape
            cause = first_fit(known, source.received) if same else ""
            return cause or f"To the {name} input dwnstrm is passed back as it is", example
    return RIGHT


def _two_readers(cls: Any) -> tuple[str, str]:
    node = cls(Source(LEFT))
    node.run()
    for gradient in (DWNSTRM, 2 * DWNSTRM):
        node.backward(gradient.copy())
    expected = 3 * DWNSTRM
    found = numbers_in(node.grad, "grad of the node", expected.shape)
    example = say(expected.tolist(), found.tolist(), "grad after two readers")
    if np.allclose(found, expected):
        return RIGHT
    known = {
        "Only the last reader counts: add what comes, self.grad + dwnstrm": 2 * DWNSTRM,
        "Only the first reader counts: add what comes, self.grad + dwnstrm": DWNSTRM,
        "What comes is subtracted": -expected,
        "The mean of the readers is taken; all paths are added up": expected / 2,
        "Nothing is collected": 0 * expected,
    }
    return first_fit(known, found) or "grad is not the sum of what the readers have passed back", example


def _others_stay(cls: Any) -> tuple[str, str]:
    node = cls(Source(LEFT))
    node.run()
    first = DWNSTRM.copy()
    node.backward(first)
    node.backward(DWNSTRM.copy())
    if not np.array_equal(first, DWNSTRM):
        return "The array of a reader was changed, since grad is the same array: self.grad = self.grad + dwnstrm", say(
            DWNSTRM.tolist(), first.tolist(), "dwnstrm of the first reader afterwards"
        )
    node.run()
    node.backward(DWNSTRM.copy())
    found = numbers_in(node.grad, "grad of the node", DWNSTRM.shape)
    if not np.allclose(found, DWNSTRM):
        return "The gradient of the last pass is still in there; run sets it to 0", say(
            DWNSTRM.tolist(), found.tolist(), "grad in the second pass"
        )
    return RIGHT


class _Recorded:
    """A node, its layer and the loss, which record who is called with what."""

    def __init__(self, name: str, events: list[str], reads: tuple[_Recorded, ...] = ()) -> None:
        self.name, self.events, self.reads = name, events, reads
        self.layer, self.grad = self, 0.0

    def backward(self, dwnstrm: Any = 1.0) -> None:
        """As a layer: pass on to the nodes that it reads."""
        dwnstrm = float(numbers_in(dwnstrm, f"What {self.name} gets", ()))
        self.events.append(f"{self.name} gets {dwnstrm:g}" if self.name != "loss" else "loss")
        for node in self.reads:
            node.grad += dwnstrm


def _graph() -> tuple[list[_Recorded], _Recorded, list[str]]:
    """A residual block: data, a linear layer, a ReLU, and the sum of the linear layer and the ReLU."""
    events: list[str] = []
    data = _Recorded("Data", events)
    linear = _Recorded("Linear", events, (data,))
    relu = _Recorded("Relu", events, (linear,))
    add = _Recorded("Add", events, (linear, relu))
    return [data, linear, relu, add], _Recorded("loss", events, (add,)), events


def _order(function: Any) -> tuple[str, str]:
    nodes, loss, found = _graph()
    given = list(nodes)
    function(nodes, loss)
    expected = ["loss", "Add gets 1", "Relu gets 1", "Linear gets 2", "Data gets 2"]
    example = say(expected, found, "for Data - Linear - Relu - Add(Linear, Relu) - loss")
    if nodes != given:
        return "The list of nodes was changed: go through it with reversed(nodes), which leaves it alone", example
    if found == expected:
        return RIGHT
    if "loss" not in found:
        return "The loss is never asked: everything begins with loss.backward()", example
    if found[0] != "loss":
        return "The loss comes first: before it, every gradient is 0", example
    names = [event.split()[0] for event in found[1:]]
    if len(found) == 1:
        return "No layer is asked: call node.layer.backward with the node's gradient", example
    if names == ["Data", "Linear", "Relu", "Add"]:
        return (
            "The nodes are in their old order; a layer may go back only when all its readers have: reversed(nodes)",
            example,
        )
    if len(names) != len(set(names)):
        return "A layer goes back more than once", example
    missing = [node.name for node in nodes if node.name not in names]
    if missing:
        return f"{' and '.join(missing)} never goes back", example
    return "A layer goes back before all of its readers have, or with another gradient than node.grad", example


OF_GRAPHS: dict[str, list[Trial]] = {
    "Add": [
        trial("the sum of both inputs", _sum),
        trial("both inputs get the gradient", _both_get_it, "backward"),
    ],
    "Node": [
        trial("what two readers pass back is added up", _two_readers, "backward"),
        trial("arrays of the readers stay, and every pass begins at 0", _others_stay, "backward"),
    ],
    "run_backward": [trial("the loss first, then the layers from the last to the first", _order, "backward")],
}
