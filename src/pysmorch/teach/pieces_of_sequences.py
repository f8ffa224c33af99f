"""Tests of what lesson 15 has: a recurrent layer and attention. What is expected comes from differences of plain passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.gradcheck.differences import derivative
from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import generator
from pysmorch.teach.piece import RIGHT, Source, first_fit, numbers_in, say, trial

STEP = 1e-3
"""Of the differences; their error is of its fourth power."""


def _gradient(value: Callable[[], float], array: Array) -> Array:
    """Return the derivatives of value() for all entries of an array that it reads."""
    return np.array([derivative(value, array, index, STEP) for index in np.ndindex(array.shape)]).reshape(array.shape)


def _compare(expected: Array, found: Any, known: dict[str, Array], otherwise: str, where: str) -> tuple[str, str]:
    array = numbers_in(found, where[0].upper() + where[1:], expected.shape)
    if np.allclose(array, expected, rtol=1e-5, atol=1e-8):
        return RIGHT
    worst = np.unravel_index(np.argmax(np.abs(array - expected)), expected.shape)
    entry = f"{where}, entry {tuple(map(int, worst))}"
    return first_fit(known, array) or otherwise, say(f"{expected[worst]:.6g}", f"{array[worst]:.6g}", entry)


# A recurrent layer.

ROWS, STEPS, FEATURES, UNITS = 3, 4, 2, 3
Step = Callable[[Array, Array, Array], Array]


def _states(x: Array, W: Array, step: Step) -> list[Array]:
    states = [np.zeros((len(x), W.shape[1]))]
    for t in range(x.shape[1]):
        states.append(step(x[:, t], states[-1], W))
    return states


def _tanh_step(x: Array, state: Array, W: Array) -> Array:
    return np.tanh(np.concatenate([x, state], axis=1) @ W)


WRONG_STEPS: dict[str, Step] = {
    "The tanh is missing": lambda x, state, W: np.concatenate([x, state], axis=1) @ W,
    "tanh comes after the product with W, not before it": lambda x, state, W: (
        np.tanh(np.concatenate([x, state], axis=1)) @ W
    ),
    "This is a ReLU; the state is tanh of the sum": lambda x, state, W: np.maximum(
        np.concatenate([x, state], axis=1) @ W, 0
    ),
    "The old state is added once more": lambda x, state, W: state + _tanh_step(x, state, W),
}


def _recurrent(cls: Any) -> tuple[Any, Source, Array, Array]:
    rng = generator(0)
    x, dwnstrm = rng.standard_normal((ROWS, STEPS, FEATURES)), rng.standard_normal((ROWS, UNITS))
    source = Source(x)
    layer = cls(source, UNITS)
    layer.W = 0.7 * rng.standard_normal((FEATURES + UNITS, UNITS))
    return layer, source, x, dwnstrm


def _last_state(cls: Any) -> tuple[str, str]:
    layer, _, x, _ = _recurrent(cls)
    known = {cause: _states(x, layer.W, step)[-1] for cause, step in WRONG_STEPS.items()}
    expected = _states(x, layer.W, _tanh_step)[-1]
    return _compare(expected, layer.forward(), known, "The last state is wrong", "what forward returns")


def _through_time(cls: Any) -> tuple[str, str]:
    layer, source, x, dwnstrm = _recurrent(cls)
    W = layer.W.copy()
    layer.forward()
    layer.backward(dwnstrm.copy())

    def value() -> float:
        return float(np.sum(dwnstrm * _states(x, W, _tanh_step)[-1]))

    expected_x, expected_W = _gradient(value, x), _gradient(value, W)
    wrong = {cause: _wrong_way_back(x, W, dwnstrm, kind) for cause, kind in WRONG_WAYS.items()}
    passed = {cause: pair[0] for cause, pair in wrong.items() if not np.allclose(pair[0], expected_x)}
    found = _compare(expected_x, source.received, passed, "The gradient for X is wrong", "the gradient for X")
    if found != RIGHT:
        return found
    known = {cause: pair[1] for cause, pair in wrong.items()}
    return _compare(expected_W, layer.G, known, "G is wrong: every step adds seen.T @ sum_grad", "G")


WRONG_WAYS = {
    "The slope of tanh is missing: 1 - state**2": "no slope",
    "The slope of tanh is 1 - state**2, not (1 - state)**2": "square",
    "G is set in every step, so only the first step counts: add up with +=": "overwritten",
    "The mean over the rows is taken instead of the sum": "mean",
    "The state is put through tanh once more: with the state itself, the slope is 1 - state**2": "slope of the slope",
}


def _wrong_way_back(x: Array, W: Array, dwnstrm: Array, kind: str) -> tuple[Array, Array]:
    """Return the gradients for x and W that a mistake gives."""
    states = _states(x, W, _tanh_step)
    G, pass_back, state_grad = np.zeros(W.shape), np.zeros(x.shape), dwnstrm
    for t in reversed(range(x.shape[1])):
        seen = np.concatenate([x[:, t], states[t]], axis=1)
        sum_grad = state_grad * _slope(kind, states[t + 1])
        step = seen.T @ sum_grad / (len(x) if kind == "mean" else 1)
        G = step if kind == "overwritten" else G + step
        seen_grad = sum_grad @ W.T
        pass_back[:, t], state_grad = seen_grad[:, : x.shape[2]], seen_grad[:, x.shape[2] :]
    return pass_back, G


def _slope(kind: str, state: Array) -> Array:
    wrong = {
        "no slope": np.ones(state.shape),
        "square": (1 - state) ** 2,
        "slope of the slope": 1 - np.tanh(state) ** 2,
    }
    return wrong.get(kind, 1 - state**2)


def _two_passes(cls: Any) -> tuple[str, str]:
    layer, _, _, dwnstrm = _recurrent(cls)
    gradients = []
    for _ in range(2):
        layer.forward()
        layer.backward(dwnstrm.copy())
        gradients.append(numbers_in(layer.G, "G", layer.W.shape))
    if np.allclose(gradients[0], gradients[1]):
        return RIGHT
    return "The second pass gives another G: is it set to 0 at the beginning of backward?", say(
        f"{gradients[0][0, 0]:.6g}", f"{gradients[1][0, 0]:.6g}", "G[0, 0] in the second pass"
    )


# Attention.

Arrays = tuple[Array, Array, Array]


def _attention(cls: Any) -> tuple[Any, list[Source], Arrays, Array]:
    rng = generator(1)
    arrays = (rng.standard_normal((3, 2)), rng.standard_normal((4, 2)), rng.standard_normal((4, 5)))
    sources = [Source(array) for array in arrays]
    return cls(*sources), sources, arrays, rng.standard_normal((3, 5))


def _softmax(scores: Array, axis: int = 1) -> Array:
    exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _attend(arrays: Arrays, scale: float | None = None, axis: int = 1) -> Array:
    queries, keys, values = arrays
    factor = 1 / np.sqrt(keys.shape[1]) if scale is None else scale
    return _softmax(factor * queries @ keys.T, axis) @ values


def _mixture(cls: Any) -> tuple[str, str]:
    layer, _, arrays, _ = _attention(cls)
    queries, keys, values = arrays
    known = {
        "The scores are not divided by the root of D": _attend(arrays, 1.0),
        "The scores are divided by D instead of its root": _attend(arrays, 1 / keys.shape[1]),
        "The root is taken of something else than D, the number of columns of Q and K": _attend(
            arrays, 1 / np.sqrt(len(keys))
        ),
        "The scores are multiplied by the root of D": _attend(arrays, np.sqrt(2)),
        "The softmax is taken down the columns; the weights of each query (a row) sum to 1": _attend(arrays, axis=0),
        "The softmax is missing": queries @ keys.T / np.sqrt(2) @ values,
    }
    return _compare(_attend(arrays), layer.forward(), known, "The output is not P V", "what forward returns")


def _large_scores(cls: Any) -> tuple[str, str]:
    sources = [Source([[2000.0], [0.0]]), Source([[1.0], [-1.0]]), Source([[3.0], [5.0]])]
    found = numbers_in(cls(*sources).forward(), "What forward returns", (2, 1))
    if np.allclose(found, [[3.0], [4.0]]):
        return RIGHT
    return "Large scores overflow: take the largest score of each row away first", say(
        [[3.0], [4.0]], found.tolist(), "Q = (2000; 0), K = (1; -1), V = (3; 5)"
    )


def _three_ways_back(cls: Any) -> tuple[str, str]:
    layer, sources, arrays, dwnstrm = _attention(cls)
    layer.forward()
    layer.backward(dwnstrm.copy())
    wrong = {cause: _wrong_attention(arrays, dwnstrm, kind) for cause, kind in WRONG_ATTENTION.items()}

    def value() -> float:
        return float(np.sum(dwnstrm * _attend(arrays)))

    for i in (2, 0, 1):
        name = ("queries", "keys", "values")[i]
        if not sources[i].received.size:
            return f"Nothing is passed back to the {name}", ""
        expected = _gradient(value, arrays[i])
        known = {cause: three[i] for cause, three in wrong.items()}
        cause = f"The gradient for the {name} is wrong"
        found = _compare(expected, sources[i].received, known, cause, f"the gradient for the {name}")
        if found != RIGHT:
            return found
    return RIGHT


WRONG_ATTENTION = {
    "The scores were divided by the root of D on the way forward; the gradient is, too": "no root",
    "The softmax is treated as if its sum did not depend on the scores: take the row sum of weight_grad * P away": "no sum",
    "P is missing in the gradient for the scores": "no P",
    "The mean of weight_grad is taken away; it has to be the sum weighted with P": "mean",
    "The softmax is passed by unchanged: its derivative is missing": "no softmax",
    "The row sum is of weight_grad alone; it is weighted with P": "plain sum",
}


def _wrong_attention(arrays: Arrays, dwnstrm: Array, kind: str) -> Arrays:
    """Return the gradients for queries, keys and values that a mistake gives."""
    queries, keys, values = arrays
    P = _softmax(queries @ keys.T / np.sqrt(keys.shape[1]))
    weight_grad = dwnstrm @ values.T
    middle = {
        "no sum": 0.0,
        "mean": weight_grad.mean(axis=1, keepdims=True),
        "plain sum": weight_grad.sum(axis=1, keepdims=True),
    }.get(kind, (weight_grad * P).sum(axis=1, keepdims=True))
    score_grad = weight_grad - middle if kind == "no P" else P * (weight_grad - middle)
    score_grad = weight_grad if kind == "no softmax" else score_grad
    root = 1.0 if kind == "no root" else np.sqrt(keys.shape[1])
    return score_grad @ keys / root, score_grad.T @ queries / root, P.T @ dwnstrm


OF_SEQUENCES: dict[str, list[Trial]] = {
    "Recurrent": [
        trial("the last state", _last_state),
        trial("the gradients, back through all steps", _through_time, "backward"),
        trial("every pass begins at 0", _two_passes, "care"),
    ],
    "Attention": [
        trial("the mixture of the values", _mixture),
        trial("large scores do not overflow", _large_scores, "care"),
        trial("the gradients of queries, keys and values", _three_ways_back, "backward"),
    ],
}
