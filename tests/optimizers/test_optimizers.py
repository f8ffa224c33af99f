"""Every optimizer against a plain loop over single numbers, and against PyTorch where it is installed."""

from math import sqrt

import numpy as np
import pytest

from pysmorch import SGD, Adam, AdamW, RMSprop
from pysmorch.optimizers import OPTIMIZERS, as_optimizer

RATE = 0.05


def sgd(w, gradients, momentum=0.0, nesterov=False, decay=0.0):
    v = 0.0
    for g in gradients:
        g = g + decay * w
        v = momentum * v + g
        w = w - RATE * (g + momentum * v if nesterov else v)
    return w


def adam(w, gradients, decay=0.0, decoupled=False):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        if decoupled:
            w = w - RATE * decay * w
        else:
            g = g + decay * w
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w = w - RATE * (m / (1 - 0.9**t)) / (sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def rmsprop(w, gradients, momentum=0.0, decay=0.0):
    s = v = 0.0
    for g in gradients:
        g = g + decay * w
        s = 0.99 * s + 0.01 * g * g
        v = momentum * v + g / (sqrt(s) + 1e-8)
        w = w - RATE * v
    return w


CASES = {
    "plain SGD": (lambda: SGD(RATE), lambda w, g: sgd(w, g)),
    "SGD with decay": (lambda: SGD(RATE, weight_decay=0.1), lambda w, g: sgd(w, g, decay=0.1)),
    "SGD with momentum": (lambda: SGD(RATE, momentum=0.9), lambda w, g: sgd(w, g, momentum=0.9)),
    "SGD with Nesterov": (
        lambda: SGD(RATE, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda w, g: sgd(w, g, momentum=0.9, nesterov=True, decay=0.1),
    ),
    "Adam": (lambda: Adam(RATE), lambda w, g: adam(w, g)),
    "Adam with decay": (lambda: Adam(RATE, weight_decay=0.1), lambda w, g: adam(w, g, decay=0.1)),
    "AdamW": (lambda: AdamW(RATE, weight_decay=0.1), lambda w, g: adam(w, g, decay=0.1, decoupled=True)),
    "RMSprop": (lambda: RMSprop(RATE), lambda w, g: rmsprop(w, g)),
    "RMSprop with momentum": (
        lambda: RMSprop(RATE, momentum=0.8, weight_decay=0.1),
        lambda w, g: rmsprop(w, g, momentum=0.8, decay=0.1),
    ),
}


def test_every_optimizer_is_in_the_list_of_cases():
    assert {type(make()) for make, _ in CASES.values()} == set(OPTIMIZERS.values())


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_a_loop_over_single_numbers(case):
    make, expected = CASES[case]
    rng = np.random.default_rng(1)
    start, gradients = rng.standard_normal(7), rng.standard_normal((12, 7))
    W, optimizer = start.copy(), make()
    optimizer.prepare(W)
    for g in gradients:
        optimizer.step(W, g.copy(), RATE)
    np.testing.assert_allclose(W, [expected(w, g) for w, g in zip(start, gradients.T, strict=True)], rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_pytorch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = CASES[case][0]()
    peers = {
        "SGD": lambda p: torch.optim.SGD(
            p, RATE, momentum=ours.momentum, nesterov=ours.nesterov, weight_decay=ours.weight_decay
        ),
        "Adam": lambda p: torch.optim.Adam(p, RATE, weight_decay=ours.weight_decay),
        "AdamW": lambda p: torch.optim.AdamW(p, RATE, weight_decay=ours.weight_decay),
        "RMSprop": lambda p: torch.optim.RMSprop(p, RATE, momentum=ours.momentum, weight_decay=ours.weight_decay),
    }
    if type(ours).__name__ not in peers:
        pytest.skip(f"PyTorch has no {type(ours).__name__}")
    rng = np.random.default_rng(2)
    W, gradients = rng.standard_normal(5), rng.standard_normal((9, 5))
    parameter = torch.nn.Parameter(torch.tensor(W.copy()))
    theirs = peers[type(ours).__name__]([parameter])
    ours.prepare(W)
    for g in gradients:
        ours.step(W, g.copy(), RATE)
        parameter.grad = torch.tensor(g)
        theirs.step()
    np.testing.assert_allclose(W, parameter.detach().numpy(), rtol=1e-12)


def test_a_gradient_longer_than_clip_norm_is_scaled_down_to_it():
    W, g = np.zeros(2), np.array([3.0, 4.0])
    optimizer = SGD(1.0, clip_norm=1.0)
    optimizer.prepare(W)
    optimizer.step(W, g, 1.0)
    np.testing.assert_allclose(W, [-0.6, -0.8])


def test_a_gradient_within_clip_norm_is_left_alone():
    W = np.zeros(2)
    optimizer = SGD(1.0, clip_norm=10.0)
    optimizer.prepare(W)
    optimizer.step(W, np.array([3.0, 4.0]), 1.0)
    np.testing.assert_array_equal(W, [-3, -4])


def test_factors_scale_rate_and_decay_for_each_parameter():
    W = np.ones(3)
    optimizer = SGD(1.0, weight_decay=0.5)
    optimizer.prepare(W)
    optimizer.step(W, np.zeros(3), 0.1, np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(W, [0.95, 0.9, 1.0])


def test_float32_parameters_stay_float32():
    W = np.ones(3, np.float32)
    optimizer = AdamW(0.1)
    optimizer.prepare(W)
    optimizer.step(W, np.ones(3, np.float32), 0.1)
    assert {W.dtype, *(array.dtype for array in optimizer.state.values())} == {np.dtype(np.float32)}


def test_an_optimizer_refuses_a_second_network_until_it_is_reset():
    optimizer = Adam()
    optimizer.prepare(np.zeros(3))
    with pytest.raises(ValueError, match="has trained another network \\(3 parameters, now 4\\)"):
        optimizer.prepare(np.zeros(4))
    optimizer.reset()
    optimizer.prepare(np.zeros(4))
    assert optimizer.num_steps == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-1), "learning_rate must be"),
        (lambda: SGD(0.1, momentum=1.0), "momentum must be from 0 to below 1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda: Adam(beta2=1.5), "beta2 must be from 0 to below 1"),
        (lambda: AdamW(weight_decay=-1), "weight_decay must be a number that is not negative"),
        (lambda: RMSprop(clip_norm=0), "clip_norm must be positive"),
        (lambda: Adam(epsilon=float("nan")), "epsilon must be a number"),
        (lambda: as_optimizer("lion"), f"optimizer must be one of {', '.join(OPTIMIZERS)}, or"),
        (lambda: as_optimizer(0.1), "optimizer must be one of"),
    ],
)
def test_numbers_out_of_range_are_refused_with_their_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_give_new_optimizers():
    assert type(as_optimizer("AdamW")) is AdamW
    assert as_optimizer("sgd") is not as_optimizer("sgd")
