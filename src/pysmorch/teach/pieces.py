"""Tests for what the course asks for besides the layers: a small example, and the mistake by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Failure, call
from pysmorch.teach.checks import Trial

Test = Callable[[Any], tuple[str, str]]
"""Looks at what the student wrote and returns the mistake and an example with expected beside found; empty if right."""

RIGHT = ("", "")


def _trial(name: str, test: Test, part: str = "forward") -> Trial:
    def run(thing: Any) -> None:
        cause, example = call(thing.__name__, test, thing)
        if cause:
            raise Failure(f"{cause}.", example=example)

    return Trial(name, part, 1, run)


def _say(expected: Any, found: Any, where: str) -> str:
    return f"{where}: expected {expected}, found {found}"


# Lesson 6.

X_CUBED = "f(x) = x^3 at x = 2 with h = 0.1"


def sum_of_cubes(x: Array) -> float:
    """A function whose central differences are known: 3x^2 + h^2."""
    return float(np.sum(x**3))


def product(x: Array) -> float:
    """A function that sees it when two entries move at once."""
    return float(np.prod(x))


def _central_difference(function: Any) -> tuple[str, str]:
    h, x = 0.1, np.array([[2.0, -1.0], [0.5, 3.0]])
    found = np.asarray(function(sum_of_cubes, x.copy(), h))
    if found.shape != x.shape:
        return "The gradient does not have the shape of x", _say(x.shape, found.shape, "its shape")
    expected = ((x + h) ** 3 - (x - h) ** 3) / (2 * h)
    if np.allclose(found, expected, rtol=1e-8):
        return RIGHT
    right, left, middle = (x + h) ** 3, (x - h) ** 3, x**3
    to_one_side = "This is the difference to one side, with an error of the order of h: take"
    known = {
        f"{to_one_side} f(x - h) in the place of f(x), and 2h": (right - middle) / h,
        f"{to_one_side} f(x + h) in the place of f(x), and 2h": (middle - left) / h,
        f"{to_one_side} f(x - h) in the place of f(x)": (right - middle) / (2 * h),
        f"{to_one_side} f(x + h) in the place of f(x)": (middle - left) / (2 * h),
        "Everything is 2 times too large: the two points are 2h apart, not h": 2 * expected,
        "Everything has the wrong sign: f(x + h) comes first": -expected,
        "The difference is not divided by the distance 2h": 2 * h * expected,
        "The difference is multiplied by h instead of divided by 2h: (2 * h) needs its brackets": h * h * expected,
        "The sum of the two values is taken, not their difference": (right + left) / (2 * h),
        "Everything is 0": 0 * expected,
    }
    cause = _first_fit(known, found) or "These are not central differences, (f(x + h) - f(x - h)) / (2h)"
    return cause, _say(f"{expected[0, 0]:.6g}", f"{found[0, 0]:.6g}", X_CUBED)


def _first_fit(known: dict[str, Array], found: Array) -> str:
    return next((cause for cause, array in known.items() if np.allclose(found, array, rtol=1e-6, atol=1e-9)), "")


def _other_entries_rest(function: Any) -> tuple[str, str]:
    x = np.array([1.0, 2.0, 3.0])
    before = x.copy()
    found = function(product, x, 1e-5)
    if not np.array_equal(x, before):
        return "The array x itself was changed: work with x + step and x - step, which are new arrays", _say(
            before.tolist(), x.tolist(), "x afterwards"
        )
    if not np.allclose(found, [6, 3, 2], rtol=1e-6):
        return "More than one entry moves at a time", _say(
            [6, 3, 2], np.round(found, 4).tolist(), "f = x1 x2 x3 at (1, 2, 3)"
        )
    return RIGHT


class _Link:
    """A layer of a chain that counts how often it is asked for the one before it."""

    def __init__(self, name: str, before: _Link | None = None, has_weights: bool = False) -> None:
        self.name, self.before, self.asked = name, before, 0
        if has_weights:
            self.W = np.zeros((1, 1))

    @property
    def in_layer(self) -> _Link:
        self.asked += 1
        if self.before is None:
            raise AttributeError("in_layer")
        if self.asked > 50:
            raise RuntimeError(f"the loop does not get past {self.name}; go on with layer = layer.in_layer")
        return self.before

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.name} has no attribute {name}: ask with hasattr(layer, {name!r})")

    def __repr__(self) -> str:
        return self.name


def _chain() -> _Link:
    first = _Link("Linear 1", _Link("Data"), has_weights=True)
    second = _Link("Linear 2", _Link("Relu", _Link("Bias 1", first, has_weights=True)), has_weights=True)
    return _Link("the loss", second)


def _walk_finds_all(function: Any) -> tuple[str, str]:
    found = function(_chain())
    if not isinstance(found, list):
        return "It should return a list", _say("a list", type(found).__name__, "it returns")
    expected = ["Linear 2", "Bias 1", "Linear 1"]
    names = [getattr(layer, "name", repr(layer)) for layer in found]
    example = _say(expected, names, "for Data - Linear 1 - Bias 1 - Relu - Linear 2 - loss")
    missing = [name for name in expected if name not in names]
    if names == expected:
        return RIGHT
    if "Relu" in names:
        return "Relu has no W and does not belong into the list: ask with hasattr(layer, 'W')", example
    if not names:
        return "The list is empty: put the layer into it, found.append(layer), before you go on", example
    if names == expected[::-1]:
        return "The order is the other way round: the layer nearest to the loss comes first", example
    if missing:
        return f"{' and '.join(missing)} should be in the list: look at the layer first, then go on", example
    return "A layer is in the list more than once, or in the wrong place", example


# Lesson 7.


class _Weights:
    """A layer that has weights, and a gradient from outside."""

    def __init__(self, W: Any) -> None:
        self.W = np.array(W, dtype=float)
        self.G = np.zeros(self.W.shape)


RATE, MOMENTUM = 0.1, 0.8
Rule = Callable[[Array, Array, Array], tuple[Array, Array]]
RULES: dict[str, Rule] = {
    "": lambda W, v, g: (W - RATE * (MOMENTUM * v + g), MOMENTUM * v + g),
    "The step goes up: take rate times velocity away from W": lambda W, v, g: (
        W + RATE * (MOMENTUM * v + g),
        MOMENTUM * v + g,
    ),
    "The learning rate is missing in the step": lambda W, v, g: (W - (MOMENTUM * v + g), MOMENTUM * v + g),
    "W follows the gradient, not the velocity": lambda W, v, g: (W - RATE * g, v),
    "The momentum must multiply the old velocity only, not the gradient": lambda W, v, g: (
        W - RATE * MOMENTUM * (v + g),
        MOMENTUM * (v + g),
    ),
    "The gradient is multiplied by 1 - momentum; here it enters whole": lambda W, v, g: (
        W - RATE * (MOMENTUM * v + (1 - MOMENTUM) * g),
        MOMENTUM * v + (1 - MOMENTUM) * g,
    ),
    "The old velocity is not multiplied by the momentum": lambda W, v, g: (W - RATE * (v + g), v + g),
    "The step is made with the old velocity: renew the velocity first": lambda W, v, g: (
        W - RATE * v,
        MOMENTUM * v + g,
    ),
    "W does not move": lambda W, v, g: (W, v),
}
"""Mistakes as rules of their own: (W, v, g) before a step gives W and v after it. The first one is right."""


def _course_of(rule: Rule, W: Array, gradients: list[Array]) -> list[Array]:
    v, course = np.zeros(W.shape), []
    for g in gradients:
        W, v = rule(W, v, g)
        course.append(W)
    return course


def _momentum_steps(cls: Any) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    layer = _Weights(rng.standard_normal((2, 3)))
    start, gradients = layer.W.copy(), [rng.standard_normal((2, 3)) for _ in range(4)]
    optimizer = cls([layer], RATE, MOMENTUM)
    course = [_step(optimizer, layer, g) for g in gradients]
    for cause, rule in RULES.items():
        if all(np.allclose(a, b) for a, b in zip(course, _course_of(rule, start, gradients), strict=True)):
            forgets = cause.startswith("W follows") and not np.any(optimizer.velocities[0])
            return (FORGETS if forgets else cause), _momentum_example(cls) if cause else ""
    return "This is not velocity = momentum * velocity + G, W = W - rate * velocity", _momentum_example(cls)


def _momentum_example(cls: Any) -> str:
    """The example of the lesson."""
    layer = _Weights([[1.0]])
    optimizer = cls([layer], 0.1, 0.5)
    found = [round(float(_step(optimizer, layer, np.ones((1, 1))).ravel()[0]), 6) for _ in range(3)]
    return _say([0.9, 0.75, 0.575], found, "W after three steps from 1, with G = 1, momentum 0.5, rate 0.1")


def _step(optimizer: Any, layer: _Weights, gradient: Array) -> Array:
    layer.G = gradient.copy()
    optimizer.step()
    return np.array(layer.W)


FORGETS = (
    "The velocity is forgotten between steps: `velocity = ...` makes a new array, and self.velocities keeps the old one; "
    "change it in place, with *= and +="
)


def _every_layer_has_its_own(cls: Any) -> tuple[str, str]:
    layers = [_Weights([[1.0]]), _Weights([[1.0, 1.0]])]
    optimizer = cls(layers, RATE, MOMENTUM)
    layers[0].G, layers[1].G = np.array([[1.0]]), np.array([[2.0, 3.0]])
    optimizer.step()
    found = [layer.W.ravel().round(6).tolist() for layer in layers]
    if found != [[0.9], [0.8, 0.7]]:
        return "Not every layer makes its own step", _say([[0.9], [0.8, 0.7]], found, "W of two layers after a step")
    if not (np.array_equal(layers[0].G, [[1.0]]) and np.array_equal(layers[1].G, [[2.0, 3.0]])):
        return "G was changed; it belongs to the layer", _say([[1.0]], layers[0].G.tolist(), "G of the first layer")
    return RIGHT


class _Diary:
    """Stands for data, loss and optimizer, and writes down what is asked of them."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.data: list[list[float]] = []
        self.labels: list[list[float]] = []

    def set_data(self, rows: Any) -> None:
        self.events.append("set_data")
        self.data.append(np.ravel(rows).tolist())

    def set_labels(self, rows: Any) -> None:
        self.events.append("set_labels")
        self.labels.append(np.ravel(rows).tolist())

    def forward(self) -> float:
        self.events.append("forward")
        return float(np.mean(self.data[-1])) if self.data else 0.0

    def backward(self) -> None:
        self.events.append("backward")

    def step(self) -> None:
        self.events.append("step")


ROWS, BATCH = 10, 4
WANTED = ["set_data", "set_labels", "forward", "backward", "step"]


def _epoch(function: Any) -> tuple[_Diary, Any]:
    diary = _Diary()
    X = np.arange(float(ROWS)).reshape(-1, 1)
    value = function(diary, diary, diary, X, X + 100, BATCH, np.random.default_rng(0))
    return diary, value


def _epoch_calls(function: Any) -> tuple[str, str]:
    diary, _ = _epoch(function)
    batches = -(-ROWS // BATCH)
    example = _say(" ".join(WANTED), " ".join(diary.events[: len(diary.events) // batches or 9]), "calls for a batch")
    for name in WANTED:
        count = diary.events.count(name)
        if count != batches:
            owner = {"set_data": "data", "step": "optimizer"}.get(name, "loss")
            what = "is never called" if count == 0 else f"is called {count} times for {batches} batches"
            return f"{owner}.{name} {what}", example
    for batch in range(batches):
        found = diary.events[batch * len(WANTED) : (batch + 1) * len(WANTED)]
        for earlier, later, why in (
            ("set_data", "forward", "Forward runs before the rows of the batch are there"),
            ("set_labels", "forward", "Forward runs before the labels of the batch are there"),
            ("forward", "backward", "Backward runs before forward"),
            ("backward", "step", "The step is made before backward has renewed the gradients"),
        ):
            if earlier not in found or later not in found or found.index(earlier) > found.index(later):
                return why, example
    return RIGHT


def _epoch_rows(function: Any) -> tuple[str, str]:
    diary, _ = _epoch(function)
    if any(len(batch) != size for batch, size in zip(diary.data, _sizes(), strict=False)) or len(diary.data) != 3:
        return "The batches have the wrong sizes: hand over X[rows]", _say(
            list(_sizes()), [len(batch) for batch in diary.data], f"rows of the batches of {ROWS} rows by {BATCH}"
        )
    for data, labels in zip(diary.data, diary.labels, strict=False):
        if [row + 100 for row in data] != labels:
            return "Rows and labels do not belong together: take labels[rows] with the same rows", _say(
                [row + 100 for row in data], labels, f"labels of the rows {data}"
            )
    used = sorted(row for batch in diary.data for row in batch)
    if used != list(range(ROWS)):
        return "Not every row is used once: take the rows of `order`, X[rows]", _say(
            list(range(ROWS)), [int(row) for row in used], "rows of an epoch"
        )
    return RIGHT


def _sizes() -> Iterator[int]:
    return (min(BATCH, ROWS - start) for start in range(0, ROWS, BATCH))


def _epoch_mean(function: Any) -> tuple[str, str]:
    diary, found = _epoch(function)
    losses = [float(np.mean(batch)) for batch in diary.data]
    expected = float(np.mean([row for batch in diary.data for row in batch]))
    if isinstance(found, (int, float, np.number)) and np.isclose(float(found), expected):
        return RIGHT
    example = _say(
        round(expected, 4),
        found if found is None else round(float(found), 4),
        f"losses {[round(value, 4) for value in losses]} of batches with {list(_sizes())} rows, mean",
    )
    if found is None:
        return "Nothing is returned", example
    if np.isclose(found, sum(losses) / ROWS):
        return "A batch counts once, not as often as it has rows: total += len(rows) * loss.forward()", example
    if np.isclose(found, losses[-1] * len(diary.data[-1]) / ROWS):
        return "Only the last batch counts: add up with total +=", example
    if np.isclose(found, 0):
        return "Total is still 0: add the loss of every batch to it", example
    if np.isclose(found, sum(losses) * BATCH / ROWS):
        return "The last batch is smaller: count with len(rows), not with batch_size", example
    return "The mean loss of the rows is wrong", example


# Lesson 10.


class _Source:
    """The layer in front: hands images on, and keeps what is handed back."""

    def __init__(self, images: Array) -> None:
        self.images, self.out_dims, self.received = images, images.shape, np.zeros(0)

    def forward(self) -> Array:
        return self.images

    def backward(self, dwnstrm: Any) -> None:
        self.received = np.array(dwnstrm)


SQUARE = np.array([[1.0, 5.0], [3.0, 2.0]])


def _pool(cls: Any, images: Array, dwnstrm: Array | None = None) -> tuple[Any, Array]:
    """What forward returns and what is handed back."""
    source = _Source(images.copy())
    layer = cls(source)
    out = layer.forward()
    if dwnstrm is not None:
        layer.backward(dwnstrm.copy())
    return out, source.received


def _images() -> Array:
    """Two images of 4 x 6 pixels with three channels, all numbers different, negative ones among them."""
    order = np.random.default_rng(0).permutation(2 * 4 * 6 * 3)
    return order.reshape(2, 4, 6, 3) / 10 - 5


def _squares(images: Array) -> Array:
    """The four numbers of every square, along a first axis."""
    return np.stack([images[:, a::2, b::2] for a in (0, 1) for b in (0, 1)])


def _pooled(cls: Any) -> tuple[str, str]:
    images = _images()
    found, _ = _pool(cls, images)
    if found is None:
        return "Forward returns nothing: is there a return?", ""
    squares = _squares(images)
    if np.shape(found) != squares.shape[1:]:
        return "What forward returns has the wrong shape: one number for each square", _say(
            squares.shape[1:], np.shape(found), f"for images {images.shape}"
        )
    if np.allclose(found, squares.max(0)):
        return RIGHT
    known = {
        "This is the mean of each square; the largest number is asked for": squares.mean(0),
        "This is the smallest number of each square; the largest one is asked for": squares.min(0),
        "This is which of the four is the largest, not the number itself": squares.argmax(0).astype(float),
        "This is the sum of each square; the largest number is asked for": squares.sum(0),
        "This is the upper left number of each square; the largest one is asked for": squares[0],
    }
    cause = _first_fit(known, np.asarray(found)) or "These are not the largest numbers of the squares"
    one, _ = _pool(cls, SQUARE.reshape(1, 2, 2, 1))
    return cause, _say(5.0, float(np.ravel(one)[0]), f"the square {SQUARE.tolist()}")


def _handed_back(cls: Any) -> tuple[str, str]:
    images = _images()
    squares = _squares(images)
    dwnstrm = np.random.default_rng(1).standard_normal(squares.shape[1:])
    _, found = _pool(cls, images, dwnstrm)
    expected = _spread(dwnstrm * (squares == squares.max(0)))
    if found.shape != expected.shape:
        return "What is handed back does not have the shape of the input", _say(
            expected.shape, found.shape, "its shape"
        )
    if np.allclose(found, expected):
        return RIGHT
    everywhere = np.ones(squares.shape)
    known = {
        "The gradient goes to all four numbers; only the largest one had a say": _spread(dwnstrm * everywhere),
        "The gradient is shared between the four, as for a mean; the largest one gets all of it": _spread(
            dwnstrm * everywhere / 4
        ),
        "The mask itself is handed back: dwnstrm does not appear in what is handed back": _spread(
            (squares == squares.max(0)).astype(float)
        ),
        "The gradient goes to all but the largest number": _spread(dwnstrm * (squares != squares.max(0))),
        "The gradient is multiplied by the largest number; the derivative is 1": _spread(
            dwnstrm * squares.max(0) * (squares == squares.max(0))
        ),
        "Everything is 0": 0 * expected,
    }
    cause = _first_fit(known, found) or "The gradient has to go to the largest number of each square, and only there"
    _, one = _pool(cls, SQUARE.reshape(1, 2, 2, 1), np.full((1, 1, 1, 1), 10.0))
    return cause, _say(
        [[0.0, 10.0], [0.0, 0.0]], one.reshape(2, 2).tolist(), f"the square {SQUARE.tolist()} with dwnstrm 10"
    )


def _spread(squares: Array) -> Array:
    """Put the four numbers of every square, along the first axis, back in their places."""
    n, rows, columns, channels = squares.shape[1:]
    images = np.zeros((n, 2 * rows, 2 * columns, channels))
    for place, (a, b) in enumerate((a, b) for a in (0, 1) for b in (0, 1)):
        images[:, a::2, b::2] = squares[place]
    return images


def _ties(cls: Any) -> tuple[str, str]:
    _, found = _pool(cls, np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)))
    if np.array_equal(found.ravel(), [1, 0, 0, 0]):
        return RIGHT
    return "Where several numbers are the largest, the first one gets everything", _say(
        [[1.0, 0.0], [0.0, 0.0]], found.reshape(2, 2).tolist(), "the square [[1, 1], [1, 1]] with dwnstrm 1"
    )


PIECES: dict[str, list[Trial]] = {
    "numerical_gradient": [
        _trial("central differences of x cubed", _central_difference),
        _trial("one entry moves at a time, and x stays", _other_entries_rest),
    ],
    "layers_with_weights": [_trial("all layers with a W, from the loss to the data", _walk_finds_all)],
    "Momentum": [
        _trial("steps of one layer", _momentum_steps),
        _trial("every layer makes its own step", _every_layer_has_its_own),
    ],
    "train_epoch": [
        _trial("the right calls, in the right order, for every batch", _epoch_calls),
        _trial("every row once, with its label", _epoch_rows),
        _trial("the mean loss of the rows", _epoch_mean),
    ],
    "MaxPool2d": [
        _trial("the largest number of each square", _pooled),
        _trial("the gradient goes to the largest number", _handed_back, "backward"),
        _trial("of several largest numbers the first gets the gradient", _ties, "backward"),
    ],
}
"""The tests of each class or function, by its name."""
