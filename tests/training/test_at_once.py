"""All epochs in one call of the program: the same bits as epoch by epoch."""

import threading

import numpy as np
import pytest

from pysmorch import (
    SGD,
    AdamW,
    CrossEntropy,
    Data,
    Dropout,
    Linear,
    Network,
    NonFiniteError,
    SquareLoss,
    Step,
    mlp,
    weights_from,
)
from pysmorch.engine.extension import extension
from pysmorch.training import Callback
from pysmorch.training.ending import Cancelled, Cancelling, Converged, Flag

pytestmark = pytest.mark.skipif(extension() is None, reason="the reference path trains epoch by epoch")


class Watching(Callback):
    """Nothing is done after an epoch, but it is called then."""

    def on_epoch_end(self, training):
        pass


def network(classes=2):
    return Network(CrossEntropy(mlp(Data(shape=(None, 4)), [6], classes, seed=1)))


def data(count=70):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((count, 4))
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False},
        {"batch_size": 1000},
        {"batch_size": 7, "dtype": "float64"},
        {"optimizer": "sgd", "sample_weight": np.arange(70) % 3},
        {"optimizer": lambda: AdamW(Step(0.01, every=2), weight_decay=0.3, clip_norm=1.0)},
        {"precision": "auto"},
        {"threads": 3},
    ],
)
def test_the_bits_are_those_of_single_epochs(options):
    X, y = data()
    runs = []
    for more in ([], [Watching()]):
        one = network()
        made = {name: value() if callable(value) else value for name, value in options.items()}
        history = one.fit(X, y, epochs=5, seed=3, callbacks=more, progress=False, **made)
        runs.append((one, history))
    (one, history), (other, others) = runs
    for name, W in one.parameters.items():
        np.testing.assert_array_equal(W, other.parameters[name])
    assert history["loss"] == others["loss"]
    assert history["accuracy"] == others["accuracy"]
    assert history["learning_rate"] == others["learning_rate"]
    assert history.num_epochs == 5


def test_dropout_and_its_schedule_are_the_same():
    X, y = data()
    found = []
    for more in ([], [Watching()]):
        with weights_from(2):
            features = Dropout(Linear(Data(shape=(None, 4)), 8), Step(0.5, every=1))
            one = Network(CrossEntropy(Linear(features, 2)))
        one.fit(X, y, epochs=4, seed=1, callbacks=more, progress=False)
        found.append(one)
    for name, W in found[0].parameters.items():
        np.testing.assert_array_equal(W, found[1].parameters[name])
    assert found[0].layers[2].rate == found[1].layers[2].rate


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_a_loss_that_no_longer_falls_ends_it_after_the_same_epoch(patience):
    X, y = data()
    runs = []
    for more in ([], [Watching()]):
        one = network()
        optimizer = SGD(0.5, momentum=0.9)
        history = one.fit(
            X, y, optimizer=optimizer, epochs=200, seed=0, callbacks=[Converged(patience), *more], progress=False
        )
        runs.append((one, history, optimizer.num_steps))
    assert runs[0][1]["loss"] == runs[1][1]["loss"]
    assert runs[0][1].stopped_by == runs[1][1].stopped_by == f"the loss has not fallen any more for {patience} epochs"
    assert runs[0][2] == runs[1][2]
    for name, W in runs[0][0].parameters.items():
        np.testing.assert_array_equal(W, runs[1][0].parameters[name])


def test_a_loss_that_is_not_finite_is_said_as_before():
    X, y = data()
    X[40] = 1e18
    found = []
    for more in ([], [Watching()]):
        with weights_from(0):
            one = Network(SquareLoss(Linear(Data(shape=(None, 4)), 1)))
        with pytest.raises(NonFiniteError) as caught:
            one.fit(X, y, optimizer=SGD(1e3), epochs=9, seed=0, batch_size=16, callbacks=more, progress=False)
        found.append((one, caught.value))
    (one, error), (other, expected) = found
    assert (error.epoch, error.batch, error.layer, str(error)) == (
        *(expected.epoch, expected.batch, expected.layer),
        str(expected),
    )
    for name, W in one.parameters.items():
        np.testing.assert_array_equal(W, other.parameters[name])


def test_training_goes_on_to_the_same_bits():
    X, y = data()
    runs = []
    for more in ([], [Watching()]):
        one, optimizer = network(), AdamW(0.01)
        for seed in (1, 2):
            one.fit(X, y, optimizer=optimizer, epochs=3, seed=seed, callbacks=more, progress=False)
        runs.append((one, optimizer.num_steps))
    assert runs[0][1] == runs[1][1]
    for name, W in runs[0][0].parameters.items():
        np.testing.assert_array_equal(W, runs[1][0].parameters[name])


def test_another_thread_can_end_it():
    X, y = data(4000)
    flag, raised = Flag(), []

    def train():
        try:
            network().fit(X, y, epochs=1000, batch_size=64, callbacks=[Cancelling(flag)], progress=False)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    flag.set()
    thread.join()
    assert len(raised) == 1
