"""What a pass stores belongs to the call: many threads predict and measure, forked processes go on, and one fit at a time trains."""

import contextlib
import copy
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import SGD, Data
from tests.helpers import printed_by, without_thread_sanitizer

X = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
Y = np.arange(64) % 3
ENGINES = pytest.mark.parametrize("own", [False, True], ids=["native path", "reference path"])


class Twice(ps.Layer):
    def compute(self, x):
        return 2 * x

    def pull_back(self, dwnstrm):
        return 2 * dwnstrm


class OwnForward(ps.Linear):
    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W


class Block(ps.Layer):
    """Holds layers of its own, which the graph does not know."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.inner = [ps.Linear(in_layer, 4), None]
        self.last = ps.Tanh(self.inner[0])
        self.out_dims = self.last.out_dims

    def forward(self):
        return self.last.forward()


def network(own=False, block=False):
    x = Data(shape=(None, 6))
    hidden = ps.Dropout(ps.batch_norm(ps.dense(x, 8)), 0.5)
    hidden = OwnForward(Twice(hidden), 5) if own else hidden
    hidden = Block(hidden) if block else hidden
    return ps.Network(ps.CrossEntropy(ps.dense(hidden, 3, activation=None)))


def in_threads(work, count=8):
    """Return what `work` returns for 0 to count - 1, each in a thread of its own, which are switched often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(work, range(count)))
    finally:
        sys.setswitchinterval(interval)


@ENGINES
def test_threads_predict_measure_and_check_what_one_thread_does_and_the_model_stays_what_it_was(own):
    model = network(own)
    model.fit(X, Y, epochs=2, seed=0)
    before = model.snapshot()
    rows = [X[8 * i : 8 * i + 8] for i in range(8)]
    outputs = [model.predict(x) for x in rows]
    measures = [model.evaluate(x, Y[8 * i : 8 * i + 8]) for i, x in enumerate(rows)]

    def work(i):
        wrong = 0
        for _ in range(20):
            wrong += not np.array_equal(model.predict(rows[i]), outputs[i])
            wrong += model.evaluate(rows[i], Y[8 * i : 8 * i + 8]) != measures[i]
        return wrong + (not ps.check(model).passed) + (model.summary() != summary)

    summary = model.summary()
    assert in_threads(work) == [0] * 8
    for (W, state), (W_after, state_after) in zip(before, model.snapshot(), strict=True):
        np.testing.assert_equal((W_after, state_after), (W, state))
    assert all(layer.training for layer in model.layers)


def test_a_prediction_while_another_thread_trains_is_made_in_prediction_mode():
    """With a learning rate of 0 the network predicts the same all the time; only Dropout would change that."""
    model = ps.Network(ps.CrossEntropy(ps.dense(ps.Dropout(OwnForward(Data(shape=(None, 6)), 5), 0.5), 3)))
    expected = model.predict(X)
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: model.fit(
            X, Y, optimizer=SGD(0.0), epochs=10_000, callbacks=[lambda t: stop.is_set() and t.stop("enough")]
        )
    )
    thread.start()
    try:
        assert all(np.allclose(model.predict(X), expected, atol=1e-6) for _ in range(50))
    finally:
        stop.set()
        thread.join()


def test_layers_that_a_layer_of_ones_own_holds_see_the_data_of_the_call():
    model = network(block=True)
    expected = [model.predict(X[i : i + 2]) for i in range(8)]
    assert in_threads(lambda i: np.array_equal(model.predict(X[i : i + 2]), expected[i])) == [True] * 8


def test_what_a_layer_of_ones_own_keeps_in_training_is_there_afterwards():
    class Largest(Twice):
        largest = 0.0

        def compute(self, x):
            if self.training:
                self.largest = max(self.largest, float(np.abs(x).max()))
            return x

    layer = Largest(Data(shape=(None, 6)))
    model = ps.Network(ps.CrossEntropy(ps.Linear(layer, 3)))
    model.fit(X, Y, epochs=1)
    assert layer.largest == np.abs(X).max()
    model.predict(100 * X)
    assert layer.largest == np.abs(X).max()


def test_a_pass_by_hand_keeps_inputs_and_outputs_while_the_network_predicts_other_rows():
    model = network(own=True)
    model.inputs[0].set_data(X[:4])
    out = model.output.forward()
    model.predict(X)
    assert model.output.out_array is out
    assert len(model.inputs[0].data) == 4


# One fit at a time.


@ENGINES
def test_a_fit_in_a_callback_of_a_fit_of_the_same_network_is_an_error(own):
    model = network(own)
    with pytest.raises(RuntimeError, match=r"CrossEntropy is being trained by the fit that this call is made from"):
        model.fit(X, Y, epochs=2, callbacks=[lambda _: model.fit(X, Y, epochs=1)])
    model.fit(X, Y, epochs=1)  # nothing is left of it


def test_two_networks_with_a_common_layer_or_a_common_optimizer_are_not_trained_at_a_time():
    stem = ps.dense(Data(shape=(None, 6)), 4)
    one, other = (ps.Network(ps.CrossEntropy(ps.Linear(stem, 3))) for _ in range(2))
    with pytest.raises(RuntimeError, match="Data is being trained"):
        one.fit(X, Y, epochs=1, callbacks=[lambda _: other.fit(X, Y, epochs=1)])
    optimizer = SGD(0.1)
    first, second = network(), network()
    with pytest.raises(RuntimeError, match="SGD is being trained"):
        first.fit(
            X, Y, optimizer=optimizer, epochs=1, callbacks=[lambda _: second.fit(X, Y, optimizer=optimizer, epochs=1)]
        )


@ENGINES
def test_of_two_threads_that_train_a_network_one_gets_an_error(own):
    model = network(own)
    inside, done = threading.Event(), threading.Event()

    def wait(_):
        inside.set()
        done.wait(60)

    thread = threading.Thread(target=lambda: model.fit(X, Y, epochs=1, callbacks=[wait]))
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(RuntimeError, match="being trained by another thread"):
            model.fit(X, Y, epochs=1)
        copy.deepcopy(model).fit(X, Y, epochs=1)
    finally:
        done.set()
        thread.join()


@ENGINES
def test_parameters_are_not_replaced_while_they_are_trained(own):
    model = network(own)
    layer = model.output
    with pytest.raises(RuntimeError, match=r"cannot be replaced while it is being trained; assign to W"):
        model.fit(X, Y, epochs=2, callbacks=[lambda _: layer.replace_parameters(layer.W.copy())])
    with pytest.raises(RuntimeError, match=r"were replaced while the network is being trained; assign to W"):
        model.fit(X, Y, epochs=2, callbacks=[lambda _: layer.bind(layer.W.copy(), layer.W.copy())])
    model.fit(X, Y, epochs=2, callbacks=[lambda _: setattr(layer, "W", layer.W + 1)])


def test_layers_with_the_same_array_are_trained_together():
    """Both branches read the same numbers, so that the gradient of the array is twice that of one."""
    sums = {}
    for shared in (True, False):
        x = Data(shape=(None, 6))
        a, b = ps.Linear(x, 1), ps.Linear(x, 1)
        if shared:
            b.replace_parameters(a.W)
        before = np.linspace(-1, 1, 6).reshape(6, 1)
        model = ps.Network(ps.SquareLoss(ps.Add(a, b)))
        a.W = b.W = before
        model.fit(X.astype(np.float64), Y, optimizer=SGD(0.1), epochs=1, batch_size=64, shuffle=False, dtype="float64")
        assert np.shares_memory(a.W, b.W) == shared
        np.testing.assert_allclose(a.W, b.W)
        sums[shared] = a.W - before
    np.testing.assert_allclose(sums[True], 2 * sums[False])


def test_a_part_of_an_array_in_two_layers_is_refused():
    array = np.ones((8, 2))
    x = Data(shape=(None, 6))
    a, b = ps.Linear(x, 2), ps.Linear(x, 2)
    a.replace_parameters(array[:6])
    b.replace_parameters(array[2:])
    with pytest.raises(ValueError, match="have a part in common, but not all of it"):
        ps.Network(ps.SquareLoss(ps.Add(a, b))).fit(X, X[:, :2], epochs=1)


# Processes.

on_linux = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform != "linux", reason="forks, on Linux")

FORKS = """
import threading, time
X = np.ones((1000, 100), "f4")
own = type("Own", (ps.Layer,), {"compute": lambda self, x: 2 * x, "pull_back": lambda self, d: 2 * d})
def network(x): return ps.Network(ps.CrossEntropy(ps.mlp(x, [300, 300], 3, seed=0)))
def train(n): n.fit(X, np.zeros(1000, int), epochs=100000, callbacks=[lambda t: stop and t.stop("enough")])
stop = []
nets = [network(Data(shape=(None, 100))), network(own(Data(shape=(None, 100))))]
for n in nets: n.fit(X[:99], np.zeros(99, int), epochs=1)
work = {"predict": lambda n: [n.predict(X) for _ in range(100000) if not stop], "fit": train}[WORK]
threads = [threading.Thread(target=work, args=(n,)) for n in nets]
for t in threads: t.start()
time.sleep(0.2)
hung = 0
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        ok = all(np.isfinite(n.predict(X[:1])).all() for n in nets)
        for n in nets: n.fit(X[:40], np.zeros(40, int), epochs=1)
        os._exit(0 if ok else 1)
    end = time.time() + 30
    while not (done := os.waitpid(pid, os.WNOHANG))[0] and time.time() < end: time.sleep(0.02)
    if not done[0]: os.kill(pid, 9); os.waitpid(pid, 0)
    hung += not done[0] or done[1] != 0
stop.append(1)
for t in threads: t.join()
print(hung)
"""


@on_linux
@without_thread_sanitizer
@pytest.mark.parametrize("work", ["predict", "fit"])
def test_a_child_that_is_forked_while_threads_work_predicts_fits_and_ends(work):
    assert printed_by(f"from pysmorch import Data\nWORK = {work!r}\n{FORKS}") == ["0"]


# Data that change during a call.


def test_indices_that_another_thread_rewrites_give_a_value_or_an_exception():
    x = Data(shape=(None, 8))
    model = ps.Network(ps.CrossEntropy(ps.Linear(ps.Flatten(ps.Embedding(x, 10, 4)), 3)))
    indices = np.zeros((4000, 8), np.int64)
    labels = np.arange(4000) % 3
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            indices[...] = 2**40
            labels[...] = -(2**40)
            indices[...] = 3
            labels[...] = 1

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for _ in range(100):
            for call in (lambda: model.predict(indices), lambda: model.fit(indices, labels, epochs=1, progress=False)):
                with contextlib.suppress(ValueError, ArithmeticError, IndexError):
                    call()
    finally:
        stop.set()
        thread.join()
    assert np.isfinite(model.predict(np.zeros((2, 8), np.int64))).all()
